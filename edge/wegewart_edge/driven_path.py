"""The smoothed path as columns, and what it says at any moment between its knots."""

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from wegewart.drive import FixType
from wegewart.geo import Covariance
from wegewart_edge.kind_changes import Border, Offsets, Run, bridged
from wegewart_edge.motion_model import (
    BIAS_EAST,
    BIAS_NORTH,
    EAST,
    HEADING,
    NORTH,
    SPEED,
    Array,
    Belief,
    ReceiverNoise,
)
from wegewart_edge.sensors import PlacedFix
from wegewart_edge.settings import PoseSettings
from wegewart_edge.smoothing import smoothed
from wegewart_edge.stretch import UNKNOWN_HEADING_RAD, Stretch

CREEP_MPS = 0.1  # slower is a standing vehicle's noise and no driven path
FEWEST_FIXES = 2  # a single fix that the next ones contradict is no path
RECKONED_INTERVALS = 1.5  # so many usual intervals from the nearest fix a place is dead reckoning …
RECKONED_LEAST_S = 1.0  # … but not sooner


@dataclass(frozen=True, slots=True)
class Moment:
    """The path at one moment, on the drive's plane.

    `bias_east_m` and `bias_north_m` are what the receiver's places were off by then, as far as the filter can
    tell: added to the path they give the place as the receiver saw it, without the noise of single fixes, and
    without the leap where its kind of fix changes (kind_changes.py). `covariance` is that of this place.
    """

    east_m: float
    north_m: float
    bias_east_m: float
    bias_north_m: float
    heading_rad: float
    heading_sigma_rad: float
    speed_mps: float
    station_m: float
    covariance: Covariance
    drift_m: float
    nearest: PlacedFix
    reckoned: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """One knot."""

    at_s: float
    stretch: int
    east_m: float
    north_m: float
    heading_rad: float
    speed_mps: float
    station_m: float
    ee: float
    en: float
    nn: float
    heading_variance: float
    kind: FixType
    accuracy_m: float
    bias_east_m: float  # what the pose's place is off the path, and the spread of that
    bias_north_m: float
    bias_ee: float
    bias_en: float
    bias_nn: float

    @property
    def velocity_mps(self) -> tuple[float, float]:
        """East and north."""
        return self.speed_mps * math.sin(self.heading_rad), self.speed_mps * math.cos(self.heading_rad)


class DrivenPath:
    """Smoothed knots of all stretches in order of time."""

    def __init__(
        self,
        stretches: Sequence[Stretch],
        settings: PoseSettings,
        noise: ReceiverNoise,
        start_station_m: float = 0.0,
        *,
        live: bool = False,
        carried: Border | None = None,
    ) -> None:
        """Smooth the stretches.

        Args:
            noise: What they were filtered with.
            start_station_m: Driven before them.
            live: Where the kind of fix changes, the places before keep theirs (kind_changes.py).
            carried: A change of kind before the first knot that still counts.
        """
        self._start_station_m = start_station_m
        kept = [stretch for stretch in stretches if len(stretch.used) >= FEWEST_FIXES]
        self._rows = _rows(kept, settings, start_station_m, noise)
        self._time_s = [row.at_s for row in self._rows]
        self._station_m = [row.station_m for row in self._rows]
        self._passed = _passed(self._time_s, self._station_m, settings)
        self._runs = self._bridge_changes_of_kind(live, carried)
        self._fixes = [placed for stretch in kept for placed in stretch.used]
        self._fix_time_s = [placed.at_s for placed in self._fixes]
        intervals_s = np.diff(self._fix_time_s)
        usual_s = float(np.median(intervals_s)) if len(intervals_s) else 0.0
        self._reckoned_after_s = max(RECKONED_INTERVALS * usual_s, RECKONED_LEAST_S)
        self._reach_s = settings.max_extrapolation_s

    @property
    def length_m(self) -> float:
        """Driven length."""
        return self._station_m[-1] if self._station_m else self._start_station_m

    def station_m(self, at_s: float) -> float:
        """Driven length at a moment; across a cut in proportion to time."""
        return float(np.interp(at_s, self._time_s, self._station_m)) if self._rows else self._start_station_m

    def change_before(self, at_s: float) -> Border | None:
        """The change of kind that places at a moment still go by, for a path that begins there."""
        right = bisect.bisect_left(self._time_s, at_s)
        before = next((run.before for run in self._runs if run.first <= right < run.end), None)
        return None if before is None else replace(before, passed=before.passed - float(self._passed[right]))

    def at(self, at_s: float) -> Moment | None:
        """The path at a moment; None beyond its reach."""
        right = bisect.bisect_right(self._time_s, at_s)
        before = self._rows[right - 1] if right else None
        after = self._rows[right] if right < len(self._rows) else None
        if before and after and before.stretch == after.stretch:
            return self._moment(at_s, _between(before, after, at_s))
        if before and at_s - before.at_s <= self._reach_s:
            return self._moment(at_s, _beyond(before, at_s))
        if after and after.at_s - at_s <= self._reach_s:
            return self._moment(at_s, _beyond(after, at_s))
        return None

    def _moment(self, at_s: float, row: _Row) -> Moment:
        nearest = self._nearest(at_s)
        stated_m2 = nearest.fix.sigma_east_m**2, nearest.fix.sigma_north_m**2
        middle, half = (row.ee + row.nn) / 2, (row.ee - row.nn) / 2
        worst_m2 = middle + math.hypot(half, row.en)
        return Moment(
            east_m=row.east_m,
            north_m=row.north_m,
            bias_east_m=row.bias_east_m,
            bias_north_m=row.bias_north_m,
            heading_rad=row.heading_rad,
            heading_sigma_rad=math.sqrt(row.heading_variance),
            speed_mps=row.speed_mps,
            station_m=row.station_m,
            covariance=Covariance(row.ee + row.bias_ee, row.en + row.bias_en, row.nn + row.bias_nn),
            drift_m=math.sqrt(max(worst_m2 - max(stated_m2), 0.0)),
            nearest=nearest,
            reckoned=abs(nearest.at_s - at_s) > self._reckoned_after_s,
        )

    def _bridge_changes_of_kind(self, live: bool, carried: Border | None) -> list[Run]:
        """Give every stretch places that do not leap where its kind of fix changes; its runs of one kind."""
        runs: list[Run] = []
        numbers = [row.stretch for row in self._rows]
        for number in dict.fromkeys(numbers):
            first, end = bisect.bisect_left(numbers, number), bisect.bisect_right(numbers, number)
            rows = self._rows[first:end]
            placed, found = bridged(
                _own_offsets(rows),
                [row.kind for row in rows],
                np.array([row.accuracy_m for row in rows]),
                self._passed[first:end],
                in_time=live,
                carried=carried if first == 0 else None,
            )
            if any(run.before or run.after for run in found):
                self._rows[first:end] = _with_offsets(rows, placed)
            runs += [replace(run, first=first + run.first, end=first + run.end) for run in found]
        return runs

    def _nearest(self, at_s: float) -> PlacedFix:
        right = bisect.bisect_right(self._fix_time_s, at_s)
        around = self._fixes[max(right - 1, 0) : right + 1]
        return min(around, key=lambda placed: abs(placed.at_s - at_s))


def _between(before: _Row, after: _Row, at_s: float) -> _Row:
    """Hermite's cubic through place and velocity of both knots; the rest in proportion."""
    span_s = after.at_s - before.at_s
    share = (at_s - before.at_s) / span_s
    (east_before, north_before), (east_after, north_after) = before.velocity_mps, after.velocity_mps

    def place_m(from_m: float, to_m: float, leaving_mps: float, arriving_mps: float) -> float:
        rest = 1.0 - share
        return (
            from_m * rest * rest * (1 + 2 * share)
            + to_m * share * share * (3 - 2 * share)
            + span_s * share * rest * (leaving_mps * rest - arriving_mps * share)
        )

    def mixed(first: float, second: float) -> float:
        return first + share * (second - first)

    return _Row(
        at_s,
        before.stretch,
        place_m(before.east_m, after.east_m, east_before, east_after),
        place_m(before.north_m, after.north_m, north_before, north_after),
        mixed(before.heading_rad, after.heading_rad),
        mixed(before.speed_mps, after.speed_mps),
        mixed(before.station_m, after.station_m),
        mixed(before.ee, after.ee),
        mixed(before.en, after.en),
        mixed(before.nn, after.nn),
        mixed(before.heading_variance, after.heading_variance),
        before.kind,
        before.accuracy_m,
        mixed(before.bias_east_m, after.bias_east_m),
        mixed(before.bias_north_m, after.bias_north_m),
        mixed(before.bias_ee, after.bias_ee),
        mixed(before.bias_en, after.bias_en),
        mixed(before.bias_nn, after.bias_nn),
    )


def _beyond(row: _Row, at_s: float) -> _Row:
    """The same course and speed a little further, or a little earlier."""
    later_s = at_s - row.at_s
    east_mps, north_mps = row.velocity_mps
    return replace(
        row,
        at_s=at_s,
        east_m=row.east_m + later_s * east_mps,
        north_m=row.north_m + later_s * north_mps,
        station_m=max(row.station_m + later_s * abs(row.speed_mps), 0.0),
    )


def _rows(
    stretches: Iterable[Stretch], settings: PoseSettings, start_station_m: float, noise: ReceiverNoise
) -> list[_Row]:
    rows: list[_Row] = []
    for number, stretch in enumerate(stretches):
        in_force = 0
        for belief in smoothed(stretch, settings):
            while in_force + 1 < len(stretch.used) and stretch.used[in_force + 1].at_s <= belief.at_s:
                in_force += 1
            make = partial(_row, belief, stretch, number, noise, stretch.used[in_force])
            last = rows[-1] if rows else None
            if last is not None and last.stretch == number and belief.at_s <= last.at_s:
                rows[-1] = make(last.station_m)  # several readings at one moment
            elif last is None:
                rows.append(make(start_station_m))
            else:
                rows.append(make(_station_m(last, belief, number, stretch.after_gap)))
    return rows


def _row(
    belief: Belief, stretch: Stretch, number: int, noise: ReceiverNoise, fix: PlacedFix, station_m: float
) -> _Row:
    """A knot, with its place as the receiver saw it by the fix that was in force.

    The error of an estimate is independent of the estimate, so the covariance of path plus estimated bias is
    the path's plus the spread of the estimated bias: its own variance less what is still unknown of it.
    """
    mean, covariance = belief.mean, belief.covariance
    east_m, north_m = noise.bias_sigma_m(fix.calm_east_m), noise.bias_sigma_m(fix.calm_north_m)
    return _Row(
        at_s=belief.at_s,
        stretch=number,
        east_m=float(mean[EAST]),
        north_m=float(mean[NORTH]),
        heading_rad=float(mean[HEADING]),
        speed_mps=float(mean[SPEED]),
        station_m=station_m,
        ee=float(covariance[EAST, EAST]),
        en=float(covariance[EAST, NORTH]),
        nn=float(covariance[NORTH, NORTH]),
        heading_variance=float(covariance[HEADING, HEADING])
        if stretch.heading_known
        else UNKNOWN_HEADING_RAD**2,
        kind=fix.fix.fix,
        accuracy_m=math.hypot(east_m, north_m),
        bias_east_m=east_m * float(mean[BIAS_EAST]),
        bias_north_m=north_m * float(mean[BIAS_NORTH]),
        bias_ee=east_m**2 * max(1.0 - float(covariance[BIAS_EAST, BIAS_EAST]), 0.0),
        bias_en=-east_m * north_m * float(covariance[BIAS_EAST, BIAS_NORTH]),
        bias_nn=north_m**2 * max(1.0 - float(covariance[BIAS_NORTH, BIAS_NORTH]), 0.0),
    )


def _passed(time_s: Sequence[float], station_m: Sequence[float], settings: PoseSettings) -> Array:
    """How many of its correlation lengths the receiver's error has passed since the first knot."""
    if not time_s:
        return np.zeros(0)
    driven_m, later_s = np.subtract(station_m, station_m[0]), np.subtract(time_s, time_s[0])
    return driven_m / settings.bias_correlation_m + later_s / settings.bias_correlation_s


def _own_offsets(rows: Sequence[_Row]) -> Offsets:
    spread_m2 = [[[row.bias_ee, row.bias_en], [row.bias_en, row.bias_nn]] for row in rows]
    return Offsets(np.array([[row.bias_east_m, row.bias_north_m] for row in rows]), np.array(spread_m2))


def _with_offsets(rows: Sequence[_Row], placed: Offsets) -> list[_Row]:
    return [
        replace(row, bias_east_m=east_m, bias_north_m=north_m, bias_ee=ee, bias_en=en, bias_nn=nn)
        for row, (east_m, north_m), ((ee, en), (_, nn)) in zip(
            rows, placed.metres.tolist(), placed.spread_m2.tolist(), strict=True
        )
    ]


def _station_m(last: _Row, belief: Belief, stretch: int, after_gap: bool) -> float:
    """Driven length at a knot: along the path, straight across a gap, by speed alone across a jump."""
    step_s = belief.at_s - last.at_s
    step_m = math.hypot(belief.mean[EAST] - last.east_m, belief.mean[NORTH] - last.north_m)
    if stretch != last.stretch and not after_gap:
        return last.station_m + abs(last.speed_mps) * step_s
    creeping = max(abs(last.speed_mps), abs(float(belief.mean[SPEED]))) < CREEP_MPS
    return last.station_m + (0.0 if creeping and stretch == last.stretch else step_m)
