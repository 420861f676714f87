"""What a reader asked for in the address: the list's filter, and the place where a page begins."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from wegewart_api.errors import BadRequest
from wegewart_api.tickets.lifecycle import CLOSED_STATES, TicketState
from wegewart_api.tickets.proposal import Priority

OPEN_STATES = tuple(state.value for state in TicketState if state not in CLOSED_STATES)


class StateChoice(StrEnum):
    """Which tickets to list: those still to be worked on, those in one state, or all."""

    OPEN = "open"
    NEW = "new"
    CHECKED = "checked"
    ORDERED = "ordered"
    IN_PROGRESS = "in_progress"
    REPAIRED = "repaired"
    REOPENED = "reopened"
    VERIFIED = "verified"
    REJECTED = "rejected"
    ALL = "all"


@dataclass(frozen=True)
class TicketFilter:
    """The list's filter; the default shows what is still open."""

    state: StateChoice = StateChoice.OPEN
    class_code: str = ""
    street: str = ""

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for."""
        return self == TicketFilter()

    def query(self, **more: str) -> str:
        """The filter as the query of an address, without what is default."""
        asked = {"street": self.street, "class": self.class_code}
        if self.state is not StateChoice.OPEN:
            asked["state"] = self.state.value
        pairs = {name: value for name, value in {**asked, **more}.items() if value}
        return f"?{urlencode(pairs)}" if pairs else ""


@dataclass(frozen=True)
class TicketCursor:
    """A place in the list's order."""

    priority: int
    created_at: datetime
    ticket_id: UUID

    def __str__(self) -> str:
        return _packed(self.priority, self.created_at.isoformat(), self.ticket_id.hex)

    @classmethod
    def read(cls, text: str) -> Self:
        """Place from an address.

        Raises:
            BadRequest: If the text is none that this server wrote.
        """
        try:
            priority, created_at, ticket_id = _unpacked(text)
            return cls(Priority(int(priority)), _aware(created_at), UUID(hex=ticket_id))
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise _no_place(text) from None


@dataclass(frozen=True)
class DriveCursor:
    """A place in the order of drives."""

    started_at: datetime
    drive_id: UUID
    bundle_sha256: str

    def __str__(self) -> str:
        return _packed(self.started_at.isoformat(), self.drive_id.hex, self.bundle_sha256)

    @classmethod
    def read(cls, text: str) -> Self:
        """Place from an address.

        Raises:
            BadRequest: If the text is none that this server wrote.
        """
        try:
            started_at, drive_id, bundle_sha256 = _unpacked(text)
            return cls(_aware(started_at), UUID(hex=drive_id), str(bundle_sha256))
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise _no_place(text) from None


def _packed(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _unpacked(text: str) -> list[str]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("no place in a list") from error
    if not isinstance(parts, list):
        raise TypeError("no place in a list")
    return parts


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def _no_place(text: str) -> BadRequest:
    return BadRequest(f"after={text[:80]!r} is no place in this list: begin again at its first page")
