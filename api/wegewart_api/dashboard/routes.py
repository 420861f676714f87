"""Addresses of the pages: each reads what it shows, and writes nothing."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from wegewart_api.auth.access import Asking, SettingsOf, StoreOf
from wegewart_api.auth.login import setup_link_is_open, utc_now
from wegewart_api.dashboard import repository
from wegewart_api.dashboard.drives_page import PAGE_LENGTH as DRIVES_PAGE_LENGTH
from wegewart_api.dashboard.drives_page import DrivesView, drive_row
from wegewart_api.dashboard.errors import PageRoute
from wegewart_api.dashboard.filters import DriveCursor, StateChoice, TicketCursor, TicketFilter
from wegewart_api.dashboard.marks import one_ticket_marks, ticket_marks
from wegewart_api.dashboard.overview import PAGE_LENGTH, overview
from wegewart_api.dashboard.page import PageOf, PublicPageOf, own_path, page_for
from wegewart_api.dashboard.show_ticket import show_ticket
from wegewart_api.dashboard.streets_page import MOST_STREETS, segment_marks, streets_view
from wegewart_api.defects.condition import ConditionLimitsOf, segments_within
from wegewart_api.errors import NotFound

router = APIRouter(route_class=PageRoute, include_in_schema=False)
marks_router = APIRouter(include_in_schema=False)

State = Annotated[StateChoice, Query()]
ClassCode = Annotated[str, Query(alias="class", max_length=16)]
StreetText = Annotated[str, Query(max_length=200)]
After = Annotated[str, Query(max_length=400)]


@router.get("/")
def show_overview(
    page: PageOf,
    database: StoreOf,
    state: State = StateChoice.OPEN,
    class_code: ClassCode = "",
    street: StreetText = "",
    after: After = "",
) -> Response:
    """List of tickets with the map."""
    tenant_id = page.person.tenant_id
    wanted = TicketFilter(state, class_code, street.strip())
    place = TicketCursor.read(after) if after else None
    with database.reading() as connection:
        tickets = repository.ticket_page(connection, tenant_id, wanted, place, PAGE_LENGTH)
        streets_known = repository.has_streets(connection, tenant_id)
        tenant = repository.tenant_name(connection, tenant_id)
    view = overview(tickets, wanted, place, page.taxonomy, page.words, streets_known=streets_known)
    return page.render("overview.html", view=view, tenant=tenant, section="overview")


@router.get("/tickets/{ticket_id}")
def show_one_ticket(
    page: PageOf, database: StoreOf, ticket_id: UUID, view: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """One ticket: photographs, facts, history, and what may be done."""
    return show_ticket(page, database, ticket_id, chosen_view=view)


@router.get("/drives")
def show_drives(page: PageOf, database: StoreOf, after: After = "") -> Response:
    """Drives with what arrived of them."""
    tenant_id = page.person.tenant_id
    place = DriveCursor.read(after) if after else None
    with database.reading() as connection:
        records, following = repository.drives_page(connection, tenant_id, place, DRIVES_PAGE_LENGTH)
        tenant = repository.tenant_name(connection, tenant_id)
    view = DrivesView(
        rows=[drive_row(record, page.formats) for record in records],
        next_href=f"/drives?after={following}" if following else None,
        first_href="/drives" if place else None,
    )
    return page.render("drives.html", view=view, tenant=tenant, section="drives")


@router.get("/streets")
def show_streets(
    page: PageOf,
    database: StoreOf,
    limits: ConditionLimitsOf,
    start: Annotated[int, Query(ge=0, le=MOST_STREETS)] = 0,
) -> Response:
    """Streets with the condition of their segments: approximations."""
    tenant_id = page.person.tenant_id
    with database.reading() as connection:
        segments = segments_within(connection, tenant_id, None, MOST_STREETS, limits, page.now)
        tenant = repository.tenant_name(connection, tenant_id)
    view = streets_view(segments, start, limits, page.formats)
    return page.render("streets.html", view=view, tenant=tenant, section="streets")


@router.get("/login")
def show_login(
    page: PageOf, next_path: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """Form to log in; who is logged in already goes on."""
    if page.who is not None:
        return page.lead_to(own_path(next_path))
    return page.render("login.html", next=own_path(next_path), email="", problem=None)


@router.get("/setup")
def show_setup(
    page: PublicPageOf, database: StoreOf, token: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Form for the first administrator, opened by a one-time link."""
    is_open = setup_link_is_open(database, token, utc_now())
    given = {"name": "", "email": ""}
    status = 200 if is_open else 403
    return page.render("setup.html", status=status, open=is_open, token=token, given=given, wrong=None)


@marks_router.get("/map/tickets.geojson")
def marks_of_tickets(
    request: Request,
    who: Asking,
    settings: SettingsOf,
    database: StoreOf,
    state: State = StateChoice.OPEN,
    class_code: ClassCode = "",
    street: StreetText = "",
) -> JSONResponse:
    """Points of the tickets that fit the overview's filter."""
    page = page_for(request, settings, who)
    with database.reading() as connection:
        wanted = TicketFilter(state, class_code, street.strip())
        records = repository.tickets_for_map(connection, who.tenant_id, wanted)
    return _geojson(ticket_marks(records, page.taxonomy, page.words))


@marks_router.get("/map/condition.geojson")
def marks_of_segments(
    request: Request, who: Asking, settings: SettingsOf, database: StoreOf, limits: ConditionLimitsOf
) -> JSONResponse:
    """Lines of all segments with what their popups say."""
    page = page_for(request, settings, who)
    with database.reading() as connection:
        segments = segments_within(connection, who.tenant_id, None, MOST_STREETS, limits, page.now)
    return _geojson(segment_marks(segments, page.formats))


@marks_router.get("/tickets/{ticket_id}/marks.geojson")
def marks_of_one_ticket(
    request: Request, who: Asking, settings: SettingsOf, database: StoreOf, ticket_id: UUID
) -> JSONResponse:
    """Point of one ticket, and where its defects lie with 95 %."""
    page = page_for(request, settings, who)
    with database.reading() as connection:
        record = repository.one_ticket(connection, who.tenant_id, ticket_id)
        if record is None:
            raise NotFound(f"there is no ticket {ticket_id} here")
        defects = repository.defects_of(connection, who.tenant_id, ticket_id)
    return _geojson(one_ticket_marks(record, defects, page.taxonomy, page.words))


def _geojson(collection: dict[str, Any]) -> JSONResponse:
    return JSONResponse(
        collection,
        media_type="application/geo+json",
        headers={"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language"},
    )
