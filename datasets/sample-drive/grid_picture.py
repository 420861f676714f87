"""A metre grid and the horizon drawn on photographs: what a camera estimate looks like."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from source import CameraEstimate, read_image

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

FRAMES = (3, 4, 5, 15)
NEAR_M, FAR_M = 4, 40
LANE_M = (-1.75, -0.75, 0.25, 1.25, 1.75)  # edges of the lane, and lines between
METRE, FIVE_METRES, ALONG, TEXT = (0, 160, 255), (0, 0, 255), (255, 255, 0), (0, 255, 255)
MARGIN_PX = 140  # above the picture, where the horizon lies


def write_grid_picture(path: Path, sources: Sequence[Path], estimate: CameraEstimate) -> None:
    """PNG of FRAMES, two beside each other; stations count from the first frame, every fifth is red."""
    drawn = [_with_grid(sources[sequence], sequence, estimate) for sequence in FRAMES]
    rows = [np.hstack(drawn[first : first + 2]) for first in range(0, len(drawn), 2)]
    cv2.imwrite(str(path), np.vstack(rows))


def _with_grid(source: Path, sequence: int, estimate: CameraEstimate) -> Image:
    canvas = np.pad(read_image(source), ((MARGIN_PX, 0), (0, 0), (0, 0)))
    start_m = estimate.station_m[sequence]
    for station in range(math.ceil(start_m) + NEAR_M, int(start_m) + FAR_M):
        across = np.array([[station, right] for right in np.linspace(LANE_M[0], LANE_M[-1], 30)])
        line = _pixels(across, sequence, estimate)
        _draw(canvas, line, FIVE_METRES if station % 5 == 0 else METRE)
        if station % 5 == 0:
            end = (int(line[-1, 0]) + 4, int(line[-1, 1]) + MARGIN_PX)
            cv2.putText(canvas, f"{station} m", end, cv2.FONT_HERSHEY_SIMPLEX, 0.5, TEXT, 1)
    for right in LANE_M:
        along = np.array([[start_m + ahead, right] for ahead in np.linspace(NEAR_M, FAR_M, 80)])
        _draw(canvas, _pixels(along, sequence, estimate), ALONG)
    horizon = np.array([[start_m + 1e5, side * 1e5] for side in (-0.3, 0.0, 0.3)])
    _draw(canvas, _pixels(horizon, sequence, estimate), TEXT)
    return canvas


def _pixels(road_m: FloatArray, sequence: int, estimate: CameraEstimate) -> FloatArray:
    """Pixels of road points given as station and metres right of the lane's axis."""
    turn = math.radians(estimate.heading_right_deg[sequence])
    along, across = (road_m - [estimate.station_m[sequence], estimate.right_of_lane_axis_m[sequence]]).T
    forward = along * math.cos(turn) + across * math.sin(turn)
    right = across * math.cos(turn) - along * math.sin(turn)
    return estimate.camera.pixels_from_ground(np.c_[forward, right])


def _draw(canvas: Image, line: FloatArray, colour: tuple[int, int, int]) -> None:
    points = np.rint((line + np.array([0.0, MARGIN_PX])) * 8).astype(np.int32)
    cv2.polylines(canvas, [points], isClosed=False, color=colour, thickness=1, lineType=cv2.LINE_AA, shift=3)
