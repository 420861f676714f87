"""What counts as looked at, and the inspection log that follows from it."""

import itertools

import numpy as np
import pytest
from tests.edge.conftest import START

from wegewart.drive import InvalidReason, ViewingZone
from wegewart_edge.coverage import Glance, stretches, thinned
from wegewart_edge.drive_reader import FrameEntry
from wegewart_edge.gate import Gate, Rejected, spoiled
from wegewart_edge.settings import GateSettings

ENTRY = FrameEntry(0, "front", START, file="0.jpg")
ZONE = ViewingZone(near_m=4.0, far_m=14.0, left_m=-2.0, right_m=2.0)


def test_frames_are_used_by_distance(make_pose):
    gate = Gate(GateSettings(distance_m=2.0))
    used = []
    for station_m in np.arange(0, 6.1, 0.5):
        admitted = gate.admits(ENTRY, make_pose(station_m))
        if admitted is not None and not isinstance(admitted, Rejected):
            gate.used(admitted)
            used.append(admitted.station_m)
    assert used == [0.0, 2.0, 4.0, 6.0]


def test_broken_frame_does_not_count_as_the_last_used_one(make_pose):
    gate = Gate(GateSettings(distance_m=2.0))
    gate.used(make_pose(0.0))
    assert (
        gate.admits(ENTRY, make_pose(2.0)) is not None
    )  # and then it could not be read: used() is not called
    assert gate.admits(ENTRY, make_pose(2.5)) is not None


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (None, InvalidReason.NO_POSITION),
        ({"speed_mps": 0.1}, InvalidReason.STANDING),
        ({"speed_mps": 40.0}, InvalidReason.TOO_FAST),
    ],
    ids=["no-fix", "standing", "too-fast"],
)
def test_frame_is_rejected_with_its_reason(make_pose, pose, reason):
    gate = Gate(GateSettings())
    gate.used(make_pose(0.0))
    rejected = gate.admits(ENTRY, None if pose is None else make_pose(0.0, **pose))
    assert isinstance(rejected, Rejected)
    assert rejected.reason is reason


def test_first_frame_counts_even_while_standing(make_pose):
    assert not isinstance(Gate(GateSettings()).admits(ENTRY, make_pose(0.0, speed_mps=0.0)), Rejected)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((360, 640, 3), 5, np.uint8), InvalidReason.DARK),
        (np.full((360, 640, 3), 120, np.uint8), InvalidReason.COVERED_LENS),
    ],
    ids=["dark", "covered"],
)
def test_hopeless_image_is_named(image, reason):
    problem = spoiled(image, GateSettings())
    assert problem is not None
    assert problem[0] is reason


def spans(glances):
    return [
        (each.from_station_m, each.to_station_m, each.invalid_reason)
        for each in stretches("front", ZONE, glances)
    ]


def test_neighbouring_valid_frames_make_one_stretch():
    assert spans([Glance(0.0, None), Glance(5.0, None), Glance(10.0, None)]) == [(0.0, 10.1, None)]


def test_invalid_frame_cuts_the_stretch_and_says_why():
    glances = [Glance(0.0, None), Glance(5.0, InvalidReason.DARK), Glance(10.0, None)]
    assert spans(glances) == [(0.0, 5.0, None), (5.0, 10.0, InvalidReason.DARK), (10.0, 10.1, None)]


def test_gap_longer_than_the_zone_is_seen_by_no_frame():
    """The zone is 10 m long: of 16 m between two frames the last 6 m were not looked at."""
    assert spans([Glance(0.0, None), Glance(16.0, None)]) == [
        (0.0, 10.0, None),
        (10.0, 16.0, InvalidReason.NO_FRAME),
        (16.0, 16.1, None),
    ]


def test_stretches_never_overlap_and_leave_no_hole():
    rng = np.random.default_rng(8)
    reasons = [None, InvalidReason.DARK, InvalidReason.NO_POSITION]
    glances = [
        Glance(float(at_m), reasons[rng.integers(3)]) for at_m in np.cumsum(rng.uniform(0, 20, size=200))
    ]
    found = stretches("front", ZONE, glances)
    for before, after in itertools.pairwise(found):
        assert before.to_station_m == after.from_station_m
    assert found[-1].to_station_m == pytest.approx(glances[-1].station_m + 0.1, abs=0.01)


def test_poses_of_the_log_are_five_metres_apart_and_end_with_the_drive(make_pose):
    poses = thinned(make_pose(station_m) for station_m in np.arange(0, 23, 1.0))
    assert [pose.station_m for pose in poses] == [0, 5, 10, 15, 20, 22]
