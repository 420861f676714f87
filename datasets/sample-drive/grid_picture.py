"""A metre grid and the horizon drawn on photographs: what a camera estimate looks like."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from source import CameraEstimate, read_image

from wegewart_edge.calibration.grid_picture import ALONG, FIVE_METRES, METRE, TEXT, draw_line, write_at

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

FRAMES = (3, 4, 5, 15)
NEAR_M, FAR_M = 4, 40
LANE_M = (-1.75, -0.75, 0.25, 1.25, 1.75)  # edges of the lane, and lines between
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
        draw_line(canvas, line, FIVE_METRES if station % 5 == 0 else METRE, MARGIN_PX)
        if station % 5 == 0:
            write_at(canvas, f"{station} m", line[-1], MARGIN_PX)
    for right in LANE_M:
        along = np.array([[start_m + ahead, right] for ahead in np.linspace(NEAR_M, FAR_M, 80)])
        draw_line(canvas, _pixels(along, sequence, estimate), ALONG, MARGIN_PX)
    horizon = np.array([[start_m + 1e5, side * 1e5] for side in (-0.3, 0.0, 0.3)])
    draw_line(canvas, _pixels(horizon, sequence, estimate), TEXT, MARGIN_PX)
    return canvas


def _pixels(road_m: FloatArray, sequence: int, estimate: CameraEstimate) -> FloatArray:
    """Pixels of road points given as station and metres right of the lane's axis."""
    turn = math.radians(estimate.heading_right_deg[sequence])
    along, across = (road_m - [estimate.station_m[sequence], estimate.right_of_lane_axis_m[sequence]]).T
    forward = along * math.cos(turn) + across * math.sin(turn)
    right = across * math.cos(turn) - along * math.sin(turn)
    return estimate.camera.pixels_from_ground(np.c_[forward, right])
