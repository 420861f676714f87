"""Frames of a video by their number. Going forward is cheap; going back opens the video again.

Seeking is not used: OpenCV lands on a wrong frame where a packet before it is damaged, and says nothing.
"""

from pathlib import Path

import cv2
import numpy as np

from wegewart.errors import SourceUnreadable
from wegewart_inference.frame import ImageU8


class VideoReader:
    """One video file, opened when the first frame is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video: cv2.VideoCapture | None = None
        self._passed = 0

    @property
    def passed(self) -> int:
        """Number of the first frame that lies ahead; frames before it are read by starting anew."""
        return self._passed

    def image(self, index: int) -> ImageU8 | str:
        """BGR image of a frame, or why it cannot be shown; frames in between may be damaged.

        Args:
            index: Number of the frame from 0.
        Raises:
            SourceUnreadable: If the file is no video that OpenCV can open.
        """
        if self._video is None or index < self._passed:
            self._video = self._opened()
        promised = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        grabbed = False
        while self._passed <= index:
            grabbed = self._video.grab()
            if not grabbed and self._passed >= promised:
                return "the video ends before this frame"
            self._passed += 1  # a packet that cannot be decoded is a frame too: the next ones follow it
        decoded, image = self._video.retrieve() if grabbed else (False, None)
        if not decoded or image is None:
            return "the frame cannot be decoded: the video is damaged or was cut off here"
        return image.astype(np.uint8, copy=False)

    def _opened(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(str(self._path))
        if not video.isOpened():
            raise SourceUnreadable(
                f"{self._path} is no video that OpenCV can open: convert it to H.264 in MP4"
            )
        self._passed = 0
        return video
