"""Severity in words: a chance for each grade, and what they stand on."""

from dataclasses import dataclass

from wegewart.damage import Measured
from wegewart.severity import Extent, Grade, Measure, SeverityTable, Unknown, severity_of
from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.repository import DefectRecord


@dataclass(frozen=True)
class GradeChance:
    """How likely a damage is of one grade."""

    word: str
    probability: float


@dataclass(frozen=True)
class SeverityFact:
    """Chances of all grades, none where the severity is unknown, and a note that says why."""

    chances: list[GradeChance]
    note: str


def severity_fact(defect: DefectRecord, limits: SeverityTable, formats: Formats) -> SeverityFact:
    """Severity of a defect as its page tells it, by size alone."""
    words = formats.words
    found = severity_of(defect.class_code, _extent(defect), limits)
    if isinstance(found, Unknown):
        return SeverityFact([], words.of("severity.because", found))
    chances = {Grade.LOW: found.low, Grade.MEDIUM: found.medium, Grade.HIGH: found.high}
    unit = "m²" if found.counts is Measured.AREA else "m"
    note = words(
        f"severity.by.{found.counts}",
        size=formats.size(found.counted.size, found.counted.sigma, unit),
        basis=words(f"severity.basis.{'recalled' if found.recalled else found.basis}", source=found.source),
    )
    return SeverityFact(
        [GradeChance(words.of("severity", grade), chance) for grade, chance in chances.items()], note
    )


def _extent(defect: DefectRecord) -> Extent:
    return Extent(
        _measure(defect.length_m, defect.length_sigma_m),
        _measure(defect.width_m, defect.width_sigma_m),
        _measure(defect.area_m2, defect.area_sigma_m2),
    )


def _measure(size: float | None, sigma: float | None) -> Measure | None:
    return None if size is None or sigma is None else Measure(size, sigma)
