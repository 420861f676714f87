"""The pages as a browser without scripts gets them: what they show, to whom, and in which language."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from tests.api.dashboard_store import Damage, add_drive, add_ticket
from tests.api.office import DEFAULT, Office

from wegewart_api.auth.principal import Role
from wegewart_api.dashboard import routes
from wegewart_api.dashboard.assets import Assets, built_assets
from wegewart_api.database.ids import new_id
from wegewart_api.database.tables import street

HTML = {"Accept": "text/html"}
NO_TICKET = "/tickets/01970000-0000-7000-8000-000000000000"
GAP = "\N{NO-BREAK SPACE}"


def in_english(client):
    """The client, speaking English."""
    client.cookies.set("wegewart_language", "en")
    return client


def rows_of(page: str) -> list[str]:
    """Numbers of the tickets in a list, from top to bottom."""
    return re.findall(r"ticket-number\">([^<]+)<", page)


@pytest.fixture
def dispatcher(office: Office):
    """Browser of somebody who may do much."""
    return office.person(Role.DISPATCHER)


@pytest.mark.parametrize("path", ["/", "/drives", "/streets", NO_TICKET])
def test_who_is_not_logged_in_is_led_to_the_login_and_back(office, path):
    answer = office.anybody().get(path, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == (
        "/login" if path == "/" else f"/login?next={path.replace('/', '%2F')}"
    )


@pytest.mark.parametrize("path", ["/map/tickets.geojson", f"{NO_TICKET}/marks.geojson"])
def test_points_are_refused_to_programs_that_are_not_logged_in(office, path):
    answer = office.anybody().get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_a_device_has_no_business_on_the_pages(office):
    answer = office.device().get("/")
    assert answer.status_code == 403
    assert "Das ist nicht erlaubt" in answer.text


@pytest.mark.parametrize(
    ("language", "words"),
    [("de", ["Keine Straße", "Schlagloch", "Neu", "Dringend", "2 Fahrten"]),
     ("en", ["No street", "Pothole", "New", "Urgent", "2 drives"])],
)  # fmt: skip
def test_list_speaks_the_readers_language(office, dispatcher, language, words):
    add_ticket(office, Damage("2026-000001", priority=1, street=None, sightings=2))
    dispatcher.cookies.set("wegewart_language", language)
    page = dispatcher.get("/").text
    assert f'<html lang="{language}">' in page
    assert all(word in page for word in words)


def test_list_shows_open_tickets_most_urgent_first(office, dispatcher):
    for number, (priority, state) in enumerate([(3, "new"), (1, "ordered"), (2, "verified"), (1, "new")]):
        add_ticket(office, Damage(f"2026-{number:06d}", priority=priority, state=state, age_days=number))
    page = dispatcher.get("/").text
    assert rows_of(page) == ["2026-000001", "2026-000003", "2026-000000"]
    assert "3 offene Aufträge" in page


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("?state=all", ["A", "B", "C"]),
        ("?state=verified", ["C"]),
        ("?class=D20", ["B"]),
        ("?street=ober", ["B"]),
        ("?street=Öl", ["A"]),
        ("?street=öl", ["A"]),
        ("?street=100%25", []),
        ("?street=_", []),
        ("?state=all&class=D40&street=weg", ["A", "C"]),
    ],
)
def test_filter_narrows_list_and_map_alike(office, dispatcher, query, numbers):
    add_ticket(office, Damage("A", street="Ölbergweg", age_days=1))
    add_ticket(office, Damage("B", class_code="D20", street="Oberer Anger", age_days=2))
    add_ticket(office, Damage("C", state="verified", street="Hangweg", age_days=3))
    assert rows_of(dispatcher.get(f"/{query}").text) == numbers
    points = dispatcher.get(f"/map/tickets.geojson{query}").json()["features"]
    assert [point["properties"]["title"][-2] for point in points] == numbers


def test_pages_of_the_list_follow_each_other_without_gap_or_repetition(office, dispatcher, monkeypatch):
    monkeypatch.setattr(routes, "PAGE_LENGTH", 2)
    numbers = [f"2026-{number:06d}" for number in range(5)]
    for number in numbers:
        add_ticket(office, Damage(number, sightings=0, age_days=1.0))
    seen, path = [], "/?class=D40"
    while path:
        page = dispatcher.get(path).text
        seen += rows_of(page)
        following = re.search(r'href="(/\?[^"]*after=[^"]*)"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert sorted(seen) == numbers
    assert len(seen) == 5
    assert 'href="/?class=D40"' in page  # back to the first


@pytest.mark.parametrize("after", ["x", "W10", "eyJhIjogMX0", "WyIxIiwgIjIwMjYtMDEtMDEiLCAiMDAiXQ"])
def test_a_broken_place_in_the_list_is_told_as_a_page(dispatcher, after):
    answer = dispatcher.get(f"/?after={after}", headers=HTML)
    assert answer.status_code == 400
    assert "Die Anfrage war nicht zu verstehen" in answer.text


def test_an_unknown_state_in_the_filter_is_told_as_a_page(dispatcher):
    assert dispatcher.get("/?state=lost", headers=HTML).status_code == 400


def test_empty_list_says_what_to_do(office, dispatcher):
    assert "Noch keine offenen Aufträge" in dispatcher.get("/").text
    assert "Kein Auftrag passt" in dispatcher.get("/?street=x").text


def test_without_streets_the_page_says_how_to_import_them(office, dispatcher):
    assert "wegewart-api streets import" in dispatcher.get("/").text
    tenant_id = office.tenant(DEFAULT)
    with office.database.writing() as connection:
        connection.execute(
            insert(street).values(
                tenant_id=tenant_id, id=new_id(), source_id="way/1", import_id=new_id(),
                name="Anger", highway="residential", geometry={"type": "LineString", "coordinates": []},
                west=11.5, south=50.0, east=11.6, north=50.1,
            )
        )  # fmt: skip
    assert "wegewart-api streets import" not in dispatcher.get("/").text


def test_ticket_shows_photograph_box_and_facts_in_words(office, dispatcher):
    ticket_id = add_ticket(office, Damage("2026-000007", class_code="D20", sightings=2))
    page = in_english(dispatcher).get(f"/tickets/{ticket_id}").text
    image = re.search(r'<image href="(/api/v1/evidence/[0-9a-f]{64})" width="1024" height="440"/>', page)
    assert image is not None
    assert dispatcher.get(image[1]).headers["Content-Type"] == "image/jpeg"
    for words in (
        "Alligator crack",
        "to ±\N{NO-BREAK SPACE}3.0",
        "very likely",
        "0.62",
        "on 2 drives",
        "Proposed",
    ):
        assert words in page


def test_ticket_shows_another_view_when_asked(office, dispatcher):
    ticket_id = add_ticket(office, Damage("2026-000007", sightings=3))
    page = dispatcher.get(f"/tickets/{ticket_id}").text
    links = re.findall(rf'href="(/tickets/{ticket_id}\?view=[^"#]+)#view"( aria-current)?', page)
    assert len(links) == 3
    assert [bool(current) for _, current in links] == [True, False, False]  # the surest one
    other = dispatcher.get(links[2][0]).text
    assert re.findall(r'#view"( aria-current)?', other) == ["", "", " aria-current"]


@pytest.mark.parametrize("view", ["nonsense", "01970000-0000-7000-8000-000000000000", ""])
def test_a_view_that_is_not_there_falls_back_to_the_surest(office, dispatcher, view):
    ticket_id = add_ticket(office, Damage("2026-000007", sightings=2))
    assert dispatcher.get(f"/tickets/{ticket_id}?view={view}").status_code == 200


def test_ticket_without_photograph_says_why(office, dispatcher):
    ticket_id = add_ticket(office, Damage("2026-000007", photographs=False))
    page = dispatcher.get(f"/tickets/{ticket_id}").text
    assert "kein Bild: no mask bundle" in page
    assert "<image" not in page


def test_ticket_without_any_sighting_is_shown(office, dispatcher):
    ticket_id = add_ticket(office, Damage("2026-000007", sightings=0))
    assert "keine Beobachtung mehr" in dispatcher.get(f"/tickets/{ticket_id}").text


def test_what_people_or_files_wrote_is_escaped(office, dispatcher):
    evil = '<script>alert("x")</script>'
    ticket_id = add_ticket(office, Damage("2026-000007", street=evil, class_code="<b>"))
    for path in ("/", f"/tickets/{ticket_id}", f"/?street={evil}"):
        page = dispatcher.get(path).text
        assert "<script>alert" not in page
        assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_one_municipality_sees_nothing_of_another(office):
    ticket_id = add_ticket(office, Damage("2026-000007"))
    stranger = office.person(Role.ADMIN, tenant="elsewhere")
    assert rows_of(stranger.get("/?state=all").text) == []
    assert stranger.get("/map/tickets.geojson?state=all").json()["features"] == []
    answer = stranger.get(f"/tickets/{ticket_id}", headers=HTML)
    assert answer.status_code == 404
    assert "2026-000007" not in answer.text
    assert stranger.get(f"/tickets/{ticket_id}/marks.geojson").status_code == 404
    own = office.person(Role.VIEWER)
    image = re.search(r"/api/v1/evidence/[0-9a-f]{64}", own.get(f"/tickets/{ticket_id}").text)
    assert image is not None
    assert own.get(image[0]).status_code == 200
    assert stranger.get(image[0]).status_code == 404


def test_points_say_what_the_list_says(office, dispatcher):
    ticket_id = add_ticket(office, Damage("2026-000007", lat=49.98, lon=11.58))
    (point,) = in_english(dispatcher).get("/map/tickets.geojson").json()["features"]
    assert point["geometry"] == {"type": "Point", "coordinates": [11.58, 49.98]}
    assert point["properties"] == {
        "id": str(ticket_id),
        "symbol": "D40",
        "title": "Pothole (2026-000007)",
        "place": "Hauptstraße, near number 7",
        "state": "New",
        "href": f"/tickets/{ticket_id}",
    }
    area, mark = dispatcher.get(f"/tickets/{ticket_id}/marks.geojson").json()["features"]
    assert (area["geometry"]["type"], mark["properties"]["href"]) == ("Polygon", None)


def test_drives_page_counts_what_was_made_arrived_and_is_missing(office, dispatcher):
    day = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    add_drive(office, observations_made=0, processed_at=day)
    add_drive(
        office, observations_made=4, started_at=day + timedelta(days=1), ended_at=day + timedelta(days=2)
    )
    add_drive(office, state="open", ended_at=None, observations_made=None, started_at=day + timedelta(days=3))
    page = dispatcher.get("/drives").text
    assert re.findall(r"kern-label--small\">([^<]+)<", page) == [
        "Unterwegs",
        "Unvollständig",
        "Ausgewertet",
    ]
    assert "<strong>4</strong>" in page


def test_pages_of_drives_follow_each_other(office, dispatcher, monkeypatch):
    monkeypatch.setattr(routes, "DRIVES_PAGE_LENGTH", 2)
    for _ in range(3):
        add_drive(office)  # all at the same moment
    first = dispatcher.get("/drives").text
    following = re.search(r'href="(/drives\?after=[^"]+)"', first)
    assert following is not None
    second = dispatcher.get(following[1]).text
    assert (first.count("box-01"), second.count("box-01")) == (2, 1)


def test_no_drive_yet_is_said(office, dispatcher):
    assert "Noch keine Befahrung" in dispatcher.get("/drives").text


@pytest.mark.parametrize("path", ["/nowhere", "/tickets/not-an-id", NO_TICKET])
def test_what_is_not_there_is_told_as_a_page_to_browsers(dispatcher, path):
    answer = dispatcher.get(path, headers=HTML)
    assert answer.status_code == 404
    assert "Diese Seite gibt es nicht" in answer.text


def test_programs_keep_their_problem_details(dispatcher):
    answer = dispatcher.get("/api/v1/nowhere", headers=HTML)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert dispatcher.get("/nowhere").headers["Content-Type"] == "application/problem+json"


def test_pages_are_not_kept_by_caches_and_forbid_foreign_sources(dispatcher):
    headers = dispatcher.get("/").headers
    assert headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_an_error_in_a_page_is_told_as_a_page_and_logged(office, dispatcher, caplog):
    add_drive(office, track={"stretches": [{"from": "the future"}]})
    answer = dispatcher.get("/drives", headers=HTML)
    assert answer.status_code == 500
    assert "Etwas ist schiefgegangen" in answer.text
    assert "the future" not in answer.text
    assert "GET /drives failed" in caplog.text


def test_without_a_build_the_pages_name_no_file_and_the_log_says_how_to_build(tmp_path, caplog):
    assert built_assets(tmp_path) == Assets()
    assert "npm ci && npm run build" in caplog.text


def test_pages_link_what_the_manifest_names(tmp_path):
    entry = {"file": "main-abcdefgh.js", "css": ["main-12345678.css"], "isEntry": True}
    (tmp_path / "manifest.json").write_text(json.dumps({"src/main.ts": entry}))
    assets = built_assets(tmp_path)
    assert assets.styles == ("/static/built/main-12345678.css",)
    assert assets.script == "/static/built/main-abcdefgh.js"
