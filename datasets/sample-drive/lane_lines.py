"""Points on the two markings that bound the lane: the white edge line and the double yellow centre line."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

FIRST_ROW_PX, ROW_STEP_PX = 64, 8  # further up a stripe is narrower than its blur
# Where the markings stand in these photographs to within 60 px, column at row 0 and columns per row
# (read off frame 4, where the lane's markings meet 101 px above the picture).
WHITE_START_PX, WHITE_SLOPE = 660.0, 1 / 1.346
YELLOW_START_PX, YELLOW_SLOPE = 500.0, -1 / 1.2
SEARCH_PX = 60.0
STRIPE_PX_AT_ROW_0, STRIPE_PX_PER_ROW = 5.5, 0.054  # a stripe of 0.12 m
MIN_CONTRAST = 18.0  # of 255, a worn stripe against the asphalt on both sides
MIN_YELLOW = 14.0  # Lab's b above grey


@dataclass(frozen=True)
class LaneLines:
    """Pixels on the markings of one frame, each (N, 2): the white stripe, and between the yellow ones."""

    white: FloatArray
    yellow: FloatArray


def find_lane_lines(image: npt.NDArray[np.uint8]) -> LaneLines:
    """Markings of a frame in BGR; rows in which a marking is covered, worn or outside are left out."""
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(np.float64)
    white, yellow = [], []
    for row in range(FIRST_ROW_PX, image.shape[0], ROW_STEP_PX):
        column = _white_column(lab[row, :, 0], row)
        if column is not None:
            white.append((column + 0.5, row + 0.5))
        column = _yellow_column(lab[row, :, 2] - 128.0, row)
        if column is not None:
            yellow.append((column + 0.5, row + 0.5))
    return LaneLines(np.array(white, np.float64).reshape(-1, 2), np.array(yellow, np.float64).reshape(-1, 2))


def _white_column(lightness: FloatArray, row: int) -> float | None:
    """Column whose stripe's width is lightest against both neighbours of the same width."""
    width_px = int(STRIPE_PX_AT_ROW_0 + STRIPE_PX_PER_ROW * row)
    expected = WHITE_START_PX + WHITE_SLOPE * row
    first = max(int(expected - SEARCH_PX), width_px + 2)
    last = min(int(expected + SEARCH_PX), len(lightness) - width_px - 2)
    if last <= first:
        return None
    mean = np.convolve(lightness, np.ones(width_px) / width_px, "same")
    columns = np.arange(first, last)
    contrast = mean[columns] - np.maximum(mean[columns - width_px - 1], mean[columns + width_px + 1])
    best = int(contrast.argmax())
    return float(columns[best]) if contrast[best] > MIN_CONTRAST else None


def _yellow_column(yellowness: FloatArray, row: int) -> float | None:
    """Middle between the outer edges of the double line, where all of it is in the picture."""
    expected = YELLOW_START_PX + YELLOW_SLOPE * row
    first, last = int(expected - SEARCH_PX), int(expected + SEARCH_PX)
    if first < 0:
        return None
    columns = first + np.flatnonzero(yellowness[first:last] > MIN_YELLOW)
    return float(columns[[0, -1]].mean()) if len(columns) > 4 else None
