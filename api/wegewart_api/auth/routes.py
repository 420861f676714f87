"""Set-up, login and logout as JSON; the pages for people are the dashboard's."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from wegewart_api.auth.access import (
    SESSION_COOKIE,
    Asking,
    SettingsOf,
    StoreOf,
    clear_session_cookie,
    client_address,
    require_same_origin,
    set_session_cookie,
)
from wegewart_api.auth.login import NewAccount, Session, log_in, log_out, set_up, utc_now
from wegewart_api.auth.principal import Role

router = APIRouter(prefix="/api/v1", tags=["login"])


class SetupForm(BaseModel):
    """What the first administrator types in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=200, description="from the one-time set-up link")
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    password: SecretStr = Field(description="at least 12 characters")
    language: Literal["de", "en"] = "de"


class LoginForm(BaseModel):
    """What a person types in."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=254)
    password: SecretStr


class LoggedIn(BaseModel):
    """Who is logged in; unsafe requests send `csrf_token` back in the header X-CSRF-Token."""

    name: str
    role: Role
    language: str | None
    csrf_token: str | None
    expires_at: datetime | None = None


@router.post("/setup", status_code=status.HTTP_201_CREATED)
def create_first_administrator(
    form: SetupForm, request: Request, response: Response, database: StoreOf, settings: SettingsOf
) -> LoggedIn:
    """Create the first administrator by the one-time set-up link, and log in."""
    require_same_origin(request)
    person = NewAccount(form.email, form.name, form.password.get_secret_value(), Role.ADMIN, form.language)
    session = set_up(database, settings, form.token, person, utc_now())
    set_session_cookie(response, session, settings)
    return _logged_in(session)


@router.post("/session")
def start_session(
    form: LoginForm, request: Request, response: Response, database: StoreOf, settings: SettingsOf
) -> LoggedIn:
    """Log in: sets the session cookie."""
    require_same_origin(request)
    session = log_in(
        database,
        settings,
        form.email,
        form.password.get_secret_value(),
        client_address(request),
        utc_now(),
    )
    set_session_cookie(response, session, settings)
    return _logged_in(session)


@router.get("/session")
def who_is_logged_in(who: Asking) -> LoggedIn:
    """Who asks, and the CSRF token of the login."""
    return LoggedIn(name=who.actor_name, role=who.role, language=who.language, csrf_token=who.csrf_token)


@router.delete("/session", status_code=status.HTTP_204_NO_CONTENT)
def end_session(
    who: Asking, request: Request, response: Response, database: StoreOf, settings: SettingsOf
) -> None:
    """Log out."""
    if who.is_person:
        log_out(database, request.cookies.get(SESSION_COOKIE, ""))
    clear_session_cookie(response, settings)


def _logged_in(session: Session) -> LoggedIn:
    account = session.account
    return LoggedIn(
        name=account.display_name,
        role=account.role,
        language=account.language,
        csrf_token=session.csrf_token,
        expires_at=session.expires_at,
    )
