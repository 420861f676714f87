"""Damages under way, frame by frame: which looks are theirs, when they are born, when they are passed.

Where a damage is, and how sure that is, the joint filter tells (road_filter.py). A box that the frame's edge
cuts shows only that a damage goes on: it prolongs a track, votes for its class, and moves no place.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wegewart.geo import Covariance, LocalPlane
from wegewart_edge.locate import Located, NoPlace, east_north_from, turned
from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_filter import Filtered, RoadFilter, Step
from wegewart_edge.road_match import chances_of_others, doubts, match
from wegewart_edge.road_tilt import FrameTilt, MeasuredTilt
from wegewart_edge.settings import TrackSettings
from wegewart_edge.size import Size, measured
from wegewart_edge.tilt_noise import Noise

Array = npt.NDArray[np.float64]
DriftVarianceM2 = Callable[[Covariance, float], float]

BEHIND_M = 2.0  # behind the nearest visible road a damage is passed for good
LEAST_AHEAD_M = 0.5  # nearer to the camera's foot slopes grow without bound
HIDDEN_SIGMAS = 3.0  # a damage that is surely below the frame is not looked for any more
LOGGED_LOOKS = 60  # enough to tell sigmas to about 15 %, few enough to weigh them in milliseconds


@dataclass(frozen=True)
class LocatedFrame:
    """What one frame shows, and where the vehicle was."""

    sequence: int
    pose: VehiclePose
    located: tuple[Located, ...]
    measured_tilt: MeasuredTilt | None = None


@dataclass(frozen=True)
class Look:
    """One located detection in its frame, and how the camera looked then."""

    sequence: int
    located: Located
    tilt: FrameTilt

    @property
    def pose(self) -> VehiclePose:
        """Where the vehicle was."""
        return self.located.scene.pose


@dataclass(frozen=True)
class RoadTrack:
    """One damage as this drive saw it."""

    first_sequence: int
    first_number: int
    lat: float
    lon: float
    cov_relative: Covariance
    votes: dict[str, float]
    looks: int
    nearest_m: float
    best: Look
    size: Size


@dataclass(frozen=True, slots=True)
class SeenCut:
    """A damage that no frame showed whole: it has no place; this says where it was seen."""

    first_sequence: int
    first_number: int
    class_code: str
    reason: NoPlace
    looks: int


@dataclass(eq=False)
class Track:
    """A damage under way.

    `slot` is its place in the filter's state, None once it left it or never was in it; `place` is what the
    filter knew after its last whole look, from the pose of that look.
    """

    first: Look
    best: Look
    last_station_m: float
    reach_station_m: float
    slot: int | None = None
    place: tuple[Look, Filtered] | None = None
    looks: int = 0
    nearest_m: float = math.inf
    votes: dict[str, float] = field(default_factory=dict)

    @classmethod
    def born(cls, look: Look) -> "Track":
        """A track that has taken its first look."""
        track = cls(look, look, look.pose.station_m, look.pose.station_m)
        track.take(look)
        return track

    def take(self, look: Look) -> None:
        """Count a look, its vote, and how far the damage reaches; the place is the filter's business."""
        located = look.located
        self.looks += 1
        self.nearest_m = min(self.nearest_m, located.distance_m)
        self.votes[located.class_code] = self.votes.get(located.class_code, 0.0) + located.confidence
        self.last_station_m = look.pose.station_m
        length_m = 0.0 if math.isnan(located.length_m) else located.length_m
        reach_m = look.pose.station_m + located.forward_m + length_m
        self.reach_station_m = max(self.reach_station_m, reach_m)
        if _worth(look) > _worth(self.best):
            self.best = look

    def east_north_from(self, pose: VehiclePose) -> tuple[Array, Array]:
        """Metres east and north of a pose, and covariance (2, 2); of a damage only seen cut, its bound."""
        look, slopes, covariance = self.first, self.first.located.slopes, self.first.located.noise
        if self.place is not None:
            look, slopes = self.place[0], self.place[1].slopes
            covariance = self.place[1].covariance_of_slopes
        place_m, by_slopes = look.located.scene.east_north(slopes)
        plane = LocalPlane(pose.lat, pose.lon)
        moved_m = plane.east_north_m(look.pose.lat, look.pose.lon)
        return place_m + moved_m, by_slopes @ covariance @ by_slopes.T


class Tracks:
    """All damages under way of one camera.

    Args:
        drift_variance_m2: Variance per axis of the change of the pose's error, from a pose's covariance and
            a driven length; at length 0 twice the pose's own noise.
        gate_alone: Gate where a look could belong to one damage only; None for that of the settings.
    """

    def __init__(
        self,
        settings: TrackSettings,
        camera: RoadCamera,
        drift_variance_m2: DriftVarianceM2,
        noise: Noise,
        gate_alone: float | None = None,
    ) -> None:
        self._settings = settings
        self._gate_alone = gate_alone or settings.gate
        self._camera = camera
        self._drift_variance_m2 = drift_variance_m2
        self._filter = RoadFilter(camera, noise)
        self._nearest_ahead_m = max(camera.near_m - camera.camera.mount.forward_m, LEAST_AHEAD_M)
        self._pose: VehiclePose | None = None
        self._active: list[Track] = []
        self._in_filter: list[Track] = []
        self.logged: deque[tuple[Track, Look]] = deque(maxlen=LOGGED_LOOKS)
        self.whole_looks = 0

    @property
    def kept_sequences(self) -> set[int]:
        """Frames that are some track's best view."""
        return {track.best.sequence for track in self._active}

    def learn(self, noise: Noise) -> None:
        """Go on with other sigmas of what passes."""
        self._filter.noise = noise

    def step(self, frame: LocatedFrame) -> tuple[list[Track], FrameTilt]:
        """Take one frame; the tracks that ended before it, and its tilt."""
        ended = self._retired(frame.pose)
        if not frame.located and frame.measured_tilt is None:
            return ended, self._filter.tilt_unseen()
        self._advance(frame.pose)
        if frame.measured_tilt is not None:
            self._filter.take_tilt(frame.measured_tilt)
        whole = [each for each in frame.located if not each.cut]
        followed, fresh = self._take_whole(whole)
        tilt = self._filter.frame_tilt()
        for track, located, sure in followed:
            track.take(self._placed(track, Look(frame.sequence, located, tilt), sure))
        cut = [Look(frame.sequence, each, tilt) for each in frame.located if each.cut]
        fresh_looks = [Look(frame.sequence, each, tilt) for each in fresh]
        busy = {id(track) for track, _, _ in followed}
        self._go_on_with(fresh_looks, cut, busy)
        return ended + self._overflow(), tilt

    def close(self) -> list[Track]:
        """End all tracks that are left."""
        left, self._active = self._active, []
        return left

    def finished(self, track: Track) -> RoadTrack | SeenCut:
        """What is known of a track that ended, with what the filter learnt since."""
        first, best = track.first, track.best
        if track.place is None:
            likeliest = max(track.votes, key=lambda code: track.votes[code])
            reason = first.located.no_place or NoPlace.CUT_BELOW
            return SeenCut(first.sequence, first.located.number, likeliest, reason, track.looks)
        look, known = track.place
        scene = look.located.scene
        slopes, covariance = self._filter.smoothed(known)
        place_m, by_slopes = scene.east_north(slopes)
        clock = scene.clock_column()
        total = by_slopes @ covariance @ by_slopes.T + np.outer(clock, clock) + best.located.drawing
        lat, lon = LocalPlane(look.pose.lat, look.pose.lon).lat_lon(*place_m.tolist())
        size = measured(
            best.located.box_px,
            best.located.edge_share,
            self._camera,
            best.tilt.more_rad,
            best.tilt.sigma_rad,
        )
        return RoadTrack(
            first_sequence=first.sequence,
            first_number=first.located.number,
            lat=lat,
            lon=lon,
            cov_relative=Covariance(float(total[0, 0]), float(total[0, 1]), float(total[1, 1])),
            votes=dict(sorted(track.votes.items())),
            looks=track.looks,
            nearest_m=track.nearest_m,
            best=best,
            size=size,
        )

    def _advance(self, pose: VehiclePose) -> None:
        """Move the filter to a pose; damages that come under the camera leave it with the place they have."""
        last, self._pose = self._pose, pose
        heading_sigma_rad = math.radians(pose.heading_sigma_deg)
        if last is None:
            self._filter.begin(heading_sigma_rad)
            return
        step = self._step_between(last, pose)
        if self._in_filter:
            ahead_m, sigma_m = self._filter.ahead_after_m(step)
            hidden = (ahead_m + HIDDEN_SIGMAS * sigma_m < self._nearest_ahead_m) | (ahead_m < LEAST_AHEAD_M)
            self._leave_filter([self._in_filter[slot] for slot in np.flatnonzero(hidden)])
        self._filter.advance(step, heading_sigma_rad)

    def _step_between(self, last: VehiclePose, pose: VehiclePose) -> Step:
        mount = self._camera.camera.mount
        east_m, north_m = LocalPlane(last.lat, last.lon).east_north_m(pose.lat, pose.lon)
        east_before_m, north_before_m = turned(last.heading_deg, mount.forward_m, mount.right_m)
        east_after_m, north_after_m = turned(pose.heading_deg, mount.forward_m, mount.right_m)
        ahead_m, right_m = turned(
            last.heading_deg + mount.yaw_right_deg,
            east_m + east_after_m - east_before_m,
            north_m + north_after_m - north_before_m,
        )
        driven_m = max(pose.station_m - last.station_m, 0.0)
        white2_m2 = self._drift_variance_m2(pose.cov_gnss, 0.0)
        return Step(
            ahead_m=ahead_m,
            right_m=right_m,
            turn_right_rad=math.radians((pose.heading_deg - last.heading_deg + 180.0) % 360.0 - 180.0),
            driven_m=driven_m,
            drift_m2=max(self._drift_variance_m2(pose.cov_gnss, driven_m) - white2_m2, 0.0),
            white_m2=white2_m2 / 2,
        )

    def _retired(self, pose: VehiclePose) -> list[Track]:
        passed = [track for track in self._active if self._is_passed(track, pose)]
        self._end(passed)
        return passed

    def _is_passed(self, track: Track, pose: VehiclePose) -> bool:
        if pose.station_m - track.last_station_m > self._settings.forget_after_m:
            return True
        reach_m = track.reach_station_m - pose.station_m
        limit_m = self._camera.near_m - BEHIND_M
        if reach_m >= limit_m:
            return False
        forward_m, _ = turned(pose.heading_deg, *track.east_north_from(pose)[0].tolist())
        return forward_m < limit_m

    def _overflow(self) -> list[Track]:
        oldest = self._active[: max(len(self._active) - self._settings.max_active, 0)]
        self._end(oldest)
        return oldest

    def _end(self, tracks: Sequence[Track]) -> None:
        if tracks:
            self._leave_filter(tracks)
            self._active = [track for track in self._active if track not in tracks]

    def _leave_filter(self, tracks: Sequence[Track]) -> None:
        slots = [track.slot for track in tracks if track.slot is not None]
        if not slots:
            return
        self._filter.drop(slots)
        self._in_filter = [track for track in self._in_filter if track not in tracks]
        for track in tracks:
            track.slot = None
        for slot, track in enumerate(self._in_filter):
            track.slot = slot

    def _take_whole(
        self, whole: Sequence[Located]
    ) -> tuple[list[tuple[Track, Located, bool]], list[Located]]:
        """Tracks with their looks of this frame, and whether beyond doubt; the looks that belong to none."""
        if not whole or not self._in_filter:
            return [], list(whole)
        reading = self._filter.reading(whole)
        differences, covariances, frame_tilt = self._filter.differences(reading)
        gate, doubt = self._settings.gate, doubts(covariances, self._filter.m2_per_unit(reading))
        costs = self._class_costs(whole) + np.maximum(gate + doubt, 0.0)
        pairs, alone = match(differences, covariances, frame_tilt, costs, gate, self._gate_alone)
        if pairs:
            slots, looks = (list(each) for each in zip(*pairs, strict=True))
            self._filter.take(slots, reading.part(looks))
            off = differences[slots, looks]
            self._filter.doubt(
                slots, off, chances_of_others(off, covariances[slots, looks], doubt[slots, looks])
            )
        paired = {look for _, look in pairs}
        followed = [(self._in_filter[slot], whole[look], look in alone) for slot, look in pairs]
        return followed, [each for number, each in enumerate(whole) if number not in paired]

    def _class_costs(self, located: Sequence[Located]) -> Array:
        """Price of another class than the track's, (tracks in the filter, looks)."""
        codes = [each.class_code for each in located]
        shares = np.array([_other_classes(track, codes) for track in self._in_filter])
        return self._settings.class_change_cost * shares

    def _placed(self, track: Track, look: Look, sure: bool) -> Look:
        """The look, after noting what the filter now knows of its track; sure ones tell how much varies."""
        assert track.slot is not None
        track.place = (look, self._filter.of(track.slot))
        if sure:
            self.logged.append((track, look))
        self.whole_looks += 1
        return look

    def _go_on_with(self, fresh: Sequence[Look], cut: Sequence[Look], busy: set[int]) -> None:
        """Looks without a damage in the filter: they go on with another one, or begin one.

        Whole looks come first; a damage only seen cut so far gets its place from the first of them.
        """
        new: list[tuple[Track, Look]] = []
        for look in (*fresh, *cut):
            whole = not look.located.cut
            free = [
                track
                for track in self._active
                if id(track) not in busy and not (whole and track.place is not None)
            ]
            track = self._continued(free, look)
            if track is None:
                track = Track.born(look)
                self._active.append(track)
            else:
                track.take(look)
            busy.add(id(track))
            if whole:
                new.append((track, look))
        if new:
            slots = self._filter.add(self._filter.reading([look.located for _, look in new]))
            for slot, (track, look) in zip(slots, new, strict=True):
                track.slot = slot
                self._in_filter.append(track)
                self._placed(track, look, sure=True)

    def _continued(self, free: Sequence[Track], look: Look) -> Track | None:
        costs = [self._cost(track, look) for track in free]
        nearest = min(range(len(free)), key=lambda each: costs[each], default=None)
        if nearest is None or costs[nearest] > self._settings.gate:
            return None
        return free[nearest]

    def _cost(self, track: Track, look: Look) -> float:
        """As in the filter, for looks or damages without a place: what is not seen counts as possible."""
        located, pose, settings = look.located, look.pose, self._camera.settings
        turn = east_north_from(pose.heading_deg)
        place_m, covariance = track.east_north_from(pose)
        forward_m, right_m = turn @ place_m
        along_m, across_m = located.forward_m - forward_m, located.right_m - right_m
        cut_bottom = located.cut_bottom or (track.place is None and track.first.located.cut_bottom)
        if located.cut_bottom and along_m > 0:  # its near end is out of view: only a gap counts
            along_m = max(along_m - max(track.reach_station_m - pose.station_m - forward_m, 0.0), 0.0)
        covariance = turn @ (covariance + located.covariance) @ turn.T
        covariance[0, 0] += settings.cut_sigma_m**2 * cut_bottom
        covariance[1, 1] += (located.width_m / 2) ** 2 * located.cut_side
        driven_m = pose.station_m - track.last_station_m
        covariance += np.eye(2) * self._drift_variance_m2(pose.cov_gnss, driven_m)
        difference = np.array([along_m, across_m])
        distance2 = float(difference @ np.linalg.solve(covariance, difference))
        return distance2 + self._settings.class_change_cost * _other_classes(track, [located.class_code])[0]


def _other_classes(track: Track, codes: Sequence[str]) -> list[float]:
    """Shares of a track's votes for other classes than these; boxes without confidence cast no vote."""
    votes = sum(track.votes.values())
    return [1.0 - track.votes.get(code, 0.0) / votes if votes > 0 else 0.0 for code in codes]


def _worth(look: Look) -> float:
    """Order of views: full before cut, then sure and near."""
    return look.located.confidence / max(look.located.distance_m, 1.0) - (1.0 if look.located.cut else 0.0)
