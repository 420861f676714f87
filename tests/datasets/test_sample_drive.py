"""The sample drive keeps its promises: format, truth, camera, and the bytes of a rebuild."""

import csv
import subprocess
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest

from wegewart.camera import Camera
from wegewart.damage import shipped_taxonomy
from wegewart.drive import FixType
from wegewart.geo import Datum, LocalPlane, ground_distance_m
from wegewart_datasets.settings import DataSettings

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "datasets" / "sample-drive"
BUILD = SAMPLE / "build.py"
PASSES = (1, 2)
WIDTH_PX, HEIGHT_PX = 1024, 640
POTHOLE_SPREAD_M = 0.8  # two looks at one pothole on the road, worst case; README has the median


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def moment(text):
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def drive_of(number):
    return tomllib.loads((SAMPLE / f"pass-{number}" / "drive.toml").read_text(encoding="utf-8"))


def box_px(row):
    return [float(row[side]) for side in ("x1", "y1", "x2", "y2")]


@pytest.fixture(scope="module")
def truth():
    return rows_of(SAMPLE / "truth.csv")


@pytest.fixture(scope="module")
def true_path():
    return {(row["pass"], row["sequence"]): row for row in rows_of(SAMPLE / "true_path.csv")}


@pytest.mark.parametrize("number", PASSES)
def test_drive_names_everything_that_a_recorded_drive_needs(number):
    drive = drive_of(number)
    assert drive["format"] == 1
    assert drive["started_at"].utcoffset().total_seconds() == 0
    assert Datum(drive["datum"])
    camera = Camera.model_validate(drive["camera"][0])
    assert (camera.intrinsics.width_px, camera.intrinsics.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert {"file", "antenna_forward_m", "antenna_right_m", "sigma_m"} <= drive["gnss"].keys()


def test_drive_ids_are_different_uuids_of_version_7_made_at_the_start_of_the_drive():
    ids = [UUID(drive_of(number)["drive_id"]) for number in PASSES]
    assert len(set(ids)) == len(PASSES)
    for drive_id, number in zip(ids, PASSES, strict=True):
        assert drive_id.version == 7
        assert drive_id.int >> 80 == int(drive_of(number)["started_at"].timestamp() * 1000)


@pytest.mark.parametrize("number", PASSES)
def test_every_frame_has_a_readable_image_and_time_and_sequence_rise(number):
    folder = SAMPLE / f"pass-{number}"
    frames = rows_of(folder / "frames.csv")
    for frame in frames:
        image = cv2.imread(str(folder / "images" / frame["file"]))
        assert image is not None, frame["file"]
        assert image.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert {frame["file"] for frame in frames} == {path.name for path in (folder / "images").iterdir()}
    for column, read in (("sequence", int), ("captured_at", moment)):
        values = [read(frame[column]) for frame in frames]
        assert values == sorted(set(values))


def test_pass_2_lacks_every_third_frame_of_pass_1():
    first, second = (
        [int(frame["sequence"]) for frame in rows_of(SAMPLE / f"pass-{number}" / "frames.csv")]
        for number in PASSES
    )
    assert first == list(range(27))
    assert second == [sequence for sequence in first if sequence % 3 != 2]


@pytest.mark.parametrize("number", PASSES)
def test_gnss_covers_all_frames_with_20_metres_to_spare_and_says_how_good_it_is(number):
    folder = SAMPLE / f"pass-{number}"
    fixes = rows_of(folder / "gnss.csv")
    frames = rows_of(folder / "frames.csv")
    for fix, frame in ((fixes[0], frames[0]), (fixes[-1], frames[-1])):
        apart_s = abs((moment(frame["captured_at"]) - moment(fix["captured_at"])).total_seconds())
        assert apart_s * float(fix["speed_mps"]) > 19.95
    assert moment(fixes[0]["captured_at"]) < moment(frames[0]["captured_at"])
    assert moment(fixes[-1]["captured_at"]) > moment(frames[-1]["captured_at"])
    assert {fix["sigma_east_m"] for fix in fixes} == {fix["sigma_north_m"] for fix in fixes} == {"2.5"}
    assert {FixType(fix["fix"]) for fix in fixes} == {FixType.SINGLE}


@pytest.mark.parametrize("number", PASSES)
def test_gnss_is_the_true_path_plus_the_bias_that_is_written_down(number, true_path):
    fixes = rows_of(SAMPLE / f"pass-{number}" / "gnss.csv")
    times_s = [moment(fix["captured_at"]).timestamp() for fix in fixes]
    left_over_m = []
    for (drive, _), row in true_path.items():
        if drive != str(number):
            continue
        plane = LocalPlane(float(row["lat"]), float(row["lon"]))
        places_m = np.array([plane.east_north_m(float(fix["lat"]), float(fix["lon"])) for fix in fixes])
        at_s = moment(row["captured_at"]).timestamp()
        measured_m = [np.interp(at_s, times_s, places_m[:, axis]) for axis in (0, 1)]
        left_over_m.append(np.subtract(measured_m, [float(row["bias_east_m"]), float(row["bias_north_m"])]))
    assert np.abs(left_over_m).max() < 0.12  # four sigma of 0.03 m from fix to fix
    assert np.std(left_over_m) > 0.005


def test_true_heading_is_the_course_over_ground_within_two_degrees(true_path):
    path = [row for (drive, _), row in true_path.items() if drive == "1"]
    for one, other in pairwise(path):
        plane = LocalPlane(float(one["lat"]), float(one["lon"]))
        east_m, north_m = plane.east_north_m(float(other["lat"]), float(other["lon"]))
        course_deg = np.degrees(np.arctan2(east_m, north_m))
        turn_deg = (float(one["heading_deg"]) - course_deg + 180) % 360 - 180
        assert abs(turn_deg) < 3.5


def test_truth_boxes_lie_inside_their_frames_and_speak_the_taxonomy(truth, true_path):
    codes = set(shipped_taxonomy().codes)
    for row in truth:
        x1, y1, x2, y2 = box_px(row)
        assert 0 <= x1 < x2 <= WIDTH_PX
        assert 0 <= y1 < y2 <= HEIGHT_PX
        assert {row["class"], row["label_class"]} <= codes
        assert (row["pass"], row["sequence"]) in true_path


def test_a_damage_has_one_class_and_the_same_boxes_in_both_passes_but_for_the_shift(truth, true_path):
    classes = defaultdict(set)
    for row in truth:
        classes[row["damage_id"]].add(row["class"])
    assert {len(codes) for codes in classes.values()} == {1}
    first = {
        (row["damage_id"], row["sequence"], row["x1"], row["x2"]): row for row in truth if row["pass"] == "1"
    }
    assert len(first) == sum(row["pass"] == "1" for row in truth) == 151
    for row in truth:
        shift_px = int(true_path[row["pass"], row["sequence"]]["shift_px"])
        assert abs(shift_px) <= 8
        original = first[row["damage_id"], row["sequence"], row["x1"], row["x2"]]
        for side in ("y1", "y2"):
            expected_px = min(max(float(original[side]) + shift_px, 0), HEIGHT_PX)
            assert float(row[side]) == pytest.approx(expected_px, abs=0.11)


def test_pass_2_photographs_are_those_of_pass_1_shifted_and_exposed_as_written_down(true_path):
    checked = 0
    for (drive, sequence), row in true_path.items():
        if drive != "2":
            continue
        first, second = (
            cv2.imread(str(SAMPLE / f"pass-{number}" / "images" / f"{int(sequence):03d}.jpg"), 0)
            for number in PASSES
        )
        shift_px, gain = int(row["shift_px"]), float(row["gain"])
        assert 0.8 <= gain <= 1.2
        rows = np.clip(np.arange(HEIGHT_PX) - shift_px, 0, HEIGHT_PX - 1)
        expected = np.clip(first[rows].astype(float) * gain, 0, 255)
        assert np.abs(second - expected).mean() < 4.0
        checked += 1
    assert checked == 18


@dataclass(frozen=True)
class Optics:
    """The camera of drive.toml by OpenCV's own functions, not by those that made the sample drive."""

    matrix: np.ndarray
    distortion: np.ndarray
    camera_from_vehicle: np.ndarray
    height_m: float

    @classmethod
    def of(cls, camera):
        intrinsics, mount = camera.intrinsics, camera.mount
        matrix = np.array(
            [
                [intrinsics.focal_x_px, 0, intrinsics.centre_x_px],
                [0, intrinsics.focal_y_px, intrinsics.centre_y_px],
                [0, 0, 1],
            ]
        )
        angles = np.radians([mount.yaw_right_deg, mount.tilt_down_deg, mount.roll_right_deg])
        (sy, st, sr), (cy, ct, cr) = np.sin(angles), np.cos(angles)
        level_from_vehicle = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
        yaw = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        tilt = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
        roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        rotation = roll @ tilt @ yaw @ level_from_vehicle
        return cls(matrix, np.array(intrinsics.distortion), rotation, mount.height_m)

    def road_m(self, pixels):
        until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
        pixels = np.asarray(pixels, float).reshape(-1, 1, 2)
        flat = cv2.undistortPointsIter(pixels, self.matrix, self.distortion, np.eye(3), np.eye(3), until)
        rays = np.column_stack([flat.reshape(-1, 2), np.ones(len(pixels))]) @ self.camera_from_vehicle
        return rays[:, :2] * (self.height_m / rays[:, 2:])

    def pixels(self, road_m):
        below = np.column_stack([road_m, np.full(len(road_m), self.height_m)]) @ self.camera_from_vehicle.T
        return cv2.projectPoints(below, np.zeros(3), np.zeros(3), self.matrix, self.distortion)[0].reshape(
            -1, 2
        )


def pothole_feet(truth, true_path, camera):
    """Bottom middle of each pothole's boxes in pass 1 as (lat, lon) on the road, from the true path."""
    optics = Optics.of(camera)
    feet = defaultdict(list)
    for row in truth:
        if row["pass"] != "1" or row["label_class"] != "D40":
            continue
        x1, _, x2, y2 = box_px(row)
        ahead_m, right_m = optics.road_m([(x1 + x2) / 2, y2])[0]
        at = true_path["1", row["sequence"]]
        heading = np.radians(float(at["heading_deg"]))
        east_m = ahead_m * np.sin(heading) + right_m * np.cos(heading)
        north_m = ahead_m * np.cos(heading) - right_m * np.sin(heading)
        feet[row["damage_id"]].append(LocalPlane(float(at["lat"]), float(at["lon"])).lat_lon(east_m, north_m))
    return feet


def from_above(optics, sequence, ahead_m, right_m):
    """Road of one frame of pass 1 seen from above, 2 cm a pixel, farthest row first."""
    image = cv2.imread(str(SAMPLE / "pass-1" / "images" / f"{sequence:03d}.jpg"), 0)
    ahead, right = np.arange(*ahead_m, 0.02)[::-1], np.arange(*right_m, 0.02)
    grid = np.stack(np.meshgrid(ahead, right, indexing="ij"), axis=-1).reshape(-1, 2)
    at = (optics.pixels(grid) - 0.5).astype(np.float32).reshape(len(ahead), len(right), 2)
    return cv2.createCLAHE(3.0, (4, 4)).apply(cv2.remap(image, at, None, cv2.INTER_LINEAR))


def test_the_road_of_one_frame_falls_on_itself_in_the_next(true_path):
    """Without labels and links: texture, moved by the advance, is looked for up to 0.8 m away."""
    optics = Optics.of(Camera.model_validate(drive_of(1)["camera"][0]))
    margin_m, off_m = 0.8, []
    for sequence in range(26):
        one, other = (float(true_path["1", str(number)]["station_m"]) for number in (sequence, sequence + 1))
        wanted = from_above(optics, sequence + 1, (6.5, 9.5), (-1.2, 1.4))
        advance_m = other - one
        searched = from_above(
            optics,
            sequence,
            (6.5 + advance_m - margin_m, 9.5 + advance_m + margin_m),
            (-1.2 - margin_m, 1.4 + margin_m),
        )
        score = cv2.matchTemplate(searched, wanted, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(score.argmax(), score.shape)
        off_m.append((row * 0.02 - margin_m, column * 0.02 - margin_m))
    along_m, across_m = np.abs(off_m).T
    assert np.median(along_m) < 0.25
    assert np.median(across_m) < 0.15


def test_linked_potholes_fall_on_one_place_of_the_road_through_the_estimated_camera(truth, true_path):
    feet = pothole_feet(truth, true_path, Camera.model_validate(drive_of(1)["camera"][0]))
    gaps_m = [
        ground_distance_m(*places[first], *places[second])
        for places in feet.values()
        for first in range(len(places))
        for second in range(first)
    ]
    assert len(gaps_m) >= 10
    assert max(gaps_m) < POTHOLE_SPREAD_M
    assert np.median(gaps_m) < 0.4


@pytest.mark.parametrize("wrong_deg", [-1.0, 1.0])
def test_a_tilt_that_is_a_degree_wrong_pulls_the_linked_potholes_apart(truth, true_path, wrong_deg):
    camera = Camera.model_validate(drive_of(1)["camera"][0])
    tilt_deg = camera.mount.tilt_down_deg + wrong_deg
    mount = camera.mount.model_copy(update={"tilt_down_deg": tilt_deg})
    feet = pothole_feet(truth, true_path, camera.model_copy(update={"mount": mount}))
    spread_m = [ground_distance_m(*places[0], *places[-1]) for places in feet.values() if len(places) > 1]
    assert max(spread_m) > POTHOLE_SPREAD_M


def test_no_photograph_of_the_sample_drive_is_in_a_list_to_train_on():
    names = {line.strip() for line in (SAMPLE / "source-files.txt").read_text("utf-8").splitlines()}
    assert len(names) == 27
    lists = [*REPOSITORY.glob("datasets/manifests/**/*.toml"), *REPOSITORY.glob("datasets/smoke/**/*")]
    settings = DataSettings.load()
    if settings.data_root is not None:
        lists += [*settings.data_root.glob("*/train*.txt"), *settings.data_root.glob("*/val*.txt")]
        lists += [*settings.data_root.glob("*/images/train/*"), *settings.data_root.glob("*/images/val/*")]
    for path in lists:
        stem = path.stem
        assert not any(Path(name).stem == stem for name in names), path
        if path.suffix in {".txt", ".toml", ".csv", ".yaml"}:
            text = path.read_text(encoding="utf-8")
            assert not [name for name in names if Path(name).stem in text], path


def test_a_rebuild_gives_the_same_drives(tmp_path):
    settings = DataSettings.load()
    if settings.data_root is None:
        pytest.skip(
            "WEGEWART_DATA is not set: the photographs of drives/dnit-br386-run are needed to rebuild"
        )
    if not (settings.data_root / "drives" / "dnit-br386-run").is_dir():
        pytest.skip(f"{settings.data_root} holds no drives/dnit-br386-run, which is needed to rebuild")
    subprocess.run([sys.executable, str(BUILD), "--out", str(tmp_path)], check=True, timeout=120)
    built = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(built) == 27 + 18 + 2 * 3 + 2
    for name in sorted(built):
        if name.suffix == ".jpg":  # libjpeg versions round differently: a pixel may differ, not a picture
            one, other = (cv2.imread(str(root / name)).astype(int) for root in (tmp_path, SAMPLE))
            assert np.abs(one - other).mean() < 0.5, name
        else:
            assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_build_without_the_photographs_says_what_to_set():
    done = subprocess.run(
        [sys.executable, str(BUILD)], env={"PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "WEGEWART_DATA" in done.stderr
