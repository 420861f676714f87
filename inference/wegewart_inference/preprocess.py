"""From a frame to the graph's input and back: the geometry of the letterbox, and the pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wegewart_inference.frame import ImageU8
from wegewart_inference.model_bundle import Preprocess

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Letterbox:
    """Where the used rows of a frame lie in the graph's input, all in whole pixels.

    Rounding follows Ultralytics' LetterBox, so that the graph sees what it was trained on. The scale is that
    of the rounded size, separately in x and y, because that is what the resize does.
    """

    frame_hw: tuple[int, int]
    crop_top_px: int
    crop_height_px: int
    resized_hw: tuple[int, int]
    pad_left_px: int
    pad_top_px: int
    input_hw: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Input pixels per frame pixel."""
        return self.resized_hw[1] / self.frame_hw[1], self.resized_hw[0] / self.crop_height_px

    def to_input(self, boxes_px: FloatArray) -> npt.NDArray[np.float64]:
        """Boxes (N, 4) from frame pixels to input pixels."""
        scale, offset = self._scale_and_offset()
        moved: npt.NDArray[np.float64] = boxes_px.astype(np.float64) * scale + offset
        return moved

    def to_frame(self, boxes_input_px: FloatArray) -> npt.NDArray[np.float64]:
        """Boxes (N, 4) from input pixels to frame pixels; not clipped."""
        scale, offset = self._scale_and_offset()
        moved: npt.NDArray[np.float64] = (boxes_input_px.astype(np.float64) - offset) / scale
        return moved

    def _scale_and_offset(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        scale_x, scale_y = self.scale_xy
        offset_x, offset_y = self.pad_left_px, self.pad_top_px - self.crop_top_px * scale_y
        return np.array([scale_x, scale_y] * 2), np.array([offset_x, offset_y] * 2, dtype=np.float64)


def letterbox_for(frame_hw: tuple[int, int], input_hw: tuple[int, int], preprocess: Preprocess) -> Letterbox:
    """Letterbox of a frame of this size."""
    top = round(frame_hw[0] * preprocess.crop.from_row)
    height = max(round(frame_hw[0] * preprocess.crop.to_row) - top, 1)
    scale = min(input_hw[0] / height, input_hw[1] / frame_hw[1])
    resized_h, resized_w = max(round(height * scale), 1), max(round(frame_hw[1] * scale), 1)
    return Letterbox(
        frame_hw=frame_hw,
        crop_top_px=top,
        crop_height_px=height,
        resized_hw=(resized_h, resized_w),
        pad_left_px=round((input_hw[1] - resized_w) / 2 - 0.1),  # odd padding: the smaller half goes first
        pad_top_px=round((input_hw[0] - resized_h) / 2 - 0.1),
        input_hw=input_hw,
    )


def input_tensor(image: ImageU8, letterbox: Letterbox, preprocess: Preprocess) -> npt.NDArray[np.float32]:
    """The graph's input, float32 (1, 3, height, width)."""
    height, width = letterbox.resized_hw
    rows = image[letterbox.crop_top_px : letterbox.crop_top_px + letterbox.crop_height_px]
    if rows.shape[:2] != (height, width):
        rows = cv2.resize(rows, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    canvas = np.full((*letterbox.input_hw, 3), preprocess.pad_value, np.uint8)
    top, left = letterbox.pad_top_px, letterbox.pad_left_px
    canvas[top : top + height, left : left + width] = rows
    swap = preprocess.colour_order == "RGB"  # OpenCV's images are BGR
    blob = cv2.dnn.blobFromImage(canvas, scalefactor=preprocess.scale, swapRB=swap, crop=False)
    return blob.astype(np.float32, copy=False)
