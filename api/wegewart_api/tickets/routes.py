"""Tickets as lists, one by one, and what people decide about them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from wegewart.severity import SeverityTable
from wegewart_api.auth.access import Asking, StoreOf
from wegewart_api.auth.login import utc_now
from wegewart_api.auth.principal import Principal
from wegewart_api.database.paging import LIMIT_DEFAULT, LIMIT_MOST, Cursor
from wegewart_api.defects.repository import StoredDefect, some_defects
from wegewart_api.defects.routes import DefectAnswer, defect_answer
from wegewart_api.defects.severity import SeverityAnswer, SeverityLimitsOf, most_severe
from wegewart_api.errors import NotFound
from wegewart_api.streets.box import Box
from wegewart_api.streets.routes import BoxText
from wegewart_api.tickets import repository
from wegewart_api.tickets.decisions import Decision, decide
from wegewart_api.tickets.lifecycle import RejectReason, TicketAction, TicketState, allowed_actions
from wegewart_api.tickets.repository import StoredEvent, StoredTicket, TicketFilter

router = APIRouter(prefix="/api/v1", tags=["tickets"])

COMMENT_LENGTH = 4000


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies at the edge of the calendar: give a moment of our time") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class TicketAnswer(BaseModel):
    """What the office decides about a defect."""

    id: UUID
    number: str
    state: TicketState
    reject_reason: RejectReason | None
    class_code: str
    priority: int = Field(description="1 urgent, 2 high, 3 medium, 4 low: by class and size, never by depth")
    lat: float
    lon: float
    street: str | None
    house_number: str | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    defect_ids: list[UUID]
    severity: SeverityAnswer | None = Field(
        description="of its most severe defect, by size alone; null without a defect"
    )


class TicketPage(BaseModel):
    """Tickets and the cursor of the next page."""

    tickets: list[TicketAnswer]
    next: str | None


class EventAnswer(BaseModel):
    """One line of a ticket's history."""

    id: UUID
    action: str
    from_state: TicketState | None
    to_state: TicketState
    actor_name: str
    actor_role: str
    at: datetime
    reason: str | None
    comment: str | None


class TicketDetail(TicketAnswer):
    """A ticket with its history, its defects, and what the reader may do with it."""

    events: list[EventAnswer]
    defects: list[DefectAnswer]
    allowed_actions: list[TicketAction]


class DecisionBody(BaseModel):
    """What somebody wants done with a ticket."""

    model_config = ConfigDict(extra="forbid")

    action: TicketAction
    reason: RejectReason | None = Field(default=None, description="needed to reject")
    comment: str | None = Field(default=None, max_length=COMMENT_LENGTH)
    expected_state: TicketState | None = Field(
        default=None, description="the state that the person saw; 409 if it is another by now"
    )


@router.get("/tickets")
def get_tickets(
    who: Asking,
    database: StoreOf,
    limits: SeverityLimitsOf,
    state: TicketState | None = None,
    class_code: Annotated[str | None, Query(alias="class", max_length=16)] = None,
    street: Annotated[str | None, Query(max_length=200)] = None,
    bbox: BoxText = None,
    since: Annotated[Moment | None, Query(description="changed at or after this moment")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MOST)] = LIMIT_DEFAULT,
) -> TicketPage:
    """Tickets in the order in which they were proposed."""
    wanted = TicketFilter(state, class_code, street, Box.read(bbox), since)
    with database.reading() as connection:
        page = repository.list_tickets(connection, who.tenant_id, wanted, Cursor.read(cursor), limit)
        of = repository.defects_of_tickets(connection, who.tenant_id, [each.id for each in page.rows])
        ids = [defect_id for some in of.values() for defect_id in some]
        defects = some_defects(connection, who.tenant_id, ids)
    return TicketPage(
        tickets=[
            ticket_answer(each, [defects[one] for one in of.get(each.id, [])], limits) for each in page.rows
        ],
        next=page.next.text if page.next else None,
    )


@router.get("/tickets/{ticket_id}")
def get_ticket(ticket_id: UUID, who: Asking, database: StoreOf, limits: SeverityLimitsOf) -> TicketDetail:
    """One ticket with its history and its defects."""
    with database.reading() as connection:
        return _detail(connection, who, ticket_id, limits)


@router.post("/tickets/{ticket_id}/events")
def post_event(
    ticket_id: UUID, body: DecisionBody, who: Asking, database: StoreOf, limits: SeverityLimitsOf
) -> TicketDetail:
    """Take a ticket one step further; 403 if the role may not, 409 if its state does not allow it."""
    decision = Decision(body.action, body.reason, body.comment, body.expected_state)
    with database.writing() as connection:
        decide(connection, who, ticket_id, decision, utc_now())
        return _detail(connection, who, ticket_id, limits)


def ticket_answer(found: StoredTicket, defects: list[StoredDefect], limits: SeverityTable) -> TicketAnswer:
    """A ticket as the API shows it."""
    return TicketAnswer(
        id=found.id,
        number=found.number,
        state=found.state,
        reject_reason=found.reject_reason,
        class_code=found.class_code,
        priority=int(found.priority),
        lat=found.lat,
        lon=found.lon,
        street=found.street_name,
        house_number=found.house_number,
        created_at=found.created_at,
        updated_at=found.updated_at,
        due_at=found.due_at,
        defect_ids=[each.id for each in defects],
        severity=most_severe(defects, limits),
    )


def _detail(connection: Connection, who: Principal, ticket_id: UUID, limits: SeverityTable) -> TicketDetail:
    found = repository.one_ticket(connection, who.tenant_id, ticket_id)
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    ids = repository.defects_of_tickets(connection, who.tenant_id, [ticket_id]).get(ticket_id, [])
    stored = some_defects(connection, who.tenant_id, ids)
    defects = [stored[each] for each in ids]
    return TicketDetail(
        **ticket_answer(found, defects, limits).model_dump(),
        events=[_event(each) for each in repository.events_of(connection, who.tenant_id, ticket_id)],
        defects=[defect_answer(each, limits) for each in defects],
        allowed_actions=allowed_actions(found.state, who.role),
    )


def _event(found: StoredEvent) -> EventAnswer:
    return EventAnswer(
        id=found.id,
        action=found.action,
        from_state=found.from_state,
        to_state=found.to_state,
        actor_name=found.actor_name,
        actor_role=found.actor_role,
        at=found.at,
        reason=found.reason,
        comment=found.comment,
    )
