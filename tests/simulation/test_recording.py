"""A simulated drive on disk is a recorded drive: the command places its boxes as the code in memory does."""

import csv

import numpy as np
import pytest
from simulation.commanded import drive_id_of, located_by_command
from simulation.estimating import drive_through
from simulation.recording import fixes_of, write_drive, write_truth
from simulation.rendering import write_frames
from simulation.scene import Scene
from simulation.seeing import NOTHING_TRUE
from simulation.setting import GnssSetting, Setting, StreetSetting

from wegewart_edge.drive_reader import read_drive
from wegewart_edge.gnss import read_fixes
from wegewart_edge.settings import EdgeSettings

MILLIMETRE_DEG = 1e-8


@pytest.fixture(scope="module")
def scene():
    return Scene.draw(Setting(street=StreetSetting(length_m=60.0), passes=2), 12)


def test_command_finds_the_same_places_as_the_code_in_memory(scene, tmp_path):
    in_memory, _ = drive_through(scene, 1, EdgeSettings())
    commanded = located_by_command(scene, 1, tmp_path / "drive", seed=12)
    assert len(commanded) == len(in_memory) > 0
    ours = {(each.first_sequence, each.first_number): each for each in in_memory}
    for each in commanded:
        other = ours[each.first_sequence, each.first_number]
        assert (each.lat, each.lon) == pytest.approx((other.lat, other.lon), abs=MILLIMETRE_DEG)
        assert each.cov_relative_m2 == pytest.approx(other.cov_relative_m2, abs=2e-6)
        assert each.cov_gnss_m2 == pytest.approx(other.cov_gnss_m2, abs=2e-6)
        assert each.looks == other.looks


def test_written_drive_is_read_back_as_it_was_simulated(scene, tmp_path):
    write_drive(tmp_path, scene, 0, drive_id_of(12, 0))
    drive = read_drive(tmp_path, with_images=False)
    assert drive.cameras["front"] == scene.setting.camera
    assert len(drive.frames) == scene.drives.frames.time_s.shape[1]
    assert drive.about.drive_id.version == 7
    assert read_fixes(drive.gnss_path, 99.0) == fixes_of(scene.drives, 0, scene.setting)


def test_truth_stands_beside_each_box_and_in_no_file_of_the_drive(scene, tmp_path):
    boxes_file = write_drive(tmp_path, scene, 0, drive_id_of(12, 0))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_truth(tmp_path, scene, 0)
    with (tmp_path / "truth.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    boxes = scene.boxes_of(0)
    assert len(truth) == len(boxes_file.read_text(encoding="utf-8").splitlines()) - 1 == len(boxes.frame)
    for row, number in zip(truth, boxes.truth, strict=True):
        assert row["damage_id"] == ("" if number == NOTHING_TRUE else str(number))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "truth.csv"} == before


def test_estimator_finds_the_same_without_the_truth(scene):
    """What the scorer knows is taken away; the vehicle's code must not notice."""
    blank = np.full_like(scene.boxes.truth, NOTHING_TRUE)
    zeros = np.zeros_like(scene.boxes.range_m)
    boxes = type(scene.boxes)(**(vars(scene.boxes) | {"truth": blank, "range_m": zeros}))
    blind = type(scene)(scene.setting, scene.street, scene.damages, scene.drives, boxes)
    assert drive_through(blind, 0, EdgeSettings())[0] == drive_through(scene, 0, EdgeSettings())[0]


def test_drawn_frames_carry_the_names_of_the_drive(calm, tmp_path):
    intrinsics = calm.camera.intrinsics
    eighth = {
        name: getattr(intrinsics, name) / 8
        for name in ("focal_x_px", "focal_y_px", "centre_x_px", "centre_y_px")
    }
    small = intrinsics.model_copy(update=eighth | {"width_px": 240, "height_px": 135})
    setting = Setting(camera=calm.camera.model_copy(update={"intrinsics": small}), passes=1)
    scene = Scene.draw(setting, 1)
    write_drive(tmp_path, scene, 0, drive_id_of(1, 0))
    paths = write_frames(tmp_path, scene, 0, range(2, 4))
    named = [entry.file for entry in read_drive(tmp_path, with_images=False).frames]
    assert [path.name for path in paths] == named[2:4]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_rtk_drive_says_so_in_its_fixes():
    scene = Scene.draw(Setting(gnss=GnssSetting.of_sigma(0.02), passes=1), 1)
    assert {fix.fix.value for fix in fixes_of(scene.drives, 0, scene.setting)} == {"rtk_fixed"}
