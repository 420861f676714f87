"""What the pages read: lists with their sightings, one ticket with all that belongs to it, drives.

Every query binds the tenant. Nothing is written here: what changes a ticket goes through tickets/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select

from wegewart.drive import Stretch
from wegewart.geo import Covariance
from wegewart.observation import Observation
from wegewart_api.dashboard.filters import OPEN_STATES, DriveCursor, StateChoice, TicketCursor, TicketFilter
from wegewart_api.database.tables import (
    defect,
    drive_pass,
    evidence,
    observation,
    street,
    tenant,
    ticket,
    ticket_defect,
    ticket_event,
)

MOST_MARKS = 5000  # MapLibre draws this many symbols without a hitch; beyond it the filter must narrow
MOST_SIGHTINGS = 60  # of one ticket; each pass adds one, so this is months of weekly drives


@dataclass(frozen=True)
class TicketRecord:
    """A ticket as stored."""

    id: UUID
    number: str
    state: str
    reject_reason: str | None
    class_code: str
    priority: int
    lat: float
    lon: float
    street_name: str | None
    house_number: str | None
    created_at: datetime
    due_at: datetime | None


@dataclass(frozen=True)
class Seen:
    """How often and when the defects of a ticket were seen."""

    drives: int
    observations: int
    last_at: datetime


@dataclass(frozen=True)
class TicketPage:
    """One page of the list."""

    tickets: list[TicketRecord]
    seen: dict[UUID, Seen]
    total: int
    next: TicketCursor | None


@dataclass(frozen=True)
class DefectRecord:
    """A defect as stored."""

    id: UUID
    lat: float
    lon: float
    covariance: Covariance
    class_code: str
    class_probabilities: dict[str, float]
    length_m: float | None
    length_sigma_m: float | None
    width_m: float | None
    width_sigma_m: float | None
    area_m2: float | None
    area_sigma_m2: float | None
    existence_log_odds: float
    first_seen_at: datetime
    last_seen_at: datetime
    observation_count: int
    drive_count: int


@dataclass(frozen=True)
class Sighting:
    """One observation of a defect, and whether its photograph has arrived."""

    observation: Observation
    photograph_stored: bool


@dataclass(frozen=True)
class EventRecord:
    """One step in a ticket's history."""

    action: str
    from_state: str | None
    to_state: str
    actor_name: str
    actor_role: str
    at: datetime
    reason: str | None
    comment: str | None


@dataclass(frozen=True)
class DriveRecord:
    """One pass of a model over a drive, with what arrived of it."""

    drive_id: UUID
    bundle_id: str
    device_id: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    processed_at: datetime | None
    superseded: bool
    made: int | None
    stored: int
    photographs_missing: int
    stretches: list[Stretch]


def tenant_name(connection: Connection, tenant_id: UUID) -> str:
    """Name of the municipality whose pages these are."""
    return str(connection.execute(select(tenant.c.name).where(tenant.c.id == tenant_id)).scalar_one())


def has_streets(connection: Connection, tenant_id: UUID) -> bool:
    """Whether a street network was imported: without it the map has no background."""
    found = select(street.c.id).where(street.c.tenant_id == tenant_id).limit(1)
    return connection.execute(found).first() is not None


def ticket_page(
    connection: Connection, tenant_id: UUID, wanted: TicketFilter, after: TicketCursor | None, limit: int
) -> TicketPage:
    """Tickets that fit a filter, most urgent first, then newest first, after a place in that order."""
    fits = _fits(tenant_id, wanted)
    total = connection.execute(select(func.count()).select_from(ticket).where(fits)).scalar_one()
    query = select(*_TICKET_COLUMNS).where(fits)
    if after is not None:
        query = query.where(_comes_after(after))
    query = query.order_by(ticket.c.priority, ticket.c.created_at.desc(), ticket.c.id.desc()).limit(limit + 1)
    found = [_ticket(row) for row in connection.execute(query).mappings()]
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return TicketPage(
        shown,
        seen_of(connection, tenant_id, [record.id for record in shown]),
        total,
        TicketCursor(last.priority, last.created_at, last.id) if last else None,
    )


def tickets_for_map(connection: Connection, tenant_id: UUID, wanted: TicketFilter) -> list[TicketRecord]:
    """All tickets that fit a filter, at most `MOST_MARKS`, most urgent first."""
    query = (
        select(*_TICKET_COLUMNS)
        .where(_fits(tenant_id, wanted))
        .order_by(ticket.c.priority, ticket.c.created_at.desc())
        .limit(MOST_MARKS)
    )
    return [_ticket(row) for row in connection.execute(query).mappings()]


def seen_of(connection: Connection, tenant_id: UUID, ticket_ids: Sequence[UUID]) -> dict[UUID, Seen]:
    """How often each of these tickets' defects was seen; tickets without a defect are left out."""
    query = (
        select(
            ticket_defect.c.ticket_id,
            func.max(defect.c.drive_count),
            func.sum(defect.c.observation_count),
            func.max(defect.c.last_seen_at, type_=defect.c.last_seen_at.type),
        )
        .join(defect, _LINK)
        .where(ticket_defect.c.tenant_id == tenant_id, ticket_defect.c.ticket_id.in_(ticket_ids))
        .group_by(ticket_defect.c.ticket_id)
    )
    return {
        ticket_id: Seen(drives, int(observations), last_at)
        for ticket_id, drives, observations, last_at in connection.execute(query)
    }


def one_ticket(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> TicketRecord | None:
    """One ticket of the tenant, or None if it has no such ticket."""
    query = select(*_TICKET_COLUMNS).where(ticket.c.tenant_id == tenant_id, ticket.c.id == ticket_id)
    row = connection.execute(query).mappings().first()
    return _ticket(row) if row else None


def defects_of(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> list[DefectRecord]:
    """Defects of a ticket, last seen first."""
    query = (
        select(defect)
        .join(ticket_defect, _LINK)
        .where(ticket_defect.c.tenant_id == tenant_id, ticket_defect.c.ticket_id == ticket_id)
        .order_by(defect.c.last_seen_at.desc())
    )
    return [_defect(row) for row in connection.execute(query).mappings()]


def sightings_of(connection: Connection, tenant_id: UUID, defect_ids: Sequence[UUID]) -> list[Sighting]:
    """Observations of defects that no later model's pass replaced, newest first, at most `MOST_SIGHTINGS`."""
    arrived = and_(
        evidence.c.tenant_id == observation.c.tenant_id, evidence.c.sha256 == observation.c.evidence_sha256
    )
    query = (
        select(observation.c.content, evidence.c.sha256)
        .outerjoin(evidence, arrived)
        .where(
            observation.c.tenant_id == tenant_id,
            observation.c.defect_id.in_(defect_ids),
            observation.c.superseded_at.is_(None),
        )
        .order_by(observation.c.captured_at.desc(), observation.c.id.desc())
        .limit(MOST_SIGHTINGS)
    )
    return [
        Sighting(Observation.model_validate(content), sha256 is not None)
        for content, sha256 in connection.execute(query)
    ]


def events_of(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> list[EventRecord]:
    """History of a ticket, oldest first."""
    columns = [ticket_event.c[name] for name in EventRecord.__dataclass_fields__]
    query = (
        select(*columns)
        .where(ticket_event.c.tenant_id == tenant_id, ticket_event.c.ticket_id == ticket_id)
        .order_by(ticket_event.c.at, ticket_event.c.id)
    )
    return [EventRecord(**row) for row in connection.execute(query).mappings()]


def drives_page(
    connection: Connection, tenant_id: UUID, after: DriveCursor | None, limit: int
) -> tuple[list[DriveRecord], DriveCursor | None]:
    """Drives, newest first, after a place in that order; and the place where the next page begins."""
    key = (drive_pass.c.started_at, drive_pass.c.drive_id, drive_pass.c.bundle_sha256)
    query = select(drive_pass).where(drive_pass.c.tenant_id == tenant_id)
    if after is not None:
        query = query.where(_drive_comes_after(after))
    query = query.order_by(*(column.desc() for column in key)).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    shown = rows[:limit]
    counts = _counts(connection, tenant_id, [row["drive_id"] for row in shown])
    records = [_drive(row, *counts.get((row["drive_id"], row["bundle_sha256"]), (0, 0))) for row in shown]
    last = shown[-1] if len(rows) > limit else None
    return records, DriveCursor(last["started_at"], last["drive_id"], last["bundle_sha256"]) if last else None


def _counts(
    connection: Connection, tenant_id: UUID, drive_ids: Sequence[UUID]
) -> dict[tuple[UUID, str], tuple[int, int]]:
    arrived = and_(
        evidence.c.tenant_id == observation.c.tenant_id, evidence.c.sha256 == observation.c.evidence_sha256
    )
    missing = func.count(observation.c.evidence_sha256) - func.count(evidence.c.sha256)
    query = (
        select(observation.c.drive_id, observation.c.bundle_sha256, func.count(), missing)
        .select_from(observation.outerjoin(evidence, arrived))
        .where(observation.c.tenant_id == tenant_id, observation.c.drive_id.in_(drive_ids))
        .group_by(observation.c.drive_id, observation.c.bundle_sha256)
    )
    return {(drive, bundle): (stored, gone) for drive, bundle, stored, gone in connection.execute(query)}


def _fits(tenant_id: UUID, wanted: TicketFilter) -> ColumnElement[bool]:
    rules = [ticket.c.tenant_id == tenant_id]
    if wanted.state == StateChoice.OPEN:
        rules.append(ticket.c.state.in_(OPEN_STATES))
    elif wanted.state != StateChoice.ALL:
        rules.append(ticket.c.state == wanted.state.value)
    if wanted.class_code:
        rules.append(ticket.c.class_code == wanted.class_code)
    if wanted.street:
        rules.append(_street_contains(wanted.street))
    return and_(*rules)


def _street_contains(text: str) -> ColumnElement[bool]:
    """Street names that contain a text in any case; SQLite's lower() leaves Ä, Ö and Ü as they are."""
    name = ticket.c.street_name
    spellings = {text, text.lower(), text[:1].upper() + text[1:]}
    return or_(
        func.lower(name).contains(text.lower(), autoescape=True),
        *(name.contains(spelling, autoescape=True) for spelling in sorted(spellings)),
    )


def _comes_after(place: TicketCursor) -> ColumnElement[bool]:
    same_urgency = ticket.c.priority == place.priority
    return or_(
        ticket.c.priority > place.priority,
        and_(same_urgency, ticket.c.created_at < place.created_at),
        and_(same_urgency, ticket.c.created_at == place.created_at, ticket.c.id < place.ticket_id),
    )


def _drive_comes_after(place: DriveCursor) -> ColumnElement[bool]:
    same_start = drive_pass.c.started_at == place.started_at
    same_drive = and_(same_start, drive_pass.c.drive_id == place.drive_id)
    return or_(
        drive_pass.c.started_at < place.started_at,
        and_(same_start, drive_pass.c.drive_id < place.drive_id),
        and_(same_drive, drive_pass.c.bundle_sha256 < place.bundle_sha256),
    )


_LINK = and_(ticket_defect.c.tenant_id == defect.c.tenant_id, ticket_defect.c.defect_id == defect.c.id)
_TICKET_COLUMNS = [ticket.c[name] for name in TicketRecord.__dataclass_fields__]


def _ticket(row: RowMapping) -> TicketRecord:
    return TicketRecord(**row)


def _defect(row: RowMapping) -> DefectRecord:
    plain: dict[str, Any] = {
        name: row[name] for name in DefectRecord.__dataclass_fields__ if name != "covariance"
    }
    return DefectRecord(**plain, covariance=Covariance(row["cov_ee_m2"], row["cov_en_m2"], row["cov_nn_m2"]))


def _drive(row: RowMapping, stored: int, photographs_missing: int) -> DriveRecord:
    return DriveRecord(
        drive_id=row["drive_id"],
        bundle_id=row["bundle_id"],
        device_id=row["device_id"],
        state=row["state"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        processed_at=row["processed_at"],
        superseded=row["superseded_at"] is not None,
        made=row["observations_made"],
        stored=stored,
        photographs_missing=photographs_missing,
        stretches=[Stretch.model_validate(stretch) for stretch in row["track"].get("stretches", ())],
    )
