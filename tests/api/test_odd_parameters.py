"""Odd parameters of reading requests: told as a mistake of the request, never as one of the server."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from tests.api.office import Office

from wegewart_api.auth.principal import Role
from wegewart_api.database.engine import Database

HTML = {"Accept": "text/html"}
EDGE = "0001-01-01T00:00:00+14:00"
SOME_ID = UUID(int=7)


def packed(*parts: Any) -> str:
    """A place in a list as the pages write it."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def cursor(moment: str) -> str:
    """A cursor as the API writes it."""
    return base64.urlsafe_b64encode(f"{moment}/{SOME_ID}".encode()).decode()


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("tickets", {"since": EDGE}),
        ("tickets", {"since": "9999-12-31T23:59:59-14:00"}),
        ("tickets", {"cursor": cursor(EDGE)}),
        ("defects", {"cursor": cursor(EDGE)}),
        ("observations", {"cursor": cursor("9999-12-31T23:59:59-14:00")}),
    ],
)
def test_a_time_at_the_edge_of_the_calendar_is_a_mistake_of_the_request(
    path: str, parameters: dict[str, str], office: Office
) -> None:
    assert office.person().get(f"/api/v1/{path}", params=parameters).status_code in {400, 422}


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("/", packed(10**30, datetime(2026, 5, 4, tzinfo=UTC).isoformat(), SOME_ID.hex)),
        ("/", packed(1, EDGE, SOME_ID.hex)),
        ("/drives", packed(EDGE, SOME_ID.hex, "ab" * 32)),
    ],
)
def test_a_place_that_no_list_has_is_told_as_a_page(path: str, after: str, office: Office) -> None:
    answer = office.person().get(path, params={"after": after}, headers=HTML)
    assert answer.status_code == 400
    assert "<html" in answer.text


def test_a_text_with_a_nul_never_fails_the_server(office: Office, store: Database) -> None:
    """SQLite compares it and finds nothing; PostgreSQL cannot even take it."""
    person, nul = office.person(Role.ADMIN), "a\x00b"
    read = 200 if store.is_sqlite else 422
    assert person.get("/api/v1/tickets", params={"street": nul}).status_code == read
    assert person.get("/api/v1/defects", params={"class": nul}).status_code == read
    assert person.get("/", params={"street": nul}, headers=HTML).status_code == read
    login = {"email": nul, "password": "falsch falsch"}
    refused = 401 if store.is_sqlite else 422
    assert office.anybody().post("/api/v1/session", json=login).status_code == refused
    assert office.anybody().post("/login", data=login, headers=HTML).status_code == refused
