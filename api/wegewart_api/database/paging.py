"""Pages of long lists by keyset: a cursor names the last row seen, so rows that come or go shift nothing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Column, Connection, RowMapping, Select, and_, or_

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


def page_of(
    connection: Connection,
    query: Select[Any],
    order: tuple[Column[Any], Column[Any]],
    after: Cursor | None,
    limit: int,
    read: Callable[[RowMapping], Row],
) -> Page[Row]:
    """One page of a query, in order of time and id.

    Args:
        order: Columns of the time and the id that a cursor names; both must be selected.
        after: Last row of the page before, None for the first page.
        read: Makes a row of the list from a row of the store.
    """
    moment, row_id = order
    if after is not None:
        later = and_(moment == after.at, row_id > after.row_id)
        query = query.where(or_(moment > after.at, later))
    found = connection.execute(query.order_by(moment, row_id).limit(limit + 1)).mappings().all()
    page = found[:limit]
    more = len(found) > limit
    return Page([read(row) for row in page], Cursor(page[-1][moment], page[-1][row_id]) if more else None)
