"""What a detector found in one frame."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one frame, the surest first.

    `boxes_px` is float32 of shape (N, 4): x1, y1, x2, y2 in the frame's pixels, origin top left. `classes` is
    an integer (N,) that indexes the class list of the bundle, `confidences` float32 (N,) from 0 to 1.
    """

    boxes_px: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.boxes_px)
        if self.boxes_px.shape != (count, 4) or self.boxes_px.dtype != np.float32:
            raise ValueError(f"boxes_px is {self.boxes_px.dtype} {self.boxes_px.shape}, not float32 (N, 4)")
        if self.classes.shape != (count,) or not np.issubdtype(self.classes.dtype, np.integer):
            raise ValueError(f"classes is {self.classes.dtype} {self.classes.shape}, not integer ({count},)")
        if self.confidences.shape != (count,) or self.confidences.dtype != np.float32:
            raise ValueError(
                f"confidences is {self.confidences.dtype} {self.confidences.shape}, not float32 ({count},)"
            )
        self._check_values()

    def _check_values(self) -> None:
        if not np.isfinite(self.boxes_px).all():
            raise ValueError("boxes_px holds a value that is not finite")
        if (self.boxes_px[:, 2:] <= self.boxes_px[:, :2]).any():
            raise ValueError("a box needs x2 > x1 and y2 > y1")
        if not ((self.confidences >= 0) & (self.confidences <= 1)).all():
            raise ValueError("confidences must be from 0 to 1")
        if (self.classes < 0).any():
            raise ValueError("classes must be 0 or more")

    def __len__(self) -> int:
        return len(self.boxes_px)

    @classmethod
    def none(cls) -> Self:
        """No detection at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))

    def only(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Self:
        """The chosen detections, by truth values or by indices."""
        return type(self)(self.boxes_px[chosen], self.classes[chosen], self.confidences[chosen])
