"""Tokens of systems that only read: a GIS, a portal, a report."""

from datetime import UTC, datetime

from starlette.testclient import TestClient
from tests.api.office import DEFAULT, Office, problem

from wegewart_api.auth import repository
from wegewart_api.auth.principal import Role
from wegewart_api.auth.tokens import new_device_token


def reader(office: Office) -> TestClient:
    token = new_device_token()
    tenant_id = office.tenant(DEFAULT)
    with office.database.writing() as connection:
        repository.add_device_token(
            connection, tenant_id, "city-gis", token, datetime.now(UTC), role=Role.VIEWER
        )
    client = office.anybody()
    client.headers["Authorization"] = f"Bearer {token.text}"
    return client


def test_a_reader_lists_observations_defects_and_tickets(office: Office) -> None:
    client = reader(office)
    for kind in ("observations", "defects", "tickets"):
        answer = client.get(f"/api/v1/{kind}")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {kind: [], "next": None}


def test_a_reader_sends_nothing(office: Office) -> None:
    told = problem(reader(office).post("/api/v1/observations", json={"observations": []}), 403)
    assert "viewer" in told["detail"]
