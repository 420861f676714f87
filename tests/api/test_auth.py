"""Who asks: set-up, logins, throttling, CSRF, device tokens, roles; on both stores."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from tests.api.office import DEFAULT, Office, problem

from wegewart_api.auth.access import CSRF_HEADER, SESSION_COOKIE, require_role
from wegewart_api.auth.login import NewAccount, create_account, issue_setup_link, log_in, set_up
from wegewart_api.auth.passwords import hash_password, password_fits
from wegewart_api.auth.principal import PEOPLE, Principal, Role
from wegewart_api.auth.tokens import new_device_token, read_device_token
from wegewart_api.database import tables
from wegewart_api.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, TooManyRequests

NOW = datetime.now(UTC)
PASSWORD = "drei Straßen im Herbst"
ADMIN = {"email": "amt@stadt.test", "name": "Amt", "password": PASSWORD}


def link(office: Office, now: datetime = NOW) -> str:
    token = issue_setup_link(office.database, office.tenant(DEFAULT), now)
    assert token is not None
    return token


def member(office: Office, email: str = "w@stadt.test", role: Role = Role.DISPATCHER) -> None:
    create_account(
        office.database, office.tenant(DEFAULT), NewAccount(email, "W", PASSWORD, role), datetime.now(UTC)
    )


def everything_stored(office: Office) -> str:
    with office.database.reading() as connection:
        return "\n".join(
            str(row) for table in tables.metadata.sorted_tables for row in connection.execute(select(table))
        )


def test_the_set_up_link_makes_the_first_administrator_and_logs_in(office: Office) -> None:
    client = office.anybody()
    answer = client.post("/api/v1/setup", json={"token": link(office)} | ADMIN)
    assert answer.status_code == 201
    assert answer.json()["role"] == "admin"
    assert client.get("/api/v1/session").json()["name"] == "Amt"


def test_a_set_up_link_works_once(office: Office) -> None:
    token = link(office)
    office.anybody().post("/api/v1/setup", json={"token": token} | ADMIN)
    again = office.anybody().post("/api/v1/setup", json={"token": token} | ADMIN | {"email": "b@stadt.test"})
    assert "wegewart-api setup-link" in problem(again, 403)["detail"]


@pytest.mark.parametrize(
    "age", [timedelta(hours=24, seconds=1), timedelta(days=30)], ids=["a day", "a month"]
)
def test_a_set_up_link_runs_out_after_a_day(age: timedelta, office: Office) -> None:
    token = link(office, datetime.now(UTC) - age)
    problem(office.anybody().post("/api/v1/setup", json={"token": token} | ADMIN), 403)


def test_a_new_set_up_link_makes_the_old_one_worthless(office: Office) -> None:
    old, new = link(office), link(office)
    problem(office.anybody().post("/api/v1/setup", json={"token": old} | ADMIN), 403)
    assert office.anybody().post("/api/v1/setup", json={"token": new} | ADMIN).status_code == 201


def test_there_is_no_set_up_link_once_there_are_people(office: Office) -> None:
    member(office)
    assert issue_setup_link(office.database, office.tenant(DEFAULT), NOW) is None


def test_of_two_who_use_a_set_up_link_at_once_one_becomes_administrator(office: Office) -> None:
    token = link(office)
    results: list[str] = []

    def run(number: int) -> None:
        person = NewAccount(f"p{number}@stadt.test", "P", PASSWORD, Role.ADMIN)
        try:
            set_up(office.database, office.settings, token, person, NOW)
            results.append("admin")
        except NotAllowed:
            results.append("refused")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["admin", "refused", "refused"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "elf Zeichen"}, "password"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "password"),
        ({"password": "amt@stadt.test"}, "password"),
        ({"password": "ab c" * 100}, "password"),
        ({"email": "no address"}, "email"),
        ({"name": "  "}, "name"),
    ],
    ids=["short", "one sign", "the address", "too long", "no address", "no name"],
)
def test_a_set_up_with_something_wrong_says_what_and_leaves_the_link(
    change: dict[str, str], field: str, office: Office
) -> None:
    token = link(office)
    refused = office.anybody().post("/api/v1/setup", json={"token": token} | ADMIN | change)
    assert problem(refused, 422)["field"] == field
    assert office.anybody().post("/api/v1/setup", json={"token": token} | ADMIN).status_code == 201


def test_the_store_holds_no_password_token_or_link_that_lets_anybody_in(office: Office) -> None:
    token = link(office)
    client = office.anybody()
    client.post("/api/v1/setup", json={"token": token} | ADMIN)
    device_token = office.device().headers["Authorization"].removeprefix("Bearer ")
    stored = everything_stored(office)
    assert "$argon2id$" in stored
    for secret in (token, PASSWORD, client.cookies[SESSION_COOKIE], device_token, device_token.split("_")[2]):
        assert secret not in stored


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_cannot_use(office: Office) -> None:
    member(office)
    answer = office.anybody().post("/api/v1/session", json={"email": " W@Stadt.test", "password": PASSWORD})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_over_https_the_cookie_is_secure(office: Office) -> None:
    member(office)
    office.app.state.settings = office.settings.model_copy(update={"public_url": "https://wege.stadt.test"})
    answer = office.anybody().post("/api/v1/session", json={"email": "w@stadt.test", "password": PASSWORD})
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_a_wrong_password_and_an_unknown_account_sound_alike(office: Office) -> None:
    member(office)
    client = office.anybody()
    wrong = client.post("/api/v1/session", json={"email": "w@stadt.test", "password": "x" * 12})
    unknown = client.post("/api/v1/session", json={"email": "nobody@stadt.test", "password": PASSWORD})
    assert problem(wrong, 401) == problem(unknown, 401)


def test_a_closed_account_cannot_log_in_and_its_login_ends(office: Office) -> None:
    member(office)
    client = office.anybody()
    client.post("/api/v1/session", json={"email": "w@stadt.test", "password": PASSWORD})
    with office.database.writing() as connection:
        connection.execute(tables.user_account.update().values(active=False))
    problem(client.get("/api/v1/session"), 401)
    problem(client.post("/api/v1/session", json={"email": "w@stadt.test", "password": PASSWORD}), 401)


def test_after_too_many_failures_even_the_right_password_has_to_wait(office: Office) -> None:
    member(office)
    for number in range(office.settings.login_failures):
        with pytest.raises(NotAuthenticated):
            attempt(office, "wrong password", f"192.0.2.{number}")
    with pytest.raises(TooManyRequests, match="15 minutes") as caught:
        attempt(office, PASSWORD, "198.51.100.1")
    assert caught.value.headers == {"Retry-After": "900"}
    later = NOW + timedelta(minutes=15, seconds=1)
    assert attempt(office, PASSWORD, "198.51.100.1", now=later).account.email == "w@stadt.test"


def test_one_address_cannot_try_one_account_after_the_other(office: Office) -> None:
    too_long_to_hash = "guess" * 100  # counted all the same, and refused without the cost
    for number in range(15):
        with pytest.raises(NotAuthenticated):
            log_in(
                office.database, office.settings, f"u{number}@stadt.test", too_long_to_hash, "192.0.2.1", NOW
            )
    with pytest.raises(TooManyRequests):
        log_in(office.database, office.settings, "u99@stadt.test", "guess", "192.0.2.1", NOW)


def test_a_success_forgets_the_failures_before_it(office: Office) -> None:
    member(office)
    for _ in range(2):
        for _ in range(office.settings.login_failures - 1):
            with pytest.raises(NotAuthenticated):
                attempt(office, "wrong password", "192.0.2.1")
        attempt(office, PASSWORD, "192.0.2.1")


def test_many_attempts_at_once_are_throttled_like_one_after_the_other(office: Office) -> None:
    member(office)
    results: list[str] = []

    def run(number: int) -> None:
        try:
            log_in(office.database, office.settings, "w@stadt.test", f"guess {number}", "192.0.2.1", NOW)
        except (NotAuthenticated, TooManyRequests) as refused:
            results.append(refused.kind)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("not-authenticated") == 3
    assert results.count("too-many-requests") == 5


def attempt(office: Office, password: str, address: str, now: datetime = NOW) -> Any:
    return log_in(office.database, office.settings, "w@stadt.test", password, address, now)


def test_a_login_can_be_ended_and_its_token_is_worth_nothing_then(office: Office) -> None:
    client = office.person()
    token = client.cookies[SESSION_COOKIE]
    assert client.delete("/api/v1/session").status_code == 204
    other = office.anybody()
    other.cookies.set(SESSION_COOKIE, token)
    problem(other.get("/api/v1/session"), 401)


def test_a_login_runs_out(office: Office) -> None:
    problem(office.person(lasts=timedelta(seconds=-1)).get("/api/v1/session"), 401)


def test_an_address_has_one_account_over_all_tenants(office: Office) -> None:
    member(office)
    with pytest.raises(Conflict):
        create_account(
            office.database, office.tenant("other"), NewAccount("W@stadt.test", "W", PASSWORD, Role.CREW), NOW
        )


@pytest.mark.parametrize(
    "headers",
    [
        {CSRF_HEADER: ""},
        {CSRF_HEADER: "guessed"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.test"},
    ],
    ids=["none", "wrong", "cross-site", "other origin"],
)
def test_an_unsafe_request_by_cookie_needs_its_csrf_token_and_its_own_site(
    headers: dict[str, str], office: Office
) -> None:
    client = office.person()
    problem(client.delete("/api/v1/session", headers=headers), 403)
    assert client.get("/api/v1/session").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/setup"])
def test_another_site_can_neither_log_in_nor_set_up(path: str, office: Office) -> None:
    form = {"email": "a@b.test", "password": PASSWORD}
    if path.endswith("setup"):
        form |= {"token": link(office), "name": "A"}
    answer = office.anybody().post(path, json=form, headers={"Origin": "http://evil.test"})
    assert problem(answer, 403)["reason"] == "origin"


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic dTpw", "Bearer", "Bearer x", f"Bearer {new_device_token().text}"],
    ids=["empty", "basic", "no token", "no form", "unknown"],
)
def test_a_token_that_is_none_is_refused(authorization: str, office: Office) -> None:
    client = office.anybody()
    answer = client.get("/api/v1/observations", headers={"Authorization": authorization})
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_with_another_secret_is_refused(office: Office) -> None:
    client = office.device()
    token = read_device_token(client.headers["Authorization"].removeprefix("Bearer "))
    assert token is not None
    client.headers["Authorization"] = f"Bearer wgd_{token.token_id}_{'0' * 64}"
    problem(client.get("/api/v1/observations"), 401)


def test_a_revoked_token_is_told_from_an_unknown_one(office: Office) -> None:
    client = office.device()
    with office.database.writing() as connection:
        connection.execute(tables.device.update().values(revoked_at=NOW))
    assert "revoked" in problem(client.get("/api/v1/observations"), 403)["detail"]


def test_a_device_reads_but_people_do_not_send(office: Office) -> None:
    assert office.device().get("/api/v1/observations").status_code == 200
    answer = office.person(Role.ADMIN).post("/api/v1/observations", json={"observations": []})
    assert problem(answer, 403)["needed"] == ["device"]


@pytest.mark.parametrize("role", PEOPLE)
def test_a_role_passes_only_its_own_door_and_administrators_pass_all(role: Role) -> None:
    who = Principal(uuid4(), role, "Somebody", user_id=uuid4())
    door = require_role(Role.DISPATCHER, Role.INSPECTOR)
    if role in (Role.DISPATCHER, Role.INSPECTOR, Role.ADMIN):
        assert door(who) is who
    else:
        with pytest.raises(NotAllowed, match="dispatcher or inspector"):
            door(who)


def test_a_hash_never_repeats_and_fits_its_password_alone() -> None:
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first != second
    assert password_fits(first, PASSWORD)
    assert not password_fits(first, PASSWORD + " ")
    assert not password_fits(None, PASSWORD)


def test_a_password_rule_names_what_to_do() -> None:
    with pytest.raises(Invalid, match="12 to 256"):
        hash_password("kurz")


def test_removing_a_person_ends_the_logins(office: Office) -> None:
    client = office.person()
    with office.database.writing() as connection:
        connection.execute(text("DELETE FROM user_account"))
    problem(client.get("/api/v1/session"), 401)
