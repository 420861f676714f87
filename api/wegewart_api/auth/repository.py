"""Rows of tenants, people, their logins, and devices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from wegewart_api.auth.principal import Principal, Role
from wegewart_api.auth.tokens import DeviceToken, hash_of
from wegewart_api.database.ids import new_id
from wegewart_api.database.tables import (
    device,
    login_failure,
    setup_link,
    tenant,
    user_account,
    user_session,
)

LAST_SEEN_STEP = timedelta(minutes=1)  # a device that sends often is not written down each time


@dataclass(frozen=True)
class Account:
    """A person's account."""

    tenant_id: UUID
    user_id: UUID
    email: str
    display_name: str
    role: Role
    language: str
    active: bool
    password_hash: str


@dataclass(frozen=True)
class StoredDevice:
    """A device's token as the store knows it."""

    tenant_id: UUID
    row_id: UUID
    device_id: str
    role: Role
    token_hash: str
    revoked_at: datetime | None
    last_seen_at: datetime | None


def tenant_of(connection: Connection, key: str) -> UUID | None:
    """Id of the tenant with this short name."""
    return connection.execute(select(tenant.c.id).where(tenant.c.key == key)).scalar()


def all_tenants(connection: Connection) -> list[UUID]:
    """Ids of all tenants, in the order in which they came."""
    return list(connection.execute(select(tenant.c.id).order_by(tenant.c.id)).scalars())


def add_tenant(connection: Connection, key: str, name: str, now: datetime) -> UUID:
    """Store a tenant and give its id."""
    tenant_id = new_id()
    connection.execute(insert(tenant).values(id=tenant_id, key=key, name=name, created_at=now))
    return tenant_id


def has_users(connection: Connection, tenant_id: UUID) -> bool:
    """Whether a tenant has any account."""
    return bool(connection.execute(select(exists().where(user_account.c.tenant_id == tenant_id))).scalar())


def add_account(connection: Connection, account: Account, now: datetime) -> None:
    """Store a person's account."""
    connection.execute(
        insert(user_account).values(
            tenant_id=account.tenant_id,
            id=account.user_id,
            email=account.email,
            display_name=account.display_name,
            password_hash=account.password_hash,
            role=account.role.value,
            language=account.language,
            active=account.active,
            created_at=now,
        )
    )


def account_of(connection: Connection, email: str) -> Account | None:
    """Account with an e-mail address, whatever the tenant: people log in before a tenant is known."""
    row = connection.execute(select(user_account).where(user_account.c.email == email)).one_or_none()
    if row is None:
        return None
    return Account(
        tenant_id=row.tenant_id,
        user_id=row.id,
        email=row.email,
        display_name=row.display_name,
        role=Role(row.role),
        language=row.language,
        active=row.active,
        password_hash=row.password_hash,
    )


def change_account(connection: Connection, account: Account, **columns: str | bool) -> None:
    """Change columns of an account."""
    connection.execute(
        update(user_account)
        .where(user_account.c.tenant_id == account.tenant_id, user_account.c.id == account.user_id)
        .values(**columns)
    )


def end_sessions(connection: Connection, account: Account) -> None:
    """Forget all logins of an account."""
    connection.execute(
        delete(user_session).where(
            user_session.c.tenant_id == account.tenant_id, user_session.c.user_id == account.user_id
        )
    )


def set_language(connection: Connection, principal: Principal, language: str) -> None:
    """Remember the language of a person's pages."""
    connection.execute(
        update(user_account)
        .where(user_account.c.tenant_id == principal.tenant_id, user_account.c.id == principal.user_id)
        .values(language=language)
    )


# --- set-up links -------------------------------------------------------------------------------------


def replace_setup_link(
    connection: Connection, tenant_id: UUID, token: str, now: datetime, expires_at: datetime
) -> None:
    """Store a set-up link; links of this tenant that were not used are worth nothing from now on."""
    connection.execute(
        delete(setup_link).where(setup_link.c.tenant_id == tenant_id, setup_link.c.used_at.is_(None))
    )
    connection.execute(
        insert(setup_link).values(
            tenant_id=tenant_id, token_hash=hash_of(token), created_at=now, expires_at=expires_at
        )
    )


def tenant_of_setup_link(connection: Connection, token: str, now: datetime) -> UUID | None:
    """Tenant that a set-up link opens; None if it is unknown, used or too old."""
    return connection.execute(select(setup_link.c.tenant_id).where(_usable(token, now))).scalar()


def use_setup_link(connection: Connection, token: str, now: datetime) -> bool:
    """Use a set-up link up; False if somebody else was faster."""
    return connection.execute(update(setup_link).where(_usable(token, now)).values(used_at=now)).rowcount == 1


def _usable(token: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        setup_link.c.token_hash == hash_of(token),
        setup_link.c.used_at.is_(None),
        setup_link.c.expires_at > now,
    )


# --- logins -------------------------------------------------------------------------------------------


def add_session(
    connection: Connection,
    account: Account,
    token: str,
    csrf_token: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a login, and forget those that ran out."""
    connection.execute(delete(user_session).where(user_session.c.expires_at <= now))
    connection.execute(
        insert(user_session).values(
            token_hash=hash_of(token),
            tenant_id=account.tenant_id,
            user_id=account.user_id,
            csrf_token=csrf_token,
            created_at=now,
            expires_at=expires_at,
        )
    )


def principal_of_session(connection: Connection, token: str, now: datetime) -> Principal | None:
    """Person behind a session token; None if it is unknown, has run out, or the account was closed."""
    row = connection.execute(
        select(user_account, user_session.c.csrf_token)
        .join_from(
            user_session,
            user_account,
            and_(
                user_session.c.tenant_id == user_account.c.tenant_id,
                user_session.c.user_id == user_account.c.id,
            ),
        )
        .where(
            user_session.c.token_hash == hash_of(token),
            user_session.c.expires_at > now,
            user_account.c.active,
        )
    ).one_or_none()
    if row is None:
        return None
    return Principal(
        tenant_id=row.tenant_id,
        role=Role(row.role),
        actor_name=row.display_name,
        user_id=row.id,
        language=row.language,
        csrf_token=row.csrf_token,
    )


def end_session(connection: Connection, token: str) -> None:
    """Forget a login."""
    connection.execute(delete(user_session).where(user_session.c.token_hash == hash_of(token)))


def note_attempt(connection: Connection, account_hash: str, address: str, now: datetime) -> UUID:
    """Count an attempt to log in as failed until it succeeds."""
    attempt_id = new_id()
    connection.execute(
        insert(login_failure).values(id=attempt_id, account_hash=account_hash, address=address, at=now)
    )
    return attempt_id


def failures_since(
    connection: Connection, account_hash: str, address: str, since: datetime
) -> tuple[int, int]:
    """Failed logins of an account and of an address since a moment."""
    of_account = select(func.count()).where(
        login_failure.c.account_hash == account_hash, login_failure.c.at > since
    )
    of_address = select(func.count()).where(login_failure.c.address == address, login_failure.c.at > since)
    return connection.execute(of_account).scalar_one(), connection.execute(of_address).scalar_one()


def forget_failures(connection: Connection, account_hash: str, attempt_id: UUID, before: datetime) -> None:
    """After a success: forget this account's failures, this attempt, and all that are too old to count."""
    connection.execute(
        delete(login_failure).where(
            (login_failure.c.account_hash == account_hash)
            | (login_failure.c.id == attempt_id)
            | (login_failure.c.at <= before)
        )
    )


def forget_old_failures(connection: Connection, before: datetime) -> None:
    """Forget failed logins that are too old to count."""
    connection.execute(delete(login_failure).where(login_failure.c.at <= before))


# --- devices ------------------------------------------------------------------------------------------


def add_device_token(
    connection: Connection,
    tenant_id: UUID,
    device_id: str,
    token: DeviceToken,
    now: datetime,
    role: Role = Role.DEVICE,
) -> None:
    """Store the hash of a token; earlier tokens of the same name stay valid until they are revoked.

    Args:
        device_id: Name of the box, or of the system that reads.
        role: DEVICE for a box that sends, VIEWER for a system that only reads (a GIS, a portal, a report).
    """
    connection.execute(
        insert(device).values(
            tenant_id=tenant_id,
            id=new_id(),
            device_id=device_id,
            role=role.value,
            token_id=token.token_id,
            token_hash=token.secret_hash,
            created_at=now,
        )
    )


def revoke_device_tokens(
    connection: Connection, tenant_id: UUID, device_id: str, now: datetime, token_id: str | None = None
) -> int:
    """Revoke a device's tokens, or one of them; the number revoked."""
    query = update(device).where(
        device.c.tenant_id == tenant_id, device.c.device_id == device_id, device.c.revoked_at.is_(None)
    )
    if token_id is not None:
        query = query.where(device.c.token_id == token_id)
    return connection.execute(query.values(revoked_at=now)).rowcount


def device_of_token(connection: Connection, token_id: str) -> StoredDevice | None:
    """Device whose token has this open part."""
    row = connection.execute(select(device).where(device.c.token_id == token_id)).one_or_none()
    if row is None:
        return None
    return StoredDevice(
        row.tenant_id,
        row.id,
        row.device_id,
        Role(row.role),
        row.token_hash,
        row.revoked_at,
        row.last_seen_at,
    )


def note_device_seen(connection: Connection, tenant_id: UUID, device_id: str, now: datetime) -> None:
    """Remember when a device last sent something, to the minute."""
    connection.execute(
        update(device)
        .where(
            device.c.tenant_id == tenant_id,
            device.c.device_id == device_id,
            device.c.revoked_at.is_(None),
            device.c.last_seen_at.is_(None) | (device.c.last_seen_at < now - LAST_SEEN_STEP),
        )
        .values(last_seen_at=now)
    )
