"""Poses from positions: place, heading, station, covariance, and where there is none."""

import csv
import math
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.edge.driving import ORIGIN, START, drive, fix_at, moment, place_m, trajectory

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss import Fix
from wegewart_edge.motion import Motion
from wegewart_edge.pose import LeverArm


def at(path, seconds):
    return path.at(moment(seconds))


def test_pose_between_two_fixes_lies_between_them():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(4)])
    pose = at(path, 1.25)
    assert place_m(pose) == pytest.approx((10.0, 0.0), abs=0.01)
    assert pose.station_m == pytest.approx(10.0, abs=0.01)
    assert pose.heading_deg == pytest.approx(90.0, abs=0.01)
    assert pose.speed_mps == pytest.approx(8.0, abs=0.01)


def test_path_of_a_circle_bends_between_its_fixes():
    """A bus in a roundabout at one fix a second: the chord would cut the corner by 0.2 m."""
    turn = [(t, 20 * math.sin(t * 0.3), 20 * (1 - math.cos(t * 0.3))) for t in range(20)]
    pose = at(trajectory([fix_at(*point) for point in turn]), 8.5)
    assert place_m(pose) == pytest.approx(
        (20 * math.sin(8.5 * 0.3), 20 * (1 - math.cos(8.5 * 0.3))), abs=0.05
    )
    assert pose.heading_deg == pytest.approx((90 - math.degrees(8.5 * 0.3)) % 360, abs=1.5)


def test_course_of_the_receiver_counts_where_its_positions_say_less():
    path = trajectory([fix_at(t, 8 * t, 0, 2.5, heading_deg=92.0, speed_mps=8.0) for t in range(12)])
    pose = at(path, 5.5)
    assert pose.heading_deg == pytest.approx(92.0, abs=0.3)
    assert pose.heading_sigma_deg < 1.0  # the fixes alone: 2.6


def test_course_is_not_believed_below_two_metres_a_second():
    path = trajectory([fix_at(t, 1.5 * t, 0, heading_deg=200.0, speed_mps=1.5) for t in range(12)])
    assert at(path, 6).heading_deg == pytest.approx(90.0, abs=2.0)


def test_course_turns_the_short_way_through_north():
    courses = (350.0, 355.0, 0.0, 5.0, 10.0)
    fixes = [fix_at(t, 0, 8 * t, 2.5, heading_deg=h, speed_mps=8.0) for t, h in enumerate(courses)]
    assert math.remainder(at(trajectory(fixes), 2.0).heading_deg, 360) == pytest.approx(0.0, abs=1.0)


def test_pose_beyond_the_ends_reaches_only_as_far_as_allowed():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(4)], max_extrapolation_s=0.3)
    assert at(path, 3.5) is None
    assert at(path, -0.5) is None
    assert place_m(at(path, 3.25))[0] == pytest.approx(26.0, abs=0.01)


def test_covariance_is_about_the_stated_accuracy_of_each_axis():
    fixes = [Fix(moment(t), *ORIGIN.lat_lon(8 * t, 0), 0.8, 1.2, FixType.DIFFERENTIAL) for t in range(4)]
    pose = at(trajectory(fixes), 1.5)
    assert math.sqrt(pose.cov_gnss.ee) == pytest.approx(0.8, rel=0.06)
    assert math.sqrt(pose.cov_gnss.nn) == pytest.approx(1.2, rel=0.06)
    assert pose.fix is FixType.DIFFERENTIAL


def test_many_fixes_do_not_average_away_the_bias_they_share():
    """300 fixes along 300 m: were they independent, 2.5 m would become 0.14 m."""
    fixes = [fix_at(t / 5, 8 * t / 5, 0, 2.5) for t in range(300)]
    pose = at(trajectory(fixes), 30)
    assert 2.2 < math.sqrt(pose.cov_gnss.ee) < 2.5
    assert 2.2 < math.sqrt(pose.cov_gnss.nn) < 2.5


def test_place_keeps_the_bias_that_the_receiver_has_at_that_moment():
    """All places of a drive err as the receiver does, so that the office can find and remove it."""
    remaining_m, biases_m = [], []
    for seed in range(3):
        driven = drive(seed, lasts_s=40)
        path = trajectory(driven.fixes)
        for seconds in np.arange(2.0, 38.0, 0.5):
            bias_m = driven.bias_m[round(seconds / 0.02)]
            remaining_m.append(np.subtract(driven.error_m(path.at(moment(seconds))), bias_m))
            biases_m.append(bias_m)
    assert np.sqrt(np.mean(np.square(remaining_m))) < 0.15
    assert np.sqrt(np.mean(np.square(biases_m))) > 1.5


def test_stated_covariance_of_the_place_holds_over_many_drives():
    squared = []
    for seed in range(60):
        driven = drive(100 + seed, lasts_s=12, fixes_per_s=2)
        pose = trajectory(driven.fixes).at(moment(6))
        squared.append(pose.cov_gnss.mahalanobis2(*driven.error_m(pose)))
    assert 1.4 < np.mean(squared) < 2.6  # 2 if honest; 60 drives give ± 0.26


def test_no_drive_claims_less_than_half_the_stated_accuracy():
    driven = drive(3, lasts_s=400, fixes_per_s=1)
    pose = trajectory(driven.fixes).at(moment(200))
    assert math.sqrt(min(pose.cov_gnss.ee, pose.cov_gnss.nn)) >= 1.25


def test_stated_accuracy_that_flickers_is_no_new_information():
    steady = [fix_at(t, 8 * t, 0, 2.5) for t in range(40)]
    flickering = [fix_at(t, 8 * t, 0, 2.5 * (1.15 if t % 2 else 0.87)) for t in range(40)]
    assert at(trajectory(flickering), 20).cov_gnss.ee == pytest.approx(
        at(trajectory(steady), 20).cov_gnss.ee, rel=0.2
    )


def test_reference_point_is_the_antenna_less_its_lever_arm():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(4)], lever=LeverArm(forward_m=1.5, right_m=0.4))
    pose = at(path, 1.5)  # heading east: forward is east, right is south
    assert place_m(pose) == pytest.approx((12.0 - 1.5, 0.4), abs=0.01)


def test_fixes_without_a_position_are_left_out():
    fixes = [fix_at(t, 8 * t, 0) for t in range(4)]
    fixes.insert(2, Fix(moment(1.5), math.nan, math.nan, 2.5, 2.5, FixType.NONE))
    assert at(trajectory(fixes), 1.5) is not None


def test_single_fix_is_no_trajectory():
    with pytest.raises(InvalidPositions, match="at least two"):
        trajectory([fix_at(0, 0, 0)])


def test_frames_of_a_clock_that_runs_ahead_are_asked_for_by_their_own_stamps():
    from wegewart_edge.pose import Trajectory
    from wegewart_edge.settings import PoseSettings

    fixes = [fix_at(t, 8 * t, 0) for t in range(6)]
    path = Trajectory(fixes, LeverArm(), PoseSettings(), (), camera_ahead_s=0.5)
    pose = at(path, 2.5)
    assert place_m(pose)[0] == pytest.approx(16.0, abs=0.01)
    assert pose.captured_at == moment(2.5)
    assert path.station_at(moment(2.5)) == pytest.approx(16.0, abs=0.01)


def test_same_drive_gives_the_same_poses():
    driven = drive(4, lasts_s=30)
    first, second = trajectory(driven.fixes), trajectory(list(driven.fixes))
    assert all(first.at(moment(t)) == second.at(moment(t)) for t in range(30))


@pytest.fixture
def comma2k19():
    root = os.environ.get("WEGEWART_DATA")
    folder = Path(root or "") / "drives" / "comma2k19-gnss"
    if not root or not folder.is_dir():
        pytest.skip(
            "WEGEWART_DATA names no folder with drives/comma2k19-gnss: no real receiver to compare with"
        )
    return folder


def rows_of(path):
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_heading_of_a_real_receiver_agrees_with_the_reference_within_its_sigma(comma2k19):
    """u-blox positions only, their courses left out; the reference is the post-processed pose."""
    fixes = [
        Fix(START + timedelta(seconds=row["t_s"] - 46408.0), row["lat_deg"], row["lon_deg"], 1.0, 1.0)
        for row in rows_of(comma2k19 / "gnss_ublox.csv")
    ]
    path = trajectory(fixes)
    errors_deg, ratios = [], []
    for row in rows_of(comma2k19 / "pose_reference.csv")[::10]:
        pose = at(path, row["t_s"] - 46408.0)
        if pose is None or row["speed_mps"] < 3:
            continue
        errors_deg.append(abs(math.remainder(pose.heading_deg - row["heading_deg"], 360)))
        ratios.append(errors_deg[-1] / pose.heading_sigma_deg)
    assert len(errors_deg) > 80
    assert np.median(errors_deg) < 0.2
    assert np.mean(np.array(ratios) < 2) > 0.9


def test_phone_with_wheel_speed_is_nearer_to_the_reference_than_its_fixes(comma2k19):
    """Raw 2.5 m in the median and 7.2 m at 95 %; nothing of the reference is used."""
    fixes = [
        Fix(
            moment(row["t_s"] - 46408.0),
            row["lat_deg"],
            row["lon_deg"],
            2.5,
            2.5,
            heading_deg=row["bearing_deg"],
            speed_mps=row["speed_mps"],
        )
        for row in rows_of(comma2k19 / "gnss_qcom.csv")
    ]
    wheels = [
        Motion(moment(row["t_s"] - 46408.0), row["speed_mps"]) for row in rows_of(comma2k19 / "can_speed.csv")
    ]
    path = trajectory(fixes, motion=wheels)
    errors_m = []
    for row in rows_of(comma2k19 / "pose_reference.csv")[::5]:
        pose = at(path, row["t_s"] - 46408.0)
        if pose is not None:
            from wegewart.geo import ground_distance_m

            errors_m.append(ground_distance_m(pose.lat, pose.lon, row["lat_deg"], row["lon_deg"]))
    assert len(errors_m) > 220
    assert np.median(errors_m) <= 1.7
    assert np.percentile(errors_m, 95) <= 4.0
