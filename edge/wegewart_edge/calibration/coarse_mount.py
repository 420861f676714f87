"""A mount that is roughly right, from one that is some degrees off: a search, not an adjustment.

Under the right tilt, roll and height most spots of the road agree on the move that the positions state; under
wrong ones far spots seem to move otherwise than near ones.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from wegewart.camera import Camera
from wegewart_edge.calibration.road_motion import Pair, on_road

Array = npt.NDArray[np.float64]

TILT_REACH_DEG = 6.0  # around the rough tilt; further off, the views from above show too little of the same
TILTS_DEG = (np.arange(-TILT_REACH_DEG, TILT_REACH_DEG + 0.1, 0.5), np.arange(-0.5, 0.51, 0.125))
ROLLS_DEG = (np.arange(-4.0, 4.1, 1.0), np.arange(-1.0, 1.01, 0.25))
HEIGHTS = (np.geomspace(0.8, 1.25, 7), np.array([0.97, 1.0, 1.03]))  # as shares of the rough height
CELL_M = (0.1, 0.06)  # along and across; a vote counts 3 × 3 cells, about the ellipse of a match
ADVANCE_REACH_M = 0.6
SIDEWAYS_SLOPE = 0.15  # the rough yaw may be so far off (rad)


@dataclass(frozen=True)
class Lookalikes:
    """Spots of a pair that look alike, many of them wrongly: undistorted rays, each (N, 3)."""

    pair: Pair
    first: Array
    second: Array


@dataclass(frozen=True)
class _Candidate:
    tilt: float
    roll: float
    height_m: float
    votes: int
    sideways_share: float


def coarse_mount(camera: Camera, evidence: Sequence[Lookalikes]) -> Camera:
    """The camera with the tilt, roll, yaw and height under which most spots agree on the stated moves."""
    mount = camera.mount
    best = _Candidate(
        math.radians(mount.tilt_down_deg), math.radians(mount.roll_right_deg), mount.height_m, -1, 0.0
    )
    yaw = math.radians(mount.yaw_right_deg)
    for tilts_deg, rolls_deg, heights in zip(TILTS_DEG, ROLLS_DEG, HEIGHTS, strict=True):
        around = best
        for tilt, roll in itertools.product(np.radians(tilts_deg), np.radians(rolls_deg)):
            tried = _best_height(around, around.tilt + tilt, around.roll + roll, heights, yaw, evidence)
            best = max(best, tried, key=lambda candidate: candidate.votes)
        best = _Candidate(best.tilt, best.roll, best.height_m, -1, best.sideways_share)
    found = {
        "tilt_down_deg": math.degrees(best.tilt),
        "roll_right_deg": math.degrees(best.roll),
        "yaw_right_deg": math.degrees(yaw - math.atan(best.sideways_share)),
        "height_m": best.height_m,
    }
    return camera.model_copy(update={"mount": mount.model_copy(update=found)})


def _best_height(
    around: _Candidate, tilt: float, roll: float, heights: Array, yaw: float, evidence: Sequence[Lookalikes]
) -> _Candidate:
    angles = np.array([[tilt, roll, yaw]])
    moves = []
    for each in evidence:
        one = on_road(each.first, angles.repeat(len(each.first), axis=0), np.ones(len(each.first)))
        other = on_road(each.second, angles.repeat(len(each.second), axis=0), np.ones(len(each.second)))
        moves.append(one - other)
    candidates = []
    for share in heights:
        height_m = around.height_m * float(share)
        counted = [_votes(height_m * moved, each.pair) for moved, each in zip(moves, evidence, strict=True)]
        shares = [sideways for _, sideways in counted]
        votes = sum(count for count, _ in counted)
        candidates.append(_Candidate(tilt, roll, height_m, votes, float(np.median(shares))))
    return max(candidates, key=lambda candidate: candidate.votes)


def _votes(moved_m: Array, pair: Pair) -> tuple[int, float]:
    """Votes for the move most spots agree on, and how far sideways it went as a share of the advance."""
    reach_m = (ADVANCE_REACH_M + 2 * pair.advance_sigma_m, 0.3 + SIDEWAYS_SLOPE * pair.advance_m)
    bins = [max(int(2 * reach / cell), 3) for reach, cell in zip(reach_m, CELL_M, strict=True)]
    around = (pair.advance_m, pair.sideways_m)
    limits = [(middle - reach, middle + reach) for middle, reach in zip(around, reach_m, strict=True)]
    usable = moved_m[np.isfinite(moved_m).all(axis=1)]
    counts, ahead, right = np.histogram2d(usable[:, 0], usable[:, 1], bins=bins, range=limits)
    smooth = uniform_filter(counts, 3, mode="constant") * 9
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    sideways_m = (right[column] + right[column + 1]) / 2 - pair.sideways_m
    return round(float(smooth[row, column])), sideways_m / float(ahead[row])
