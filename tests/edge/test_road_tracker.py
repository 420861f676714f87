"""Looks on the road become damages: fused, kept apart, and never more than the road in view."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.edge.conftest import METRES_PER_DEGREE_NORTH

from wegewart.geo import LocalPlane
from wegewart_edge.locate import Located, NoPlace, Sightings, locate
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tilt import FrameTilt, MeasuredTilt
from wegewart_edge.road_tracker import RoadTracker, SeenCut
from wegewart_edge.settings import LocateSettings, TrackSettings
from wegewart_edge.tilt_noise import Noise, learnt_noise
from wegewart_edge.tracks import LocatedFrame, Look, Track, Tracks

METRES_PER_DEGREE_EAST = 71_785.0  # of longitude at 49.94° north on GRS80


@pytest.fixture
def camera(make_camera):
    """Boxes of these tests are drawn around the near edge: nothing is unknown about their middle."""
    return RoadCamera(make_camera(), LocateSettings(middle_share=0.0, middle_share_sigma=0.0))


def no_drift(_covariance, _driven_m):
    return 0.0


def make_tracker(camera, **chosen):
    return RoadTracker(TrackSettings(**chosen), camera, no_drift)


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


def two_looks(camera, make_pose, first_m, driven_m, second_m):
    """Tracks after two looks so far ahead on a bad road (1° of pitching), so many metres of driving apart."""
    noise = Noise(math.radians(1.0), math.radians(0.2))
    tracks = Tracks(TrackSettings(), camera, no_drift, noise)
    for sequence, (station_m, ahead_m) in enumerate([(0.0, first_m), (driven_m, second_m)]):
        pose = make_pose(station_m)
        looks = see(camera, pose, (ahead_m, 0.5, "D40", 0.4, 0.4))
        tracks.step(LocatedFrame(sequence, pose, tuple(looks)))
    return [tracks.finished(track) for track in tracks.close()]


def test_look_where_something_else_is_likelier_begins_a_track_of_its_own(camera, make_pose):
    assert [track.looks for track in two_looks(camera, make_pose, 10.3, 4.0, 11.7)] == [1, 1]


def test_look_that_may_have_been_at_something_else_widens_the_covariance(camera, make_pose):
    """The first look says 8.2 m, the second 12.5 m: one of them may have been at something else."""
    (doubtful,) = two_looks(camera, make_pose, 8.2, 6.0, 6.5)
    (sure,) = two_looks(camera, make_pose, 8.2, 6.0, 2.2)
    assert math.sqrt(doubtful.cov_relative.nn) > 2.0
    assert math.sqrt(sure.cov_relative.nn) < 0.3


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
    """Pixel and the frame's own tilt average out over looks; tilt, height and heading of the drive do not."""
    noise = Noise.assumed(camera.settings.slope_sigma_deg)
    pose = make_pose(0.0)
    (look,) = see(camera, pose, (8.0, 0.0, "D40", 0.5, 0.5))
    spread = {}
    for count in (1, 10):
        tracks = Tracks(TrackSettings(), camera, no_drift, noise)
        for sequence in range(count):
            tracks.step(LocatedFrame(sequence, pose, (look,)))
        (ended,) = tracks.close()
        spread[count] = tracks.finished(ended).cov_relative.nn
    per_rad_m = math.hypot(8.0, 1.3) ** 2 / 1.3
    slow_m2 = (per_rad_m * noise.slow_tilt_rad) ** 2  # at a standstill it does not change
    lasting_m2 = (look.shared @ look.shared.T)[1, 1] + slow_m2
    new_m2 = look.own[1, 1] - slow_m2
    assert spread[1] == pytest.approx(lasting_m2 + new_m2, rel=0.01)
    assert spread[10] == pytest.approx(lasting_m2 + new_m2 / 10, rel=0.01)


def test_how_loosely_a_model_draws_its_boxes_stays_in_the_covariance(camera, make_pose):
    """The loose edges repeat from look to look: they neither average out nor widen the gate."""
    pose = make_pose(0.0)
    (exact,) = see(camera, pose, (8.0, 0.0, "D20", 1.0, 3.0))
    loose = replace(exact, edge_share=0.2)
    spread = {}
    for name, look in (("exact", exact), ("loose", loose)):
        tracker = make_tracker(camera)
        for sequence in range(5):
            tracker.step(sequence, pose, [look])
        (track,) = tracker.close()
        spread[name] = track.cov_relative
    assert exact.drawing == pytest.approx(np.zeros((2, 2)))
    x1, y1, x2, y2 = exact.box_px
    per_rad_m = math.hypot(8.0, 1.3) ** 2 / 1.3
    down_rad = math.atan2(1.3, 8.0) - math.radians(5.0)
    along_m = per_rad_m * 0.2 * (y2 - y1) * math.cos(down_rad) ** 2 / 1104
    assert spread["loose"].nn - spread["exact"].nn == pytest.approx(along_m**2, rel=0.01)
    across_m = 8.0 * 0.2 * (x2 - x1) / 1104
    assert spread["loose"].ee - spread["exact"].ee == pytest.approx(across_m**2, rel=0.05)


def test_long_crack_that_reaches_below_the_frame_is_one_track(camera, make_pose):
    """25 m of crack: its near end leaves the frame, and every later look shows a part cut by the edge."""
    tracks = drive_past(
        camera, make_tracker(camera), make_pose, [(16.0, 0.5, "D00", 0.3, 25.0)], np.arange(0, 60, 5.0)
    )
    assert len(tracks) == 1
    assert place_of(tracks[0], make_pose)[0] == pytest.approx(16.0, abs=0.1)
    assert tracks[0].looks >= 5


def test_damage_seen_only_cut_has_no_place_and_says_so(camera, make_pose):
    tracker = make_tracker(camera)
    pose = make_pose(0.0)
    (look,) = see(camera, pose, (1.0, 0.5, "D20", 1.0, 4.0))
    assert look.cut
    tracker.step(7, pose, [look])
    assert tracker.close() == []
    assert tracker.seen_only_cut() == [SeenCut(7, 0, "D20", NoPlace.CUT_BELOW, 1)]
    assert tracker.seen_only_cut() == []


def test_passed_damages_leave_memory(camera, make_pose):
    tracker = make_tracker(camera, first_looks=20)
    ended = []
    for sequence in range(200):
        pose = make_pose(sequence * 5.0)
        ended += tracker.step(sequence, pose, see(camera, pose, (9.0, 0.5, "D40", 0.5, 0.5)))
        assert len(tracker.kept_sequences) <= (20 if sequence < 20 else 4)
    assert len(ended) >= 196


def test_first_looks_of_a_drive_do_not_wait_for_ever(camera, make_pose):
    tracker = make_tracker(camera, first_frames=30)
    for sequence in range(60):
        pose = make_pose(sequence * 5.0)
        boxes = see(camera, pose, (9.0, 0.5, "D40", 0.5, 0.5)) if sequence == 3 else []
        ended = tracker.step(sequence, pose, boxes)
        assert bool(ended) == (sequence == 29)


def test_active_tracks_never_exceed_their_limit_and_none_is_lost(camera, make_pose):
    tracker = make_tracker(camera, max_active=3, first_looks=1)
    pose = make_pose(0.0)
    many = [(6.0 + number, -1.0, "D40", 0.3, 0.3) for number in range(6)]
    ended = tracker.step(0, pose, see(camera, pose, *many))
    assert (len(ended), len(tracker.close())) == (3, 3)


@dataclass(frozen=True)
class Shaken:
    """Tracks of simulated drives held against the truth: errors along and across, and covariances."""

    errors_m: np.ndarray
    covariances: np.ndarray
    tracks_more: int

    @property
    def nees(self):
        solved = np.linalg.solve(self.covariances, self.errors_m[:, :, None])[:, :, 0]
        return np.einsum("ni,ni->n", self.errors_m, solved)


def image_of(relative_m, tilt_deg, height_m=1.30):
    """Pixels of road points (N, 2), forward and right, in the camera of FORMULAS, by hand."""
    tilt = math.radians(tilt_deg)
    forward_m, right_m = relative_m.T
    depth_m = forward_m * math.cos(tilt) + height_m * math.sin(tilt)
    below_m = height_m * math.cos(tilt) - forward_m * math.sin(tilt)
    return np.column_stack([960 + 1104 * right_m / depth_m, 540 + 1104 * below_m / depth_m])


def shake(
    make_camera, make_pose, *, frame_deg=0.0, mount_deg=0.3, drift_m=0.0, drives=20, damages=8, height_m=0.0
):
    """Drives past damages 9 m apart with a frame every 2 m, looks at 4 to 12 m, all errors drawn anew.

    A drive has a mount error; each frame pitches; the receiver's error walks by `drift_m` per root metre.
    """
    noise = np.random.default_rng(20261121)
    settings = LocateSettings(pixel_sigma_px=2.0, middle_share=0.0, middle_share_sigma=0.0)
    stated = {"tilt_sigma_deg": max(mount_deg, 0.01), "height_sigma_m": max(height_m, 0.001)}
    camera = RoadCamera(make_camera(roll_sigma_deg=0.01, yaw_sigma_deg=0.01, **stated), settings)
    errors_m, covariances, tracks_more = [], [], 0
    origin = make_pose(0.0)
    for _ in range(drives):
        tracker = RoadTracker(TrackSettings(), camera, lambda _, driven_m: 1e-8 + drift_m**2 * driven_m)
        mount = 5.0 + mount_deg * noise.normal()
        height = 1.30 + height_m * noise.normal()
        truth = np.column_stack([20 + 9.0 * np.arange(damages), noise.uniform(-1.5, 1.5, damages)])
        bias_m, tracks, biases = np.zeros(2), [], {}
        for sequence, station_m in enumerate(np.arange(0.0, 30 + 9.0 * damages, 2.0)):
            bias_m = bias_m + drift_m * math.sqrt(2.0) * noise.normal(size=2)
            biases[sequence] = bias_m
            relative = truth - [station_m, 0.0]
            visible = relative[(relative[:, 0] > 4) & (relative[:, 0] < 12)]
            seen = image_of(visible, mount + frame_deg * noise.normal(), height)
            seen += 2.0 * noise.normal(size=seen.shape)
            boxes = seen[:, [0, 1, 0, 1]] + [-20.0, -8.0, 20.0, 0.0]
            pose = make_pose(
                station_m,
                heading_sigma_deg=0.01,
                lat=origin.lat + (station_m + bias_m[0]) / METRES_PER_DEGREE_NORTH,
                lon=origin.lon + bias_m[1] / METRES_PER_DEGREE_EAST,
            )
            sightings = Sightings(boxes, ("D40",) * len(boxes), (0.8,) * len(boxes))
            places = locate(sightings, camera, pose, 0.0)
            tracks += tracker.step(sequence, pose, [each for each in places if isinstance(each, Located)])
        tracks += tracker.close()
        for track in tracks:
            place = np.array(place_of(track, make_pose)) - biases[track.best.sequence]
            nearest = truth[np.argmin(np.hypot(*(truth - place).T))]
            errors_m.append(place - nearest)
            relative = track.cov_relative
            covariances.append([[relative.nn, relative.en], [relative.en, relative.ee]])
        tracks_more += len(tracks) - damages
    return Shaken(np.array(errors_m), np.array(covariances), tracks_more)


@pytest.mark.parametrize(
    ("errors", "median_m"),
    [
        ({"frame_deg": 0.5, "mount_deg": 0.3}, 0.25),
        ({"frame_deg": 0.1, "mount_deg": 0.5}, 0.20),
        ({"frame_deg": 0.5, "mount_deg": 0.3, "drift_m": 0.13}, 0.25),
        ({"frame_deg": 0.3, "mount_deg": 0.3, "height_m": 0.05}, 0.25),
    ],
    ids=["pitching car", "badly mounted", "receiver that walks", "height"],
)
def test_places_are_as_sure_as_they_say(make_camera, make_pose, errors, median_m):
    """160 tracks, 20 drives with errors that their tracks share: the mean NEES has a sigma of about 0.25.

    The setting says 0.3° of slope and pitching in all cases: what a frame really pitches is learnt.
    """
    seen = shake(make_camera, make_pose, **errors)
    assert abs(seen.tracks_more) <= 4
    assert np.median(np.hypot(*seen.errors_m.T)) < median_m
    assert 1.4 < seen.nees.mean() < 2.7
    assert 0.89 < (seen.nees < 5.991).mean() < 0.985


def test_tilt_of_a_frame_is_estimated_with_its_sigma(make_camera, make_pose):
    """A mount that is off by 0.6°: after a dozen damages the drive tells, within its stated sigma."""
    stated = make_camera(tilt_sigma_deg=0.5)
    camera = RoadCamera(stated, LocateSettings(pixel_sigma_px=1.0, middle_share=0.0, middle_share_sigma=0.0))
    tracker = RoadTracker(TrackSettings(), camera, no_drift)
    for sequence, station_m in enumerate(np.arange(0, 130, 2.0)):
        pose = make_pose(station_m)
        ahead_m = 20 + 8.0 * np.arange(12) - station_m
        visible = ahead_m[(ahead_m > 4) & (ahead_m < 12)]
        seen = image_of(np.column_stack([visible, np.full(len(visible), 0.5)]), 5.6)
        boxes = seen[:, [0, 1, 0, 1]] + [-20.0, -8.0, 20.0, 0.0]
        sightings = Sightings(boxes, ("D40",) * len(boxes), (0.8,) * len(boxes))
        tracker.step(sequence, pose, locate(sightings, camera, pose, 0.0))
    tracker.close()
    tilts = dict(tracker.new_tilts())
    assert not tilts[0].estimated  # before the first damage nothing is known but the mount's sigma
    assert math.degrees(tilts[0].sigma_rad) == pytest.approx(0.5, abs=0.2)
    late = tilts[55]
    assert late.estimated
    assert abs(math.degrees(late.more_rad) - 0.6) < 3 * math.degrees(late.sigma_rad)
    assert math.degrees(late.sigma_rad) < 0.25


def test_tilt_measured_elsewhere_moves_places_and_makes_them_surer(camera, make_pose):
    """A vanishing point says that the camera looks 0.5° further down: a place at 8 m is 0.4 m nearer."""
    pose = make_pose(0.0)
    (look,) = see(camera, pose, (8.0, 0.0, "D40", 0.5, 0.5))
    places = []
    for tilt in (None, MeasuredTilt(tilt_down_deg=5.5, sigma_deg=0.05)):
        tracker = make_tracker(camera)
        tracker.step(0, pose, [look], tilt)
        (track,) = tracker.close()
        places.append((place_of(track, make_pose)[0], track.cov_relative.nn))
    assert places[0][0] == pytest.approx(8.0, abs=0.01)
    assert places[1][0] == pytest.approx(1.3 / math.tan(math.atan2(1.3, 8.0) + math.radians(0.5)), abs=0.02)
    assert places[1][1] < 0.4 * places[0][1]


def test_neighbouring_potholes_stay_apart_while_the_car_pitches(make_camera, make_pose):
    """Four potholes 0.8 m apart; pitching moves all of a frame together by up to their distance."""
    noise = np.random.default_rng(3)
    camera = RoadCamera(make_camera(), LocateSettings(middle_share=0.0, middle_share_sigma=0.0))
    tracker = make_tracker(camera)
    truth = np.array([(20.0, 0.5), (20.8, 0.7), (21.6, 0.5), (22.4, 0.6)])
    tracks = []
    for sequence, station_m in enumerate(np.arange(0, 30, 2.0)):
        pose = make_pose(station_m)
        relative = truth - [station_m, 0.0]
        visible = relative[(relative[:, 0] > 4) & (relative[:, 0] < 14)]
        seen = image_of(visible, 5.0 + 0.5 * noise.normal())
        boxes = seen[:, [0, 1, 0, 1]] + [-20.0, -8.0, 20.0, 0.0]
        sightings = Sightings(boxes, ("D40",) * len(boxes), (0.8,) * len(boxes))
        located = [each for each in locate(sightings, camera, pose, 0.0) if isinstance(each, Located)]
        tracks += tracker.step(sequence, pose, located)
    tracks += tracker.close()
    found = np.array(sorted(place_of(track, make_pose) for track in tracks))
    assert len(found) == 4
    assert found == pytest.approx(truth, abs=0.8)  # nothing here tells that the car pitches more than stated
    assert np.diff(found[:, 0]).min() > 0.4


def test_looks_that_tell_nothing_leave_the_mean_of_what_is_thought_possible(camera, make_pose):
    """0.1° and 1° of pitching are both common: their mean variance is more than the middle one."""
    assumed = Noise.assumed(0.3)
    (place,) = see(camera, make_pose(0.0), (8.0, 0.0, "D40", 0.4, 0.4))
    look = Look(0, place, FrameTilt(0.0, 0.01, 0.01))
    once = learnt_noise([(Track.born(look), look)], camera, no_drift, assumed)
    assert assumed == learnt_noise([], camera, no_drift, assumed)
    assert 1.4 < once.frame_tilt_rad / assumed.frame_tilt_rad < 1.9
