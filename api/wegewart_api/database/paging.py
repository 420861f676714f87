"""Pages of long lists by keyset: a cursor names the last row seen, so rows that come or go shift nothing."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from wegewart_api.errors import BadRequest

LIMIT_DEFAULT = 100
LIMIT_MOST = 1000

Row = TypeVar("Row")


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: its time and its id."""

    at: datetime
    row_id: UUID

    @classmethod
    def read(cls, text: str | None) -> "Cursor | None":
        """Cursor from its text, None for the first page.

        Raises:
            BadRequest: If it is not one that `next` gave.
        """
        if not text:
            return None
        try:
            moment, row_id = base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii").split("/")
            return cls(datetime.fromisoformat(moment).astimezone(UTC), UUID(row_id))
        except (ValueError, OverflowError, binascii.Error) as error:
            raise BadRequest("this cursor is none: take it from `next` of the page before") from error

    @property
    def text(self) -> str:
        """As it stands in `next`."""
        plain = f"{self.at.astimezone(UTC).isoformat()}/{self.row_id}"
        return base64.urlsafe_b64encode(plain.encode("ascii")).decode("ascii")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of one page, and the cursor of the next one if there is one."""

    rows: Sequence[Row]
    next: Cursor | None
