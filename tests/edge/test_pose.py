"""Poses between fixes: place, heading, station, covariance, and where there is none."""

import csv
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart.geo import LocalPlane
from wegewart_edge.gnss import Fix
from wegewart_edge.pose import LeverArm, Trajectory
from wegewart_edge.settings import PoseSettings

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
ORIGIN = LocalPlane(49.94, 11.57)


def fix_at(seconds, east_m, north_m, sigma_m=0.02, **other):
    lat, lon = ORIGIN.lat_lon(east_m, north_m)
    return Fix(START + timedelta(seconds=seconds), lat, lon, sigma_m, sigma_m, **other)


AT_THE_ANTENNA = LeverArm()


def trajectory(fixes, lever=AT_THE_ANTENNA, **chosen):
    return Trajectory(fixes, lever, PoseSettings(**chosen))


def at(path, seconds):
    return path.at(START + timedelta(seconds=seconds))


def test_pose_between_two_fixes_lies_between_them():
    path = trajectory([fix_at(0, 0, 0), fix_at(1, 8, 0), fix_at(2, 16, 0)])
    pose = at(path, 1.25)
    east_m, north_m = ORIGIN.east_north_m(pose.lat, pose.lon)
    assert (east_m, north_m) == pytest.approx((10.0, 0.0), abs=1e-3)
    assert pose.station_m == pytest.approx(10.0, abs=1e-3)
    assert pose.heading_deg == pytest.approx(90.0, abs=1e-3)
    assert pose.speed_mps == pytest.approx(8.0, abs=1e-3)


def test_heading_on_a_circle_is_its_tangent():
    turn = [fix_at(t, 30 * math.sin(t * 0.25), 30 * (1 - math.cos(t * 0.25))) for t in np.arange(0, 5, 0.2)]
    pose = at(trajectory(turn), 2.5)
    assert pose.heading_deg == pytest.approx(90 - math.degrees(2.5 * 0.25), abs=0.5)


def test_course_of_the_receiver_counts_while_it_moves_with_sigma_of_speed():
    path = trajectory([fix_at(t, 8 * t, 0, heading_deg=92.0, speed_mps=8.0) for t in range(4)])
    pose = at(path, 1.5)
    assert pose.heading_deg == pytest.approx(92.0)
    assert pose.heading_sigma_deg == pytest.approx(math.degrees(0.05 / 8.0))


def test_course_turns_the_short_way_through_north():
    path = trajectory(
        [fix_at(t, 0, 8 * t, heading_deg=heading, speed_mps=8.0) for t, heading in enumerate((350.0, 10.0))]
    )
    assert at(path, 0.5).heading_deg % 360 == pytest.approx(0.0, abs=1e-6)


def test_standing_vehicle_keeps_heading_and_station():
    rng = np.random.default_rng(3)
    driving = [fix_at(t, 8.0 * t, 0) for t in range(6)]
    standing = [fix_at(6 + t, 40 + rng.normal() * 0.1, rng.normal() * 0.1) for t in range(30)]
    going_on = [fix_at(36 + t, 40 + 8.0 * (t + 1), 0) for t in range(5)]
    path = trajectory(driving + standing + going_on)
    pose = at(path, 20)
    assert pose.heading_deg == pytest.approx(90.0, abs=3.0)
    assert pose.station_m == pytest.approx(40.0, abs=8.1)
    assert pose.speed_mps < 0.3
    assert path.length_m == pytest.approx(80.0, abs=0.5)


def test_gap_that_is_too_long_has_no_pose_but_a_station():
    path = trajectory([fix_at(t, 8 * t, 0) for t in (0, 1, 2, 9, 10, 11)], max_gap_s=3.0)
    assert at(path, 5) is None
    assert path.station_at(START + timedelta(seconds=5)) == pytest.approx(40, abs=0.01)
    assert at(path, 9.0) is not None
    assert at(path, 2.0) is not None


def test_pose_beyond_the_ends_reaches_only_as_far_as_allowed():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(4)], max_extrapolation_s=0.3)
    assert at(path, 3.5) is None
    assert at(path, -0.5) is None
    east_m, _ = ORIGIN.east_north_m(at(path, 3.25).lat, at(path, 3.25).lon)
    assert east_m == pytest.approx(26.0, abs=1e-3)


def test_covariance_is_the_stated_accuracy_of_each_axis():
    lat, lon = ORIGIN.lat_lon(0, 8)
    fixes = [
        Fix(START, ORIGIN.lat, ORIGIN.lon, 0.8, 1.2, FixType.DIFFERENTIAL),
        Fix(START + timedelta(seconds=1), lat, lon, 0.9, 1.1, FixType.DIFFERENTIAL),
    ]
    pose = at(trajectory(fixes), 0.5)
    assert tuple(pose.cov_gnss) == pytest.approx((0.81, 0.0, 1.44))
    assert pose.fix is FixType.DIFFERENTIAL


def test_reference_point_is_the_antenna_less_its_lever_arm():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(4)], lever=LeverArm(forward_m=1.5, right_m=0.4))
    pose = at(path, 1.5)  # heading east: forward is east, right is south
    assert ORIGIN.east_north_m(pose.lat, pose.lon) == pytest.approx((12.0 - 1.5, 0.4), abs=1e-3)


def test_fixes_without_a_position_are_left_out():
    fixes = [fix_at(t, 8 * t, 0) for t in range(4)]
    fixes.insert(2, Fix(START + timedelta(seconds=1.5), math.nan, math.nan, 2.5, 2.5, FixType.NONE))
    assert at(trajectory(fixes), 1.5) is not None


def test_single_fix_is_no_trajectory():
    with pytest.raises(InvalidPositions, match="at least two"):
        trajectory([fix_at(0, 0, 0)])


def test_vehicle_that_never_moved_has_no_pose():
    assert at(trajectory([fix_at(t, 0.01 * t, 0) for t in range(5)]), 2) is None


@pytest.fixture
def comma2k19():
    root = os.environ.get("WEGEWART_DATA")
    folder = Path(root or "") / "drives" / "comma2k19-gnss"
    if not root or not folder.is_dir():
        pytest.skip(
            "WEGEWART_DATA names no folder with drives/comma2k19-gnss: no real receiver to compare with"
        )
    return folder


def test_chord_heading_of_a_real_receiver_agrees_with_the_reference_within_its_sigma(comma2k19):
    """u-blox positions only, their courses left out; the reference is the post-processed pose."""

    def rows(name):
        with (comma2k19 / name).open() as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]

    fixes = [
        Fix(START + timedelta(seconds=row["t_s"] - 46408.0), row["lat_deg"], row["lon_deg"], 1.0, 1.0)
        for row in rows("gnss_ublox.csv")
    ]
    path = trajectory(fixes)
    errors_deg, ratios = [], []
    for row in rows("pose_reference.csv")[::10]:
        pose = path.at(START + timedelta(seconds=row["t_s"] - 46408.0))
        if pose is None or row["speed_mps"] < 3:
            continue
        error_deg = (pose.heading_deg - row["heading_deg"] + 180) % 360 - 180
        errors_deg.append(abs(error_deg))
        ratios.append(abs(error_deg) / pose.heading_sigma_deg)
    assert len(errors_deg) > 80
    assert np.median(errors_deg) < 1.0
    assert np.mean(np.array(ratios) < 2) > 0.9
