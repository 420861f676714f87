"""What a driver may have done where a fix contradicts the prediction, and what none can have done."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from wegewart_edge.motion_model import EAST, HEADING, NORTH, SHARPEST_CURVATURE, SPEED, Belief
from wegewart_edge.sensors import PlacedFix

HEADING_FROM_MPS = 0.5  # slower, positions say nothing of the heading
MANOEUVRE_MPS2 = 3.0  # sigma of braking or swerving hard: 8 m/s² is a full stop on dry road
MANOEUVRE_MOST_S = 2.0
FASTEST_MPS = 60.0  # 216 km/h: no street is driven faster
AGREEING_SIGMAS = 3.0
JUMP_FIXES = 3  # fewer cannot agree on a jump


def manoeuvres(
    belief: Belief, placed: PlacedFix, last_fix_s: float, *, wheels_heard: bool
) -> Iterator[Belief]:
    """The prediction, had the driver braked hard since the last fix, swerved, or gone as the receiver says.

    Where wheels are heard, only swerving is left open.
    """
    if placed.standing and abs(float(belief.mean[SPEED])) < HEADING_FROM_MPS:
        return
    since_s = min(placed.at_s - last_fix_s, MANOEUVRE_MOST_S)
    speed_mps, heading_rad = float(belief.mean[SPEED]), float(belief.mean[HEADING])
    along = np.array([math.sin(heading_rad), math.cos(heading_rad)])
    change_mps = MANOEUVRE_MPS2 * since_s
    place = np.ix_([EAST, NORTH], [EAST, NORTH])
    if not wheels_heard:
        covariance = belief.covariance.copy()
        covariance[place] += np.outer(along, along) * (change_mps * since_s / 2) ** 2
        covariance[SPEED, SPEED] += change_mps**2
        belief = replace(belief, covariance=covariance)
        yield belief
    covariance = belief.covariance.copy()
    covariance[place] += np.eye(2) * (change_mps * since_s / 2) ** 2
    turning_mps = max(abs(speed_mps), change_mps / 2)
    turn_radps = min(MANOEUVRE_MPS2 / turning_mps, SHARPEST_CURVATURE * turning_mps)
    covariance[HEADING, HEADING] += (turn_radps * since_s) ** 2
    yield replace(belief, covariance=covariance)
    if not wheels_heard and placed.fix.speed_mps is not None:
        yield _at_speed(belief, placed.fix.speed_mps, since_s)


def _at_speed(belief: Belief, speed_mps: float, since_s: float) -> Belief:
    """The belief, had the vehicle gone at the receiver's speed at some time since the last fix."""
    mean, covariance = belief.mean.copy(), belief.covariance.copy()
    way_m = (speed_mps - abs(float(mean[SPEED]))) * since_s
    mean[SPEED] = speed_mps
    covariance[SPEED, :] = covariance[:, SPEED] = 0.0
    covariance[SPEED, SPEED] = 1.0
    covariance[EAST, EAST] += way_m**2
    covariance[NORTH, NORTH] += way_m**2
    return Belief(belief.at_s, mean, covariance)


def _could_be_driven(before: PlacedFix, after: PlacedFix) -> bool:
    step_m = math.hypot(after.east_m - before.east_m, after.north_m - before.north_m)
    noise_m = AGREEING_SIGMAS * max(after.fix.sigma_east_m, after.fix.sigma_north_m)
    return step_m <= FASTEST_MPS * (after.at_s - before.at_s) + noise_m


def landed(against: Sequence[PlacedFix], after_s: float) -> list[PlacedFix]:
    """The latest of some outliers that agree on another place for long enough; none where they do not."""
    agreeing = list(against[-1:])
    for before in reversed(against[:-1]):
        if not _could_be_driven(before, agreeing[0]):
            break
        agreeing.insert(0, before)
    if len(agreeing) < JUMP_FIXES or agreeing[-1].at_s - agreeing[0].at_s < after_s:
        return []
    return agreeing
