"""One damage from many looks: association on the road plane, fusion by inverse covariance.

At one frame per metres of driving, boxes of one damage do not overlap in the image, but they do on the
road. Only the vehicle's own motion counts here: the receiver's bias is shared by neighbouring frames.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from wegewart.geo import Covariance, LocalPlane
from wegewart_edge.locate import Located, Size
from wegewart_edge.pose import VehiclePose
from wegewart_edge.settings import TrackSettings

Array = npt.NDArray[np.float64]

FORBIDDEN = 1e6  # cost of a pair outside the gate; far above any sum of allowed ones
HEADING_COLUMN = 4  # of Located.shared; only partly common, so the gate counts it as independent
BEHIND_M = 2.0  # behind the nearest visible road a damage is passed for good


@dataclass(frozen=True)
class Look:
    """One located detection in its frame."""

    sequence: int
    located: Located
    pose: VehiclePose


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
    only_cut: bool

    def relative_to_best_m(self) -> tuple[float, float]:
        """The damage forward and right of the vehicle at the best view, in metres."""
        pose = self.best.pose
        east_m, north_m = LocalPlane(pose.lat, pose.lon).east_north_m(self.lat, self.lon)
        return _forward_right(east_m, north_m, pose.heading_deg)


@dataclass(eq=False)
class _Growing:
    """A track under way: sums from which position and covariance follow, whatever the number of looks.

    With C the covariance of a look, R its own part and L its shared columns: sum of C⁻¹, of C⁻¹ z, of
    C⁻¹ R C⁻¹ and of C⁻¹ L. Positions are metres on the plane of the first look.
    """

    plane: LocalPlane
    first: Look
    best: Look
    last_station_m: float
    reach_station_m: float
    looks: int = 0
    nearest_m: float = math.inf
    only_cut: bool = True
    votes: dict[str, float] = field(default_factory=dict)
    information: Array = field(default_factory=lambda: np.zeros((2, 2)))
    weighted: Array = field(default_factory=lambda: np.zeros(2))
    own: Array = field(default_factory=lambda: np.zeros((2, 2)))
    shared: Array = field(default_factory=lambda: np.zeros((2, 6)))

    @classmethod
    def born(cls, look: Look) -> "_Growing":
        plane = LocalPlane(look.pose.lat, look.pose.lon)
        track = cls(plane, look, look, look.pose.station_m, look.pose.station_m)
        track.take(look)
        return track

    def take(self, look: Look) -> None:
        located = look.located
        self.looks += 1
        self.nearest_m = min(self.nearest_m, located.distance_m)
        self.votes[located.class_code] = self.votes.get(located.class_code, 0.0) + located.confidence
        self.last_station_m = look.pose.station_m
        length_m = located.size.length_m or 0.0
        reach_m = look.pose.station_m + located.forward_m + length_m
        self.reach_station_m = max(self.reach_station_m, reach_m)
        if _worth(look) > _worth(self.best):
            self.best = look
        self._fuse(look)

    def _fuse(self, look: Look) -> None:
        """A cut look is a mere bound: the first one stands in until a full one comes."""
        located = look.located
        if self.only_cut and not located.cut:
            self.information, self.weighted = np.zeros((2, 2)), np.zeros(2)
            self.own, self.shared = np.zeros((2, 2)), np.zeros((2, 6))
            self.only_cut = False
        elif located.cut and self.looks > 1:
            return
        here = LocalPlane(look.pose.lat, look.pose.lon)
        position = np.array(self.plane.east_north_m(*here.lat_lon(located.east_m, located.north_m)))
        weight = np.linalg.inv(located.covariance)
        self.information += weight
        self.weighted += weight @ position
        self.own += weight @ located.own @ weight
        self.shared += weight @ located.shared

    def lat_lon(self) -> tuple[float, float]:
        east_m, north_m = np.linalg.solve(self.information, self.weighted)
        lat, lon = self.plane.lat_lon(float(east_m), float(north_m))
        return float(lat), float(lon)

    def errors(self) -> tuple[Array, Array]:
        """Covariance (2, 2) of what is this track's own, and columns (2, 6) of what it shares."""
        spread = np.linalg.inv(self.information)
        return spread @ self.own @ spread, spread @ self.shared

    def finished(self) -> RoadTrack:
        own, shared = self.errors()
        total = own + shared @ shared.T + self.best.located.drawing
        lat, lon = self.lat_lon()
        return RoadTrack(
            first_sequence=self.first.sequence,
            first_number=self.first.located.number,
            lat=lat,
            lon=lon,
            cov_relative=Covariance(float(total[0, 0]), float(total[0, 1]), float(total[1, 1])),
            votes=dict(sorted(self.votes.items())),
            looks=self.looks,
            nearest_m=self.nearest_m,
            best=self.best,
            size=self.best.located.size,
            only_cut=self.only_cut,
        )


class RoadTracker:
    """Tracks of one camera over one drive; memory is bounded by the road in view.

    Args:
        near_m: Nearest road that the camera sees.
        drift_variance_m2: Variance per axis of the bias's change, from a pose and a driven length.
    """

    def __init__(
        self,
        settings: TrackSettings,
        near_m: float,
        drift_variance_m2: Callable[[Covariance, float], float],
    ) -> None:
        self._settings = settings
        self._near_m = near_m
        self._drift_variance_m2 = drift_variance_m2
        self._active: list[_Growing] = []

    @property
    def kept_sequences(self) -> set[int]:
        """Frames that are still some track's best view."""
        return {track.best.sequence for track in self._active}

    def step(self, sequence: int, pose: VehiclePose, located: Sequence[Located]) -> list[RoadTrack]:
        """Take the detections of one frame; the tracks that ended with it, in order of birth."""
        ended = self._retire(pose)
        looks = [Look(sequence, each, pose) for each in located]
        taken = self._associate(looks, pose)
        for index, look in enumerate(looks):
            if index in taken:
                taken[index].take(look)
            else:
                self._active.append(_Growing.born(look))
        return ended + self._overflow()

    def close(self) -> list[RoadTrack]:
        """End the drive: all tracks that are left, in order of birth."""
        left = [track.finished() for track in self._active]
        self._active = []
        return left

    def _retire(self, pose: VehiclePose) -> list[RoadTrack]:
        passed = [track for track in self._active if self._is_passed(track, pose)]
        self._active = [track for track in self._active if track not in passed]
        return [track.finished() for track in passed]

    def _is_passed(self, track: _Growing, pose: VehiclePose) -> bool:
        if pose.station_m - track.last_station_m > self._settings.forget_after_m:
            return True
        forward_m, _ = _seen_from(track, pose)
        reach_m = max(forward_m, track.reach_station_m - pose.station_m)
        return reach_m < self._near_m - BEHIND_M

    def _overflow(self) -> list[RoadTrack]:
        count = len(self._active) - self._settings.max_active
        oldest, self._active = self._active[: max(count, 0)], self._active[max(count, 0) :]
        return [track.finished() for track in oldest]

    def _associate(self, looks: Sequence[Look], pose: VehiclePose) -> dict[int, _Growing]:
        """Track of each matched look: one look per track and frame, cheapest total."""
        if not looks or not self._active:
            return {}
        costs = np.array([[self._cost(track, look, pose) for look in looks] for track in self._active])
        rows, columns = linear_sum_assignment(costs)
        return {
            int(column): self._active[row]
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] < FORBIDDEN
        }

    def _cost(self, track: _Growing, look: Look, pose: VehiclePose) -> float:
        """Squared Mahalanobis distance on the road plus the price of another class."""
        located = look.located
        forward_m, right_m = _seen_from(track, pose)
        along_m, across_m = located.forward_m - forward_m, located.right_m - right_m
        if located.cut_bottom and along_m > 0:  # its near end is out of view: only a gap counts
            along_m = max(along_m - max(track.reach_station_m - pose.station_m - forward_m, 0.0), 0.0)
        east_m, north_m = _east_north(along_m, across_m, pose.heading_deg)
        driven_m = pose.station_m - track.last_station_m
        covariance = _difference_covariance(track, located)
        covariance += np.eye(2) * self._drift_variance_m2(pose.cov_gnss, driven_m)
        distance2 = float(np.array([east_m, north_m]) @ np.linalg.solve(covariance, [east_m, north_m]))
        share = track.votes.get(located.class_code, 0.0) / sum(track.votes.values())
        cost = distance2 + self._settings.class_change_cost * (1 - share)
        return cost if cost <= self._settings.gate else FORBIDDEN


def _difference_covariance(track: _Growing, located: Located) -> Array:
    """Covariance of track minus look: what both share cancels as far as it moves both alike."""
    own, shared = track.errors()
    difference = shared - located.shared
    heading = np.column_stack([shared[:, HEADING_COLUMN], located.shared[:, HEADING_COLUMN]])
    difference[:, HEADING_COLUMN] = 0.0
    total: Array = own + located.own + difference @ difference.T + heading @ heading.T
    return total


def _worth(look: Look) -> float:
    """Order of views: full before cut, then sure and near."""
    return look.located.confidence / max(look.located.distance_m, 1.0) - (1.0 if look.located.cut else 0.0)


def _seen_from(track: _Growing, pose: VehiclePose) -> tuple[float, float]:
    east_m, north_m = LocalPlane(pose.lat, pose.lon).east_north_m(*track.lat_lon())
    return _forward_right(east_m, north_m, pose.heading_deg)


def _forward_right(east_m: float, north_m: float, heading_deg: float) -> tuple[float, float]:
    sin, cos = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    return east_m * sin + north_m * cos, east_m * cos - north_m * sin


def _east_north(forward_m: float, right_m: float, heading_deg: float) -> tuple[float, float]:
    return _forward_right(forward_m, right_m, heading_deg)  # the matrix is its own inverse
