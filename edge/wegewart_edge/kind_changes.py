"""Places that stay continuous where the receiver's kind of fix changes (RTK to plain and back).

Each kind errs in its own way, so the receiver's place leaps at the change while the path goes on. Near a
change the place therefore keeps the error of one side, and takes on the other's as the receiver's error
forgets itself: with the weights that a Gauss-Markov process between known ends has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wegewart.drive import FixType
from wegewart_edge.motion_model import Array

BEST_FIRST = (
    FixType.RTK_FIXED,
    FixType.RTK_FLOAT,
    FixType.DIFFERENTIAL,
    FixType.SINGLE,
    FixType.DEAD_RECKONING,
    FixType.NONE,
)


@dataclass(frozen=True)
class Offsets:
    """What places are off the path, per knot: metres (n, 2), and the spread of that (n, 2, 2), m²."""

    metres: Array
    spread_m2: Array


@dataclass(frozen=True)
class Border:
    """The place beside a change of kind: its offset (2,) with spread (2, 2), and how far along the drive."""

    passed: float
    metres: Array
    spread_m2: Array


@dataclass(frozen=True)
class Run:
    """Knots `first` to `end` − 1, of one kind of fix, and the changes where their places begin and end."""

    first: int
    end: int
    before: Border | None = None
    after: Border | None = None


def bridged(
    own: Offsets,
    kinds: Sequence[FixType],
    accuracy_m: Array,
    passed: Array,
    *,
    in_time: bool = False,
    carried: Border | None = None,
) -> tuple[Offsets, list[Run]]:
    """Offsets that do not leap where the kind of fix changes, and the runs of one kind.

    Args:
        own: What each kind is off by itself, for the knots of one path without a jump.
        kinds: Of each knot; `accuracy_m` is what they state.
        passed: How many of its correlation lengths the receiver's error has passed at each knot; rising.
        in_time: Each kind gives way to the one before it, as while driving, when what comes is not known
            yet. Else the less accurate one gives way, and the better one keeps its place.
        carried: A change before the first knot that still counts.
    """
    placed = Offsets(own.metres.copy(), own.spread_m2.copy())
    runs = _runs(kinds)
    done: set[int] = set()
    for number in range(len(runs)) if in_time else _best_first(runs, kinds, accuracy_m):
        first, end = runs[number].first, runs[number].end
        before = _border(placed, passed, first - 1) if number - 1 in done else None
        after = _border(placed, passed, end) if number + 1 in done else None
        runs[number] = Run(first, end, carried if number == 0 else before, after)
        _give_way(placed, passed, runs[number])
        done.add(number)
    return placed, runs


def _runs(kinds: Sequence[FixType]) -> list[Run]:
    starts = [number for number, kind in enumerate(kinds) if number == 0 or kind is not kinds[number - 1]]
    return [Run(first, end) for first, end in zip(starts, [*starts[1:], len(kinds)], strict=True)]


def _best_first(runs: Sequence[Run], kinds: Sequence[FixType], accuracy_m: Array) -> list[int]:
    """Numbers of the runs by accuracy; where a source states none all have the same, and their kinds tell."""
    grades = [
        (float(np.median(accuracy_m[run.first : run.end])), BEST_FIRST.index(kinds[run.first]))
        for run in runs
    ]
    return sorted(range(len(runs)), key=lambda number: grades[number])


def _border(placed: Offsets, passed: Array, knot: int) -> Border:
    return Border(float(passed[knot]), placed.metres[knot].copy(), placed.spread_m2[knot].copy())


def _give_way(placed: Offsets, passed: Array, run: Run) -> None:
    """Mix a run's own offsets with those beside it, in place; the spread is that of ends that err alike."""
    if run.before is None and run.after is None:
        return
    here = slice(run.first, run.end)
    from_before, from_after = _weights(passed[here], run)
    own = 1.0 - from_before - from_after
    placed.metres[here] *= own[:, None]
    placed.spread_m2[here] *= own[:, None, None] ** 2
    for border, weight in ((run.before, from_before), (run.after, from_after)):
        if border is not None:
            placed.metres[here] += weight[:, None] * border.metres
            placed.spread_m2[here] += (weight * (from_before + from_after))[:, None, None] * border.spread_m2


def _weights(passed: Array, run: Run) -> tuple[Array, Array]:
    """What the ends of a run count within it: exp(−u) of one end, sinh(u′) / sinh(U) between two."""
    since = np.inf if run.before is None else passed - run.before.passed
    until = np.inf if run.after is None else run.after.passed - passed
    return _weight(since, until), _weight(until, since)


def _weight(near: Array | float, far: Array | float) -> Array:
    """sinh(far) / sinh(near + far), without overflow where either is long or infinite."""
    return np.exp(-near) * np.expm1(-2 * far) / np.expm1(-2 * (near + far))
