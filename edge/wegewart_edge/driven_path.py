"""The smoothed path as columns, and what it says at any moment between its knots."""

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wegewart.geo import Covariance
from wegewart_edge.motion_model import (
    BIAS_EAST,
    BIAS_NORTH,
    EAST,
    HEADING,
    NORTH,
    SPEED,
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
    tell: added to the path they give the place as the receiver saw it, without the noise of single fixes.
    `covariance` is that of the receiver's place.
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
    bias_east: float  # in units of its sigma, as in the filter's state
    bias_north: float
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
    ) -> None:
        """Smooth the stretches; `noise` is what they were filtered with, the start was driven before them."""
        self._noise = noise
        kept = [stretch for stretch in stretches if len(stretch.used) >= FEWEST_FIXES]
        self._rows = _rows(kept, settings, start_station_m)
        self._time_s = [row.at_s for row in self._rows]
        self._station_m = [row.station_m for row in self._rows]
        self._fixes = [placed for stretch in kept for placed in stretch.used]
        self._fix_time_s = [placed.at_s for placed in self._fixes]
        intervals_s = np.diff(self._fix_time_s)
        usual_s = float(np.median(intervals_s)) if len(intervals_s) else 0.0
        self._reckoned_after_s = max(RECKONED_INTERVALS * usual_s, RECKONED_LEAST_S)
        self._reach_s = settings.max_extrapolation_s

    @property
    def length_m(self) -> float:
        """Driven length."""
        return self._station_m[-1] if self._station_m else 0.0

    def station_m(self, at_s: float) -> float:
        """Driven length at a moment; across a cut in proportion to time."""
        return float(np.interp(at_s, self._time_s, self._station_m)) if self._rows else 0.0

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
        sigma_east_m = self._noise.bias_sigma_m(nearest.calm_east_m)
        sigma_north_m = self._noise.bias_sigma_m(nearest.calm_north_m)
        return Moment(
            east_m=row.east_m,
            north_m=row.north_m,
            bias_east_m=sigma_east_m * row.bias_east,
            bias_north_m=sigma_north_m * row.bias_north,
            heading_rad=row.heading_rad,
            heading_sigma_rad=math.sqrt(row.heading_variance),
            speed_mps=row.speed_mps,
            station_m=row.station_m,
            covariance=_of_the_receivers_place(row, sigma_east_m, sigma_north_m),
            drift_m=math.sqrt(max(worst_m2 - max(stated_m2), 0.0)),
            nearest=nearest,
            reckoned=abs(nearest.at_s - at_s) > self._reckoned_after_s,
        )

    def _nearest(self, at_s: float) -> PlacedFix:
        right = bisect.bisect_right(self._fix_time_s, at_s)
        around = self._fixes[max(right - 1, 0) : right + 1]
        return min(around, key=lambda placed: abs(placed.at_s - at_s))


def _of_the_receivers_place(row: _Row, sigma_east_m: float, sigma_north_m: float) -> Covariance:
    """Covariance of path plus estimated bias: the path's, and the spread of the estimate itself.

    The error of an estimate is independent of the estimate, so the two add; the spread of the estimated bias
    is the bias's own variance less what is still unknown of it.
    """
    return Covariance(
        row.ee + sigma_east_m**2 * max(1.0 - row.bias_ee, 0.0),
        row.en - sigma_east_m * sigma_north_m * row.bias_en,
        row.nn + sigma_north_m**2 * max(1.0 - row.bias_nn, 0.0),
    )


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
        mixed(before.bias_east, after.bias_east),
        mixed(before.bias_north, after.bias_north),
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


def _rows(stretches: Iterable[Stretch], settings: PoseSettings, start_station_m: float) -> list[_Row]:
    rows: list[_Row] = []
    for number, stretch in enumerate(stretches):
        for belief in smoothed(stretch, settings):
            last = rows[-1] if rows else None
            if last is not None and last.stretch == number and belief.at_s <= last.at_s:
                rows[-1] = _row(belief, stretch, number, last.station_m)  # several readings at one moment
                continue
            station_m = (
                start_station_m if last is None else _station_m(last, belief, number, stretch.after_gap)
            )
            rows.append(_row(belief, stretch, number, station_m))
    return rows


def _row(belief: Belief, stretch: Stretch, number: int, station_m: float) -> _Row:
    mean, covariance = belief.mean, belief.covariance
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
        bias_east=float(mean[BIAS_EAST]),
        bias_north=float(mean[BIAS_NORTH]),
        bias_ee=float(covariance[BIAS_EAST, BIAS_EAST]),
        bias_en=float(covariance[BIAS_EAST, BIAS_NORTH]),
        bias_nn=float(covariance[BIAS_NORTH, BIAS_NORTH]),
    )


def _station_m(last: _Row, belief: Belief, stretch: int, after_gap: bool) -> float:
    """Driven length at a knot: along the path, straight across a gap, by speed alone across a jump."""
    step_s = belief.at_s - last.at_s
    step_m = math.hypot(belief.mean[EAST] - last.east_m, belief.mean[NORTH] - last.north_m)
    if stretch != last.stretch and not after_gap:
        return last.station_m + abs(last.speed_mps) * step_s
    creeping = max(abs(last.speed_mps), abs(float(belief.mean[SPEED]))) < CREEP_MPS
    return last.station_m + (0.0 if creeping and stretch == last.stretch else step_m)
