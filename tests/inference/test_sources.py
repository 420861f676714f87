"""Frames from files, and what happens to those that are broken."""

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from wegewart.errors import SourceUnreadable
from wegewart_inference.frame import BrokenFrame, Frame
from wegewart_inference.sources import frames_from, video_frames

RNG = np.random.default_rng(0)


def write_jpeg(path, side=64):
    image = RNG.integers(0, 255, (side, side, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), image)
    return path


def write_video(path, frames=5, fps=10.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((48, 64, 3), index * 40 % 256, np.uint8))
    writer.release()
    return path


def test_a_folder_gives_its_images_by_name_and_nothing_else(tmp_path):
    for name in ("b.jpg", "a.png", "notes.txt"):
        write_jpeg(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).write_text("x")

    frames = list(frames_from([tmp_path]))

    assert [frame.name for frame in frames] == ["a.png", "b.jpg"]
    assert [frame.sequence for frame in frames] == [0, 1]


def test_broken_images_are_told_apart_and_the_loop_goes_on(tmp_path):
    whole = write_jpeg(tmp_path / "1.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.jpg").write_bytes(b"")
    (tmp_path / "4.png").write_bytes(b"no image")
    write_jpeg(tmp_path / "5.jpg")

    frames = list(frames_from([tmp_path]))

    assert [type(frame) for frame in frames] == [Frame, BrokenFrame, BrokenFrame, BrokenFrame, Frame]
    reasons = [frame.reason for frame in frames if isinstance(frame, BrokenFrame)]
    assert reasons[0] == "the JPEG file ends before its image does"
    assert reasons[1] == "the file is empty"
    assert "decode" in reasons[2]
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]


def test_a_video_gives_its_frames_with_their_times(tmp_path):
    start = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)

    frames = list(video_frames(write_video(tmp_path / "drive.avi"), "front", 7, start))

    assert [frame.sequence for frame in frames] == [7, 8, 9, 10, 11]
    assert [frame.captured_at for frame in frames] == [start + timedelta(seconds=0.1 * n) for n in range(5)]
    assert frames[2].name == "drive.avi#2"
    assert frames[2].image.mean() == pytest.approx(80, abs=3)


def test_a_video_that_was_cut_off_says_so(tmp_path):
    path = write_video(tmp_path / "drive.avi", frames=30)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    frames = list(frames_from([path]))

    assert isinstance(frames[-1], BrokenFrame)
    assert "its header promises 30" in frames[-1].reason


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "gone", "is missing"),
        (lambda folder: folder, "yields no frame"),
        (lambda folder: _written(folder / "words.txt", b"words"), "has the ending '.txt'"),
        (lambda folder: _written(folder / "drive.mp4", b"no video"), "no video that OpenCV can open"),
    ],
    ids=["missing", "empty-folder", "unknown-ending", "no-video"],
)
def test_a_source_without_frames_is_an_error_that_says_what_to_give(tmp_path, make, reason):
    with pytest.raises(SourceUnreadable, match=reason):
        list(frames_from([make(tmp_path)]))


def _written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": np.zeros((4, 4), np.uint8)}, "uint8"),
        ({"image": np.zeros((4, 4, 3), np.float32)}, "uint8"),
        ({"captured_at": datetime(2026, 1, 1)}, "UTC"),  # noqa: DTZ001 - that it is naive is the case
        ({"sequence": -1}, "0 or more"),
    ],
    ids=["grey", "floats", "naive-time", "negative"],
)
def test_a_frame_refuses_what_it_cannot_be(fields, reason):
    good = {"image": np.zeros((4, 4, 3), np.uint8), "captured_at": None, "camera_id": "front", "sequence": 0}
    with pytest.raises(ValueError, match=reason):
        Frame(**{**good, **fields})
