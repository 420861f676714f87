"""Calibration boards: what is printed on them, and where their corners stand in a picture."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.errors import CalledWrongly
from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]

PIXEL_CENTRE = 0.5  # OpenCV counts from the centre of the first pixel, docs/frames.md from its corner
FEWEST_CORNERS = 8  # of a ChArUco board that is seen in part: more than a pose needs, so that errors show
SMALLEST_SQUARES = 3
MARKS_TEXT = "DICT_5X5_100"


@dataclass(frozen=True)
class BoardView:
    """Corners of a board in one picture: numbers (N,), pixels (N, 2), places on it in metres (N, 3)."""

    name: str
    numbers: npt.NDArray[np.int64]
    corners_px: Array
    board_m: Array


class Board(Protocol):
    """A flat board with corners at known places."""

    def view(self, image: ImageU8, name: str) -> BoardView | None:
        """Its corners in a BGR picture; None where it is not found."""
        ...

    def __str__(self) -> str:
        """Kind and size for people."""
        ...


@dataclass(frozen=True)
class Checkerboard:
    """A checkerboard; columns and rows count its inner corners."""

    columns: int
    rows: int
    square_m: float

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < SMALLEST_SQUARES or self.square_m <= 0:
            raise CalledWrongly(
                f"{self}: a checkerboard has at least 3x3 inner corners and a positive square"
            )

    def view(self, image: ImageU8, name: str) -> BoardView | None:
        """Its corners in a BGR picture; None unless all of them are seen."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
        found, corners = cv2.findChessboardCornersSB(grey, (self.columns, self.rows), flags=flags)
        if not found:
            return None
        numbers = np.arange(self.columns * self.rows)
        places = np.column_stack([numbers % self.columns, numbers // self.columns, np.zeros(len(numbers))])
        corners_px: Array = np.asarray(corners, np.float64).reshape(-1, 2) + PIXEL_CENTRE
        board_m: Array = places.astype(np.float64) * self.square_m
        return BoardView(name, numbers, corners_px, board_m)

    def __str__(self) -> str:
        return f"checkerboard {self.columns}x{self.rows}, {self.square_m * 1000:g} mm"


@dataclass(frozen=True)
class Charuco:
    """A ChArUco board; columns and rows count its squares."""

    columns: int
    rows: int
    square_m: float
    marker_m: float
    dictionary: str = MARKS_TEXT

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < SMALLEST_SQUARES or not 0 < self.marker_m < self.square_m:
            raise CalledWrongly(f"{self}: it needs at least 3x3 squares, and markers smaller than them")
        if not isinstance(getattr(cv2.aruco, self.dictionary, None), int):
            raise CalledWrongly(
                f"OpenCV knows no dictionary {self.dictionary!r}; {MARKS_TEXT} is a usual one"
            )

    @cached_property
    def printed(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board of this size."""
        marks = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_m, marks)

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        return cv2.aruco.CharucoDetector(self.printed)

    def view(self, image: ImageU8, name: str) -> BoardView | None:
        """Its corners in a BGR picture; None where fewer than 8 are seen, or all in one line."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        corners, numbers, _, _ = self._detector.detectBoard(grey)
        if numbers is None or len(numbers) < FEWEST_CORNERS:
            return None
        if self.printed.checkCharucoCornersCollinear(numbers):
            return None
        chosen = numbers.reshape(-1).astype(np.int64)
        board_m = np.asarray(self.printed.getChessboardCorners(), np.float64)[chosen]
        corners_px: Array = np.asarray(corners, np.float64).reshape(-1, 2) + PIXEL_CENTRE
        return BoardView(name, chosen, corners_px, board_m)

    def picture(self, pixels_per_square: int = 120) -> ImageU8:
        """The board to print, grey, with half a square of white around it."""
        margin = pixels_per_square // 2
        size = (self.columns * pixels_per_square + 2 * margin, self.rows * pixels_per_square + 2 * margin)
        return np.asarray(self.printed.generateImage(size, marginSize=margin), np.uint8)

    def __str__(self) -> str:
        size = f"{self.square_m * 1000:g}/{self.marker_m * 1000:g} mm"
        return f"ChArUco {self.columns}x{self.rows}, {size}, {self.dictionary}"
