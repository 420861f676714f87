"""What a request brings: the store, the settings, who asks, and whether they may.

    @router.get("/tickets")
    def tickets(database: StoreOf, who: Annotated[Principal, Depends(current_principal)]) -> …:
        with database.reading() as connection: …

A login that came by cookie must also carry its CSRF token on unsafe methods, in the header X-CSRF-Token or in
the form field `csrf_token`; `current_principal` sees to it, so no route can forget it.
"""

import hmac
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from wegewart_api.auth import repository
from wegewart_api.auth.login import Session, utc_now
from wegewart_api.auth.principal import Principal, Role
from wegewart_api.auth.tokens import read_device_token
from wegewart_api.database.engine import Database
from wegewart_api.errors import NotAllowed, NotAuthenticated
from wegewart_api.settings import Settings

SESSION_COOKIE = "wegewart_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


StoreOf = Annotated[Database, Depends(_database)]
SettingsOf = Annotated[Settings, Depends(_settings)]


def _identified(request: Request, database: StoreOf) -> Principal | None:
    """Who asks, without the check of the CSRF token; None without token and login."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return _device(authorization, database)
    session_token = request.cookies.get(SESSION_COOKIE)
    if not session_token:
        return None
    with database.reading() as connection:
        return repository.principal_of_session(connection, session_token, utc_now())


def _device(authorization: str, database: Database) -> Principal:
    scheme, _, text = authorization.partition(" ")
    token = read_device_token(text.strip()) if scheme.lower() == "bearer" else None
    stored = None
    if token is not None:
        with database.reading() as connection:
            stored = repository.device_of_token(connection, token.token_id)
    if token is None or stored is None or not token.fits(stored.token_hash):
        raise NotAuthenticated("this token is not known here", headers={"WWW-Authenticate": "Bearer"})
    if stored.revoked_at is not None:
        raise NotAllowed(
            f"the token of {stored.device_id} was revoked: `wegewart-api token create` makes a new one"
        )
    device_id = stored.device_id if stored.role is Role.DEVICE else None
    return Principal(stored.tenant_id, stored.role, stored.device_id, device_id=device_id)


async def optional_principal(
    request: Request, found: Annotated[Principal | None, Depends(_identified)]
) -> Principal | None:
    """Who asks, None if nobody is logged in; for pages that then lead to the login.

    Raises:
        NotAllowed: If a cookie's login does something without its CSRF token.
    """
    if request.method not in SAFE_METHODS and found is not None and found.csrf_token is not None:
        require_same_origin(request)
        given = request.headers.get(CSRF_HEADER) or await _csrf_field(request)
        if not hmac.compare_digest(given.encode(), found.csrf_token.encode()):
            raise NotAllowed(
                f"the CSRF token is missing or old: load the page again (header {CSRF_HEADER} or field"
                f" {CSRF_FIELD})",
                reason="csrf",
            )
    return found


async def current_principal(
    found: Annotated[Principal | None, Depends(optional_principal)],
) -> Principal:
    """Who asks.

    Raises:
        NotAuthenticated: If nobody is logged in.
        NotAllowed: If the token was revoked, or the CSRF token is missing.
    """
    if found is None:
        raise NotAuthenticated(
            "log in, or send a device's token as `Authorization: Bearer wgd_…`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return found


Asking = Annotated[Principal, Depends(current_principal)]


def require_role(*roles: Role) -> Callable[[Principal], Principal]:
    """Dependency that lets only these roles pass, and administrators, who may do what any person may."""

    def checked(who: Asking) -> Principal:
        if who.role in roles or (who.role is Role.ADMIN and any(role is not Role.DEVICE for role in roles)):
            return who
        raise NotAllowed(
            f"this needs the role {' or '.join(roles)}, {who.actor_name} has {who.role}",
            needed=[str(role) for role in roles],
        )

    return checked


def require_same_origin(request: Request) -> None:
    """Refuse what another site's page makes a browser send; for routes that have no login yet.

    Raises:
        NotAllowed: If the browser says that the request comes from elsewhere.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise NotAllowed("this request comes from another site's page", reason="origin")
    origin = request.headers.get("Origin")
    settings = _settings(request)
    own = {request.headers.get("Host", ""), urlsplit(settings.public_url or "").netloc}
    if origin is not None and urlsplit(origin).netloc not in own:
        raise NotAllowed("this request comes from another site's page", reason="origin")


def client_address(request: Request) -> str:
    """Network address of who asks, as far as it is known."""
    return request.client.host if request.client else "unknown"


def set_session_cookie(response: Response, session: Session, settings: Settings) -> None:
    """Let the browser remember a login; scripts cannot read it, other sites' pages cannot use it."""
    response.set_cookie(
        SESSION_COOKIE,
        session.token,
        max_age=int(settings.session_hours * 3600),
        httponly=True,
        samesite="lax",
        secure=settings.cookies_are_secure,
        path="/",
    )


def clear_session_cookie(response: Response, settings: Settings) -> None:
    """Let the browser forget the login."""
    response.delete_cookie(
        SESSION_COOKIE, httponly=True, samesite="lax", secure=settings.cookies_are_secure, path="/"
    )


async def _csrf_field(request: Request) -> str:
    if not request.headers.get("Content-Type", "").startswith(FORM_TYPES):
        return ""
    field = (await request.form()).get(CSRF_FIELD)
    return field if isinstance(field, str) else ""
