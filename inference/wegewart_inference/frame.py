"""One image of a camera, with what is known about when and where it was taken."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

ImageU8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """An image as OpenCV has it, and its place in the sequence of its camera.

    `image` has shape (height, width, 3), BGR, uint8. `captured_at` is aware UTC, or None when not known.
    `name` tells people where the frame came from (a file name, a video and the frame's number).
    """

    image: ImageU8
    captured_at: datetime | None
    camera_id: str
    sequence: int
    name: str = ""

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.captured_at is not None and self.captured_at.utcoffset() != timedelta(0):
            raise ValueError(f"captured_at {self.captured_at} must be an aware time in UTC")
        if self.sequence < 0:
            raise ValueError(f"sequence {self.sequence} must be 0 or more")

    @property
    def width_px(self) -> int:
        """Width of the image."""
        return int(self.image.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the image."""
        return int(self.image.shape[0])


@dataclass(frozen=True)
class BrokenFrame:
    """A frame that could not be read: it is counted, and the loop goes on."""

    name: str
    sequence: int
    reason: str


def check_image(image: ImageU8) -> None:
    """Refuse with ValueError whatever is not a BGR image of bytes."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an image is uint8 (height, width, 3), this is {image.dtype} {image.shape}")
