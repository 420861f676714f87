"""Frames from image files, folders of images, and video files.

What cannot be decoded becomes a `BrokenFrame` with the reason; only a source without any frame is an error.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from wegewart.errors import SourceUnreadable
from wegewart_inference.frame import BrokenFrame, Frame, ImageU8

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
JPEG_SCAN = b"\xff\xda"
JPEG_END = b"\xff\xd9"


def frames_from(paths: Sequence[Path], camera_id: str = "camera") -> Iterator[Frame | BrokenFrame]:
    """Frames of files and folders in the given order, numbered from 0 across all of them.

    Raises:
        SourceUnreadable: If a path is missing, is of an unknown kind, or yields no frame at all.
    """
    sequence = 0
    for path in paths:
        first = sequence
        for frame in _frames_of(path, camera_id, first):
            sequence += 1
            yield frame
        if sequence == first:
            raise SourceUnreadable(f"{path} yields no frame: give an image, a folder of images, or a video")


def _frames_of(path: Path, camera_id: str, first_sequence: int) -> Iterator[Frame | BrokenFrame]:
    if path.is_dir():
        return _frames_of_folder(path, camera_id, first_sequence)
    if not path.is_file():
        raise SourceUnreadable(f"{path} is missing: give an image, a folder of images, or a video")
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return iter([image_frame(path, camera_id, first_sequence)])
    if suffix in VIDEO_SUFFIXES:
        return video_frames(path, camera_id, first_sequence)
    known = " ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    raise SourceUnreadable(f"{path} has the ending {suffix!r}: known are {known}")


def _frames_of_folder(folder: Path, camera_id: str, first_sequence: int) -> Iterator[Frame | BrokenFrame]:
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    for sequence, path in enumerate(images, start=first_sequence):
        yield image_frame(path, camera_id, sequence)


def image_frame(
    path: Path, camera_id: str, sequence: int, captured_at: datetime | None = None
) -> Frame | BrokenFrame:
    """Frame from one image file, or why there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return BrokenFrame(path.name, sequence, f"cannot be read: {error.strerror}")
    image, reason = decode_image(content)
    if image is None:
        return BrokenFrame(path.name, sequence, reason)
    return Frame(image, captured_at, camera_id, sequence, path.name)


def decode_image(content: bytes) -> tuple[ImageU8 | None, str]:
    """BGR image from the bytes of an image file, or None and the reason.

    A JPEG file that was cut off is refused: OpenCV would fill its missing rows with grey.
    """
    if not content:
        return None, "the file is empty"
    if content.startswith(b"\xff\xd8") and JPEG_END not in content[content.rfind(JPEG_SCAN) :]:
        return None, "the JPEG file ends before its image does"
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        return None, f"no image that OpenCV can decode: {error.err}"
    if image is None:
        return None, "no image that OpenCV can decode"
    return image.astype(np.uint8, copy=False), ""


def video_frames(
    path: Path, camera_id: str, first_sequence: int = 0, started_at: datetime | None = None
) -> Iterator[Frame | BrokenFrame]:
    """Frames of a video file; with `started_at` (UTC) each carries its time from the video's own clock.

    Raises:
        SourceUnreadable: If the file is no video that OpenCV can open.
    """
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise SourceUnreadable(f"{path} is no video that OpenCV can open: convert it to H.264 in MP4")
        yield from _frames_of_video(video, path.name, camera_id, first_sequence, started_at)
    finally:
        video.release()


def _frames_of_video(
    video: cv2.VideoCapture, name: str, camera_id: str, first_sequence: int, started_at: datetime | None
) -> Iterator[Frame | BrokenFrame]:
    promised = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while video.grab():
        sequence = first_sequence + number
        offset_ms = video.get(cv2.CAP_PROP_POS_MSEC)
        decoded, image = video.retrieve()
        label = f"{name}#{number}"
        if decoded:
            captured_at = None if started_at is None else started_at + timedelta(milliseconds=offset_ms)
            yield Frame(image.astype(np.uint8, copy=False), captured_at, camera_id, sequence, label)
        else:
            yield BrokenFrame(label, sequence, "the frame cannot be decoded")
        number += 1
    if number < promised:
        reason = f"the video ends after {number} frames, its header promises {promised}"
        yield BrokenFrame(f"{name}#{number}", first_sequence + number, reason)
