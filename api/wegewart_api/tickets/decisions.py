"""A person's decision about a ticket: checked against state, role and what that person saw, then recorded."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from wegewart_api.auth.principal import Principal
from wegewart_api.errors import NotFound
from wegewart_api.tickets import repository
from wegewart_api.tickets.lifecycle import (
    Actor,
    TicketAction,
    TicketChanged,
    TicketState,
    act,
    allowed_actions,
)
from wegewart_api.tickets.repository import StoredTicket


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody wants done with a ticket."""

    action: TicketAction
    reason: str | None = None
    comment: str | None = None
    expected_state: TicketState | None = None
    """State that the person saw; where it is another by now, nothing happens."""


def decide(
    connection: Connection, who: Principal, ticket_id: UUID, decision: Decision, now: datetime
) -> StoredTicket:
    """The ticket after a decision.

    Raises:
        NotFound: If the tenant has no such ticket.
        TicketChanged: If its state is not the expected one.
        NotAllowed, InvalidTransition, Invalid: As `lifecycle.act` says.
    """
    found = repository.ticket_for_update(connection, who.tenant_id, ticket_id)
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    if decision.expected_state is not None and found.state is not decision.expected_state:
        raise TicketChanged(
            f"ticket {found.number} is {found.state} by now, not {decision.expected_state}: look at it again",
            state=str(found.state),
            allowed_actions=[str(each) for each in allowed_actions(found.state, who.role)],
        )
    actor = Actor(who.user_id, who.actor_name, who.role)
    reason = decision.reason if decision.action is TicketAction.REJECT else None
    event = act(found.state, decision.action, actor, now, reason, decision.comment)
    repository.record(connection, who.tenant_id, ticket_id, event)
    changed = repository.one_ticket(connection, who.tenant_id, ticket_id)
    if changed is None:
        raise NotFound(f"ticket {ticket_id} vanished")
    return changed
