"""Poses while driving: late by the lag, near to what the whole drive says, and bounded in memory."""

import math
from datetime import timedelta

import numpy as np
import pytest
from tests.edge.driving import AT_THE_ANTENNA, drive, fix_at, moment, place_m, trajectory

from wegewart.drive import FixType
from wegewart_edge.gnss import Fix
from wegewart_edge.live_pose import LivePose
from wegewart_edge.motion import Motion
from wegewart_edge.settings import PoseSettings


def live(**chosen):
    return LivePose(AT_THE_ANTENNA, PoseSettings(**chosen))


def in_order(driven):
    return sorted([*driven.fixes, *driven.motion], key=lambda each: each.captured_at)


def test_live_pose_is_settled_after_the_lag_and_agrees_with_the_recorded_drive():
    driven = drive(31, lasts_s=30, fixes_per_s=2, velocity=False)
    recorded, running, apart_m = trajectory(driven.fixes), live(), []
    for number, reading in enumerate(in_order(driven)):
        running.take(reading)
        ready = running.ready_until
        if number % 6 or ready is None or ready < moment(8):
            continue
        pose, later = running.at(ready), recorded.at(ready)
        apart_m.append(math.dist(place_m(pose), place_m(later)))
        assert reading.captured_at - ready <= timedelta(seconds=3.0)
    assert len(apart_m) >= 6
    assert max(apart_m) < 1.5
    assert running.at(moment(29.9)) is None  # not settled yet


def test_station_goes_on_over_what_was_forgotten():
    running = live()
    for tick in range(240):
        running.take(fix_at(tick / 2, 4.0 * tick, 0))
    pose = running.at(running.ready_until)
    assert pose.station_m == pytest.approx(place_m(pose)[0], abs=0.5)
    assert running.at(moment(50)) is None  # forgotten: 60 s ago


def test_standing_start_has_no_pose_until_the_vehicle_moves():
    running = live()
    for tick in range(10):
        running.take(fix_at(tick, 0, 0))
    assert running.ready_until is None
    for tick in range(1, 12):
        running.take(fix_at(9 + tick, 6.0 * tick, 0))
    assert running.at(running.ready_until).heading_deg == pytest.approx(90, abs=5)


def test_wheels_that_arrive_before_their_fix_are_put_in_order():
    running = live()
    for tick in range(30):
        running.take(Motion(moment(tick + 0.1), 8.0))
        running.take(fix_at(tick, 8.0 * tick, 0))
    assert running.too_late == 0
    running.take(Motion(moment(5), 8.0))
    assert running.too_late == 1


def test_clock_set_back_begins_the_path_anew_and_is_counted():
    running = live()
    for tick in range(15):
        running.take(fix_at(100 + tick, 8.0 * tick, 0))
    for tick in range(15):
        running.take(fix_at(tick, 120 + 8.0 * tick, 0))
    assert running.restarts == 1
    pose = running.at(running.ready_until)
    assert place_m(pose)[0] == pytest.approx(
        120 + 8 * (pose.captured_at - moment(0)).total_seconds(), abs=0.5
    )
    assert pose.station_m > 160  # both paths: what was driven before counts


def test_fix_without_a_position_or_sent_twice_changes_nothing():
    running = live()
    for tick in range(12):
        running.take(fix_at(tick, 8.0 * tick, 0))
        running.take(fix_at(tick, 8.0 * tick, 50))
    running.take(Fix(moment(12), math.nan, math.nan, 1, 1, FixType.NONE))
    assert running.too_late == 12
    assert abs(place_m(running.at(running.ready_until))[1]) < 0.2


def test_receiver_that_jumps_far_is_followed_after_it_proved_itself():
    running = live()
    for tick in range(60):
        running.take(fix_at(tick / 2, 4.0 * tick, 300.0 if tick >= 30 else 0.0, 1.0))
    pose = running.at(running.ready_until)
    assert place_m(pose)[1] == pytest.approx(300, abs=3)
    assert np.isfinite(pose.station_m)
