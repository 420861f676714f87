"""One path without a jump, knot by knot, and how it starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from wegewart_edge.motion_model import Array, Belief
from wegewart_edge.sensors import PlacedFix

UNKNOWN_HEADING_RAD = math.pi


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stretch begins: the first fix, and heading and speed as far as they are known."""

    placed: PlacedFix
    heading_rad: float
    heading_sigma_rad: float
    speed_mps: float
    speed_sigma_mps: float

    @property
    def heading_known(self) -> bool:
        """False where the vehicle never moved."""
        return self.heading_sigma_rad < UNKNOWN_HEADING_RAD


@dataclass(frozen=True, slots=True)
class Knot:
    """Belief after all that was read at its moment.

    `changed` stands where more than prediction lies between this knot and the one before: the prediction
    as the measurements met it, and the transition to it.
    """

    belief: Belief
    changed: tuple[Belief, Array] | None = None


@dataclass
class Stretch:
    """Knots of one path without a jump, and what the fixes did in it."""

    knots: list[Knot]
    used: list[PlacedFix] = field(default_factory=list)
    left_out: int = 0
    after_gap: bool = False
    heading_known: bool = True

    def give_back(self, landed: Sequence[PlacedFix]) -> None:
        """Let go of all at or after a jump: it belongs to the next stretch."""
        self.left_out -= len(landed)
        while len(self.knots) > 1 and self.knots[-1].belief.at_s >= landed[0].at_s:
            self.knots.pop()
