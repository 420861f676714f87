"""Recorded drives: read whole, or refused with everything that is missing."""

import re

import cv2
import numpy as np
import pytest

from wegewart.errors import InvalidDrive
from wegewart_edge.drive_reader import MOST_HELD, FrameLoader, read_drive
from wegewart_inference.frame import BrokenFrame, Frame


def test_drive_is_read_with_its_frames_in_order(make_drive):
    drive = read_drive(make_drive())
    assert [entry.sequence for entry in drive.frames] == list(range(12))
    assert drive.cameras["front"].mount.height_m == 1.3


@pytest.mark.parametrize("name", ["drive.toml", "frames.csv"])
def test_missing_table_is_named(make_drive, name):
    folder = make_drive()
    (folder / name).unlink()
    with pytest.raises(InvalidDrive, match=name):
        read_drive(folder)


def test_all_missing_files_are_named_together(make_drive):
    folder = make_drive()
    (folder / "gnss.csv").unlink()
    for number in (3, 7):
        (folder / "images" / f"{number:04}.jpg").unlink()
    with pytest.raises(InvalidDrive, match=r"gnss\.csv, images/0003\.jpg, images/0007\.jpg: copy the whole"):
        read_drive(folder)
    for image in (folder / "images").iterdir():
        image.unlink()
    with pytest.raises(InvalidDrive, match="and 8 more"):
        read_drive(folder)


def test_images_are_not_needed_where_boxes_are_given(make_drive):
    folder = make_drive()
    for image in (folder / "images").iterdir():
        image.unlink()
    assert len(read_drive(folder, with_images=False).frames) == 12


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format = 1", "format = 2", "format"),
        ('images = "images"', 'images = "images"\nvideo = "front.mp4"', "either images or video"),
        ("height_m = 1.3", "height_m = 1.3\nhight_sigma_m = 0.1", "hight_sigma_m"),
        ('datum = "WGS84"', 'datum = "DHDN"', "datum"),
        ("height_m = 1.3", "height_m = -1.3", "height_m"),
        ('images = "images"', 'images = "../images"', r"frames\.images: .*leads out"),
        ('images = "images"', 'images = "/images"', r"frames\.images: .*leads out"),
        ('images = "images"', 'video = "images/../../front.mp4"', r"frames\.video: .*leads out"),
        ('file = "gnss.csv"', 'file = "/etc/passwd"', r"gnss\.file: .*leads out"),
        ('file = "gnss.csv"', 'file = "gnss.csv"\nsigma_m = inf', r"gnss\.sigma_m: .*finite"),
        ("focal_x_px = 368.0", "focal_x_px = 368.0\ndistortion = [0.1]", "distortion has 1 values"),
        ("2026-05-04T08:00:00Z", "0001-01-01T00:00:00+02:00", "started_at: .*outside the years"),
    ],
    ids=[
        "format",
        "two-sources",
        "misspelt",
        "datum",
        "height",
        "images-above",
        "images-absolute",
        "video-above",
        "gnss-absolute",
        "sigma",
        "distortion",
        "year-one",
    ],
)
def test_mistake_in_drive_toml_is_named(make_drive, old, new, says):
    with pytest.raises(InvalidDrive, match=says):
        read_drive(make_drive(replace={old: new}))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("3,front,2026-05-04T09:00:00Z,0001.jpg", "sequence 3 follows 11"),
        ("12,rear,2026-05-04T09:00:00Z,0001.jpg", "camera 'rear'"),
        ("12,front,2026-05-04T09:00:00,0001.jpg", "time zone"),
        ("12,front,2026-05-04T07:00:00Z,0001.jpg", "before the frame above"),
        ("12,front,2026-05-04T09:00:00Z,../secret.jpg", "leads out"),
        ("12,front,2026-05-04T09:00:00Z,", "must not be empty"),
    ],
    ids=["order", "camera", "zone", "time", "path", "empty"],
)
def test_mistake_in_frames_csv_is_named_with_its_line(make_drive, row, says):
    folder = make_drive()
    with (folder / "frames.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(InvalidDrive, match=f"line 14: .*{says}"):
        read_drive(folder)


def test_frames_csv_of_another_encoding_is_refused_with_what_to_do(make_drive):
    folder = make_drive()
    text = (folder / "frames.csv").read_text()
    (folder / "frames.csv").write_text(text.replace("0003.jpg", "Stra\u00dfe.jpg"), encoding="latin-1")
    with pytest.raises(InvalidDrive, match=r"frames\.csv cannot be read: .*save it as UTF-8"):
        read_drive(folder)


def test_link_within_the_folder_may_lead_out_of_it(make_drive):
    folder = make_drive()
    (folder / "images").rename(folder.parent / "elsewhere")
    (folder / "images").symlink_to(folder.parent / "elsewhere")
    assert len(read_drive(folder).frames) == 12


def test_frame_of_another_size_is_broken_because_its_pixels_mean_other_places(make_drive):
    folder = make_drive()
    cv2.imwrite(str(folder / "images" / "0002.jpg"), np.zeros((100, 100, 3), np.uint8))
    drive = read_drive(folder)
    shot = FrameLoader(drive).load(drive.frames[2])
    assert isinstance(shot, BrokenFrame)
    assert "calibrated for 640×360" in shot.reason


def test_only_frames_that_are_asked_for_stay_in_memory(make_drive):
    drive = read_drive(make_drive())
    loader = FrameLoader(drive)
    first = loader.load(drive.frames[0])
    loader.load(drive.frames[1])
    loader.hold_only({0})
    assert loader.load(drive.frames[0]) is first
    assert loader.load(drive.frames[1]) is not first


def test_loader_holds_the_latest_few_frames_and_reads_others_again(make_drive):
    drive = read_drive(make_drive())
    loader = FrameLoader(drive)
    shots = [loader.load(entry) for entry in drive.frames]
    assert loader.held == MOST_HELD < len(shots)
    assert loader.load(drive.frames[-1]) is shots[-1]
    again = loader.load(drive.frames[0])
    assert again is not shots[0]
    assert (again.image == shots[0].image).all()
    assert loader.held == MOST_HELD


@pytest.fixture
def video_drive(make_drive):
    """The same drive with an MJPEG video whose frame number is written in its brightness."""
    folder = make_drive(replace={'images = "images"': 'video = "front.avi"'})
    writer = cv2.VideoWriter(str(folder / "front.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 360))
    for number in range(30):
        writer.write(np.full((360, 640, 3), 8 * number, np.uint8))
    writer.release()
    rows = (folder / "frames.csv").read_text().splitlines()
    changed = [rows[0].replace("file", "frame_index")]
    changed += [f"{row.rsplit(',', 1)[0]},{2 * number}" for number, row in enumerate(rows[1:])]
    (folder / "frames.csv").write_text("\n".join(changed) + "\n")
    return read_drive(folder)


def test_video_gives_the_frame_of_its_index_forwards_and_back(video_drive):
    loader = FrameLoader(video_drive)
    for number in (0, 3, 11, 2):
        shot = loader.load(video_drive.frames[number])
        assert isinstance(shot, Frame)
        assert shot.image.mean() == pytest.approx(16 * number, abs=2)
        assert shot.captured_at == video_drive.frames[number].captured_at
        loader.hold_only(set())


def test_frame_beyond_the_end_of_the_video_is_broken(video_drive):
    from dataclasses import replace

    shot = FrameLoader(video_drive).load(replace(video_drive.frames[-1], frame_index=500))
    assert isinstance(shot, BrokenFrame)


def damage_frames(video, numbers):
    """Overwrite the JPEG data of these frames of an MJPEG video with zeros."""
    content = bytearray(video.read_bytes())
    starts = [found.start() for found in re.finditer(b"\xff\xd8", content)]
    for number in numbers:
        start, end = starts[number], starts[number + 1] - 20
        content[start:end] = bytes(end - start)
    video.write_bytes(content)


def test_frames_after_a_damaged_part_of_a_video_are_still_theirs(video_drive):
    """frames.csv names every second frame: 4 is damaged and named, 9 damaged and not named."""
    damage_frames(video_drive.folder / "front.avi", [4, 9])
    loader = FrameLoader(video_drive)
    shots = [loader.load(entry) for entry in video_drive.frames]
    assert [number for number, shot in enumerate(shots) if isinstance(shot, BrokenFrame)] == [2]
    for number, shot in enumerate(shots):
        if isinstance(shot, Frame):
            assert shot.image.mean() == pytest.approx(16 * number, abs=2)
