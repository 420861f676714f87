"""A metre grid and the horizon drawn on a frame: what a mount looks like, for people."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from wegewart_edge.road_camera import RoadCamera
from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]

FAR_M, HALF_WIDTH_M = 30, 3
METRE, FIVE_METRES, ALONG, TEXT = (0, 160, 255), (0, 0, 255), (255, 255, 0), (0, 255, 255)
HORIZON_M = 1e5
MOST_MARGIN = 0.3  # of the frame's height, added above it where the horizon lies there
DIGITS = 3  # fractional bits of OpenCV's drawing
Colour = tuple[int, int, int]


def grid_picture(image: ImageU8, camera: RoadCamera) -> ImageU8:
    """The frame with lines every metre ahead (every fifth red), every metre across, and the horizon."""
    mount = camera.camera.mount
    near_m = math.ceil(camera.near_m)
    horizon = camera.pixels(
        np.array([[HORIZON_M, HORIZON_M * math.tan(math.radians(side))] for side in range(-40, 41, 2)])
    )
    horizon = horizon[(horizon[:, 0] > -1e4) & (horizon[:, 0] < 1e4)]
    margin_px = _margin_px(horizon, image.shape[0])
    canvas = np.pad(image, ((margin_px, 0), (0, 0), (0, 0)))
    for ahead_m in range(near_m, FAR_M + 1):
        across = np.linspace(mount.right_m - HALF_WIDTH_M, mount.right_m + HALF_WIDTH_M, 30)
        line = camera.pixels(np.column_stack([np.full(30, float(ahead_m)), across]))
        draw_line(canvas, line, FIVE_METRES if ahead_m % 5 == 0 else METRE, margin_px)
        if ahead_m % 5 == 0:
            write_at(canvas, f"{ahead_m} m", line[-1], margin_px)
    for right_m in range(-HALF_WIDTH_M, HALF_WIDTH_M + 1):
        along = np.column_stack([np.linspace(near_m, FAR_M, 80), np.full(80, mount.right_m + right_m)])
        draw_line(canvas, camera.pixels(along), ALONG, margin_px)
    draw_line(canvas, horizon, TEXT, margin_px)
    return canvas


def draw_line(canvas: ImageU8, pixels: Array, colour: Colour, margin_px: int = 0) -> None:
    """A line through pixels (N, 2) of the frame, which stands `margin_px` lower on the canvas."""
    seen = pixels[np.isfinite(pixels).all(axis=1) & (np.abs(pixels) < 1e4).all(axis=1)]
    points = np.rint((seen + np.array([0.0, margin_px]) - 0.5) * (1 << DIGITS)).astype(np.int32)
    if len(points) > 1:
        cv2.polylines(canvas, [points], False, colour, 1, cv2.LINE_AA, DIGITS)


def write_at(canvas: ImageU8, text: str, pixel: Array, margin_px: int = 0) -> None:
    """A few letters right of a pixel of the frame."""
    if np.isfinite(pixel).all() and (np.abs(pixel) < 1e4).all():
        end = (int(pixel[0]) + 4, int(pixel[1]) + margin_px)
        cv2.putText(canvas, text, end, cv2.FONT_HERSHEY_SIMPLEX, 0.5, TEXT, 1, cv2.LINE_AA)


def _margin_px(horizon: Array, height_px: int) -> int:
    above_px = -float(horizon[:, 1].min()) if len(horizon) else 0.0
    return int(min(max(above_px + 10.0, 0.0), MOST_MARGIN * height_px)) if above_px > 0 else 0
