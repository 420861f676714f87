"""From a recorded drive on disk to a camera block, and drives that do not support it."""

import csv
import json
import math
import string
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from tests.edge.calibration_drawings import road_shot

from wegewart.camera import Camera, CameraIntrinsics, CameraMount
from wegewart.errors import CalibrationRefused
from wegewart_edge.__main__ import main
from wegewart_edge.calibration.camera_block import camera_toml, read_lens
from wegewart_edge.calibration.mount import ANYWHERE
from wegewart_edge.calibration.straight_pairs import PairLimits, straight_pairs
from wegewart_edge.calibration.texts import Text
from wegewart_edge.drive_pose import trajectory_of
from wegewart_edge.drive_reader import read_drive
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import PoseSettings

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
SPEED_MPS = 8.0
LENS = CameraIntrinsics(
    width_px=640, height_px=360, focal_x_px=420.0, focal_y_px=420.0, centre_x_px=322.0, centre_y_px=178.0
)
TRUE = CameraMount(version="drawn", height_m=1.42, tilt_down_deg=7.2, roll_right_deg=1.0, yaw_right_deg=-1.2)
ROUGH = CameraMount(version="rough", height_m=1.5, tilt_down_deg=5.5)
STATIONS_M = tuple(2.1 * number for number in range(13))
DRIVE_TOML = """format = 1
drive_id = "0198a0d2-6c00-7000-8000-000000000001"
device_id = "box-1"
started_at = 2026-05-04T08:00:00Z
datum = "WGS84"
[frames]
images = "images"
[gnss]
file = "gnss.csv"
"""


def stamp(second):
    return (START + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lat_lon(station_m, radius_m):
    """Straight north, or clockwise on a circle."""
    if radius_m is None:
        north_m, east_m = station_m, 0.0
    else:
        turn = station_m / radius_m
        north_m, east_m = radius_m * math.sin(turn), radius_m * (1 - math.cos(turn))
    return 49.94 + north_m / 111_229.0, 11.57 + east_m / 71_760.0


def drive_on_disk(folder, stations_m=STATIONS_M, radius_m=None, speed_mps=SPEED_MPS, pictures=None):
    """A drive with these frames; its pictures are grey unless given."""
    (folder / "images").mkdir(parents=True)
    (folder / "drive.toml").write_text(DRIVE_TOML + camera_toml("front", LENS, ROUGH), "utf-8")
    grey = np.full((LENS.height_px, LENS.width_px, 3), 100, np.uint8)
    with (folder / "frames.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sequence", "camera_id", "captured_at", "file"])
        for number, station_m in enumerate(stations_m):
            rows.writerow([number, "front", stamp(1 + station_m / SPEED_MPS), f"{number:03d}.png"])
            picture = grey if pictures is None else pictures[number]
            cv2.imwrite(str(folder / "images" / f"{number:03d}.png"), picture)
    with (folder / "gnss.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["captured_at", "lat", "lon", "sigma_east_m", "sigma_north_m", "speed_mps", "fix"])
        for tick in range(int(5 * (stations_m[-1] / SPEED_MPS + 3))):
            lat, lon = lat_lon((tick / 5 - 1) * speed_mps, radius_m)
            rows.writerow([stamp(tick / 5), f"{lat:.9f}", f"{lon:.9f}", 0.02, 0.02, speed_mps, "rtk_fixed"])
    return folder


def pairs_of(folder, limits=None):
    drive = read_drive(folder)
    return straight_pairs(drive, trajectory_of(drive, PoseSettings()), "front", limits)


def test_pairs_are_neighbouring_frames_with_the_way_between_them(tmp_path):
    straight = pairs_of(drive_on_disk(tmp_path))
    assert len(straight.frames) == 13
    assert [(pair.first, pair.second) for pair in straight.pairs] == [(n, n + 1) for n in range(12)]
    assert np.allclose([pair.advance_m for pair in straight.pairs], 2.1, atol=0.05)
    assert np.allclose([pair.turn_rad for pair in straight.pairs], 0.0, atol=0.003)


def test_frames_closer_than_the_road_moves_are_passed_over(tmp_path):
    dense = drive_on_disk(tmp_path, stations_m=tuple(0.7 * number for number in range(40)))
    pairs = pairs_of(dense).pairs
    assert min(pair.advance_m for pair in pairs) > 1.5


def test_many_pairs_are_thinned_but_span_the_whole_drive(tmp_path):
    long = drive_on_disk(tmp_path, stations_m=tuple(2.0 * number for number in range(60)))
    straight = pairs_of(long, PairLimits(most_pairs=24))
    assert len(straight.pairs) <= 24
    assert straight.frames[0].sequence == 0
    assert straight.frames[-1].sequence == 59


@pytest.mark.parametrize(
    ("drive", "said"),
    [
        ({"speed_mps": 0.0}, "The drive is only 0 m long"),
        ({"radius_m": 30.0}, "were driven straight, 10 are needed"),
        ({"stations_m": tuple(9.0 * number for number in range(13))}, "record more frames per second"),
    ],
    ids=["standing", "curves only", "frames too far apart"],
)
def test_a_drive_that_does_not_support_it_is_refused_with_what_to_do(tmp_path, drive, said):
    with pytest.raises(CalibrationRefused, match=said):
        pairs_of(drive_on_disk(tmp_path, **drive))


def test_command_finds_the_mount_of_a_drawn_drive_and_writes_its_block(tmp_path, capsys):
    rng = np.random.default_rng(5)
    shown = RoadCamera(Camera(camera_id="front", intrinsics=LENS, mount=TRUE), ANYWHERE)
    pictures = [road_shot(shown, station_m, rng) for station_m in STATIONS_M]
    folder = drive_on_disk(tmp_path / "drive", pictures=pictures)
    out, grid = tmp_path / "camera.toml", tmp_path / "grid.jpg"
    given = [str(folder), "--out", str(out), "--picture", str(grid), "--json"]
    assert main(["calibrate", "mount", *given]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    for name, true in (
        ("tilt", TRUE.tilt_down_deg),
        ("roll", TRUE.roll_right_deg),
        ("yaw", TRUE.yaw_right_deg),
    ):
        key = {"tilt": "tilt_down_deg", "roll": "roll_right_deg", "yaw": "yaw_right_deg"}[name]
        assert abs(found[key] - true) < 3 * found[f"{name}_sigma_deg"] + 0.02, name
    assert abs(found["height_m"] - TRUE.height_m) < 3 * found["height_sigma_m"]
    assert read_lens(out) == LENS
    assert 'version = "calibrated-2026-05-04"' in out.read_text("utf-8")
    assert "Anbau: Neigung" in said.err
    assert grid.is_file()


def test_command_refuses_grey_pictures_and_names_the_way_out(tmp_path, capsys):
    assert main(["calibrate", "mount", str(drive_on_disk(tmp_path))]) == 1
    assert "the road was recognised" in capsys.readouterr().err.lower()


def test_command_wants_a_camera_that_the_drive_has(tmp_path, capsys):
    assert main(["calibrate", "mount", str(drive_on_disk(tmp_path)), "--camera-id", "rear"]) == 2
    assert "the drive has front" in capsys.readouterr().err


@pytest.mark.parametrize("text", list(Text), ids=list(Text))
def test_every_sentence_has_the_same_figures_in_both_languages(text):
    german, english = (
        {(name, form) for _, name, form, _ in string.Formatter().parse(sentence) if name}
        for sentence in text.sentences
    )
    assert {*german, *english} - {*german} & {*english} <= {("german", ""), ("english", "")}
