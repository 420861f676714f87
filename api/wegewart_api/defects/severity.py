"""Severity of stored defects as the API tells it: from what is stored, by the limits in force now.

Nothing of it is kept, so that a city's new limits count at once, and defects from before have theirs too.
"""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from wegewart.damage import Measured, Taxonomy
from wegewart.severity import (
    Basis,
    Extent,
    Grade,
    Measure,
    Severity,
    SeverityTable,
    Unknown,
    read_severity_table,
    severity_of,
    shipped_severity_table,
)
from wegewart_api.defects.repository import StoredDefect, StoredSize
from wegewart_api.settings import Settings


class Size(BaseModel):
    """A measure with its sigma."""

    value: float
    sigma: float


class SeverityAnswer(BaseModel):
    """How severe a damage is by its size alone, never by a depth; all null but the reason where unknown."""

    low: float | None = Field(description="probability; low, medium and high sum to 1")
    medium: float | None
    high: float | None
    likeliest: Grade | None
    unknown_reason: Unknown | None
    counts: Measured | None = Field(description="the size that counts for the class")
    size: Size | None = Field(
        description="that size, m or m²: a crack's diagonal, a net's cracked area, a pothole's width"
    )
    basis: Basis | None = Field(description="whether the limits follow a standard or are an assumption")
    source: str | None = Field(description="that standard, or the table that assumes")
    recalled: bool | None = Field(description="limits from memory, not checked against the source yet")


def severity_limits(settings: Settings, taxonomy: Taxonomy) -> SeverityTable:
    """The city's limits, or the shipped ones.

    Raises:
        LimitsInvalid: If the city's table has mistakes or speaks of other classes than the taxonomy.
    """
    if settings.severity_limits is None:
        shipped = shipped_severity_table()
        known = [limits for limits in shipped.classes if limits.code in taxonomy.codes]
        return shipped.model_copy(update={"classes": tuple(known)}).checked(taxonomy)
    return read_severity_table(settings.severity_limits).checked(taxonomy)


def _limits_in_force(request: Request) -> SeverityTable:
    limits: SeverityTable = request.app.state.severity_limits
    return limits


SeverityLimitsOf = Annotated[SeverityTable, Depends(_limits_in_force)]


def severity_of_defect(found: StoredDefect, limits: SeverityTable) -> Severity | Unknown:
    """Severity of a stored defect, for its likeliest class."""
    return severity_of(found.class_code, extent_of(found), limits)


def extent_of(found: StoredDefect) -> Extent:
    """What is stored of a defect's box on the ground."""
    return Extent(_measure(found.length), _measure(found.width), _measure(found.area))


def severity_answer(found: Severity | Unknown) -> SeverityAnswer:
    """Severity as the API shows it."""
    if isinstance(found, Unknown):
        nothing = dict.fromkeys(SeverityAnswer.model_fields)
        return SeverityAnswer.model_validate(nothing | {"unknown_reason": found})
    return SeverityAnswer(
        low=found.low,
        medium=found.medium,
        high=found.high,
        likeliest=found.likeliest,
        unknown_reason=None,
        counts=found.counts,
        size=Size(value=found.counted.size, sigma=found.counted.sigma),
        basis=found.basis,
        source=found.source,
        recalled=found.recalled,
    )


def most_severe(defects: Iterable[StoredDefect], limits: SeverityTable) -> SeverityAnswer | None:
    """Severity of the most severe of some defects; unknown only if all are, None for no defects."""
    found = [severity_of_defect(each, limits) for each in defects]
    if not found:
        return None
    known = [each for each in found if isinstance(each, Severity)]
    return severity_answer(max(known, key=lambda each: each.expected) if known else found[0])


def _measure(stored: StoredSize | None) -> Measure | None:
    return Measure(stored.size, stored.sigma) if stored else None
