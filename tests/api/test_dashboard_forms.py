"""The forms: logging in and out, setting up, the language, and decisions about tickets."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.api.dashboard_store import PASSWORD, Damage, add_ticket
from tests.api.office import DEFAULT, Office

from wegewart_api.auth.access import CSRF_HEADER
from wegewart_api.auth.login import NewAccount, create_account, issue_setup_link, utc_now
from wegewart_api.auth.principal import Role
from wegewart_api.dashboard.page import own_path
from wegewart_api.database.engine import Database

HTML = {"Accept": "text/html"}
EMAIL = "amt@office.test"


def csrf_of(page: str) -> str:
    """CSRF token that a page's forms carry."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def browser_of(office: Office, role: Role):
    """Somebody's browser, which sends no header of its own accord."""
    client = office.person(role)
    del client.headers[CSRF_HEADER]
    return client


def decide(client, ticket_id: UUID, **fields: str):
    """Answer to a decision sent by the ticket's form."""
    page = client.get(f"/tickets/{ticket_id}").text
    shown = re.search(r'name="expected_state" value="([^"]+)"', page)
    seen = {"expected_state": shown[1]} if shown else {}
    form = {"csrf_token": csrf_of(page)} | seen | fields
    return client.post(f"/tickets/{ticket_id}/events", data=form, headers=HTML, follow_redirects=False)


def state_of(client, ticket_id: UUID) -> str:
    """State of a ticket."""
    return client.get(f"/api/v1/tickets/{ticket_id}").json()["state"]


def offered(page: str) -> list[str]:
    """Actions for which a page has buttons."""
    return re.findall(r'name="action" value="(\w+)"', page)


@pytest.fixture
def store(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """The embedded store alone: what forms write is tested on both stores where it is written."""
    database = Database.open(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'wegewart.sqlite')}")
    yield database
    database.close()


@pytest.fixture
def account(office: Office) -> Office:
    """The office with one account that has a password."""
    person = NewAccount(EMAIL, "Tiefbauamt", PASSWORD, Role.DISPATCHER)
    create_account(office.database, office.tenant(DEFAULT), person, utc_now())
    return office


# --- logging in and out -----------------------------------------------------------------------------------


def test_login_leads_back_to_where_the_reader_wanted_to_be(account):
    client = account.anybody()
    form = {"email": EMAIL, "password": PASSWORD, "next": "/drives"}
    answer = client.post("/login", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/drives")
    assert client.get("/drives").status_code == 200
    assert client.get("/login", follow_redirects=False).headers["Location"] == "/"


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_wrong_password_is_told_without_saying_what_was_wrong(account, language):
    client = account.anybody()
    client.cookies.set("wegewart_language", language)
    answers = [
        client.post("/login", data={"email": email, "password": "falsch falsch"})
        for email in (EMAIL, "niemand@office.test")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    texts = {answer.text.replace(EMAIL, "x").replace("niemand@office.test", "x") for answer in answers}
    assert len(texts) == 1
    assert 'role="alert"' in answers[0].text
    assert f'value="{EMAIL}"' in answers[0].text  # nobody types it twice


def test_too_many_failures_are_told_with_the_time_to_wait(account):
    client = account.anybody()
    for _ in range(account.settings.login_failures):
        client.post("/login", data={"email": EMAIL, "password": "falsch falsch"})
    answer = client.post("/login", data={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 429
    assert "15 Minuten" in answer.text
    assert answer.headers["Retry-After"] == "900"


def test_login_from_another_sites_page_is_refused(account):
    form = {"email": EMAIL, "password": PASSWORD}
    answer = account.anybody().post("/login", data=form, headers={"Origin": "https://evil.test"} | HTML)
    assert answer.status_code == 403
    assert "wegewart_session" not in answer.cookies


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "",
        None,
        "/a\r\nSet-Cookie: x=1",
    ],
)
def test_nobody_is_led_to_another_server(path):
    assert own_path(path) == "/"


def test_logout_ends_the_login(office):
    client = browser_of(office, Role.VIEWER)
    token = csrf_of(client.get("/").text)
    session = client.cookies["wegewart_session"]
    answer = client.post("/logout", data={"csrf_token": token})
    assert "Sie sind abgemeldet" in answer.text
    again = office.anybody()
    again.cookies.set("wegewart_session", session)
    assert again.get("/", follow_redirects=False).status_code == 303


def test_a_login_that_ran_out_leads_to_the_login(office):
    client = office.person(Role.VIEWER, lasts=timedelta(seconds=-1))
    assert client.get("/drives", follow_redirects=False).headers["Location"] == "/login?next=%2Fdrives"


# --- set-up -----------------------------------------------------------------------------------------------


def test_setup_link_creates_the_first_administrator_once(office):
    token = issue_setup_link(office.database, office.tenant(DEFAULT), utc_now())
    client = office.anybody()
    assert 'name="password"' in client.get(f"/setup?token={token}").text
    form = {"token": token, "name": "Amt", "email": EMAIL, "password": PASSWORD}
    page = client.post("/setup", data=form).text
    assert "Das Konto ist eingerichtet" in page
    assert "Amt (Verwaltung)" in page
    second = office.anybody().get(f"/setup?token={token}")
    assert second.status_code == 403
    assert "gilt nicht mehr" in second.text
    assert office.anybody().post("/setup", data=form).status_code == 403


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"password": "kurz"}, "password"), ({"email": "keine"}, "email"), ({"name": " "}, "name")],
)
def test_setup_says_which_field_is_wrong_and_keeps_the_rest(office, changes, field):
    token = issue_setup_link(office.database, office.tenant(DEFAULT), utc_now())
    form = {"token": token, "name": "Amt", "email": EMAIL, "password": PASSWORD} | changes
    answer = office.anybody().post("/setup", data=form)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert issue_setup_link(office.database, office.tenant(DEFAULT), utc_now()) is not None


def test_setup_without_a_link_says_how_to_get_one(office):
    answer = office.anybody().get("/setup")
    assert answer.status_code == 403
    assert "wegewart-api setup-link" in answer.text


# --- language ---------------------------------------------------------------------------------------------


def test_language_is_kept_in_the_cookie_and_in_the_account(office):
    client = browser_of(office, Role.VIEWER)
    form = {"csrf_token": csrf_of(client.get("/").text), "language": "en", "next": "/drives"}
    answer = client.post("/language", data=form)
    assert answer.url.path == "/drives"
    assert '<html lang="en">' in answer.text
    del client.cookies["wegewart_language"]
    assert '<html lang="en">' in client.get("/").text


def test_language_can_be_chosen_before_a_login(office):
    client = office.anybody()
    client.post("/language", data={"language": "en", "next": "/login"})
    assert '<html lang="en">' in client.get("/login").text


def test_an_unknown_language_is_refused(office):
    assert office.anybody().post("/language", data={"language": "tlh"}, headers=HTML).status_code == 400


# --- decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "state", "buttons"),
    [
        (Role.VIEWER, "new", []),
        (Role.CREW, "new", []),
        (Role.CREW, "ordered", ["start", "complete"]),
        (Role.INSPECTOR, "new", ["confirm", "reject"]),
        (Role.INSPECTOR, "repaired", ["verify"]),
        (Role.DISPATCHER, "checked", ["order", "reject"]),
        (Role.DISPATCHER, "rejected", ["reopen"]),
        (Role.ADMIN, "in_progress", ["complete"]),
    ],
)
def test_each_role_gets_the_buttons_that_are_its_to_press(office, role, state, buttons):
    reason = "duplicate" if state == "rejected" else None
    ticket_id = add_ticket(office, Damage("2026-000001", state=state, reject_reason=reason))
    page = office.person(role).get(f"/tickets/{ticket_id}").text
    assert offered(page) == buttons
    assert ("nichts zu tun" in page) == (buttons == [])


def test_a_confirmation_moves_the_ticket_and_is_told_once(office):
    client = browser_of(office, Role.DISPATCHER)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    answer = decide(client, ticket_id, action="confirm", comment="  Vor Ort gesehen.  ")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tickets/{ticket_id}")
    page = client.get(f"/tickets/{ticket_id}").text
    assert "Der Auftrag ist bestätigt." in page
    assert "<blockquote>Vor Ort gesehen.</blockquote>" in page
    assert "A dispatcher (Einsatzplanung)" in page
    assert "Der Auftrag ist bestätigt." not in client.get(f"/tickets/{ticket_id}").text
    assert state_of(client, ticket_id) == "checked"


def test_a_ticket_goes_its_whole_way_by_buttons(office):
    client = browser_of(office, Role.ADMIN)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    for action in ("confirm", "order", "start", "complete", "verify", "reopen"):
        assert decide(client, ticket_id, action=action).status_code == 303
    assert state_of(client, ticket_id) == "reopened"
    history = re.findall(r"<li>\s*<p><strong>([^<]+)</strong>", client.get(f"/tickets/{ticket_id}").text)
    assert history == [
        "Vorgeschlagen",
        "Bestätigt",
        "Beauftragt",
        "Arbeit begonnen",
        "Reparatur gemeldet",
        "Reparatur bestätigt",
        "Wieder geöffnet",
    ]


def test_a_rejection_needs_a_reason_and_keeps_what_was_typed(office):
    client = browser_of(office, Role.INSPECTOR)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    answer = decide(client, ticket_id, action="reject", comment="Schatten eines Baums")
    assert answer.status_code == 422
    assert "Bitte wählen Sie einen Grund." in answer.text
    assert "Schatten eines Baums" in answer.text
    assert "<details open>" in answer.text
    assert state_of(client, ticket_id) == "new"
    assert decide(client, ticket_id, action="reject", reason="no_damage").status_code == 303
    assert "Kein Schaden" in client.get(f"/tickets/{ticket_id}").text


@pytest.mark.parametrize(
    ("language", "told"),
    [("de", "Sie hat 2.001 Zeichen; höchstens 2.000"), ("en", "It has 2,001 characters; at most 2,000")],
)
def test_a_comment_that_is_too_long_is_told_and_kept(office, language, told):
    client = browser_of(office, Role.INSPECTOR)
    client.cookies.set("wegewart_language", language)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    answer = decide(client, ticket_id, action="confirm", comment="Kante " + "x" * 1995)
    assert answer.status_code == 422
    assert told in answer.text
    assert "Kante xxx" in answer.text
    assert state_of(client, ticket_id) == "new"


def test_line_breaks_of_a_form_count_once(office):
    client = browser_of(office, Role.INSPECTOR)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    typed = "x\n" * 999 + "xx"
    answer = decide(client, ticket_id, action="confirm", comment=typed.replace("\n", "\r\n"))
    assert answer.status_code == 303
    events = client.get(f"/api/v1/tickets/{ticket_id}").json()["events"]
    assert events[-1]["comment"] == typed


def test_only_a_rejection_has_a_reason_and_only_a_known_one(office):
    client = browser_of(office, Role.ADMIN)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    assert decide(client, ticket_id, action="reject", reason="Laune").status_code == 400
    assert decide(client, ticket_id, action="confirm", reason="duplicate").status_code == 303
    event = client.get(f"/api/v1/tickets/{ticket_id}").json()["events"][-1]
    assert (event["action"], event["reason"]) == ("confirm", None)


def test_a_step_that_does_not_exist_is_no_missing_page(office):
    client = browser_of(office, Role.ADMIN)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    assert decide(client, ticket_id, action="dance").status_code == 400
    assert client.get("/tickets/dance", headers=HTML).status_code == 404


@pytest.mark.parametrize(
    ("language", "words"), [("de", "Jemand war schneller"), ("en", "Somebody was faster")]
)
def test_who_was_slower_is_told_and_sees_how_it_stands(office, language, words):
    ticket_id = add_ticket(office, Damage("2026-000001"))
    fast, slow = browser_of(office, Role.ADMIN), browser_of(office, Role.INSPECTOR)
    slow.cookies.set("wegewart_language", language)
    page = slow.get(f"/tickets/{ticket_id}").text
    decide(fast, ticket_id, action="confirm")
    form = {"csrf_token": csrf_of(page), "expected_state": "new", "action": "confirm", "comment": "Meins"}
    answer = slow.post(f"/tickets/{ticket_id}/events", data=form)
    assert answer.status_code == 409
    assert words in answer.text
    assert ("Geprüft" if language == "de" else "Checked") in answer.text
    assert "A admin" in answer.text  # who was faster stands in the history
    assert 'name="expected_state" value="checked"' in answer.text


def test_a_step_that_is_not_this_roles_is_refused_in_words(office):
    client = browser_of(office, Role.VIEWER)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    answer = decide(client, ticket_id, action="confirm", expected_state="new")
    assert answer.status_code == 403
    assert "Das darf Ihre Rolle nicht" in answer.text
    assert state_of(client, ticket_id) == "new"


def test_a_decision_without_the_csrf_token_changes_nothing(office):
    client = browser_of(office, Role.ADMIN)
    ticket_id = add_ticket(office, Damage("2026-000001"))
    form = {"action": "confirm", "expected_state": "new"}
    answer = client.post(f"/tickets/{ticket_id}/events", data=form, headers=HTML)
    assert answer.status_code == 403
    assert "das Formular war veraltet" in answer.text
    assert state_of(client, ticket_id) == "new"


def test_nobody_decides_about_another_municipalitys_ticket(office):
    ticket_id = add_ticket(office, Damage("2026-000001"))
    stranger = office.person(Role.ADMIN, tenant="elsewhere")
    form = {"action": "confirm", "expected_state": "new"}
    assert stranger.post(f"/tickets/{ticket_id}/events", data=form, headers=HTML).status_code == 404
    assert state_of(office.person(Role.VIEWER), ticket_id) == "new"


def test_a_decision_after_the_login_ran_out_leads_to_the_login(office):
    ticket_id = add_ticket(office, Damage("2026-000001"))
    form = {"action": "confirm", "expected_state": "new"}
    answer = office.anybody().post(f"/tickets/{ticket_id}/events", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
