"""The application as a whole: problems, headers, limits, its own description, and walls between tenants."""

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import select
from tests.api.office import DEFAULT, Office, problem
from tests.api.sent import observation, track
from tests.api.test_intake_evidence import JPEG, name

from wegewart_api.auth.principal import Role
from wegewart_api.database import tables
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.errors import Conflict
from wegewart_api.flow import process_pass
from wegewart_api.settings import Settings

API = "/api/v1"


def with_route(office: Office, path: str, raising: Exception) -> None:
    def fail() -> None:
        raise raising

    office.app.router.routes.insert(0, APIRoute(path, fail))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/drives/not-an-id", 422),
        ("DELETE", "/api/v1/observations", 405),
        ("GET", "/api/v1/observations?limit=many", 422),
        ("GET", "/api/v1/tickets", 401),
    ],
)
def test_every_error_is_told_as_problem_details(method: str, path: str, status: int, office: Office) -> None:
    client = office.anybody() if status == 401 else office.device()
    problem(client.request(method, path), status)


def test_json_that_breaks_off_is_told_as_unreadable(office: Office) -> None:
    headers = {"Content-Type": "application/json"}
    problem(office.anybody().post(f"{API}/session", content=b'{"email": ', headers=headers), 400)


def test_a_wrong_field_is_named_and_its_content_is_not_repeated(office: Office) -> None:
    form = {"email": "a@b.test", "password": ["geheim" * 4]}
    told = problem(office.anybody().post(f"{API}/session", json=form), 422)
    assert told["errors"][0]["field"] == "body.password"
    assert "geheim" not in json.dumps(told)


def test_an_unexpected_error_shows_an_incident_and_nothing_of_the_inside(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with_route(office, "/api/v1/broken", RuntimeError("the secret inside"))
    answer = office.anybody().get("/api/v1/broken")
    told = problem(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert told["incident"] in caplog.text
    assert "the secret inside" in caplog.text


def test_a_problem_cannot_be_overwritten_by_its_extensions(office: Office) -> None:
    with_route(office, "/api/v1/odd", Conflict("as it is", status=200, type="x", extra=1))
    told = problem(office.anybody().get("/api/v1/odd"), 409)
    assert (told["type"], told["extra"]) == ("urn:wegewart:problem:conflict", 1)


def test_a_store_that_does_not_answer_asks_to_come_back(settings: Settings) -> None:
    from wegewart_api.app import create_app

    gone = Database.open("postgresql://nobody@127.0.0.1:9/none")
    app = create_app(settings, gone, lambda _connection, _complete: None)
    answer = Office(gone, settings, app).anybody().get("/healthz")
    problem(answer, 503)
    assert answer.headers["retry-after"] == "5"
    gone.close()


def test_health_needs_no_login(office: Office) -> None:
    assert office.anybody().get("/healthz").json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/tickets", "/login", "/nothing"])
def test_every_answer_carries_the_protecting_headers(path: str, office: Office) -> None:
    headers = office.anybody().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert "https:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


def test_api_answers_are_not_cached(office: Office) -> None:
    assert office.device().get(f"{API}/observations").headers["cache-control"] == "no-store"


def test_long_answers_are_compressed(office: Office) -> None:
    box = office.device()
    box.post(f"{API}/observations", json={"observations": [observation(n) for n in range(20)]})
    assert box.get(f"{API}/observations").headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
def test_a_body_above_the_limit_is_refused(announced: bool, office: Office) -> None:
    body = b" " * (office.settings.body_limit_bytes + 1)
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    answer = office.device().post(f"{API}/observations", content=body if announced else pieces)
    assert "smaller batches" in problem(answer, 413)["detail"]


def test_the_access_log_tells_neither_query_nor_token(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wegewart_api")  # ours alone: the test's own client tells what it asks
    client = office.device()
    client.get("/setup?token=very-secret")
    client.get(f"{API}/observations?cursor=also-secret")
    assert "/api/v1/observations" in caplog.text
    assert "secret" not in caplog.text
    assert client.headers["Authorization"][-20:] not in caplog.text


# --- its own description ------------------------------------------------------------------------------


def described(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = office.anybody().get(f"{API}/openapi.json").json()
    return found


def test_the_description_is_complete_in_itself(office: Office) -> None:
    document = described(office)
    text = json.dumps(document)
    references = set(re.findall(r'"\$ref": "([^"]+)"', text))
    assert {"#/components/schemas/ObservationBatch", "#/components/schemas/Observation"} <= references
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert "http://" not in text
    assert "https://" not in text


def test_the_description_knows_every_route_of_the_api_and_how_it_fails(office: Office) -> None:
    document = described(office)
    assert set(document["paths"]) == {path for path in api_paths(office.app) if path.startswith(API)}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert "422" not in operation["responses"]


def test_there_are_no_pages_that_load_from_elsewhere(office: Office) -> None:
    for path in ("/docs", "/redoc"):
        assert office.anybody().get(path).status_code == 404


# --- walls between tenants ----------------------------------------------------------------------------


def api_paths(app: FastAPI) -> set[str]:
    """Addresses of all routes, as the app's own description and its pages know them."""
    return set(app.openapi()["paths"])


def page_paths() -> set[str]:
    from wegewart_api.dashboard import actions, routes

    routers = (routes.router, routes.marks_router, actions.router)
    return {
        route.path
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    }


@pytest.fixture
def lived_in(store: Database, settings: Settings) -> Office:
    """An office in which the default tenant has a drive, a defect, a ticket, a street and an image."""
    office = Office.open(store, settings, process_pass)
    box = office.device()
    image = {"sha256": name(JPEG), "left_px": 0, "top_px": 0, "width_px": 640, "height_px": 300}
    image |= {"mask_bundle": {"id": "mask-1", "sha256": "ef" * 32}}
    sent = observation(1, evidence=image, no_evidence_reason=None, class_probabilities={"D40": 0.97}, looks=9)
    box.put(f"{API}/evidence/{name(JPEG)}", content=JPEG)
    box.post(f"{API}/observations", json={"observations": [sent]})
    assert box.post(f"{API}/drives", json={"drives": [track(made=1)]}).status_code == 200
    street = street_row(office.tenant(DEFAULT))
    with store.writing() as connection:
        connection.execute(tables.street.insert().values(street))
    return office


def street_row(tenant_id: UUID) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": new_id(),
        "source_id": "way/1",
        "import_id": new_id(),
        "name": "Geheimer Weg",
        "highway": "residential",
        "geometry": {"type": "LineString", "coordinates": [[11.49, 50.0], [11.51, 50.0]]},
        "west": 11.49,
        "south": 50.0,
        "east": 11.51,
        "north": 50.0,
    }


def own_words(office: Office) -> list[str]:
    """What only the default tenant may ever read: ids, names, hashes."""
    with office.database.reading() as connection:
        ids = [
            str(row.id)
            for table in (tables.defect, tables.ticket, tables.observation)
            for row in connection.execute(select(table.c.id))
        ]
        drives = [str(one) for one in connection.execute(select(tables.drive_pass.c.drive_id)).scalars()]
    assert len(ids) >= 2
    return [*ids, *drives, "Geheimer Weg", name(JPEG)]


def filled(office: Office, path: str) -> str:
    """Address with the ids of the default tenant in it."""
    with office.database.reading() as connection:
        first = {
            "{defect_id}": connection.execute(select(tables.defect.c.id)).scalar(),
            "{ticket_id}": connection.execute(select(tables.ticket.c.id)).scalar(),
            "{drive_id}": connection.execute(select(tables.drive_pass.c.drive_id)).scalar(),
            "{sha256}": name(JPEG),
        }
    for place, known in first.items():
        path = path.replace(place, str(known or datetime(2026, 1, 1, tzinfo=UTC).date()))
    assert "{" not in path, f"{path}: tell this test what to put there"
    return path


def test_no_address_ever_shows_another_tenants_rows(lived_in: Office) -> None:
    secrets = own_words(lived_in)
    strangers = [lived_in.person(Role.ADMIN, tenant="other"), lived_in.device("box-01", tenant="other")]
    addresses = {path for path in api_paths(lived_in.app) | page_paths() if "{path" not in path}
    walked = 0
    for path in sorted(addresses):
        address = filled(lived_in, path)
        for query in ("", "?bbox=11,49,12,51"):
            for stranger in strangers:
                answer = stranger.get(address + query)
                asked = set(address.split("/"))
                shown = [word for word in secrets if word in answer.text and word not in asked]
                assert shown == [], f"{address}{query} shows {shown}"
                walked += answer.status_code in (200, 404)
                if "{" in path:
                    assert answer.status_code != 200, f"{address} answers a stranger"
    assert walked > 20


def test_the_owner_reads_what_the_stranger_could_not(lived_in: Office) -> None:
    owner = lived_in.person(Role.ADMIN)
    read = "".join(
        owner.get(f"{API}/{path}").text
        for path in ("observations", "defects", "tickets", "map/streets.geojson?bbox=11,49,12,51")
    )
    assert [word for word in own_words(lived_in) if word not in read] == []


def test_a_stranger_cannot_decide_about_another_tenants_ticket(lived_in: Office) -> None:
    with lived_in.database.reading() as connection:
        ticket_id = connection.execute(select(tables.ticket.c.id)).scalar()
    stranger = lived_in.person(Role.ADMIN, tenant="other")
    answer = stranger.post(f"{API}/tickets/{ticket_id}/events", json={"action": "confirm"})
    problem(answer, 404)


def test_the_same_drive_of_two_tenants_stays_two(office: Office) -> None:
    for tenant in (DEFAULT, "other"):
        box = office.device(tenant=tenant)
        answer = box.post(f"{API}/observations", json={"observations": [observation(1)]})
        assert answer.json()["results"][0]["status"] == "stored"
        assert len(box.get(f"{API}/observations").json()["observations"]) == 1


# --- settings -----------------------------------------------------------------------------------------


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings-api.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]*)`|–) \|", text, flags=re.MULTILINE))
    defaults = {
        setting: "" if field.default is None else str(field.default)
        for setting, field in Settings.model_fields.items()
    }
    assert documented == defaults
