"""Condition value of a street segment, 1 (very good) to 5 (very poor): an approximation, and to be called so.

Damages as a camera finds them, counted in fields as the German ZEB counts them, and brought to its scale by
its piecewise linear normalisation (FORMULAS section 5). What a camera does not measure is not in it:
evenness, ruts, skid resistance, patches. What it did not see has no value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wegewart.limits import read_limits, shipped_limits
from wegewart.severity import Extent

BEST, TARGET, WARNING, THRESHOLD, WORST = 1.0, 1.5, 3.5, 4.5, 5.0
SIGMAS_95 = 1.96  # 95 % of a normal distribution lie within
ANY_HIGHWAY = "*"


class Band(StrEnum):
    """The five classes of condition values, with the colours that the ZEB gives them."""

    BLUE = "blue"
    """1.0 to below 1.5, the target value"""
    DARK_GREEN = "dark_green"
    """to below 2.5"""
    LIGHT_GREEN = "light_green"
    """to below 3.5, the warning value"""
    YELLOW = "yellow"
    """to below 4.5, the threshold value"""
    RED = "red"


BAND_STARTS = (
    (THRESHOLD, Band.RED),
    (WARNING, Band.YELLOW),
    (2.5, Band.LIGHT_GREEN),
    (TARGET, Band.DARK_GREEN),
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage on a segment, with the probability that it is there."""

    class_code: str
    existence: float
    extent: Extent


@dataclass(frozen=True, slots=True)
class PartValue:
    """One characteristic of a segment: percent of its fields that are damaged, and what value that makes.

    `least` and `most` hold the value with 95 %.
    """

    characteristic: str
    share_percent: float
    value: float
    least: float
    most: float
    damages: int


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition value of a segment with its 95 % bounds and its inputs: an approximation.

    Attributes:
        without_extent: Damages whose length or width is not known; each counts as the least it can be.
    """

    value: float
    least: float
    most: float
    parts: tuple[PartValue, ...]
    fields: float
    without_extent: int

    @property
    def band(self) -> Band:
        """Class of the value as it is told: an approximation deserves no second decimal."""
        return band_of(round(self.value, 1))


class Characteristic(BaseModel):
    """What is counted together, and how the boxes of its classes touch fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(min_length=1, max_length=16)
    name_de: str = Field(min_length=1)
    name_en: str = Field(min_length=1)
    lines: tuple[str, ...]
    areas: tuple[str, ...]

    @property
    def class_codes(self) -> tuple[str, ...]:
        """Damage classes that count here."""
        return (*self.lines, *self.areas)


class PercentLimits(BaseModel):
    """Percent of damaged fields at the target, the warning and the threshold value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    characteristic: str
    at_1_5: float
    at_3_5: float
    at_4_5: float
    recalled: bool = Field(description="from memory: not yet checked against the source")

    @property
    def rise(self) -> bool:
        """Whether they stand in order, within 0 to 100 %."""
        return 0 <= self.at_1_5 < self.at_3_5 < self.at_4_5 <= 100

    def value(self, share_percent: float) -> float:
        """Condition value of a share of damaged fields: piecewise linear, clamped to 1 … 5."""
        if share_percent <= self.at_3_5:
            value = TARGET + 2.0 * (share_percent - self.at_1_5) / (self.at_3_5 - self.at_1_5)
        else:
            value = WARNING + (share_percent - self.at_3_5) / (self.at_4_5 - self.at_3_5)
        return min(max(value, BEST), WORST)


class FunctionClass(BaseModel):
    """Limits of one class of streets: a main road is graded more strictly than a lane."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(min_length=1)
    highways: tuple[str, ...] = Field(min_length=1)
    limits: tuple[PercentLimits, ...]


class ConditionTable(BaseModel):
    """A city's limits of condition values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    source: str = Field(min_length=1)
    segment_m: float
    seen_least: float
    valid_days: float
    field_m: float
    strips: int
    lane_width_m: float
    characteristics: tuple[Characteristic, ...] = Field(alias="characteristic", min_length=1)
    function_classes: tuple[FunctionClass, ...] = Field(alias="function_class", min_length=1)

    @property
    def strip_m(self) -> float:
        """Width of a field."""
        return self.lane_width_m / self.strips

    @property
    def recalled(self) -> bool:
        """Whether any of its limits is from memory."""
        return any(limits.recalled for each in self.function_classes for limits in each.limits)

    def limits_of(self, highway: str) -> tuple[PercentLimits, ...]:
        """Limits for a street of one of OSM's classes."""
        found = {name: each for each in self.function_classes for name in each.highways}
        return (found.get(highway) or found[ANY_HIGHWAY]).limits

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        mistakes = [*self._wrong_numbers(), *self._wrong_characteristics(), *self._wrong_function_classes()]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def _wrong_numbers(self) -> list[str]:
        above_zero = ("segment_m", "valid_days", "field_m", "strips", "lane_width_m")
        mistakes = [
            f"{name}: must lie above 0, not at {getattr(self, name):g}"
            for name in above_zero
            if not getattr(self, name) > 0
        ]
        if not 0 < self.seen_least <= 1:
            mistakes.append(f"seen_least: must lie above 0 and at most at 1, not at {self.seen_least:g}")
        return mistakes

    def _wrong_characteristics(self) -> list[str]:
        counted = [code for each in self.characteristics for code in each.class_codes]
        codes = [each.code for each in self.characteristics]
        return [f"{code}: counts in more than one place" for code in _twice(counted)] + [
            f"{code}: stands twice among the characteristics" for code in _twice(codes)
        ]

    def _wrong_function_classes(self) -> list[str]:
        highways = [name for each in self.function_classes for name in each.highways]
        mistakes = [f"{name}: belongs to more than one function class" for name in _twice(highways)]
        if ANY_HIGHWAY not in highways:
            mistakes.append(f'no function class has the highway "{ANY_HIGHWAY}", which stands for all others')
        wanted = sorted(each.code for each in self.characteristics)
        for each in self.function_classes:
            has = sorted(limits.characteristic for limits in each.limits)
            if has != wanted:
                mistakes.append(
                    f"{each.code}: needs limits of {', '.join(wanted)} once each,"
                    f" has {', '.join(has) or 'none'}"
                )
            mistakes.extend(
                f"{each.code}, {limits.characteristic}: needs 0 <= at_1_5 < at_3_5 < at_4_5 <= 100"
                for limits in each.limits
                if not limits.rise
            )
        return mistakes


def read_condition_table(path: Path) -> ConditionTable:
    """A city's table from its TOML file.

    Raises:
        LimitsInvalid: If it cannot be read or has mistakes; the message names every one.
    """
    return read_limits(path, ConditionTable)


@cache
def shipped_condition_table() -> ConditionTable:
    """The table that ships with Wegewart (core/wegewart/limits/condition-1.toml)."""
    return shipped_limits("condition-1.toml", ConditionTable)


def condition_of(
    damages: Sequence[Damage], seen_m: float, lanes: int, highway: str, table: ConditionTable
) -> Condition:
    """Condition value of the part of a segment that was seen: the worst of its characteristics.

    Args:
        seen_m: Length of that part, above 0.
        lanes: Lanes of it that were seen, at least 1.
    """
    fields = seen_m / table.field_m * table.strips * lanes
    limits = {each.characteristic: each for each in table.limits_of(highway)}
    parts = tuple(_part(each, limits[each.code], damages, fields, table) for each in table.characteristics)
    return Condition(
        value=max(part.value for part in parts),
        least=max(part.least for part in parts),
        most=max(part.most for part in parts),
        parts=parts,
        fields=fields,
        without_extent=sum(each.extent.length is None or each.extent.width is None for each in damages),
    )


def fields_touched(extent: Extent, table: ConditionTable, *, line: bool) -> tuple[float, float]:
    """Fields that a damage touches on average over where it lies on the grid, and the sigma from its size.

    A box of L by W on fields of a by b touches (1 + L/a) (1 + W/b) of them; a straight line from one of its
    corners to the opposite one 1 + L/a + W/b: it enters a new field at each border that it crosses. A side
    that is not known counts as 0, the least it can be.
    """
    along, across = extent.length, extent.width
    rows, rows_sigma = (along.size / table.field_m, along.sigma / table.field_m) if along else (0.0, 0.0)
    columns, columns_sigma = (
        (across.size / table.strip_m, across.sigma / table.strip_m) if across else (0.0, 0.0)
    )
    if line:
        return 1 + rows + columns, rows_sigma + columns_sigma
    # Both sides grow with the same error of range, so their errors add up.
    return (1 + rows) * (1 + columns), (1 + columns) * rows_sigma + (1 + rows) * columns_sigma


def band_of(value: float) -> Band:
    """Class of a condition value."""
    return next((band for start, band in BAND_STARTS if value >= start), Band.BLUE)


def _part(
    characteristic: Characteristic,
    limits: PercentLimits,
    damages: Sequence[Damage],
    fields: float,
    table: ConditionTable,
) -> PartValue:
    """Share of damaged fields: those of several damages overlap as if each lay anywhere on the segment.

    So the share that stays sound is the product of what each leaves; its logarithm is a sum, and mean and
    variance of a sum follow from those of its terms, whose existence is a chance of its own.
    """
    mean = variance = 0.0
    counted = [each for each in damages if each.class_code in characteristic.class_codes]
    for damage in counted:
        touched, sigma = fields_touched(damage.extent, table, line=damage.class_code in characteristic.lines)
        share = min(touched / fields, 0.999)  # a damage as large as the segment leaves next to nothing
        lost = -math.log1p(-share)
        lost_sigma = sigma / fields / (1 - share)
        chance = damage.existence
        mean += chance * lost
        variance += chance * (1 - chance) * lost**2 + chance * lost_sigma**2
    margin = SIGMAS_95 * math.sqrt(variance)
    share_percent, fewest, most = (
        -100 * math.expm1(-max(lost, 0.0)) for lost in (mean, mean - margin, mean + margin)
    )
    return PartValue(
        characteristic.code,
        share_percent,
        limits.value(share_percent),
        limits.value(fewest),
        limits.value(most),
        len(counted),
    )


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
