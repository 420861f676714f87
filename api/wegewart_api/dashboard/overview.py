"""The list of tickets as the overview shows it."""

from dataclasses import dataclass
from datetime import datetime

from wegewart.damage import Taxonomy
from wegewart_api.dashboard.filters import StateChoice, TicketCursor, TicketFilter
from wegewart_api.dashboard.labels import StateLabel, place_words, state_label
from wegewart_api.dashboard.repository import Seen, TicketPage, TicketRecord
from wegewart_api.dashboard.symbols import ClassLabel, class_label, class_labels
from wegewart_api.dashboard.text import Words

PAGE_LENGTH = 50


@dataclass(frozen=True)
class TicketRow:
    """One ticket of the list."""

    id: str
    number: str
    href: str
    label: ClassLabel
    state: StateLabel
    priority: int
    place: str
    seen: Seen | None
    created_at: datetime


@dataclass(frozen=True)
class Overview:
    """Everything the overview shows."""

    rows: list[TicketRow]
    total: int
    wanted: TicketFilter
    states: list[StateChoice]
    classes: list[ClassLabel]
    marks_href: str
    next_href: str | None
    first_href: str | None
    streets_known: bool


def overview(
    page: TicketPage,
    wanted: TicketFilter,
    after: TicketCursor | None,
    taxonomy: Taxonomy,
    words: Words,
    *,
    streets_known: bool,
) -> Overview:
    """The overview for one page of tickets."""
    return Overview(
        rows=[ticket_row(record, page.seen.get(record.id), taxonomy, words) for record in page.tickets],
        total=page.total,
        wanted=wanted,
        states=list(StateChoice),
        classes=class_labels(taxonomy, words.language),
        marks_href=f"/map/tickets.geojson{wanted.query()}",
        next_href=f"/{wanted.query(after=str(page.next))}" if page.next else None,
        first_href=f"/{wanted.query()}" if after else None,
        streets_known=streets_known,
    )


def ticket_row(record: TicketRecord, seen: Seen | None, taxonomy: Taxonomy, words: Words) -> TicketRow:
    """One ticket as the list shows it."""
    return TicketRow(
        id=str(record.id),
        number=record.number,
        href=f"/tickets/{record.id}",
        label=class_label(record.class_code, taxonomy, words.language),
        state=state_label(record.state, words),
        priority=record.priority,
        place=place_words(record.street_name, record.house_number, words),
        seen=seen,
        created_at=record.created_at,
    )
