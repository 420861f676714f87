"""Where in the picture a board was seen, and how far its corners are off: for people."""

import cv2
import numpy as np
import numpy.typing as npt

from wegewart_edge.calibration.intrinsics import CELLS, LensEstimate
from wegewart_inference.frame import ImageU8

MAGNIFIED = 40  # residuals are drawn so many times longer
EMPTY, SEEN, LINE = (214, 214, 250), (232, 245, 232), (160, 160, 160)
CORNER, RESIDUAL, INK = (130, 90, 0), (30, 30, 210), (40, 40, 40)
DIGITS = 4  # fractional bits of OpenCV's drawing


def coverage_picture(estimate: LensEstimate) -> ImageU8:
    """White picture of the frame's size: empty cells reddish, corners blue, residuals magnified in red."""
    width_px, height_px = estimate.intrinsics.width_px, estimate.intrinsics.height_px
    canvas = np.full((height_px, width_px, 3), 255, np.uint8)
    _paint_cells(canvas, estimate)
    for view, residuals_px in zip(estimate.views, estimate.residuals_px, strict=True):
        for corner, residual in zip(view.corners_px, residuals_px, strict=True):
            start, end = _fixed(corner), _fixed(corner + MAGNIFIED * residual)
            cv2.line(canvas, start, end, RESIDUAL, 1, cv2.LINE_AA, DIGITS)
            cv2.circle(canvas, start, 2 << DIGITS, CORNER, -1, cv2.LINE_AA, DIGITS)
    text = f"{len(estimate.views)} views, rms {estimate.rms_px:.3f} px, residuals x {MAGNIFIED}"
    cv2.putText(canvas, text, (12, height_px - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
    return canvas


def _paint_cells(canvas: ImageU8, estimate: LensEstimate) -> None:
    height_px, width_px = canvas.shape[:2]
    columns = np.rint(np.linspace(0, width_px, CELLS[0] + 1)).astype(int)
    rows = np.rint(np.linspace(0, height_px, CELLS[1] + 1)).astype(int)
    for (row, column), covered in np.ndenumerate(estimate.covered):
        corner = int(columns[column]), int(rows[row])
        opposite = int(columns[column + 1]), int(rows[row + 1])
        cv2.rectangle(canvas, corner, opposite, SEEN if covered else EMPTY, -1)
        cv2.rectangle(canvas, corner, opposite, LINE, 1)


def _fixed(point: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Pixel (centres at .5) in OpenCV's fixed-point coordinates."""
    x, y = (round((float(value) - 0.5) * (1 << DIGITS)) for value in point)
    return x, y
