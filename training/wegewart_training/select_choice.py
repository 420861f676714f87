"""Which frames to label next: unsure ones that are unlike all others. Pure: columns in, picks out.

Greedy: the next frame is the one with the largest product of weight and distance. The weight is the square
of its doubt's rank among all frames, from 0 to 1, so that it means the same for every model. The distance
is to the nearest frame that is labelled or chosen already (k-center, Sener and Savarese, Active Learning
for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018). Every tenth pick goes by distance alone:
of what a model does not see at all it has no doubt either.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from wegewart.errors import CalledWrongly
from wegewart_datasets.feedback_guarding import Reserved
from wegewart_datasets.fingerprint import NEAR_BITS, Hashes
from wegewart_training.select_likeness import FloatArray, directions
from wegewart_training.select_scan import Pool

WEIGHT_POWER = 2.0  # 1 picks fewer mistakes, 4 fewer places: docs/feedback.md
LABELLED_AT_ONCE = 256  # times N distances of 4 bytes: 50 MB at 50,000 frames
MOST_OF_PICKS = 0.1  # of one place or drive
LEAST_OF_GROUP = 3


class Why(StrEnum):
    """By what a frame was chosen."""

    DOUBT = "doubt"
    NOVEL = "novel"


class Skipped(StrEnum):
    """Why a frame is out of the choice."""

    NEAR_DUPLICATE = "nearly the same as a frame that is labelled or chosen"
    GROUP_FULL = "its place or drive has its share"
    RESERVED = "nearly the same as a test image"


@dataclass(frozen=True)
class ChoiceOptions:
    """How many frames, and how they are spread.

    Raises:
        CalledWrongly: If that is nothing sensible.
    """

    count: int
    per_group: int | None = None
    """At most so many of one place or drive; None for a tenth of the picks, see `fair_share`."""
    explore: float = 0.1
    """Share of the picks that go by distance alone."""

    def __post_init__(self) -> None:
        least = min(self.count, self.count if self.per_group is None else self.per_group)
        if least < 1 or not 0 <= self.explore <= 1:
            raise CalledWrongly("count and per-group must be 1 or more, explore from 0 to 1")


@dataclass(frozen=True)
class Pick:
    """A chosen frame. `distance`: to the nearest labelled or chosen one when it was picked, 0 to 2."""

    number: int
    """In the pool."""
    why: Why
    bits: float
    weight: float
    distance: float


@dataclass(frozen=True)
class Choice:
    """Picks in their order, and how many frames fell out for what."""

    picks: tuple[Pick, ...]
    skipped: Counter[Skipped]
    per_group: int


def choose(pool: Pool, labelled: Pool | None, reserved: Reserved, options: ChoiceOptions) -> Choice:
    """Picks from the pool, the most wanted first; fewer than asked for where the pool is used up."""
    if not pool.candidates:
        return Choice((), Counter(), 0)
    return _Choosing(pool, labelled, reserved, options).choice()


def weights_of(bits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared rank of each doubt among all, above 0 and at most 1; equals share the middle of their ranks."""
    ordered = np.sort(bits)
    middle = np.searchsorted(ordered, bits, "left") + np.searchsorted(ordered, bits, "right")
    weights: npt.NDArray[np.float64] = ((middle + 1) / (2 * len(bits) + 1)) ** WEIGHT_POWER
    return weights


def fair_share(groups: Sequence[str], count: int) -> int:
    """At most so many of one group: a tenth of the picks, or twice the even share where groups are few."""
    even = count / max(len(set(groups)), 1)
    return max(LEAST_OF_GROUP, math.ceil(MOST_OF_PICKS * count), math.ceil(2 * even))


class _Choosing:
    """The state of one choice."""

    def __init__(self, pool: Pool, labelled: Pool | None, reserved: Reserved, options: ChoiceOptions) -> None:
        self.pool, self.reserved, self.options = pool, reserved, options
        self.groups = np.array([candidate.group for candidate in pool.candidates])
        self.per_group = options.per_group or fair_share(self.groups.tolist(), options.count)
        self.weights = weights_of(pool.bits)
        self.free = np.ones(len(pool.candidates), bool)
        self.skipped: Counter[Skipped] = Counter()
        self.taken: Counter[str] = Counter()
        self.picks: list[Pick] = []
        self.unit, self.distance = self._start(labelled)

    def _start(self, labelled: Pool | None) -> tuple[FloatArray, FloatArray]:
        """Directions of the pool, and the distance of each frame to what is labelled; 1 without any."""
        if labelled is None or not labelled.candidates:
            return directions(self.pool.described), np.ones(len(self.free), np.float32)
        count = len(self.free)
        unit = directions(np.concatenate([self.pool.described, labelled.described]))
        distance = np.full(count, 2.0, np.float32)
        for first in range(count, len(unit), LABELLED_AT_ONCE):
            known = unit[first : first + LABELLED_AT_ONCE]
            np.minimum(distance, 1 - (unit[:count] @ known.T).max(axis=1), out=distance)
        for words in labelled.hashes[labelled.hashed]:
            self._drop_near(words)
        return unit[:count], distance

    def choice(self) -> Choice:
        while len(self.picks) < self.options.count and self.free.any():
            self._pick()
        return Choice(tuple(self.picks), self.skipped, self.per_group)

    def _pick(self) -> None:
        due = math.floor((len(self.picks) + 1) * self.options.explore)
        novel = sum(pick.why is Why.NOVEL for pick in self.picks) < due
        worth = self.distance if novel else self.weights * self.distance
        best = int(np.where(self.free, worth, -np.inf).argmax())
        if self.pool.hashed[best] and self.reserved.nearest(self.pool.hashes[best]) is not None:
            self._drop(np.arange(len(self.free)) == best, Skipped.RESERVED)
            return
        why = Why.NOVEL if novel else Why.DOUBT
        figures = (self.pool.bits[best], self.weights[best], self.distance[best])
        self.picks.append(Pick(best, why, *map(float, figures)))
        self._take(best)

    def _take(self, best: int) -> None:
        self.free[best] = False
        np.minimum(self.distance, 1 - self.unit @ self.unit[best], out=self.distance)
        if self.pool.hashed[best]:
            self._drop_near(self.pool.hashes[best])
        group = str(self.groups[best])
        self.taken[group] += 1
        if self.taken[group] >= self.per_group:
            self._drop(self.groups == group, Skipped.GROUP_FULL)

    def _drop_near(self, words: Hashes) -> None:
        bits = np.bitwise_count(self.pool.hashes ^ words).sum(axis=1)
        self._drop((bits <= NEAR_BITS) & self.pool.hashed, Skipped.NEAR_DUPLICATE)

    def _drop(self, which: npt.NDArray[np.bool_], why: Skipped) -> None:
        self.skipped[why] += int((which & self.free).sum())
        self.free &= ~which
