"""How severe a damage is, as probabilities, by its size alone: one camera sees no depth.

The limits are a table of the city's (docs/severity.md); the shipped one follows ASTM D6433 as far as a size
can, and says of each class where its limits come from.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wegewart.damage import Measured, Taxonomy
from wegewart.errors import LimitsInvalid
from wegewart.limits import read_limits, shipped_limits

SIZED = (Measured.LENGTH, Measured.AREA, Measured.WIDTH)


class Measure(NamedTuple):
    """A size with its sigma, in m or m²."""

    size: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Extent:
    """What is known of a damage's box on the ground: along and across the road in m, and its area in m²."""

    length: Measure | None = None
    width: Measure | None = None
    area: Measure | None = None


class Basis(StrEnum):
    """Where the limits of a class come from."""

    STANDARD = "standard"
    ASSUMPTION = "assumption"


class Unknown(StrEnum):
    """Why the severity of a damage is not known."""

    NO_SIZE = "no_size"
    """The size that counts for its class was not measured."""
    NO_LIMITS = "no_limits"
    """The table has no limits for its class."""


class Grade(StrEnum):
    """Severity levels, as ASTM D6433 names them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Severity:
    """Probabilities of the three grades, which sum to 1, and what they stand on: never a depth."""

    low: float
    medium: float
    high: float
    counted: Measure
    """The size that counts, with its sigma: m or m² by `counts`."""
    counts: Measured
    basis: Basis
    source: str
    recalled: bool
    """Whether the limits are from memory and not yet checked against their source."""

    @property
    def likeliest(self) -> Grade:
        """The likeliest grade; of equals the more severe one."""
        chances = {Grade.HIGH: self.high, Grade.MEDIUM: self.medium, Grade.LOW: self.low}
        return max(chances, key=lambda grade: chances[grade])

    @property
    def expected(self) -> float:
        """0 for certainly low to 1 for certainly high: what damages are ordered by."""
        return self.medium / 2 + self.high


class SeverityStep(BaseModel):
    """Weights of the grades from a size on, up to the next step."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    from_size: float = Field(alias="from", description="m or m², inclusive")
    low: float
    medium: float
    high: float

    @property
    def is_distribution(self) -> bool:
        """Whether the weights are none below 0 and not all 0."""
        return min(self.low, self.medium, self.high) >= 0 < self.low + self.medium + self.high

    @property
    def shares(self) -> tuple[float, float, float]:
        """Probabilities of low, medium and high on this step."""
        total = self.low + self.medium + self.high
        return self.low / total, self.medium / total, self.high / total


class ClassLimits(BaseModel):
    """Steps of one class."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    code: str = Field(min_length=1, max_length=16)
    counts: Measured
    basis: Basis
    recalled: bool = Field(description="from memory: not yet checked against the source")
    fill: float = Field(default=1.0, description="share of the box's area that is damaged")
    fill_sigma: float = 0.0
    steps: tuple[SeverityStep, ...] = Field(min_length=1)

    @property
    def mistakes(self) -> list[str]:
        """Everything in which these limits contradict themselves."""
        return [f"{self.code}: {mistake}" for mistake in (*self._wrong_size(), *self._wrong_steps())]

    def _wrong_size(self) -> list[str]:
        mistakes = []
        if self.counts not in SIZED:
            mistakes.append(f"counts must be one of {', '.join(SIZED)}")
        elif self.counts is not Measured.AREA and {"fill", "fill_sigma"} & self.model_fields_set:
            mistakes.append(f"fill belongs to classes that count by area, not by {self.counts}")
        if not 0 < self.fill <= 1:
            mistakes.append(f"fill must lie above 0 and at most at 1, not at {self.fill:g}")
        if not 0 <= self.fill_sigma <= 1:
            mistakes.append(f"fill_sigma must lie between 0 and 1, not at {self.fill_sigma:g}")
        return mistakes

    def _wrong_steps(self) -> list[str]:
        mistakes = []
        if self.steps[0].from_size != 0:
            mistakes.append(f"the first step must begin at 0, not at {self.steps[0].from_size:g}")
        mistakes.extend(
            f"the step from {step.from_size:g} needs weights of at least 0, and one above 0"
            for step in self.steps
            if not step.is_distribution
        )
        for step, later in zip(self.steps, self.steps[1:], strict=False):
            if later.from_size <= step.from_size:
                mistakes.append(f"steps must rise: {later.from_size:g} follows {step.from_size:g}")
            elif _falls(step, later):
                mistakes.append(
                    f"a larger damage must not be less severe: the step from {later.from_size:g} is, compared"
                    f" with the one from {step.from_size:g}"
                )
        return mistakes


class SeverityTable(BaseModel):
    """A city's limits of severity, class by class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    source: str = Field(min_length=1, description="standard that classes of basis 'standard' follow")
    classes: tuple[ClassLimits, ...] = Field(alias="class")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        codes = [limits.code for limits in self.classes]
        mistakes = [mistake for limits in self.classes for mistake in limits.mistakes]
        mistakes += [
            f"{code}: its limits stand twice" for code in sorted(set(codes)) if codes.count(code) > 1
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def of(self, code: str) -> ClassLimits | None:
        """Limits of a class, None where the table has none."""
        return next((limits for limits in self.classes if limits.code == code), None)

    def checked(self, taxonomy: Taxonomy) -> Self:
        """This table, if it speaks of the taxonomy's classes and sizes.

        Raises:
            LimitsInvalid: If it does not; the message names every mismatch.
        """
        known = {each.code: each.measured for each in taxonomy.classes}
        mistakes = [
            f"{limits.code} counts by {limits.counts}, but by {known[limits.code]} in the taxonomy"
            if limits.code in known
            else f"{limits.code} is no class of the taxonomy, which knows {', '.join(known)}"
            for limits in self.classes
            if known.get(limits.code) is not limits.counts
        ]
        if mistakes:
            lines = "".join(f"\n  {mistake}" for mistake in mistakes)
            raise LimitsInvalid(f"severity limits {self.id} do not fit taxonomy {taxonomy.id}:{lines}")
        return self


def read_severity_table(path: Path) -> SeverityTable:
    """A city's table from its TOML file.

    Raises:
        LimitsInvalid: If it cannot be read or has mistakes; the message names every one.
    """
    return read_limits(path, SeverityTable)


@cache
def shipped_severity_table() -> SeverityTable:
    """The table that ships with Wegewart (core/wegewart/limits/severity-1.toml)."""
    return shipped_limits("severity-1.toml", SeverityTable)


def severity_of(class_code: str, extent: Extent, table: SeverityTable) -> Severity | Unknown:
    """Severity of a damage of a class; unknown, never guessed, without a size or without limits."""
    limits = table.of(class_code)
    if limits is None:
        return Unknown.NO_LIMITS
    counted = counted_size(extent, limits)
    if counted is None:
        return Unknown.NO_SIZE
    low, medium, high = _chances(counted, limits.steps)
    source = table.source if limits.basis is Basis.STANDARD else table.id
    return Severity(low, medium, high, counted, limits.counts, limits.basis, source, limits.recalled)


def counted_size(extent: Extent, limits: ClassLimits) -> Measure | None:
    """The size that counts (FORMULAS section 5), None where it is not known.

    A crack's length is the diagonal of its box on the ground; a net's area is the box's area times how much
    of it the cracks fill; a pothole counts by its width.
    """
    if limits.counts is Measured.WIDTH:
        return extent.width
    if limits.counts is Measured.AREA:
        return _filled(extent.area, limits)
    return diagonal(extent)


def diagonal(extent: Extent) -> Measure | None:
    """Diagonal of the box on the ground, None where a side is not known.

    Both sides grow with the same error of range, so their errors add up, as they do in the box's area.
    """
    if extent.length is None or extent.width is None:
        return None
    size_m = math.hypot(extent.length.size, extent.width.size)
    if size_m == 0:
        return Measure(0.0, math.hypot(extent.length.sigma, extent.width.sigma))
    along, across = extent.length, extent.width
    return Measure(size_m, (along.size * along.sigma + across.size * across.sigma) / size_m)


def _filled(area: Measure | None, limits: ClassLimits) -> Measure | None:
    if area is None:
        return None
    sigma_m2 = math.hypot(limits.fill * area.sigma, limits.fill_sigma * area.size)
    return Measure(limits.fill * area.size, sigma_m2)


def _chances(counted: Measure, steps: tuple[SeverityStep, ...]) -> tuple[float, float, float]:
    """Probabilities of low, medium and high: what each step says, by the chance that the size lies on it."""
    borders = [step.from_size for step in steps] + [math.inf]
    low = medium = high = 0.0
    for step, begin, end in zip(steps, borders, borders[1:], strict=False):
        on_step = _chance_between(begin, end, counted)
        shares = step.shares
        low, medium, high = (
            low + on_step * shares[0],
            medium + on_step * shares[1],
            high + on_step * shares[2],
        )
    total = low + medium + high  # 1, up to the rounding of the steps' chances
    return low / total, medium / total, high / total


def _chance_between(begin: float, end: float, counted: Measure) -> float:
    """Probability that a size lies in [begin, end): normal, cut off at 0, because no size is negative."""
    size, sigma = counted
    if sigma == 0:
        return 1.0 if begin <= size < end else 0.0
    above = _chance_above((begin - size) / sigma) - _chance_above((end - size) / sigma)
    return above / _chance_above(-size / sigma)


def _chance_above(sigmas: float) -> float:
    return 0.5 * math.erfc(sigmas / math.sqrt(2))


def _falls(step: SeverityStep, later: SeverityStep) -> bool:
    """Whether a later step is less severe: more often low, or less often high."""
    if not (step.is_distribution and later.is_distribution):
        return False  # told as a mistake of its own
    slack = 1e-9
    return later.shares[0] > step.shares[0] + slack or later.shares[2] < step.shares[2] - slack
