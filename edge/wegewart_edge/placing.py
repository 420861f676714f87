"""Fixes on a drive's own plane, with what their neighbours say about them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wegewart.geo import LocalPlane
from wegewart_edge.gnss import Fix
from wegewart_edge.sensors import PlacedFix

CALM_S = 20.0  # memory of the stated accuracy: it flickers with each satellite, the bias does not
STANDING_MPS = 0.2  # the receiver's own word for standing
WINDOWS_S = (
    2.0,
    6.0,
)  # before and after a fix, where the receiver states no speed; the longer for noisy ones
FEWEST_IN_WINDOW = 4
SLOW_MPS = 0.4  # a slope of the positions that stays below it with two sigmas is no motion


def placed_fixes(fixes: Sequence[Fix]) -> list[PlacedFix]:
    """Fixes unrolled onto a plane step by step, so that scale and north stay true over a long drive."""
    placed = [first_placed(fixes[0])]
    for fix in fixes[1:]:
        placed.append(next_placed(placed[-1], fix))
    return [replace(each, standing=_stands(placed, number)) for number, each in enumerate(placed)]


def with_standing(placed: Sequence[PlacedFix]) -> PlacedFix:
    """The last of some fixes, with whether the vehicle stood as far as those before it tell."""
    return replace(placed[-1], standing=_stands(placed, len(placed) - 1))


def first_placed(fix: Fix) -> PlacedFix:
    """The origin of a plane."""
    return PlacedFix(0.0, 0.0, 0.0, fix, fix.sigma_east_m, fix.sigma_north_m)


def next_placed(last: PlacedFix, fix: Fix) -> PlacedFix:
    """The fix after one that has its place on the plane."""
    midway = LocalPlane((last.fix.lat + fix.lat) / 2, last.fix.lon)
    east_m, north_to_m = midway.east_north_m(fix.lat, fix.lon)
    _, north_from_m = midway.east_north_m(last.fix.lat, last.fix.lon)
    later_s = (fix.captured_at - last.fix.captured_at).total_seconds()
    fresh = 1.0 if fix.fix is not last.fix.fix else -math.expm1(-later_s / CALM_S)
    return PlacedFix(
        last.at_s + later_s,
        last.east_m + east_m,
        last.north_m + north_to_m - north_from_m,
        fix,
        last.calm_east_m * (fix.sigma_east_m / last.calm_east_m) ** fresh,
        last.calm_north_m * (fix.sigma_north_m / last.calm_north_m) ** fresh,
    )


def _stands(placed: Sequence[PlacedFix], number: int) -> bool:
    """Whether the vehicle stood at a fix: the receiver says so, or the fixes around show no slope."""
    here = placed[number]
    if here.fix.speed_mps is not None:
        return here.fix.speed_mps < STANDING_MPS
    return any(_no_slope(_around(placed, number, window_s)) for window_s in WINDOWS_S)


def _around(placed: Sequence[PlacedFix], number: int, window_s: float) -> Sequence[PlacedFix]:
    first = last = number
    while first > 0 and placed[number].at_s - placed[first - 1].at_s <= window_s:
        first -= 1
    while last + 1 < len(placed) and placed[last + 1].at_s - placed[number].at_s <= window_s:
        last += 1
    return placed[first : last + 1]


def _no_slope(window: Sequence[PlacedFix]) -> bool:
    """Whether a straight line through places over time is level, beyond doubt."""
    if len(window) < FEWEST_IN_WINDOW:
        return False
    time_s = np.array([placed.at_s for placed in window])
    place_m = np.array([(placed.east_m, placed.north_m) for placed in window])
    time_s -= time_s.mean()
    place_m -= place_m.mean(axis=0)
    spread_s2 = float(time_s @ time_s)
    slope_mps = time_s @ place_m / spread_s2
    scatter_m = place_m - np.outer(time_s, slope_mps)
    variance_m2 = float((scatter_m**2).sum()) / (2 * (len(window) - 2))
    return float(np.hypot(*slope_mps)) + 2 * math.sqrt(variance_m2 / spread_s2) < SLOW_MPS
