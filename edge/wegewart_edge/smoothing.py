"""A recorded drive, forwards and then backwards: the best path, given everything that was recorded.

Forwards runs the Kalman filter, backwards Rauch, Tung and Striebel's smoother (FORMULAS section 3): each
moment's belief takes in what came after it. Jumps and long gaps cut the path into stretches; the smoother
does not reach across them.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from wegewart_edge.drive_filter import DriveFilter
from wegewart_edge.motion_model import Belief, MotionModel, ReceiverNoise
from wegewart_edge.sensors import COURSE_FROM_MPS, LeverArm, MotionAt, PlacedFix
from wegewart_edge.settings import PoseSettings
from wegewart_edge.stretch import UNKNOWN_HEADING_RAD, Knot, Start, Stretch

SHORTEST_CHORD_M = 2.0  # below it the noise of two fixes outweighs the direction between them
CHORD_SIGMAS = 4.0  # … and below so many sigmas of their noise
CHORD_SIGMA_RAD = math.radians(30.0)  # wide: the same fixes count again in the filter
COURSE_SIGMA_RAD = math.radians(10.0)
SPEED_SIGMA_MPS = 3.0  # of a first speed; city traffic without any knowledge is 8 ± 6 m/s


def filtered(
    fixes: Sequence[PlacedFix],
    motion: Sequence[MotionAt],
    settings: PoseSettings,
    lever: LeverArm,
    noise: ReceiverNoise,
) -> tuple[list[Stretch], float]:
    """Stretches of the forward pass, and the receiver's surprise: twice its negative log likelihood."""
    forward = DriveFilter(settings, lever, noise)
    stretches: list[Stretch] = []
    ahead = Ahead(fixes, noise)
    readings = in_order(fixes, motion)
    number = 0
    while number < len(readings):
        reading = readings[number]
        number += 1
        if isinstance(reading, MotionAt):
            if stretches and reading.at_s - stretches[-1].used[-1].at_s <= settings.max_gap_s:
                forward.take_motion(stretches[-1], reading)
            continue
        gap_s = reading.at_s - stretches[-1].used[-1].at_s if stretches else math.inf
        if gap_s > settings.max_gap_s:
            stretches.append(forward.begin(ahead.start(reading), after_gap=True))
        elif not forward.take_fix(stretches[-1], reading):
            landed = forward.against  # the jump was there; only now it is known to be real
            stretches[-1].give_back(landed)
            number = next(index for index, each in enumerate(readings) if each is landed[0]) + 1
            stretches.append(forward.begin(ahead.start(landed[0]), after_gap=False))
    return stretches, forward.surprise


def smoothed(stretch: Stretch, settings: PoseSettings) -> list[Belief]:
    """Beliefs at a stretch's knots, given all of it."""
    model = MotionModel(settings)
    later = stretch.knots[-1].belief
    beliefs = [later]
    for knot, after in zip(reversed(stretch.knots[:-1]), reversed(stretch.knots), strict=False):
        later = backwards(model, knot, after, later)
        beliefs.append(later)
    beliefs.reverse()
    return beliefs


def backwards(model: MotionModel, knot: Knot, after: Knot, later: Belief) -> Belief:
    """Belief at a knot once the smoothed one at the knot after it is known."""
    here = knot.belief
    predicted, transition = after.changed or model.predicted(here, after.belief.at_s)
    gain = np.linalg.solve(predicted.covariance, transition @ here.covariance).T
    mean = here.mean + gain @ (later.mean - predicted.mean)
    covariance = here.covariance + gain @ (later.covariance - predicted.covariance) @ gain.T
    return Belief(here.at_s, mean, (covariance + covariance.T) / 2)


def in_order(fixes: Iterable[PlacedFix], motion: Iterable[MotionAt]) -> list[PlacedFix | MotionAt]:
    """All readings by time; at the same moment motion first, so that a fix meets what the wheels said."""
    ordered: list[PlacedFix | MotionAt] = [*motion, *fixes]
    ordered.sort(key=lambda reading: reading.at_s)
    return ordered


class Ahead:
    """What the fixes after a start say about heading and speed there."""

    def __init__(self, fixes: Sequence[PlacedFix], noise: ReceiverNoise) -> None:
        self._fixes = fixes
        self._index = {placed.at_s: index for index, placed in enumerate(fixes)}
        self._noise = noise

    def start(self, placed: PlacedFix) -> Start:
        """A start at a fix: its stated course where it moves, else the first chord that is long enough."""
        fix = placed.fix
        speed_mps, speed_sigma_mps = (
            (fix.speed_mps, 1.0) if fix.speed_mps is not None else self._first_speed(placed)
        )
        if fix.heading_deg is not None and (fix.speed_mps or 0.0) >= COURSE_FROM_MPS:
            heading = math.radians(fix.heading_deg), COURSE_SIGMA_RAD
        else:
            heading = self._first_chord(placed)
        return Start(placed, *heading, speed_mps, speed_sigma_mps)

    def _first_chord(self, start: PlacedFix) -> tuple[float, float]:
        stated_m = max(start.fix.sigma_east_m, start.fix.sigma_north_m)
        enough_m = max(SHORTEST_CHORD_M, CHORD_SIGMAS * self._noise.fix_sigma_m(stated_m, 0.0))
        for later in self._fixes[self._index[start.at_s] + 1 :]:
            east_m, north_m = later.east_m - start.east_m, later.north_m - start.north_m
            if math.hypot(east_m, north_m) >= enough_m:
                return math.atan2(east_m, north_m), CHORD_SIGMA_RAD
        return 0.0, UNKNOWN_HEADING_RAD

    def _first_speed(self, start: PlacedFix) -> tuple[float, float]:
        index = self._index[start.at_s]
        if index + 1 == len(self._fixes):
            return 0.0, SPEED_SIGMA_MPS
        later = self._fixes[index + 1]
        way_m = math.hypot(later.east_m - start.east_m, later.north_m - start.north_m)
        return min(way_m / (later.at_s - start.at_s), 60.0), SPEED_SIGMA_MPS
