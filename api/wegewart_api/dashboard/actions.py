"""Forms of the pages: log in and out, set up, choose the language, take a ticket one step further.

Each answers with a redirect (303), so that reloading the next page sends nothing twice.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from wegewart_api.auth import repository as accounts
from wegewart_api.auth.access import (
    SESSION_COOKIE,
    StoreOf,
    clear_session_cookie,
    client_address,
    require_same_origin,
    set_session_cookie,
)
from wegewart_api.auth.login import NewAccount, log_in, log_out, set_up, setup_link_is_open, utc_now
from wegewart_api.auth.principal import Role
from wegewart_api.dashboard.errors import PageRoute
from wegewart_api.dashboard.page import LANGUAGE_COOKIE, YEAR_S, Page, PageOf, PublicPageOf, own_path
from wegewart_api.dashboard.show_ticket import Given, PageProblem, show_ticket
from wegewart_api.dashboard.text import Language, Words
from wegewart_api.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, TooManyRequests
from wegewart_api.tickets.decisions import Decision, decide
from wegewart_api.tickets.lifecycle import RejectReason, TicketAction, TicketState

router = APIRouter(route_class=PageRoute, include_in_schema=False)

COMMENT_LENGTH = 2000
Text = Annotated[str, Form(max_length=2000)]
NextPath = Annotated[str, Form(alias="next", max_length=2000)]


@router.post("/language")
def choose_language(
    page: PageOf,
    request: Request,
    database: StoreOf,
    language: Annotated[Language, Form()],
    next_path: NextPath = "/",
) -> Response:
    """Remember the language in a cookie and, for people who are logged in, in their account."""
    require_same_origin(request)
    if page.who is not None and page.who.is_person:
        with database.writing() as connection:
            accounts.set_language(connection, page.who, language)
    response = page.lead_to(own_path(next_path))
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=YEAR_S,
        httponly=True,
        samesite="lax",
        secure=page.settings.cookies_are_secure,
        path="/",
    )
    return response


@router.post("/login")
def log_in_by_form(
    page: PublicPageOf,
    request: Request,
    database: StoreOf,
    email: Text = "",
    password: Text = "",
    next_path: NextPath = "/",
) -> Response:
    """Log in and go on to where the reader wanted to be."""
    require_same_origin(request)
    words = page.words
    try:
        session = log_in(database, page.settings, email, password, client_address(request), utc_now())
    except NotAuthenticated:
        problem = PageProblem(401, words("login.wrong"), words("login.wrong_help"))
        return _login_again(page, email, next_path, problem)
    except TooManyRequests as refusal:
        minutes = page.formats.number(page.settings.login_window_minutes)
        problem = PageProblem(429, words("login.too_many"), words("login.too_many_help", minutes=minutes))
        answer = _login_again(page, email, next_path, problem)
        answer.headers.update(refusal.headers)
        return answer
    response = page.lead_to(own_path(next_path))
    set_session_cookie(response, session, page.settings)
    return response


@router.post("/logout")
def log_out_by_form(page: PageOf, request: Request, database: StoreOf) -> Response:
    """End the login."""
    log_out(database, request.cookies.get(SESSION_COOKIE, ""))
    response = page.lead_to("/login", notice="logged_out")
    clear_session_cookie(response, page.settings)
    return response


@router.post("/setup")
def set_up_by_form(
    page: PublicPageOf,
    request: Request,
    database: StoreOf,
    token: Text = "",
    email: Text = "",
    name: Text = "",
    password: Text = "",
) -> Response:
    """Create the first administrator and log in."""
    require_same_origin(request)
    person = NewAccount(email, name, password, Role.ADMIN, page.words.language)
    try:
        session = set_up(database, page.settings, token, person, utc_now())
    except (Invalid, Conflict) as refusal:
        view = {"token": token, "given": {"name": name, "email": email}}
        wrong = str(refusal.extensions.get("field", "other"))
        return page.render("setup.html", status=refusal.status, open=True, wrong=wrong, **view)
    except NotAllowed:
        is_open = setup_link_is_open(database, token, utc_now())
        view = {"token": token, "given": {"name": name, "email": email}}
        return page.render("setup.html", status=403, open=is_open, wrong=None, **view)
    response = page.lead_to("/", notice="set_up")
    set_session_cookie(response, session, page.settings)
    return response


@router.post("/tickets/{ticket_id}/events")
def decide_by_form(
    page: PageOf,
    database: StoreOf,
    ticket_id: UUID,
    action: Annotated[TicketAction, Form()],
    expected_state: Annotated[TicketState, Form()],
    reason: Annotated[RejectReason | Literal[""], Form()] = "",
    comment: Annotated[str, Form()] = "",
) -> Response:
    """Take a ticket one step further, or show how it stands and why it could not be done."""
    comment = comment.replace("\r\n", "\n").replace("\r", "\n").strip()  # forms send CRLF, readers count one
    decision = Decision(action, reason or None, comment or None, expected_state)
    given = Given(action, reason, comment)
    if len(comment) > COMMENT_LENGTH:
        problem = _too_long(page, len(comment))
        return show_ticket(page, database, ticket_id, problem=problem, given=given)
    try:
        with database.writing() as connection:
            decide(connection, page.person, ticket_id, decision, utc_now())
    except Conflict as refusal:
        problem = _somebody_was_faster(page.words, refusal)
    except NotAllowed as refusal:
        problem = _not_this_role(page.words, page.person.role, refusal)
    except Invalid as refusal:
        problem = PageProblem(
            refusal.status, page.words("problem.invalid"), page.words("problem.invalid_text")
        )
    else:
        return page.lead_to(f"/tickets/{ticket_id}", notice=action)
    return show_ticket(page, database, ticket_id, problem=problem, given=given)


def _login_again(page: Page, email: str, next_path: str, problem: PageProblem) -> Response:
    view = {"next": own_path(next_path), "email": email, "problem": problem}
    return page.render("login.html", status=problem.status, **view)


def _somebody_was_faster(words: Words, refusal: Conflict) -> PageProblem:
    state = words.of("state", str(refusal.extensions["state"]))
    return PageProblem(refusal.status, words("problem.changed"), words("problem.changed_text", state=state))


def _too_long(page: Page, length: int) -> PageProblem:
    words, number = page.words, page.formats.number
    text = words("problem.too_long_text", length=number(length), most=number(COMMENT_LENGTH))
    return PageProblem(422, words("problem.too_long"), text)


def _not_this_role(words: Words, role: Role, refusal: NotAllowed) -> PageProblem:
    text = words("problem.not_allowed_text", role=words.of("role", role))
    return PageProblem(refusal.status, words("problem.not_allowed"), text)
