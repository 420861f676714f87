"""Where the receiver goes from RTK to a plain fix and back, the place goes on without a leap, and says so."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.edge.driving import AT_THE_ANTENNA, ORIGIN, START, drive, fix_at, moment, place_m, trajectory
from tests.edge.test_road_tracker import see

from wegewart.drive import FixType
from wegewart.geo import LocalPlane
from wegewart_edge.kind_changes import Border, Offsets, bridged
from wegewart_edge.live_pose import LivePose
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tracker import RoadTracker
from wegewart_edge.settings import LocateSettings, PoseSettings, TrackSettings

PLAIN_M = 2.5
RTK, PLAIN = FixType.RTK_FIXED, FixType.SINGLE


def with_plain_fixes(fixes, spans, seed):
    """Fixes of an RTK drive, within the spans those of a plain receiver: each with a bias of its own."""
    random = np.random.default_rng(seed)
    biases_m = random.normal(size=(len(spans), 2)) * PLAIN_M
    mixed = []
    for fix in fixes:
        at_s = (fix.captured_at - START).total_seconds()
        span = next((number for number, (from_s, to_s) in enumerate(spans) if from_s <= at_s < to_s), None)
        if span is None:
            mixed.append(replace(fix, fix=RTK))
            continue
        east_m, north_m = (
            ORIGIN.east_north_m(fix.lat, fix.lon) + biases_m[span] + random.normal(size=2) * 0.05
        )
        lat, lon = ORIGIN.lat_lon(east_m, north_m)
        mixed.append(replace(fix, lat=lat, lon=lon, sigma_east_m=PLAIN_M, sigma_north_m=PLAIN_M, fix=PLAIN))
    return mixed


def rtk_drive(seed, *spans, lasts_s=30):
    """A drive with RTK that is lost within the spans of seconds."""
    driven = drive(seed, lasts_s=lasts_s, sigma_m=0.02, white_m=0.01)
    driven.fixes = with_plain_fixes(driven.fixes, spans, 1000 + seed)
    return driven


def longest_step_m(errors_m):
    return float(np.hypot(*np.diff(np.array(errors_m), axis=0).T).max())


FRAMES_S = np.arange(1.0, 29.0, 0.1).round(2)


@pytest.mark.parametrize(
    "spans",
    [[(12, 14)], [(0, 15)], [(15, 30)], [(8, 11), (13, 20)]],
    ids=["lost-for-2-s", "from-plain-to-rtk", "from-rtk-to-plain", "twice"],
)
def test_place_does_not_leap_where_the_kind_of_fix_changes(spans):
    for seed in range(3):
        driven = rtk_drive(seed, *spans)
        path = trajectory(driven.fixes)
        assert longest_step_m([driven.error_m(path.at(moment(at_s))) for at_s in FRAMES_S]) < 0.1


def test_rtk_that_is_lost_for_seconds_leaves_places_good_and_says_how_good():
    squared, errors_m, stated_m = [], [], []
    for seed in range(8):
        driven = rtk_drive(seed, (12, 14))
        pose = trajectory(driven.fixes).at(moment(13))
        squared.append(pose.cov_gnss.mahalanobis2(*driven.error_m(pose)))
        errors_m.append(math.hypot(*driven.error_m(pose)))
        stated_m.append(pose.cov_gnss.rms_m)
        assert pose.fix is PLAIN
    assert max(errors_m) < 0.15  # the plain receiver is off by 3 m
    assert 0.02 < np.mean(stated_m) < 0.1
    assert 0.5 < np.mean(squared) < 3.3  # 2 if honest; 8 drives give ± 0.7


def test_place_grows_as_unsure_as_it_errs_once_rtk_is_lost():
    squared, stated_m = [], []
    for seed in range(8):
        driven = rtk_drive(seed, (10, 30))
        path = trajectory(driven.fixes)
        poses = [path.at(moment(at_s)) for at_s in (9.0, 16.0, 22.0, 28.0)]
        squared += [pose.cov_gnss.mahalanobis2(*driven.error_m(pose)) for pose in poses]
        stated_m.append([pose.cov_gnss.rms_m for pose in poses])
    assert 0.5 < np.mean(squared) < 3.3  # as above: the four poses of a drive err together
    assert np.all(np.diff(np.mean(stated_m, axis=0)) > 0.05)


def test_better_kind_keeps_its_place_from_the_change_on():
    driven = rtk_drive(4, (0, 15))
    path = trajectory(driven.fixes)
    for at_s in (15.2, 16.0, 20.0):
        pose = path.at(moment(at_s))
        assert math.hypot(*driven.error_m(pose)) < 0.08
        assert pose.cov_gnss.rms_m < 0.05


def test_live_place_goes_on_without_a_leap_and_forgets_the_plain_fixes_honestly():
    driven = rtk_drive(5, (0, 15))
    running, errors_m, squared = LivePose(AT_THE_ANTENNA, PoseSettings()), [], []
    for fix in driven.fixes:
        running.take(fix)
        ready = running.ready_until
        if ready is not None and ready >= moment(5):
            pose = running.at(ready)
            errors_m.append(driven.error_m(pose))
            squared.append(pose.cov_gnss.mahalanobis2(*errors_m[-1]))
    assert longest_step_m(errors_m) < 0.15
    assert squared[-1] < 9.21
    assert math.hypot(*errors_m[-1]) < math.hypot(*errors_m[50])  # RTK takes over, little by little


def test_outlier_of_another_kind_changes_nothing():
    fixes = [fix_at(t / 5, 1.6 * t, 0.0, fix=RTK) for t in range(150)]
    fixes[75] = fix_at(15, 120, 60.0, PLAIN_M, fix=PLAIN)
    path = trajectory(fixes)
    assert path.fixes_left_out == 1
    for at_s in (14.9, 15.0, 15.1):
        assert place_m(path.at(moment(at_s))) == pytest.approx((8 * at_s, 0), abs=0.02)
        assert path.at(moment(at_s)).cov_gnss.rms_m < 0.04


def test_damage_in_view_stays_one_track_with_its_place_where_rtk_is_lost_and_found(make_camera):
    """Straight east at 8 m/s past a pothole at 80 m; RTK is lost 10 m before it, for one second."""
    fixes = [fix_at(t / 5, 1.6 * t, 0.0, heading_deg=90.0, speed_mps=8.0, fix=RTK) for t in range(100)]
    path = trajectory(with_plain_fixes(fixes, [(8.7, 9.5)], 3))
    camera = RoadCamera(make_camera(), LocateSettings(middle_share=0.0, middle_share_sigma=0.0))
    tracker = RoadTracker(TrackSettings(), camera, path.drift_variance_m2)
    ended = []
    for sequence, at_s in enumerate(np.arange(5.0, 15.0, 0.125)):
        pose, ahead_m = path.at(moment(float(at_s))), 80.0 - 8.0 * at_s
        seen = see(camera, pose, (ahead_m, 1.0, "D40", 0.5, 0.5)) if camera.near_m < ahead_m < 14.5 else []
        ended += tracker.step(sequence, pose, seen)
    (track,) = ended + tracker.close()
    assert track.looks >= 8
    assert LocalPlane(ORIGIN.lat, ORIGIN.lon).east_north_m(track.lat, track.lon) == pytest.approx(
        (80.0, -1.0), abs=0.1
    )


def offsets(*metres):
    return Offsets(np.array(metres, float), np.tile(np.eye(2), (len(metres), 1, 1)))


def test_less_accurate_kind_gives_way_as_the_error_forgets_itself():
    own = offsets((0, 0), (0, 0), (3, 0), (3, 0), (3, 0))
    kinds, accuracy_m = (RTK, RTK, PLAIN, PLAIN, PLAIN), np.array([0.1, 0.1, 2, 2, 2])
    placed, runs = bridged(own, kinds, accuracy_m, np.array([0.0, 0.1, 0.1, 1.1, 30.0]))
    assert placed.metres[:, 0] == pytest.approx([0, 0, 0, 3 * (1 - math.exp(-1)), 3])
    assert placed.spread_m2[3, 0, 0] == pytest.approx((1 - math.exp(-1)) ** 2 + math.exp(-1) ** 2)
    assert [(run.first, run.end) for run in runs] == [(0, 2), (2, 5)]


def test_where_no_accuracy_is_stated_the_kinds_tell_which_gives_way():
    own, passed = offsets((3, 0), (3, 0), (0, 0), (0, 0)), np.array([0.0, 1.0, 1.1, 2.0])
    placed, _ = bridged(own, (PLAIN, PLAIN, RTK, RTK), np.full(4, 2.5), passed)
    assert placed.metres[2:, 0] == pytest.approx([0, 0])
    assert placed.metres[1, 0] == pytest.approx(3 * (1 - math.exp(-0.1)))


def test_short_run_between_two_changes_lies_on_the_line_between_them():
    own = offsets((1, 0), (9, 9), (9, 9), (2, 0))
    placed, _ = bridged(
        own, (RTK, PLAIN, PLAIN, RTK), np.array([0.1, 2, 2, 0.1]), np.array([0.0, 0.001, 0.002, 0.003])
    )
    assert placed.metres[:, 0] == pytest.approx([1, 1 + 1 / 3, 1 + 2 / 3, 2], abs=1e-4)


def test_change_that_was_forgotten_goes_on_as_if_it_were_there():
    own = offsets((0, 0), (3, 0), (3, 0), (3, 0))
    kinds, accuracy_m = (RTK, PLAIN, PLAIN, PLAIN), np.array([0.1, 2, 2, 2])
    passed = np.array([0.0, 0.1, 0.5, 0.9])
    whole, runs = bridged(own, kinds, accuracy_m, passed, in_time=True)
    border = runs[1].before
    assert border is not None
    rest, _ = bridged(
        offsets((3, 0), (3, 0)),
        kinds[2:],
        accuracy_m[2:],
        passed[2:] - passed[2],
        in_time=True,
        carried=Border(border.passed - 0.5, border.metres, border.spread_m2),
    )
    assert rest.metres == pytest.approx(whole.metres[2:])
