"""An office as tests talk to it: devices and people of any tenant, by HTTP."""

import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy import Connection
from starlette.exceptions import StarletteDeprecationWarning

from wegewart_api.app import create_app
from wegewart_api.auth import repository
from wegewart_api.auth.access import CSRF_HEADER, SESSION_COOKIE
from wegewart_api.auth.principal import Role
from wegewart_api.auth.repository import Account
from wegewart_api.auth.tokens import new_device_token, new_token
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.intake.processing import CompletePass, ProcessPass
from wegewart_api.settings import Settings

with warnings.catch_warnings():  # httpx2, which it would rather have, is not what the vehicle sends with
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

DEFAULT = "default"


@dataclass
class Office:
    """The application, its store, and what was handed over for processing."""

    database: Database
    settings: Settings
    app: FastAPI
    processed: list[CompletePass] = field(default_factory=list)

    @classmethod
    def open(
        cls, database: Database, settings: Settings, process_pass: ProcessPass | None = None
    ) -> "Office":
        """Office whose passes go to `process_pass`, or are only noted in `processed`."""
        processed: list[CompletePass] = []

        def note(_connection: Connection, complete: CompletePass) -> None:
            processed.append(complete)

        app = create_app(settings, database, process_pass or note)
        office = cls(database, settings, app, processed)
        office.tenant(DEFAULT)
        return office

    def tenant(self, key: str) -> UUID:
        """Id of a tenant, made if it is not there."""
        with self.database.writing() as connection:
            found = repository.tenant_of(connection, key)
            return found or repository.add_tenant(connection, key, key.title(), datetime.now(UTC))

    def anybody(self) -> TestClient:
        """Client without token and login."""
        return TestClient(self.app, base_url="http://office.test", raise_server_exceptions=False)

    def device(self, device_id: str = "box-01", tenant: str = DEFAULT) -> TestClient:
        """Client with a fresh token of a device."""
        token = new_device_token()
        tenant_id = self.tenant(tenant)
        with self.database.writing() as connection:
            repository.add_device_token(connection, tenant_id, device_id, token, datetime.now(UTC))
        client = self.anybody()
        client.headers["Authorization"] = f"Bearer {token.text}"
        return client

    def person(
        self, role: Role = Role.VIEWER, tenant: str = DEFAULT, lasts: timedelta = timedelta(hours=1)
    ) -> TestClient:
        """Client of a person who is logged in, with the CSRF token."""
        now = datetime.now(UTC)
        user_id = new_id()
        account = Account(
            self.tenant(tenant),
            user_id,
            f"{user_id}@office.test",
            f"A {role}",
            role,
            "de",
            True,
            "no password",
        )
        token, csrf_token = new_token(), new_token()
        with self.database.writing() as connection:
            repository.add_account(connection, account, now)
            repository.add_session(connection, account, token, csrf_token, now, now + lasts)
        client = self.anybody()
        client.cookies.set(SESSION_COOKIE, token)
        client.headers[CSRF_HEADER] = csrf_token
        return client


def problem(response: Any, status: int) -> dict[str, Any]:
    """Problem details of an answer, which must be one of this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail"} <= told.keys()
    assert told["status"] == status
    return told
