"""The ticket's page, also as the answer to a step that could not be taken."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import Response

from wegewart_api.dashboard import repository
from wegewart_api.dashboard.page import Page
from wegewart_api.dashboard.ticket_page import ticket_view
from wegewart_api.database.engine import Database
from wegewart_api.errors import NotFound
from wegewart_api.tickets.lifecycle import RejectReason, TicketState, allowed_actions


@dataclass(frozen=True)
class Given:
    """What the reader entered, given back when it could not be saved."""

    action: str
    reason: str
    comment: str


@dataclass(frozen=True)
class PageProblem:
    """Why something was not saved, in the reader's words."""

    status: int
    title: str
    text: str


def show_ticket(
    page: Page,
    database: Database,
    ticket_id: UUID,
    *,
    chosen_view: str | None = None,
    problem: PageProblem | None = None,
    given: Given | None = None,
) -> Response:
    """Page of a ticket as it stands now.

    Raises:
        NotFound: If this tenant has no such ticket.
    """
    tenant_id = page.person.tenant_id
    with database.reading() as connection:
        record = repository.one_ticket(connection, tenant_id, ticket_id)
        if record is None:
            raise NotFound(f"there is no ticket {ticket_id} here")
        defects = repository.defects_of(connection, tenant_id, ticket_id)
        sightings = repository.sightings_of(connection, tenant_id, [defect.id for defect in defects])
        events = repository.events_of(connection, tenant_id, ticket_id)
        tenant = repository.tenant_name(connection, tenant_id)
    view = ticket_view(record, defects, sightings, events, chosen_view, page)
    return page.render(
        "ticket.html",
        status=problem.status if problem else 200,
        view=view,
        tenant=tenant,
        section="ticket",
        actions=[str(action) for action in allowed_actions(TicketState(record.state), page.person.role)],
        reasons=[str(reason) for reason in RejectReason],
        problem=problem,
        given=given,
        reason_missing=given is not None and given.action == "reject" and not given.reason,
    )
