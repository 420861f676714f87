"""The ticket's life: which action leads where, and who may take it. Values in, values out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from wegewart_api.auth.principal import Role
from wegewart_api.errors import Conflict, Invalid, NotAllowed


class TicketState(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    CHECKED = "checked"
    ORDERED = "ordered"
    IN_PROGRESS = "in_progress"
    REPAIRED = "repaired"
    VERIFIED = "verified"
    REJECTED = "rejected"
    REOPENED = "reopened"


class TicketAction(StrEnum):
    """What a person may do with a ticket."""

    CONFIRM = "confirm"
    REJECT = "reject"
    ORDER = "order"
    START = "start"
    COMPLETE = "complete"
    VERIFY = "verify"
    REOPEN = "reopen"


class RejectReason(StrEnum):
    """Why a proposal came to nothing."""

    NO_DAMAGE = "no_damage"
    NOT_OURS = "not_ours"
    DUPLICATE = "duplicate"


_S, _A = TicketState, TicketAction

TRANSITIONS: dict[TicketAction, tuple[frozenset[TicketState], TicketState]] = {
    _A.CONFIRM: (frozenset({_S.NEW, _S.REOPENED}), _S.CHECKED),
    _A.REJECT: (frozenset({_S.NEW, _S.CHECKED, _S.ORDERED, _S.REOPENED}), _S.REJECTED),
    _A.ORDER: (frozenset({_S.CHECKED, _S.REOPENED}), _S.ORDERED),
    _A.START: (frozenset({_S.ORDERED}), _S.IN_PROGRESS),
    # From checked as well: an immediate measure (Sofortmaßnahme) is done before anybody orders it.
    _A.COMPLETE: (frozenset({_S.CHECKED, _S.ORDERED, _S.IN_PROGRESS}), _S.REPAIRED),
    _A.VERIFY: (frozenset({_S.REPAIRED}), _S.VERIFIED),
    _A.REOPEN: (frozenset({_S.REPAIRED, _S.VERIFIED, _S.REJECTED}), _S.REOPENED),
}
"""From which states an action is possible, and where it leads."""

_INSPECTOR = frozenset({_A.CONFIRM, _A.REJECT, _A.VERIFY})
PERMISSIONS: dict[Role, frozenset[TicketAction]] = {
    Role.VIEWER: frozenset(),
    Role.CREW: frozenset({_A.START, _A.COMPLETE}),
    Role.INSPECTOR: _INSPECTOR,
    Role.DISPATCHER: _INSPECTOR | {_A.ORDER, _A.REOPEN},
    Role.ADMIN: frozenset(TicketAction),
    Role.ENGINEER: frozenset(),
    Role.DEVICE: frozenset(),
}
"""Which actions a role may take."""

CLOSED_STATES = frozenset({_S.VERIFIED, _S.REJECTED})
"""States in which nobody has anything left to do; all others are open."""
DONE_STATES = frozenset({_S.REPAIRED, _S.VERIFIED})
"""States that say the damage is gone; seen again, it comes back."""


class InvalidTransition(Conflict):
    """The ticket's state does not allow this action."""

    kind, title = "invalid-transition", "The ticket's state does not allow this"


class TicketChanged(Conflict):
    """Somebody else changed the ticket in the meantime."""

    kind, title = "ticket-changed", "The ticket was changed in the meantime"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts; a role of None is the system itself, which passes no role check."""

    id: UUID | None
    name: str
    role: Role | None


SYSTEM = Actor(None, "Wegewart", None)
SYSTEM_ROLE = "system"
PROPOSED = "propose"
NOTED = "note"


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One line of a ticket's history; `from_state` is None for the first."""

    action: str
    from_state: TicketState | None
    to_state: TicketState
    actor: Actor
    at: datetime
    reason: str | None = None
    comment: str | None = None


def possible_actions(state: TicketState) -> list[TicketAction]:
    """Actions that a state allows, whoever asks."""
    return [action for action in TicketAction if state in TRANSITIONS[action][0]]


def allowed_actions(state: TicketState, role: Role) -> list[TicketAction]:
    """Actions that a state and a role allow together: the buttons of a page."""
    return [action for action in possible_actions(state) if action in PERMISSIONS[role]]


def act(
    state: TicketState,
    action: TicketAction,
    actor: Actor,
    at: datetime,
    reason: str | None = None,
    comment: str | None = None,
) -> TicketEvent:
    """Event that an action makes of a ticket in some state.

    Raises:
        NotAllowed: If the actor's role may never take this action.
        InvalidTransition: If the state does not allow it; names the actions it does allow.
        Invalid: If a rejection has no reason, or one that is not known.
    """
    if actor.role is not None and action not in PERMISSIONS[actor.role]:
        raise NotAllowed(
            f"the role {actor.role} may not {action} a ticket; ask somebody with one of the roles"
            f" {', '.join(role for role in Role if action in PERMISSIONS[role])}",
            allowed_actions=[str(each) for each in allowed_actions(state, actor.role)],
        )
    starts, target = TRANSITIONS[action]
    if state not in starts:
        possible = possible_actions(state) if actor.role is None else allowed_actions(state, actor.role)
        raise InvalidTransition(
            f"a ticket in state {state} cannot be taken through {action};"
            f" possible now: {', '.join(possible) or 'nothing'}",
            state=str(state),
            allowed_actions=[str(each) for each in possible],
        )
    if action is TicketAction.REJECT and reason not in set(RejectReason):
        raise Invalid(
            f"to reject a ticket, give one of the reasons {', '.join(RejectReason)}, not {reason!r}"
        )
    return TicketEvent(str(action), state, target, actor, at, reason, comment)
