"""Tickets, their defects and their history in the store. Every query binds the tenant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, and_, bindparam, insert, select, update

from wegewart_api.database.cells import cell_of
from wegewart_api.database.ids import new_id
from wegewart_api.database.paging import Cursor, Page, page_of
from wegewart_api.database.tables import ticket, ticket_defect, ticket_event, ticket_number
from wegewart_api.streets.box import Box
from wegewart_api.tickets.lifecycle import (
    SYSTEM_ROLE,
    RejectReason,
    TicketEvent,
    TicketState,
)
from wegewart_api.tickets.proposal import Priority

AT_ONCE = 500  # ids in one question; SQLite takes 32,766 values


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """A ticket as stored."""

    id: UUID
    number: str
    state: TicketState
    reject_reason: RejectReason | None
    class_code: str
    priority: Priority
    lat: float
    lon: float
    street_name: str | None
    house_number: str | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    size: float | None

    @property
    def face(self) -> "TicketFace":
        """What it shows of its defect."""
        return TicketFace(
            self.class_code,
            self.priority,
            self.lat,
            self.lon,
            self.street_name,
            self.house_number,
            self.size,
        )


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One line of a ticket's history, as stored."""

    id: UUID
    action: str
    from_state: TicketState | None
    to_state: TicketState
    actor_name: str
    actor_role: str
    at: datetime
    reason: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What a list is narrowed to; None leaves it open."""

    state: TicketState | None = None
    class_code: str | None = None
    street: str | None = None
    box: Box | None = None
    since: datetime | None = None
    """Changed at or after this moment."""


@dataclass(frozen=True, slots=True)
class TicketFace:
    """What a ticket shows of its defect, and follows as long as nobody has looked at it."""

    class_code: str
    priority: Priority
    lat: float
    lon: float
    street_name: str | None
    house_number: str | None
    size: float | None


# --- what flow and decisions write ----------------------------------------------------------------------


def open_ticket(
    connection: Connection, tenant_id: UUID, defect_id: UUID, face: TicketFace, event: TicketEvent
) -> UUID:
    """Store a new ticket for one defect with the first event of its history."""
    ticket_id = new_id()
    connection.execute(
        insert(ticket).values(
            tenant_id=tenant_id,
            id=ticket_id,
            number=_next_number(connection, tenant_id, event.at.year),
            state=str(event.to_state),
            reject_reason=None,
            created_at=event.at,
            updated_at=event.at,
            due_at=None,
            **_face(face),
        )
    )
    connection.execute(
        insert(ticket_defect).values(tenant_id=tenant_id, ticket_id=ticket_id, defect_id=defect_id)
    )
    _add_event(connection, tenant_id, ticket_id, event)
    return ticket_id


def record(connection: Connection, tenant_id: UUID, ticket_id: UUID, event: TicketEvent) -> None:
    """Add an event to a ticket's history and bring the ticket to where it leads."""
    _add_event(connection, tenant_id, ticket_id, event)
    rejected = event.to_state is TicketState.REJECTED
    values: dict[str, Any] = {"updated_at": event.at}
    if event.from_state is not event.to_state:
        values |= {"state": str(event.to_state), "reject_reason": event.reason if rejected else None}
    connection.execute(
        update(ticket).where(ticket.c.tenant_id == tenant_id, ticket.c.id == ticket_id).values(**values)
    )


def follow_defect(
    connection: Connection, tenant_id: UUID, faces: dict[UUID, TicketFace], now: datetime
) -> None:
    """Bring tickets that nobody has looked at yet to what is now known of their defects."""
    rows = [{"the_id": each, "updated_at": now, **_face(face)} for each, face in faces.items()]
    if rows:
        names = [name for name in rows[0] if name != "the_id"]
        connection.execute(
            update(ticket)
            .where(
                ticket.c.tenant_id == tenant_id,
                ticket.c.id == bindparam("the_id"),
                ticket.c.state == TicketState.NEW,
            )
            .values({name: bindparam(name) for name in names}),
            rows,
        )


def ticket_for_update(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> StoredTicket | None:
    """A ticket, locked until the transaction ends; None if the tenant has no such ticket."""
    query = select(ticket).where(ticket.c.tenant_id == tenant_id, ticket.c.id == ticket_id)
    row = connection.execute(query.with_for_update()).mappings().one_or_none()
    return _ticket(row) if row is not None else None


# --- what proposals and lists read ----------------------------------------------------------------------


def last_tickets(
    connection: Connection, tenant_id: UUID, defect_ids: Iterable[UUID]
) -> dict[UUID, StoredTicket]:
    """The latest ticket of each of these defects; those without one are left out."""
    found: dict[UUID, StoredTicket] = {}
    wanted = sorted(set(defect_ids))
    for start in range(0, len(wanted), AT_ONCE):
        rows = connection.execute(
            select(ticket_defect.c.defect_id, ticket)
            .join(
                ticket,
                and_(
                    ticket.c.tenant_id == ticket_defect.c.tenant_id, ticket.c.id == ticket_defect.c.ticket_id
                ),
            )
            .where(
                ticket_defect.c.tenant_id == tenant_id,
                ticket_defect.c.defect_id.in_(wanted[start : start + AT_ONCE]),
            )
            .order_by(ticket.c.created_at, ticket.c.id)
        ).mappings()
        found.update({row["defect_id"]: _ticket(row) for row in rows})
    return found


def list_tickets(
    connection: Connection, tenant_id: UUID, wanted: TicketFilter, after: Cursor | None, limit: int
) -> Page[StoredTicket]:
    """A page of tickets in the order in which they were proposed."""
    query = select(ticket).where(ticket.c.tenant_id == tenant_id)
    if wanted.state is not None:
        query = query.where(ticket.c.state == wanted.state)
    if wanted.class_code is not None:
        query = query.where(ticket.c.class_code == wanted.class_code)
    if wanted.street is not None:
        query = query.where(ticket.c.street_name == wanted.street)
    if wanted.box is not None:
        query = query.where(
            ticket.c.lat.between(wanted.box.south, wanted.box.north),
            ticket.c.lon.between(wanted.box.west, wanted.box.east),
        )
    if wanted.since is not None:
        query = query.where(ticket.c.updated_at >= wanted.since)
    return page_of(connection, query, (ticket.c.created_at, ticket.c.id), after, limit, _ticket)


def one_ticket(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> StoredTicket | None:
    """One ticket of the tenant, None if it has no such ticket."""
    query = select(ticket).where(ticket.c.tenant_id == tenant_id, ticket.c.id == ticket_id)
    row = connection.execute(query).mappings().one_or_none()
    return _ticket(row) if row is not None else None


def events_of(connection: Connection, tenant_id: UUID, ticket_id: UUID) -> list[StoredEvent]:
    """A ticket's history, oldest first."""
    at = ticket_event.c
    rows = connection.execute(
        select(ticket_event)
        .where(at.tenant_id == tenant_id, at.ticket_id == ticket_id)
        .order_by(at.at, at.id)
    ).mappings()
    return [_event(row) for row in rows]


def defects_of_tickets(
    connection: Connection, tenant_id: UUID, ticket_ids: Sequence[UUID]
) -> dict[UUID, list[UUID]]:
    """Ids of the defects of each of these tickets."""
    found: dict[UUID, list[UUID]] = defaultdict(list)
    at = ticket_defect.c
    for start in range(0, len(ticket_ids), AT_ONCE):
        rows = connection.execute(
            select(at.ticket_id, at.defect_id)
            .where(at.tenant_id == tenant_id, at.ticket_id.in_(ticket_ids[start : start + AT_ONCE]))
            .order_by(at.defect_id)
        )
        for row in rows:
            found[row.ticket_id].append(row.defect_id)
    return dict(found)


# --- rows -----------------------------------------------------------------------------------------------


def _next_number(connection: Connection, tenant_id: UUID, year: int) -> str:
    """Number of the next ticket of a year; a gap appears only where a whole transaction was undone: never."""
    at = ticket_number.c
    counted = connection.execute(
        update(ticket_number)
        .where(at.tenant_id == tenant_id, at.year == year)
        .values(last=at.last + 1)
        .returning(at.last)
    ).scalar_one_or_none()
    if counted is None:
        connection.execute(insert(ticket_number).values(tenant_id=tenant_id, year=year, last=1))
        counted = 1
    return f"{year}-{counted:06d}"


def _add_event(connection: Connection, tenant_id: UUID, ticket_id: UUID, event: TicketEvent) -> None:
    connection.execute(
        insert(ticket_event).values(
            tenant_id=tenant_id,
            id=new_id(),
            ticket_id=ticket_id,
            action=event.action,
            from_state=str(event.from_state) if event.from_state else None,
            to_state=str(event.to_state),
            actor_id=event.actor.id,
            actor_name=event.actor.name,
            actor_role=str(event.actor.role) if event.actor.role else SYSTEM_ROLE,
            at=event.at,
            reason=event.reason,
            comment=event.comment,
        )
    )


def _face(face: TicketFace) -> dict[str, Any]:
    return {
        "class_code": face.class_code,
        "priority": int(face.priority),
        "lat": face.lat,
        "lon": face.lon,
        "h3_cell": cell_of(face.lat, face.lon),
        "street_name": face.street_name,
        "house_number": face.house_number,
        "size": face.size,
    }


def _ticket(row: RowMapping) -> StoredTicket:
    reason = row["reject_reason"]
    return StoredTicket(
        id=row["id"],
        number=row["number"],
        state=TicketState(row["state"]),
        reject_reason=RejectReason(reason) if reason else None,
        class_code=row["class_code"],
        priority=Priority(row["priority"]),
        lat=row["lat"],
        lon=row["lon"],
        street_name=row["street_name"],
        house_number=row["house_number"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        due_at=row["due_at"],
        size=row["size"],
    )


def _event(row: RowMapping) -> StoredEvent:
    return StoredEvent(
        id=row["id"],
        action=row["action"],
        from_state=TicketState(row["from_state"]) if row["from_state"] else None,
        to_state=TicketState(row["to_state"]),
        actor_name=row["actor_name"],
        actor_role=row["actor_role"],
        at=row["at"],
        reason=row["reason"],
        comment=row["comment"],
    )
