"""From what a vehicle sends to tickets, over HTTP and on both stores."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Connection, select
from tests.api.office import Office
from tests.api.sent import OTHER_BUNDLE
from tests.api.street_simulation import Setting
from tests.api.town import FIRST_DRIVE, ORIGIN, SentDrive, Town

from wegewart_api.auth.principal import Principal, Role
from wegewart_api.database import tables
from wegewart_api.database.engine import Database
from wegewart_api.flow import process_pass
from wegewart_api.intake.messages import PassKey
from wegewart_api.intake.processing import CompletePass
from wegewart_api.settings import Settings
from wegewart_api.streets.network import Address, Network, StreetLine
from wegewart_api.streets.repository import store_network
from wegewart_api.tickets.decisions import Decision, decide
from wegewart_api.tickets.lifecycle import TicketAction

STREET = Setting(streets_m=(400.0,), spacing_m=20.0, passes=3, seen=0.85, false_per_km=0.0, clumped=0.0)
SEES_ALL = replace(STREET, seen=1.0)
KEPT = ("defect", "defect_event", "defect_look", "ticket", "ticket_event", "ticket_defect", "drive_alignment")


@pytest.fixture
def working(store: Database, settings: Settings) -> Office:
    """An office whose passes become defects and tickets."""
    return Office.open(store, settings, process_pass)


def send(office: Office, sent: SentDrive) -> None:
    """Send a pass as a vehicle does."""
    device = office.device()
    for start in range(0, len(sent.observations), 200):
        batch = {"observations": sent.observations[start : start + 200]}
        answer = device.post("/api/v1/observations", json=batch)
        assert answer.status_code == 200, answer.text
    answer = device.post("/api/v1/drives", json={"drives": [sent.track]})
    assert answer.status_code == 200, answer.text


def listed(office: Office, what: str, **wanted: Any) -> list[dict[str, Any]]:
    """All rows of a list."""
    answer = office.person().get(f"/api/v1/{what}", params={"limit": 1000} | wanted)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()[what]
    return rows


def defect_of(office: Office) -> dict[str, str | None]:
    """Defect of each stored observation."""
    return {each["id"]: each["defect_id"] for each in listed(office, "observations")}


def everything(office: Office) -> dict[str, list[Any]]:
    """All rows that processing writes."""
    with office.database.reading() as connection:
        return {name: sorted(map(str, _rows(connection, name))) for name in KEPT}


def _rows(connection: Connection, name: str) -> list[Any]:
    return [tuple(row) for row in connection.execute(select(tables.metadata.tables[name]))]


def test_a_pass_becomes_defects_and_tickets_that_lists_show(working: Office) -> None:
    sent = Town(STREET, 1).drive(0)
    send(working, sent)
    defects, tickets = listed(working, "defects"), listed(working, "tickets")
    assert len(defects) == len(tickets) == len(sent.observations)
    assert {each["state"] for each in tickets} == {"new"}
    assert {each["status"] for each in defects} == {"present"}
    year = datetime.now(UTC).year
    assert [each["number"] for each in tickets] == [f"{year}-{n:06d}" for n in range(1, len(tickets) + 1)]
    shown = working.person().get(f"/api/v1/tickets/{tickets[0]['id']}").json()
    assert [each["action"] for each in shown["events"]] == ["propose"]
    assert shown["defects"][0]["id"] == tickets[0]["defect_ids"][0]


def test_a_second_pass_finds_the_damages_of_the_first_again(working: Office) -> None:
    town = Town(STREET, 2)
    first, second = town.drive(0), town.drive(1)
    send(working, first)
    send(working, second)
    found = defect_of(working)
    by_damage = {
        truth: found[each["id"]] for each, truth in zip(first.observations, first.truth, strict=True)
    }
    shared = [
        (by_damage[truth], found[each["id"]])
        for each, truth in zip(second.observations, second.truth, strict=True)
        if truth in by_damage
    ]
    assert len(shared) >= 12
    assert all(before == after for before, after in shared)
    assert len(listed(working, "defects")) == len({*first.truth, *second.truth})
    assert len(listed(working, "tickets")) == len(listed(working, "defects"))


def test_a_pass_that_looks_and_does_not_see_speaks_against_a_damage(working: Office) -> None:
    town = Town(SEES_ALL, 3)
    first = town.drive(0)
    send(working, first)
    gone = first.truth[len(first.truth) // 2]
    for number in range(1, 5):
        sent = town.drive(number)
        kept = [i for i, truth in enumerate(sent.truth) if truth != gone]
        track = sent.track | {"observations": len(kept)}
        send(working, SentDrive(track, [sent.observations[i] for i in kept], [sent.truth[i] for i in kept]))
    missing = defect_of(working)[first.observations[first.truth.index(gone)]["id"]]
    detail = working.person().get(f"/api/v1/defects/{missing}").json()
    assert [look["seen"] for look in detail["looks"]] == [True] + [False] * 4
    assert detail["status"] == "doubtful"
    others = [each for each in listed(working, "defects") if each["id"] != missing]
    assert {each["status"] for each in others} == {"present"}
    assert {each["drive_count"] for each in others} == {5}


def test_processing_a_pass_again_changes_nothing_but_the_time(working: Office) -> None:
    town = Town(STREET, 4)
    sent = town.drive(0)
    send(working, sent)
    before = everything(working)
    send(working, sent)
    assert everything(working) == before


def test_a_later_revision_keeps_defects_and_adds_what_came_in_new(working: Office) -> None:
    sent = Town(STREET, 5).drive(0)
    early = SentDrive(sent.track | {"observations": 8}, sent.observations[:8], sent.truth[:8])
    send(working, early)
    before = defect_of(working)
    send(working, SentDrive(sent.track | {"revision": 2}, sent.observations, sent.truth))
    after = defect_of(working)
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(sent.observations)
    assert len(listed(working, "tickets")) == len(sent.observations)


def test_observations_that_arrive_after_processing_become_defects_and_move_no_other(working: Office) -> None:
    sent = Town(STREET, 5).drive(0)
    send(working, SentDrive(sent.track | {"observations": 8}, sent.observations[:8], sent.truth[:8]))
    before = defect_of(working)
    late = working.device().post("/api/v1/observations", json={"observations": sent.observations[8:]})
    assert late.status_code == 200
    after = defect_of(working)
    assert before.items() <= after.items()
    assert None not in after.values()
    assert len(set(after.values())) == len(listed(working, "tickets")) == len(sent.observations)


def test_another_models_pass_takes_over_and_withdraws_what_it_does_not_see(working: Office) -> None:
    town = Town(SEES_ALL, 6)
    old = town.drive(0)
    send(working, old)
    tickets = {each["defect_ids"][0]: each["id"] for each in listed(working, "tickets")}
    before = defect_of(working)
    kept = list(range(3, len(old.observations)))
    new = Town(SEES_ALL, 6).drive(
        0, OTHER_BUNDLE
    )  # the same seed: the same drive, looked at by another model
    send(
        working,
        SentDrive(
            new.track | {"observations": len(kept)},
            [new.observations[i] for i in kept],
            [new.truth[i] for i in kept],
        ),
    )
    after = defect_of(working)
    assert [after[each["id"]] for each in old.observations] == [None] * len(old.observations)
    assert [after[new.observations[i]["id"]] for i in kept] == [
        before[old.observations[i]["id"]] for i in kept
    ]
    withdrawn = {before[each["id"]] for each in old.observations[:3]}
    assert {each["id"] for each in listed(working, "defects", status="withdrawn")} == withdrawn
    assert len(listed(working, "tickets")) == len(tickets)
    left = working.person().get(f"/api/v1/tickets/{tickets[min(filter(None, withdrawn))]}").json()
    assert left["state"] == "new"
    assert [(each["action"], each["reason"]) for each in left["events"]] == [
        ("propose", "first"),
        ("note", "withdrawn"),
    ]


def test_what_a_vehicle_takes_back_leaves_its_defects(working: Office) -> None:
    town = Town(SEES_ALL, 6)
    first, second = town.drive(0), town.drive(1)
    send(working, first)
    before = everything(working)["defect_look"]
    send(working, second)
    send(working, SentDrive(second.track | {"revision": 2, "state": "superseded"}, [], []))
    assert everything(working)["defect_look"] == before
    found = defect_of(working)
    assert all(found[each["id"]] is None for each in second.observations)
    assert {each["drive_count"] for each in listed(working, "defects")} == {1}
    send(working, SentDrive(first.track | {"revision": 2, "state": "superseded"}, [], []))
    assert listed(working, "defects") == []
    assert len(listed(working, "defects", status="withdrawn")) == len(first.observations)


def test_a_repaired_ticket_opens_again_when_a_later_drive_sees_the_damage(working: Office) -> None:
    town = Town(SEES_ALL, 7)
    send(working, town.drive(0))
    ticket = listed(working, "tickets")[0]["id"]
    admin = working.person(Role.ADMIN)
    for action in ("confirm", "complete"):
        answer = admin.post(f"/api/v1/tickets/{ticket}/events", json={"action": action})
        assert answer.status_code == 200, answer.text
    send(working, town.drive(1, day=3650))
    reopened = admin.get(f"/api/v1/tickets/{ticket}").json()
    assert reopened["state"] == "reopened"
    assert reopened["events"][-1]["reason"] == "seen_again"
    assert reopened["events"][-1]["actor_role"] == "system"
    assert Counter(each["state"] for each in listed(working, "tickets"))["reopened"] == 1


def test_a_persons_decision_during_processing_is_kept(working: Office) -> None:
    """The person opens the ticket again and rejects it, while processing wants to open it again itself.

    On SQLite, where only one writes at a time, the person is simply first.
    """
    town = Town(SEES_ALL, 7)
    send(working, town.drive(0))
    ticket_id = UUID(listed(working, "tickets")[0]["id"])
    admin = working.person(Role.ADMIN)
    for action in ("confirm", "complete"):
        admin.post(f"/api/v1/tickets/{ticket_id}/events", json={"action": action})
    who = Principal(working.tenant("default"), Role.DISPATCHER, "A dispatcher")
    with ThreadPoolExecutor(1) as beside:
        with working.database.writing() as connection:
            decide(connection, who, ticket_id, Decision(TicketAction.REOPEN), datetime.now(UTC))
            decide(connection, who, ticket_id, Decision(TicketAction.REJECT, "not_ours"), datetime.now(UTC))
            sending = beside.submit(send, working, town.drive(1, day=3650))
            if not working.database.is_sqlite:
                wait_until_somebody_waits(working.database)
        sending.result()
    left = admin.get(f"/api/v1/tickets/{ticket_id}").json()
    assert left["state"] == "rejected"
    assert [each["action"] for each in left["events"]] == [
        "propose",
        "confirm",
        "complete",
        "reopen",
        "reject",
    ]


def wait_until_somebody_waits(database: Database) -> None:
    """Until another transaction waits for a row."""
    for _ in range(20_000):
        with database.reading() as connection:
            waiting = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).scalar_one()
        if waiting:
            return
    raise AssertionError("nobody ever waited")


def test_the_place_gets_better_with_every_drive(working: Office) -> None:
    town = Town(SEES_ALL, 9)
    for number in range(12):
        send(working, town.drive(number))
    damage_of = {}
    for number in range(12):
        drive_id = str(UUID(int=FIRST_DRIVE.int + number))
        seen = listed(working, "observations", drive_id=drive_id)
        damage_of |= {each["defect_id"]: index for index, each in enumerate(seen)}
    errors = []
    for each in listed(working, "defects"):
        if each["drive_count"] == 12:
            place = ORIGIN.east_north_m(each["place"]["lat"], each["place"]["lon"])
            errors.append(np.hypot(*(np.array(place) - town.damages.place_m[damage_of[each["id"]]])))
            sigma_m = np.sqrt((each["place"]["covariance_m2"][0] + each["place"]["covariance_m2"][2]) / 2)
            assert 0.6 < sigma_m < 0.9  # 2.5 m / √12 = 0.72 m, and what differs from damage to damage
    assert len(errors) >= 15
    assert np.mean(errors) < 1.2  # one pass: 3.1 m on average; the mean of this town's twelve biases: 0.88 m


def test_tickets_name_street_and_house_number(working: Office) -> None:
    here = ORIGIN.lat_lon(200.0, 12.0)
    line = tuple(tuple(reversed(ORIGIN.lat_lon(east_m, 0.0))) for east_m in (-50.0, 450.0))
    network = Network(
        (StreetLine("way/1", "Hauptstraße", None, "residential", line),),  # type: ignore[arg-type]
        (Address("node/1", "Hauptstraße", "12a", *here),),
        0,
    )
    tenant_id = working.tenant("default")
    with working.database.writing() as connection:
        store_network(connection, tenant_id, network)
    send(working, Town(STREET, 9).drive(0))
    tickets = listed(working, "tickets")
    assert {each["street"] for each in tickets} == {"Hauptstraße"}
    assert {each["house_number"] for each in tickets} == {"12a", None}


def test_tenants_never_see_each_others_damages(working: Office) -> None:
    send(working, Town(STREET, 10).drive(0))
    stranger = working.person(Role.ADMIN, tenant="elsewhere")
    known = listed(working, "defects")[0]["id"]
    ticket = listed(working, "tickets")[0]["id"]
    assert stranger.get("/api/v1/defects").json() == {"defects": [], "next": None}
    assert stranger.get("/api/v1/tickets").json() == {"tickets": [], "next": None}
    assert stranger.get(f"/api/v1/defects/{known}").status_code == 404
    assert stranger.get(f"/api/v1/tickets/{ticket}").status_code == 404
    refused = stranger.post(f"/api/v1/tickets/{ticket}/events", json={"action": "confirm"})
    assert refused.status_code == 404
    assert stranger.get("/api/v1/map/defects.geojson").json()["features"] == []


def test_a_drive_that_sees_nothing_is_processed_too(working: Office) -> None:
    nothing = replace(STREET, seen=0.0)
    send(working, Town(nothing, 11).drive(0))
    assert listed(working, "defects") == []
    drive = working.person().get(f"/api/v1/drives/{FIRST_DRIVE}").json()
    assert drive["passes"][0]["processed_at"] is not None


def test_calling_the_processing_directly_twice_leaves_the_same_defects(working: Office) -> None:
    sent = Town(STREET, 13).drive(0)
    send(working, sent)
    before = defect_of(working)
    key = PassKey(working.tenant("default"), UUID(sent.track["drive_id"]), sent.track["bundle"]["sha256"])
    with working.database.writing() as connection:
        outcome = process_pass(connection, CompletePass(key))
    assert outcome.new_defects == outcome.withdrawn == outcome.tickets == 0
    assert defect_of(working) == before
    assert len(listed(working, "tickets")) == len(before)


def test_passes_that_arrive_together_are_processed_one_after_the_other(working: Office) -> None:
    town = Town(SEES_ALL, 14)
    drives = [town.drive(number) for number in range(4)]
    devices = [working.device() for _ in drives]

    def arrive(sent: SentDrive, device: Any) -> list[int]:
        return [
            device.post("/api/v1/observations", json={"observations": sent.observations}).status_code,
            device.post("/api/v1/drives", json={"drives": [sent.track]}).status_code,
        ]

    with ThreadPoolExecutor(len(drives)) as together:
        answers = list(together.map(arrive, drives, devices))
    assert answers == [[200, 200]] * len(drives)
    defects = listed(working, "defects")
    assert len(defects) == len(town.damages.station_m)
    assert {each["drive_count"] for each in defects} == {4}
    numbers = sorted(each["number"][5:] for each in listed(working, "tickets"))
    assert numbers == [f"{number:06d}" for number in range(1, len(defects) + 1)]
