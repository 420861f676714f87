"""Which defects become tickets, and how urgent they look: proposals that a person confirms."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wegewart.damage import Measured, Taxonomy
from wegewart_api.tickets.lifecycle import DONE_STATES, RejectReason, TicketState


class Priority(IntEnum):
    """How urgent a ticket looks by class and size alone: a camera sees no depth."""

    URGENT = 1
    """dringend"""
    HIGH = 2
    """hoch"""
    MEDIUM = 3
    """mittel"""
    LOW = 4
    """niedrig"""


class SizeSteps(BaseModel):
    """Sizes from which a damage is urgent, high or medium; None for never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urgent_from: float | None = Field(default=None, gt=0)
    high_from: float | None = Field(default=None, gt=0)
    medium_from: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _falls(self) -> Self:
        steps = [step for step in (self.urgent_from, self.high_from, self.medium_from) if step is not None]
        if steps != sorted(steps, reverse=True):
            raise ValueError("urgent_from must not lie below high_from, nor that below medium_from")
        return self

    def priority(self, size: float) -> Priority:
        """Priority of a damage of this size."""
        for step, priority in (
            (self.urgent_from, Priority.URGENT),
            (self.high_from, Priority.HIGH),
            (self.medium_from, Priority.MEDIUM),
        ):
            if step is not None and size >= step:
                return priority
        return Priority.LOW


class ProposalRules(BaseModel):
    """A city's rules for proposals; the defaults propose much and let people decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    existence_least: float = Field(
        default=0.5, ge=0, le=1, description="least probability that the damage exists: one good sighting"
    )
    classes: frozenset[str] | None = Field(
        default=None, description="class codes that become tickets; None: every damage class of the taxonomy"
    )
    width_least_m: float = Field(default=0.0, ge=0, description="for classes that count by width (potholes)")
    length_least_m: float = Field(default=0.0, ge=0, description="for classes that count by length (cracks)")
    area_least_m2: float = Field(default=0.0, ge=0, description="for classes that count by area")
    quiet_days: int = Field(
        default=180, ge=0, description="after a rejection as no damage, even a grown one stays quiet so long"
    )
    grown_factor: float = Field(
        default=1.5, gt=1, description="size against that of the rejected proposal that counts as grown"
    )
    width_steps_m: SizeSteps = Field(
        default=SizeSteps(urgent_from=0.45, high_from=0.20, medium_from=0.10),
        description="diameters of ASTM D6433's potholes: 100, 200 and 450 mm",
    )
    area_steps_m2: SizeSteps = Field(
        default=SizeSteps(high_from=4.0, medium_from=1.0), description="an assumption: a lane's width squared"
    )
    length_steps_m: SizeSteps = Field(
        default=SizeSteps(medium_from=3.0), description="an assumption: a crack across a lane or longer"
    )


class Proposal(StrEnum):
    """What to do about a defect."""

    NOTHING = "nothing"
    OPEN = "open"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Believed:
    """What a proposal needs to know of a defect."""

    class_code: str
    existence: float
    length_m: float | None
    width_m: float | None
    area_m2: float | None
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class LastTicket:
    """The latest ticket of a defect; there is never more than one that is open."""

    state: TicketState
    reject_reason: RejectReason | None
    class_code: str
    size: float | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Proposed:
    """A decision and its reason in a word: first, seen_again, grown, class_changed."""

    proposal: Proposal
    reason: str | None = None


def measured_size(defect: Believed, taxonomy: Taxonomy) -> float | None:
    """Size that counts for the defect's class, in m or m²; None where it is not known.

    A crack's length is the diagonal of its box on the ground (FORMULAS section 5).
    """
    measured = taxonomy.of(defect.class_code).measured
    if measured is Measured.WIDTH:
        return defect.width_m
    if measured is Measured.AREA:
        return defect.area_m2
    if measured is Measured.LENGTH and defect.length_m is not None and defect.width_m is not None:
        return float((defect.length_m**2 + defect.width_m**2) ** 0.5)
    return None


def priority_of(defect: Believed, taxonomy: Taxonomy, rules: ProposalRules) -> Priority:
    """Proposed priority, by class and size alone; medium where the size is not known."""
    size = measured_size(defect, taxonomy)
    measured = taxonomy.of(defect.class_code).measured
    if size is None:
        return Priority.MEDIUM
    steps = {
        Measured.WIDTH: rules.width_steps_m,
        Measured.AREA: rules.area_steps_m2,
        Measured.LENGTH: rules.length_steps_m,
    }
    return steps[measured].priority(size)


def propose(
    defect: Believed, last: LastTicket | None, taxonomy: Taxonomy, rules: ProposalRules, now: datetime
) -> Proposed:
    """Whether a defect gets a ticket, has its last one opened again, or nothing.

    - An open ticket stays the only one.
    - Repaired or verified, but seen by a drive after that: opened again ("seen_again").
    - Rejected as no damage: opened again after the quiet days if it has grown or changed its class.
    - Rejected as not ours or duplicate: never again.
    """
    if not _worth_a_ticket(defect, taxonomy, rules):
        return Proposed(Proposal.NOTHING)
    if last is None:
        return Proposed(Proposal.OPEN, "first")
    if last.state in DONE_STATES:
        if defect.last_seen_at > last.changed_at:
            return Proposed(Proposal.REOPEN, "seen_again")
        return Proposed(Proposal.NOTHING)
    if last.state is TicketState.REJECTED and last.reject_reason is RejectReason.NO_DAMAGE:
        return _after_rejection(defect, last, taxonomy, rules, now)
    return Proposed(Proposal.NOTHING)


def _worth_a_ticket(defect: Believed, taxonomy: Taxonomy, rules: ProposalRules) -> bool:
    if not taxonomy.of(defect.class_code).damage or defect.existence < rules.existence_least:
        return False
    if rules.classes is not None and defect.class_code not in rules.classes:
        return False
    least = {
        Measured.WIDTH: rules.width_least_m,
        Measured.AREA: rules.area_least_m2,
        Measured.LENGTH: rules.length_least_m,
        Measured.NONE: 0.0,
    }[taxonomy.of(defect.class_code).measured]
    size = measured_size(defect, taxonomy)
    return size is None or size >= least  # an unknown size is for a person to judge


def _after_rejection(
    defect: Believed, last: LastTicket, taxonomy: Taxonomy, rules: ProposalRules, now: datetime
) -> Proposed:
    if now < last.changed_at + timedelta(days=rules.quiet_days) or defect.last_seen_at <= last.changed_at:
        return Proposed(Proposal.NOTHING)
    if defect.class_code != last.class_code:
        return Proposed(Proposal.REOPEN, "class_changed")
    size = measured_size(defect, taxonomy)
    if size is not None and last.size is not None and size >= rules.grown_factor * last.size:
        return Proposed(Proposal.REOPEN, "grown")
    return Proposed(Proposal.NOTHING)
