"""The chain: two recorded passes of real photographs become tickets, over real HTTP, on both stores.

The tests of this file share one office and run in their order, as a customer's first morning would.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from tests.browser_fixture import visit
from tests.flow.running_office import SAMPLE, RunningOffice, Vehicle, contents, rows
from tests.flow.scoring import score_of

from wegewart.observation import Observation

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def first_pass(office: RunningOffice) -> dict[str, Any]:
    return Vehicle.of(office).replay(SAMPLE / "pass-1")


@pytest.fixture(scope="module")
def second_pass(office: RunningOffice, first_pass: dict[str, Any]) -> dict[str, Any]:
    return Vehicle.of(office).replay(SAMPLE / "pass-2")


@pytest.fixture(scope="module")
def reader(office: RunningOffice) -> Iterator[httpx.Client]:
    with office.reader() as client:
        yield client


def test_every_frame_is_read_and_every_observation_arrives(
    first_pass: dict[str, Any], second_pass: dict[str, Any], reader: httpx.Client
) -> None:
    assert (first_pass["frames_read"], second_pass["frames_read"]) == (27, 18)
    for report in (first_pass, second_pass):
        assert report["delivered"]
        (stored,) = reader.get(f"/api/v1/drives/{report['drive_id']}").json()["passes"]
        assert stored["state"] == "closed"
        assert stored["observations_made"] == stored["observations_stored"] == report["observations"] > 0
        assert stored["evidence_missing"] == []
        assert stored["processed_at"] is not None


@pytest.mark.usefixtures("second_pass")
def test_what_is_stored_is_a_valid_message_again(reader: httpx.Client) -> None:
    for row in rows(reader, "observations"):
        Observation.model_validate(
            {name: value for name, value in row.items() if name in Observation.model_fields}
        )


def test_a_second_drive_recognises_four_of_five_damages_it_sees_again(
    first_pass: dict[str, Any], second_pass: dict[str, Any], reader: httpx.Client
) -> None:
    score = score_of(reader, (first_pass["drive_id"], second_pass["drive_id"]))
    assert score.seen_again >= 3  # how many depends on the model in use
    assert score.merged_second_pass >= 0.8 * score.seen_again, score
    assert score.wrong_merges <= 0.1 * score.seen_again, score


@pytest.mark.usefixtures("second_pass")
def test_a_ticket_says_street_and_nearest_house_number(reader: httpx.Client) -> None:
    tickets = rows(reader, "tickets")
    assert tickets
    assert all(ticket["state"] == "new" for ticket in tickets)
    assert all(ticket["street"] for ticket in tickets)
    assert any(ticket["house_number"] for ticket in tickets)


def test_replayed_without_its_outbox_nothing_changes(
    office: RunningOffice, second_pass: dict[str, Any], reader: httpx.Client
) -> None:
    before, tickets = contents(reader), rows(reader, "tickets")
    again = Vehicle.of(office, "lost-and-new").replay(SAMPLE / "pass-2")
    assert again["delivery"]["stored"] == 0
    assert again["delivery"]["known"] == second_pass["observations"] + 1  # and the drive itself
    assert contents(reader) == before
    assert rows(reader, "tickets") == tickets


@pytest.mark.usefixtures("second_pass")
def test_evidence_is_the_masked_strip_and_nobody_sees_it_without_a_login(
    office: RunningOffice, reader: httpx.Client
) -> None:
    with_picture = [row for row in rows(reader, "observations") if row["evidence"] is not None]
    assert with_picture
    digest = with_picture[0]["evidence"]["sha256"]
    picture = reader.get(f"/api/v1/evidence/{digest}")
    assert picture.headers["content-type"] == "image/jpeg"
    assert hashlib.sha256(picture.content).hexdigest() == digest
    assert with_picture[0]["evidence"]["width_px"] >= 640
    assert with_picture[0]["evidence"]["top_px"] > 0
    assert httpx.get(f"{office.url}/api/v1/evidence/{digest}").status_code == 401


PASSWORD = "lange-genug-fuer-einen-test"


@pytest.mark.browser
@pytest.mark.usefixtures("second_pass")
def test_an_administrator_sets_up_opens_the_ticket_sees_the_damage_and_confirms_it(
    office: RunningOffice, reader: httpx.Client, browser: Browser
) -> None:
    assert office.setup_url is not None
    with visit(browser, office.url) as window:
        page = window.page
        page.goto(office.setup_url)
        page.fill("#name", "Erste Verwalterin")
        page.fill("#email", "verwaltung@example.org")
        page.fill("#password", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_selector("form[action='/logout']")
        page.goto("/")
        assert window.wait_for_map() == "full"
        assert "Hauptstraße" in page.inner_text(".tickets")
        page.click(".tickets tbody a")
        page.wait_for_url("**/tickets/*")
        box = page.locator("figure svg .photo__box")
        assert box.count() == 1
        assert window.accessibility_violations() == []
        ticket_id = page.url.rsplit("/", 1)[1].split("?")[0]
        page.click("button[value=confirm]")
        assert "Geprüft" in page.inner_text(".page-title")
        assert window.foreign == []
        assert window.complaints == []
    ticket = reader.get(f"/api/v1/tickets/{ticket_id}").json()
    assert ticket["state"] == "checked"
    assert [(event["action"], event["actor_name"]) for event in ticket["events"]][-1] == (
        "confirm",
        "Erste Verwalterin",
    )


@pytest.mark.browser
@pytest.mark.usefixtures("second_pass")
def test_the_setup_link_works_only_once(office: RunningOffice, browser: Browser) -> None:
    assert office.setup_url is not None
    with visit(browser, office.url) as window:
        window.page.goto(office.setup_url)
        assert window.page.locator("#password").count() == 0
