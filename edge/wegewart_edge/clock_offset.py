"""How far one clock is ahead of another, from the same motion recorded by both.

The vehicle's yaw rate (a camera's gyro against the receiver's course) or its speed (wheels against the
receiver) goes up and down in both records; the shift that makes them agree best is the offset. Where the
drive has no turns and no changes of speed, or the records do not agree, there is no answer.
"""

import math
from dataclasses import dataclass

import numpy as np

from wegewart_edge.motion_model import Array

GRID_S = 0.05
LEAST_OVERLAP_S = 20.0
LEAST_CORRELATION = 0.8
RIVAL_AWAY_S = 1.0  # another peak so far away …
RIVAL_SHARE = 0.95  # … and so high makes the answer a guess
MOST_SIGMA_S = 0.2
PEAK_POINTS = 5  # either side of the peak, for its parabola: less is the noise of neighbouring samples


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time: seconds on its own clock, rising, and values."""

    time_s: Array
    values: Array


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Seconds that the second clock is ahead of the first, with its sigma."""

    ahead_s: float
    sigma_s: float
    correlation: float


@dataclass(frozen=True, slots=True)
class NoOffset:
    """Why the records do not tell."""

    reason: str


def clock_offset(
    first: Series, second: Series, *, least_change: float, most_s: float = 2.0
) -> ClockOffset | NoOffset:
    """How far the clock of `second` is ahead of that of `first`.

    Args:
        least_change: Standard deviation of the quantity below which nothing can be told.
        most_s: Largest offset looked for, either way.
    """
    from_s = max(first.time_s[0], second.time_s[0] + most_s)
    to_s = min(first.time_s[-1], second.time_s[-1] - most_s)
    if to_s - from_s < LEAST_OVERLAP_S:
        return too_short(to_s - from_s)
    grid_s = np.arange(from_s, to_s, GRID_S)
    fixed = np.interp(grid_s, first.time_s, first.values)
    if float(fixed.std()) < least_change:
        return NoOffset(
            f"the motion changes too little: {fixed.std():.2f}, at least {least_change:.2f} is needed"
        )
    shifts_s = np.arange(-most_s, most_s + GRID_S / 2, GRID_S)
    moved = np.stack([np.interp(grid_s + shift, second.time_s, second.values) for shift in shifts_s])
    return _best(shifts_s, fixed, moved)


def too_short(overlap_s: float) -> NoOffset:
    """Why records that share so little time, or none, do not tell."""
    return NoOffset(f"the records overlap by {max(overlap_s, 0.0):.0f} s, {LEAST_OVERLAP_S:.0f} are needed")


def _best(shifts_s: Array, fixed: Array, moved: Array) -> ClockOffset | NoOffset:
    correlation = _correlation(fixed, moved)
    peak = int(correlation.argmax())
    if correlation[peak] < LEAST_CORRELATION:
        return NoOffset(f"the records do not agree: correlation {correlation[peak]:.2f}")
    if peak in (0, len(shifts_s) - 1):
        return NoOffset(f"the offset lies beyond {abs(shifts_s[peak]):.1f} s")
    far = np.abs(shifts_s - shifts_s[peak]) > RIVAL_AWAY_S
    if far.any() and float(correlation[far].max()) > RIVAL_SHARE * float(correlation[peak]):
        return NoOffset("two offsets fit about equally well: the motion repeats itself or changes too slowly")
    around = slice(max(peak - PEAK_POINTS, 0), peak + PEAK_POINTS + 1)
    bend, slope, _ = np.polyfit(shifts_s[around] - shifts_s[peak], correlation[around], 2).tolist()
    ahead_s = float(shifts_s[peak]) - slope / (2 * bend)
    sigma_s = _sigma_s(fixed, moved[peak], bend)
    if sigma_s > MOST_SIGMA_S:
        return NoOffset(f"the offset would be {ahead_s:.2f} ± {sigma_s:.2f} s: too unsure to use")
    return ClockOffset(ahead_s, sigma_s, float(correlation[peak]))


def _correlation(fixed: Array, moved: Array) -> Array:
    a = fixed - fixed.mean()
    b = moved - moved.mean(axis=1, keepdims=True)
    spread = math.sqrt(float(a @ a)) * np.sqrt((b * b).sum(axis=1))
    result: Array = (b @ a) / np.maximum(spread, 1e-12)
    return result


def _sigma_s(fixed: Array, moved: Array, bend: float) -> float:
    """Sigma of a shift fitted by least squares; neighbouring residuals count as one where they agree.

    The bend of the correlation says how fast the squares grow with the shift; taken from the series' own
    slopes it would contain their noise.
    """
    a, b = fixed - fixed.mean(), moved - moved.mean()
    residual = a - b
    squares = float(residual @ residual)
    lag_one = float(residual[1:] @ residual[:-1]) / max(squares, 1e-12)
    alike = (1 + lag_one) / max(1 - lag_one, 1e-3)
    steepness = -2 * bend * math.sqrt(float(a @ a) * float(b @ b))
    return math.sqrt(squares / len(residual) * alike / max(steepness, 1e-12))
