"""Looks on the road become damages: fused, kept apart, and never more than the road in view."""

import math
from dataclasses import replace

import numpy as np
import pytest

from wegewart.geo import LocalPlane
from wegewart_edge.locate import Located, Sightings, locate
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tracker import RoadTracker
from wegewart_edge.settings import LocateSettings, TrackSettings


@pytest.fixture
def camera(make_camera):
    return RoadCamera(make_camera(), LocateSettings())


def no_drift(_covariance, _driven_m):
    return 0.0


def make_tracker(camera, **chosen):
    return RoadTracker(TrackSettings(**chosen), camera.near_m, no_drift)


def see(camera, pose, *damages):
    """Boxes of damages (forward, right, class, width, length) as the camera at this pose shows them."""
    boxes, codes = [], []
    for starts_m, right_m, code, width_m, length_m in damages:
        forward_m, ends_m = max(starts_m, camera.near_m), starts_m + length_m
        corners = camera.pixels(
            np.array(
                [
                    [forward_m, right_m - width_m / 2],
                    [forward_m, right_m + width_m / 2],
                    [ends_m, right_m],
                ]
            )
        )
        bottom = 1080.0 if starts_m < camera.near_m else corners[0, 1]
        boxes.append([max(corners[0, 0], 0.0), corners[2, 1], min(corners[1, 0], 1920.0), bottom])
        codes.append(code)
    sightings = Sightings(np.array(boxes, float).reshape(-1, 4), tuple(codes), (0.7,) * len(codes))
    return [place for place in locate(sightings, camera, pose, 0.0) if isinstance(place, Located)]


def drive_past(camera, tracker, make_pose, damages, stations, missed=()):
    """Tracks after driving past damages at (station, right, class, width, length)."""
    ended = []
    for sequence, station_m in enumerate(stations):
        pose = make_pose(station_m)
        visible = [
            (at_m - station_m, *rest)
            for number, (at_m, *rest) in enumerate(damages)
            if at_m - station_m + rest[3] > camera.near_m
            and at_m - station_m < 14.5
            and (sequence, number) not in missed
        ]
        ended += tracker.step(sequence, pose, see(camera, pose, *visible))
    return ended + tracker.close()


def place_of(track, make_pose):
    """Metres along and right of the street of a track."""
    origin = make_pose(0.0)
    east_m, north_m = LocalPlane(origin.lat, origin.lon).east_north_m(track.lat, track.lon)
    return north_m, east_m


def test_looks_at_one_damage_become_one_track_at_its_place(camera, make_pose):
    tracks = drive_past(
        camera, make_tracker(camera), make_pose, [(20.0, 1.0, "D40", 0.5, 0.5)], np.arange(0, 30, 2.0)
    )
    (track,) = tracks
    assert track.looks >= 5
    assert place_of(track, make_pose) == pytest.approx((20.0, 1.0), abs=0.02)
    assert not track.best.located.cut
    assert track.best.located.distance_m == pytest.approx(math.hypot(4.0, 1.0), abs=0.01)  # at 2 m it is cut
    assert track.nearest_m < 3.0


def test_neighbouring_potholes_stay_apart(camera, make_pose):
    damages = [(20.0, 0.6, "D40", 0.4, 0.4), (20.3, 1.4, "D40", 0.4, 0.4), (21.2, 0.8, "D40", 0.4, 0.4)]
    tracks = drive_past(camera, make_tracker(camera), make_pose, damages, np.arange(0, 30, 5.0))
    assert len(tracks) == 3
    found = sorted(place_of(track, make_pose) for track in tracks)
    assert np.array(found) == pytest.approx(np.array([(20.0, 0.6), (20.3, 1.4), (21.2, 0.8)]), abs=0.05)


def test_crossing_cracks_stay_apart(camera, make_pose):
    damages = [(20.0, 0.0, "D00", 0.3, 2.0), (20.6, 0.1, "D10", 2.0, 0.3)]
    tracks = drive_past(camera, make_tracker(camera), make_pose, damages, np.arange(0, 30, 2.5))
    assert sorted(max(track.votes, key=track.votes.get) for track in tracks) == ["D00", "D10"]


def test_detections_of_one_frame_are_never_joined(camera, make_pose):
    tracker = make_tracker(camera)
    pose = make_pose(0.0)
    twins = see(camera, pose, (8.0, 0.0, "D40", 0.4, 0.4), (8.05, 0.02, "D40", 0.4, 0.4))
    tracker.step(0, pose, twins)
    assert len(tracker.close()) == 2


def test_damage_missed_in_a_frame_is_taken_up_again(camera, make_pose):
    tracks = drive_past(
        camera,
        make_tracker(camera),
        make_pose,
        [(20.0, 1.0, "D40", 0.5, 0.5)],
        np.arange(0, 30, 2.0),
        missed={(4, 0), (5, 0)},
    )
    assert len(tracks) == 1


def test_class_may_change_between_looks_and_the_votes_say_so(camera, make_pose):
    tracker = make_tracker(camera)
    for sequence, code in enumerate(("D00", "D20", "D20")):
        pose = make_pose(sequence * 2.0)
        tracker.step(sequence, pose, see(camera, pose, (14.0 - 2.0 * sequence, 0.5, code, 0.8, 1.0)))
    (track,) = tracker.close()
    assert track.votes == pytest.approx({"D00": 0.7, "D20": 1.4})


def test_fused_covariance_shrinks_only_by_what_is_new_with_each_look(camera, make_pose):
    """Pixel and pitch errors average out over looks; tilt, height and heading of the drive do not."""
    single = make_tracker(camera)
    pose = make_pose(0.0)
    (look,) = see(camera, pose, (8.0, 0.0, "D40", 0.5, 0.5))
    single.step(0, pose, [look])
    (once,) = single.close()
    many = make_tracker(camera)
    for sequence in range(10):
        many.step(sequence, pose, [look])
    (often,) = many.close()
    shared = look.shared @ look.shared.T
    assert once.cov_relative.nn == pytest.approx(look.own[1, 1] + shared[1, 1])
    assert often.cov_relative.nn == pytest.approx(look.own[1, 1] / 10 + shared[1, 1])


def test_how_loosely_a_model_draws_its_boxes_stays_in_the_covariance(camera, make_pose):
    """The loose edges repeat from look to look: they neither average out nor widen the gate."""
    pose = make_pose(0.0)
    (exact,) = see(camera, pose, (8.0, 0.0, "D20", 1.0, 3.0))
    loose = replace(exact, drawing=np.diag([0.04, 0.25]))
    spread = {}
    for name, look in (("exact", exact), ("loose", loose)):
        tracker = make_tracker(camera)
        for sequence in range(5):
            tracker.step(sequence, pose, [look])
        (track,) = tracker.close()
        spread[name] = track.cov_relative
    assert exact.drawing == pytest.approx(np.zeros((2, 2)))
    assert spread["loose"].nn - spread["exact"].nn == pytest.approx(0.25)
    assert spread["loose"].ee - spread["exact"].ee == pytest.approx(0.04)


def test_long_crack_that_reaches_below_the_frame_is_one_track(camera, make_pose):
    """25 m of crack: its near end leaves the frame, and every later look shows a part cut by the edge."""
    tracks = drive_past(
        camera, make_tracker(camera), make_pose, [(16.0, 0.5, "D00", 0.3, 25.0)], np.arange(0, 60, 5.0)
    )
    assert len(tracks) == 1
    assert place_of(tracks[0], make_pose)[0] == pytest.approx(16.0, abs=0.1)
    assert not tracks[0].only_cut


def test_damage_seen_only_cut_is_kept_and_says_so(camera, make_pose):
    tracker = make_tracker(camera)
    pose = make_pose(0.0)
    (look,) = see(camera, pose, (1.0, 0.5, "D20", 1.0, 4.0))
    assert look.cut
    tracker.step(0, pose, [look])
    (track,) = tracker.close()
    assert track.only_cut
    assert math.sqrt(track.cov_relative.nn) > 0.9


def test_passed_damages_leave_memory(camera, make_pose):
    tracker = make_tracker(camera)
    ended = []
    for sequence in range(200):
        pose = make_pose(sequence * 5.0)
        ended += tracker.step(sequence, pose, see(camera, pose, (9.0, 0.5, "D40", 0.5, 0.5)))
        assert len(tracker.kept_sequences) <= 4
    assert len(ended) >= 196


def test_active_tracks_never_exceed_their_limit_and_none_is_lost(camera, make_pose):
    tracker = make_tracker(camera, max_active=3)
    pose = make_pose(0.0)
    many = [(6.0 + number, -1.0, "D40", 0.3, 0.3) for number in range(6)]
    ended = tracker.step(0, pose, see(camera, pose, *many))
    assert (len(ended), len(tracker.close())) == (3, 3)
