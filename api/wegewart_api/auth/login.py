"""Set-up, login and logout. Hashing takes a tenth of a second, so it never happens inside a transaction."""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from wegewart_api.auth import repository
from wegewart_api.auth.passwords import hash_password, password_fits
from wegewart_api.auth.principal import PEOPLE, Role
from wegewart_api.auth.repository import Account
from wegewart_api.auth.tokens import hash_of, new_token
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.database.locks import wait_for_turn
from wegewart_api.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, NotFound, TooManyRequests
from wegewart_api.settings import Settings

logger = logging.getLogger(__name__)

SETUP_LINK_LASTS = timedelta(hours=24)
ADDRESS_FACTOR = 5  # one address may serve a whole office
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")  # a typing error is caught, the rest is the mail server's


@dataclass(frozen=True)
class Session:
    """A login: `token` goes into the cookie, `csrf_token` into forms and the header X-CSRF-Token."""

    token: str
    csrf_token: str
    expires_at: datetime
    account: Account


@dataclass(frozen=True)
class NewAccount:
    """What a person or an administrator typed in."""

    email: str
    display_name: str
    password: str
    role: Role
    language: str = "de"


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def issue_setup_link(database: Database, tenant_id: UUID, now: datetime) -> str | None:
    """Token of a fresh one-time set-up link, valid for 24 hours; None if the tenant has people already."""
    token = new_token()
    with database.writing() as connection:
        if repository.has_users(connection, tenant_id):
            return None
        repository.replace_setup_link(connection, tenant_id, token, now, now + SETUP_LINK_LASTS)
    return token


def setup_link_is_open(database: Database, token: str, now: datetime) -> bool:
    """Whether a set-up link can still be used."""
    with database.reading() as connection:
        tenant_id = repository.tenant_of_setup_link(connection, token, now)
        return tenant_id is not None and not repository.has_users(connection, tenant_id)


def set_up(database: Database, settings: Settings, token: str, person: NewAccount, now: datetime) -> Session:
    """Create a tenant's first administrator by its set-up link, and log in.

    Raises:
        NotAllowed: If the link is unknown, was used, or is older than a day.
        Invalid: If the e-mail address or the password will not do.
    """
    refusal = "this set-up link is unknown, used or too old: run `wegewart-api setup-link` for a new one"
    if not setup_link_is_open(database, token, now):
        raise NotAllowed(refusal)
    with database.reading() as connection:
        tenant_id = repository.tenant_of_setup_link(connection, token, now)
    if tenant_id is None:
        raise NotAllowed(refusal)
    account = _account(tenant_id, person)
    with database.writing() as connection:
        if not repository.use_setup_link(connection, token, now):
            raise NotAllowed(refusal)
        _add(connection, account, now)
        session = _start_session(connection, account, settings, now)
    logger.info("first administrator created")
    return session


def create_account(database: Database, tenant_id: UUID, person: NewAccount, now: datetime) -> Account:
    """Create a person's account.

    Raises:
        Invalid: If the e-mail address, the role or the password will not do.
        Conflict: If the e-mail address has an account.
    """
    account = _account(tenant_id, person)
    with database.writing() as connection:
        _add(connection, account, now)
    return account


def set_password(database: Database, email: str, password: str) -> None:
    """Give a person a new password; all logins of the account end, because one may be a thief's.

    Raises:
        NotFound: If there is no such account.
        Invalid: If the password will not do.
    """
    account = _known(database, email)
    password_hash = hash_password(password, account.email, account.display_name)
    with database.writing() as connection:
        repository.change_account(connection, account, password_hash=password_hash)
        repository.end_sessions(connection, account)


def close_account(database: Database, email: str) -> None:
    """Close a person's account and end its logins; what the person decided stays recorded.

    Raises:
        NotFound: If there is no such account.
    """
    account = _known(database, email)
    with database.writing() as connection:
        repository.change_account(connection, account, active=False)
        repository.end_sessions(connection, account)


def log_in(
    database: Database, settings: Settings, email: str, password: str, address: str, now: datetime
) -> Session:
    """Session of a person whose password fits.

    The attempt is counted as failed before the password is looked at, so that many at once gain nothing.

    Args:
        address: Network address of who asks.
    Raises:
        NotAuthenticated: If e-mail address and password do not belong together; it never says which is wrong.
        TooManyRequests: If too many attempts failed lately, of this account or from this address.
    """
    email = email.strip().lower()
    account_hash = hash_of(email)
    window = timedelta(minutes=settings.login_window_minutes)
    with database.writing() as connection:
        wait_for_turn(connection, f"login of {account_hash}")
        repository.forget_old_failures(connection, now - window)
        of_account, of_address = repository.failures_since(connection, account_hash, address, now - window)
        allowed = of_account < settings.login_failures
        allowed = allowed and of_address < settings.login_failures * ADDRESS_FACTOR
        if allowed:
            attempt_id = repository.note_attempt(connection, account_hash, address, now)
        account = repository.account_of(connection, email)
    if not allowed:
        logger.warning("login refused for now: too many failures from %s", address)
        raise TooManyRequests(
            f"too many failed logins: wait {settings.login_window_minutes:g} minutes",
            headers={"Retry-After": str(int(window.total_seconds()))},
        )
    known = account if account is not None and account.active else None
    if not password_fits(known.password_hash if known else None, password) or known is None:
        raise NotAuthenticated("e-mail address and password do not belong together")
    with database.writing() as connection:
        repository.forget_failures(connection, account_hash, attempt_id, now - window)
        return _start_session(connection, known, settings, now)


def log_out(database: Database, token: str) -> None:
    """End a login; the token is worth nothing afterwards."""
    with database.writing() as connection:
        repository.end_session(connection, token)


def _known(database: Database, email: str) -> Account:
    with database.reading() as connection:
        account = repository.account_of(connection, email.strip().lower())
    if account is None:
        raise NotFound(f"{email} has no account: `wegewart-api user create` makes one")
    return account


def _start_session(connection: Connection, account: Account, settings: Settings, now: datetime) -> Session:
    session = Session(new_token(), new_token(), now + timedelta(hours=settings.session_hours), account)
    repository.add_session(connection, account, session.token, session.csrf_token, now, session.expires_at)
    return session


def _account(tenant_id: UUID, person: NewAccount) -> Account:
    email = person.email.strip().lower()
    name = person.display_name.strip()
    if not EMAIL.match(email) or len(email) > 254:
        raise Invalid("this is no e-mail address", field="email")
    if not 1 <= len(name) <= 200:
        raise Invalid("the name needs 1 to 200 characters", field="name")
    if person.role not in PEOPLE:
        raise Invalid(f"a person's role is one of {', '.join(PEOPLE)}", field="role")
    password_hash = hash_password(person.password, email, name)
    return Account(
        tenant_id,
        new_id(),
        email,
        name,
        person.role,
        person.language,
        active=True,
        password_hash=password_hash,
    )


def _add(connection: Connection, account: Account, now: datetime) -> None:
    try:
        repository.add_account(connection, account, now)
    except IntegrityError as error:
        raise Conflict(f"{account.email} has an account already", field="email") from error
