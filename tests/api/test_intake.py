"""What vehicles send: stored once, whatever is repeated, late, wrong, or sent twice at the same moment."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, select
from tests.api.office import DEFAULT, Office, TestClient, problem
from tests.api.sent import BUNDLE, DRIVE_ID, OTHER_BUNDLE, drive_number, observation, track

from wegewart.damage import shipped_taxonomy
from wegewart.geo import Datum
from wegewart.identity import content_sha256
from wegewart.observation import Observation
from wegewart_api.app import create_app
from wegewart_api.auth.principal import Principal, Role
from wegewart_api.database import tables
from wegewart_api.database.engine import Database
from wegewart_api.intake import repository
from wegewart_api.intake.messages import PassKey
from wegewart_api.intake.processing import CompletePass, WaitingPasses, process_complete
from wegewart_api.intake.service import accept_observations
from wegewart_api.settings import Settings


def send(client: TestClient, *sent: dict[str, Any]) -> Any:
    return client.post("/api/v1/observations", json={"observations": list(sent)})


def announce(client: TestClient, *sent: dict[str, Any]) -> Any:
    return client.post("/api/v1/drives", json={"drives": list(sent)})


def statuses(answer: Any) -> list[str]:
    return [outcome["status"] for outcome in answer.json()["results"]]


def count(database: Database, table: str = "observation") -> int:
    with database.reading() as connection:
        return connection.execute(
            select(func.count()).select_from(tables.metadata.tables[table])
        ).scalar_one()


def passes(client: TestClient, drive_id: UUID = DRIVE_ID) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/v1/drives/{drive_id}").json()["passes"]
    return found


# --- observations -------------------------------------------------------------------------------------


def test_an_observation_is_stored_once_however_often_it_is_sent(office: Office) -> None:
    box = office.device()
    assert statuses(send(box, observation(1), observation(2))) == ["stored", "stored"]
    assert statuses(send(box, observation(2), observation(3))) == ["known", "stored"]
    assert count(office.database) == 3


def test_the_same_observation_twice_in_a_batch_is_stored_once(office: Office) -> None:
    assert statuses(send(office.device(), observation(1), observation(1))) == ["stored", "known"]
    assert count(office.database) == 1


def test_the_same_id_with_other_content_is_refused_and_the_first_stays(office: Office) -> None:
    box = office.device()
    send(box, observation(1))
    refused = problem(send(box, observation(1, looks=9), observation(2)), 409)
    first, second = refused["results"]
    assert (first["status"], first["code"], second["status"]) == ("refused", 409, "stored")
    assert first["stored_sha256"] == content_sha256(Observation.model_validate(observation(1)))
    assert first["sent_sha256"] == content_sha256(Observation.model_validate(observation(1, looks=9)))
    assert [one["looks"] for one in box.get("/api/v1/observations").json()["observations"]] == [2, 2]


def test_two_contents_under_one_id_in_a_batch_keep_the_first(office: Office) -> None:
    refused = problem(send(office.device(), observation(1), observation(1, looks=9)), 409)
    assert [one["status"] for one in refused["results"]] == ["stored", "refused"]


def test_a_bad_observation_never_spoils_the_batch(office: Office) -> None:
    bad = observation(2, lat=95.0, looks=0)
    refused = problem(send(office.device(), observation(1), bad, observation(3)), 422)
    assert [one["status"] for one in refused["results"]] == ["stored", "refused", "stored"]
    told = refused["results"][1]
    assert told["id"] == bad["id"]
    assert told["code"] == 422
    assert "lat" in told["detail"]
    assert "looks" in told["detail"]
    assert count(office.database) == 2


def test_a_conflict_outweighs_a_mistake_in_the_status_of_the_answer(office: Office) -> None:
    box = office.device()
    send(box, observation(1))
    refused = problem(send(box, observation(1, looks=9), observation(2, looks=0)), 409)
    assert [one["code"] for one in refused["results"]] == [409, 422]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"taxonomy": "road-damage-9"}, "this server knows road-damage-1"),
        ({"class_probabilities": {"X99": 0.5}}, "no class X99"),
        ({"surprise": 1}, "surprise"),
        ({"id": "00000000-0000-5000-8000-000000000000"}, "not the one that follows"),
    ],
    ids=["taxonomy", "class", "unknown field", "drawn id"],
)
def test_an_observation_against_the_rules_is_refused_with_its_reason(
    change: dict[str, Any], told: str, office: Office
) -> None:
    refused = problem(send(office.device(), observation(1, **change)), 422)
    assert told in refused["results"][0]["detail"]
    assert count(office.database) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"no_evidence_reason": "no\x00mask"}, "no_evidence_reason"),
        ({"no_evidence_reason": "no\nmask"}, "no_evidence_reason"),
        ({"bundle": {"id": "a\x00b", "sha256": "ab" * 32}}, "id"),
        ({"captured_at": "0001-01-01T00:00:00+14:00"}, "captured_at"),
        ({"captured_at": "9999-12-31T23:59:59Z"}, "captured_at"),
        ({"length_m": 1e300}, "length_m"),
        ({"cov_gnss_m2": [1e300, 0.0, 1e300]}, "cov_gnss_m2"),
        ({"looks": 10**30}, "looks"),
    ],
    ids=["NUL", "line break", "NUL in a bundle", "far past", "far future", "size", "covariance", "count"],
)
def test_an_odd_observation_is_refused_and_the_rest_of_its_batch_stored(
    change: dict[str, Any], told: str, office: Office
) -> None:
    refused = problem(send(office.device(), observation(1), observation(2, **change), observation(3)), 422)
    assert [one["status"] for one in refused["results"]] == ["stored", "refused", "stored"]
    assert told in refused["results"][1]["detail"]
    assert count(office.database) == 2


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("mount", {"version": "1\x00"}),
        ("mount", {"height_m": float("inf")}),
        ("intrinsics", {"focal_x_px": float("inf")}),
    ],
    ids=["NUL", "infinite height", "infinite focal length"],
)
def test_a_drive_with_an_odd_camera_is_refused_and_the_rest_of_its_batch_stored(
    where: str, change: dict[str, Any], office: Office
) -> None:
    odd = track(drive_number(1))
    odd["cameras"][0][where] |= change
    body = json.dumps({"drives": [track(), odd]}).encode()
    answer = office.device().post("/api/v1/drives", content=body)
    assert [one["status"] for one in problem(answer, 422)["results"]] == ["stored", "refused"]
    assert count(office.database, "drive_pass") == 1


def test_what_only_the_store_refuses_is_told_for_its_item_alone(store: Database, settings: Settings) -> None:
    """An observation past all checks, as a gap in them would let it through."""
    office = Office.open(store, settings)
    tenant_id = office.tenant(DEFAULT)
    good, odd = (Observation.model_validate(observation(number)) for number in (1, 2))
    odd = odd.model_copy(update={"lat": 95.0, "datum": Datum.ETRS89})
    who = Principal(tenant_id, "box-01", Role.DEVICE, device_id="box-01")
    with store.writing() as connection:
        accepted = accept_observations(connection, who, [odd, good], shipped_taxonomy(), datetime.now(UTC))
    assert [(one.status, one.code) for one in accepted.outcomes] == [("refused", 422), ("stored", None)]
    assert count(store) == 1


@pytest.mark.parametrize("item", [None, 7, "text", [], {}], ids=["null", "number", "text", "list", "empty"])
def test_an_item_that_is_no_observation_at_all_is_refused_alone(item: Any, office: Office) -> None:
    answer = office.device().post("/api/v1/observations", json={"observations": [item, observation(1)]})
    assert [one["status"] for one in problem(answer, 422)["results"]] == ["refused", "stored"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"observations": 7}', b"\xff\xfe", b'{"observation": []}'],
    ids=["empty", "cut", "list", "no list", "no text", "other name"],
)
def test_a_body_that_is_no_batch_is_told_as_unreadable(body: bytes, office: Office) -> None:
    problem(office.device().post("/api/v1/observations", content=body), 400)


def test_a_number_that_is_none_is_refused(office: Office) -> None:
    body = json.dumps({"observations": [observation(1, lat=float("nan"))]})
    refused = problem(office.device().post("/api/v1/observations", content=body.encode()), 422)
    assert "lat" in refused["results"][0]["detail"]


def test_more_than_two_hundred_at_once_are_too_many(office: Office) -> None:
    sent = [observation(number) for number in range(201)]
    assert "at most 200" in problem(send(office.device(), *sent), 413)["detail"]
    assert statuses(send(office.device(), *sent[:200])) == ["stored"] * 200


def test_an_empty_batch_is_fine(office: Office) -> None:
    assert send(office.device()).json() == {"results": []}


def test_what_another_device_made_is_refused_as_a_whole(office: Office) -> None:
    answer = send(office.device("box-02"), observation(1, device_id="box-02"), observation(2))
    refused = problem(answer, 403)
    assert "box-01" in refused["detail"]
    assert refused["reason"] == "device"
    assert count(office.database) == 0


def test_nobody_sends_without_a_token(office: Office) -> None:
    problem(send(office.anybody(), observation(1)), 401)


def test_two_senders_of_one_batch_at_the_same_moment_store_it_once(office: Office) -> None:
    box = office.device()
    batch = [observation(number) for number in range(60)]
    answers: list[Any] = []

    def run(sent: list[dict[str, Any]]) -> None:
        answers.append(send(box, *sent))

    threads = [threading.Thread(target=run, args=(sent,)) for sent in (batch, batch[::-1], batch)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    assert sorted(status for answer in answers for status in statuses(answer)) == (
        ["known"] * 120 + ["stored"] * 60
    )
    assert count(office.database) == 60


def test_an_observation_comes_back_as_it_was_sent_to_the_last_digit(office: Office) -> None:
    sent = observation(1, lat=49.95123456789012, cov_relative_m2=[1e-7, 1e-19, 0.1 + 0.2])
    box = office.device()
    send(box, sent)
    found = box.get("/api/v1/observations").json()["observations"][0]
    for added in ("etrs89", "received_at", "superseded", "defect_id"):
        found.pop(added)
    assert Observation.model_validate(found) == Observation.model_validate(sent)
    key = PassKey(office.tenant(DEFAULT), DRIVE_ID, sent["bundle"]["sha256"])
    with office.database.reading() as connection:
        stored = repository.observations_of_pass(connection, key)[0]
        hashes = repository.hashes_of_observations(connection, key.tenant_id, [stored.sent.id])
    assert hashes[stored.sent.id] == content_sha256(stored.sent)


def test_observations_are_listed_page_by_page_each_once(office: Office) -> None:
    box = office.device()
    moments = ["2026-05-04T08:00:01Z", "2026-05-04T08:00:01Z", "2026-05-04T08:00:00Z"]
    sent = [observation(number, captured_at=moments[number % 3]) for number in range(25)]
    send(box, *sent)
    send(box, observation(1, drive_number(1)))
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"drive_id": str(DRIVE_ID), "limit": 7} | ({"cursor": cursor} if cursor else {})
        page = box.get("/api/v1/observations", params=parameters).json()
        seen += [one["id"] for one in page["observations"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 25
    assert set(seen) == {one["id"] for one in sent}
    problem(box.get("/api/v1/observations", params={"cursor": "x"}), 400)
    problem(box.get("/api/v1/observations", params={"limit": 0}), 422)


# --- drives -------------------------------------------------------------------------------------------


def test_a_drive_is_processed_when_its_last_observation_arrives(office: Office) -> None:
    box = office.device()
    send(box, observation(1))
    announce(box, track(made=2))
    assert office.processed == []
    assert passes(box)[0]["processed_at"] is None
    send(box, observation(2))
    assert [one.key.drive_id for one in office.processed] == [DRIVE_ID]
    assert passes(box)[0]["processed_at"] is not None


def test_a_drive_is_processed_when_it_closes_after_its_observations(office: Office) -> None:
    box = office.device()
    announce(box, track(made=None, state="open", ended_at=None))
    send(box, observation(1), observation(2))
    assert office.processed == []
    announce(box, track(made=2, revision=2))
    assert len(office.processed) == 1


def test_what_arrives_after_processing_is_processed_too(office: Office) -> None:
    box = office.device()
    send(box, observation(1))
    announce(box, track(made=1))
    send(box, observation(1))
    assert len(office.processed) == 1
    send(box, observation(2))
    assert len(office.processed) == 2
    assert passes(box)[0]["processed_at"] is not None


def test_a_drive_that_saw_nothing_is_processed_too(office: Office) -> None:
    announce(office.device(), track(made=0))
    assert len(office.processed) == 1


def test_a_drive_sent_again_is_not_processed_again(office: Office) -> None:
    box = office.device()
    for _ in range(3):
        send(box, observation(1), observation(2))
        announce(box, track(made=2))
    assert len(office.processed) == 1


def test_of_two_last_messages_at_once_one_completes_the_drive(office: Office) -> None:
    box = office.device()
    drives = [drive_number(number) for number in range(6)]
    for drive_id in drives:
        threads = [
            threading.Thread(target=send, args=(box, observation(1, drive_id))),
            threading.Thread(target=announce, args=(box, track(drive_id, made=1))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(one.key.drive_id for one in office.processed) == drives


@pytest.mark.parametrize(
    ("revision", "change", "status"),
    [(1, {}, "stored"), (2, {}, "known"), (3, {"ended_at": "2026-05-04T08:00:30Z"}, "stored")],
    ids=["the first", "the same", "a later one"],
)
def test_a_drive_takes_its_revisions_in_order(
    revision: int, change: dict[str, Any], status: str, office: Office
) -> None:
    box = office.device()
    if revision > 1:
        announce(box, track(revision=2))
    assert statuses(announce(box, track(revision=revision, **change))) == [status]
    assert passes(box)[0]["revision"] == revision


def test_an_earlier_revision_is_ignored_and_told_so(office: Office) -> None:
    box = office.device()
    announce(box, track(revision=3))
    answer = announce(box, track(revision=2, ended_at="2026-05-04T08:01:00Z"))
    assert answer.status_code == 200
    assert answer.json()["results"][0]["status"] == "known"
    assert "revision 3 is stored" in answer.json()["results"][0]["detail"]
    assert passes(box)[0]["revision"] == 3


def test_a_revision_with_other_content_is_refused(office: Office) -> None:
    box = office.device()
    announce(box, track())
    refused = problem(announce(box, track(made=5), track(drive_number(1))), 409)
    assert [one["status"] for one in refused["results"]] == ["refused", "stored"]
    assert {"stored_sha256", "sent_sha256"} <= refused["results"][0].keys()
    assert passes(box)[0]["observations_made"] == 2


def test_a_drive_of_another_device_is_refused(office: Office) -> None:
    announce(office.device(), track())
    other = office.device("box-02")
    refused = problem(announce(other, track(device_id="box-02", bundle=OTHER_BUNDLE)), 409)
    assert "another device" in refused["results"][0]["detail"]
    problem(announce(other, track(drive_number(1))), 403)


def test_a_bad_drive_never_spoils_the_batch(office: Office) -> None:
    answer = announce(office.device(), track(poses="none"), track(drive_number(1), made=0))
    refused = problem(answer, 422)
    assert [one["status"] for one in refused["results"]] == ["refused", "stored"]
    assert refused["results"][0]["id"] == str(DRIVE_ID)


def test_a_drive_says_what_is_missing(office: Office) -> None:
    box = office.device()
    image = {"sha256": "12" * 32, "left_px": 0, "top_px": 0, "width_px": 640, "height_px": 300}
    image |= {"mask_bundle": OTHER_BUNDLE}
    send(box, observation(1, evidence=image, no_evidence_reason=None))
    announce(box, track(made=3))
    assert passes(box) == [
        {
            "bundle": track()["bundle"],
            "state": "closed",
            "revision": 1,
            "observations_made": 3,
            "observations_stored": 1,
            "evidence_missing": ["12" * 32],
            "processed_at": None,
            "superseded": False,
        }
    ]
    problem(box.get(f"/api/v1/drives/{drive_number(9)}"), 404)


def test_another_bundle_supersedes_once_it_is_complete_and_not_before(office: Office) -> None:
    box = office.device()
    send(box, observation(1), observation(2))
    announce(box, track(made=2))
    send(box, observation(1, bundle=OTHER_BUNDLE))
    announce(box, track(made=2, bundle=OTHER_BUNDLE))
    assert [one["superseded"] for one in passes(box)] == [False, False]
    send(box, observation(3, bundle=OTHER_BUNDLE))
    assert [one["superseded"] for one in passes(box)] == [True, False]
    found = box.get("/api/v1/observations").json()["observations"]
    assert {one["bundle"]["id"]: one["superseded"] for one in found} == {
        track()["bundle"]["id"]: True,
        OTHER_BUNDLE["id"]: False,
    }
    assert [one.bundle_sha256 for one in office.processed[-1].superseded] == [track()["bundle"]["sha256"]]


def test_passes_over_one_drive_that_arrive_in_any_order_at_once_never_block_each_other(
    office: Office,
) -> None:
    box = office.device()
    bundles = [
        BUNDLE,
        OTHER_BUNDLE,
        {"id": "third", "sha256": "0f" * 32},
        {"id": "fourth", "sha256": "ef" * 32},
    ]
    answers: list[int] = []

    def run(turn: int) -> None:
        for revision in range(1, 6):
            order = bundles if (turn + revision) % 2 else bundles[::-1]
            sent = [track(made=0, bundle=one, revision=revision + 5 * turn) for one in order]
            answers.append(announce(box, *sent).status_code)

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 15


def test_what_arrives_late_for_a_superseded_pass_is_superseded_at_once(office: Office) -> None:
    box = office.device()
    announce(box, track(made=2))
    send(box, observation(1))
    announce(box, track(made=0, bundle=OTHER_BUNDLE))
    send(box, observation(2))
    found = box.get("/api/v1/observations").json()["observations"]
    assert [one["superseded"] for one in found] == [True, True]
    assert len(office.processed) == 1


def test_a_drive_whose_processing_fails_is_stored_and_tried_again(
    store: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True
    done: list[CompletePass] = []

    def process(connection: Connection, complete: CompletePass) -> None:
        connection.execute(
            tables.ticket_number.insert().values(tenant_id=tenant_id, year=2026, last=len(done))
        )
        if broken:
            raise ZeroDivisionError
        done.append(complete)

    office = Office.open(store, settings, process)
    tenant_id = office.tenant(DEFAULT)
    box = office.device()
    send(box, observation(1))
    assert announce(box, track(made=1)).status_code == 200
    assert "tried again" in caplog.text
    assert count(store, "ticket_number") == 0
    assert passes(box)[0]["processed_at"] is None
    broken = False
    assert [key.drive_id for key in process_complete(store, process)] == [DRIVE_ID]
    assert process_complete(store, process) == []
    assert len(done) == 1
    assert count(store, "ticket_number") == 1


def test_a_drive_that_failed_once_is_processed_while_the_server_runs(
    store: Database, settings: Settings
) -> None:
    attempts: list[CompletePass] = []
    second = threading.Event()

    def fails_once(_connection: Connection, complete: CompletePass) -> None:
        attempts.append(complete)
        if len(attempts) == 1:
            raise ZeroDivisionError
        second.set()

    office = Office.open(store, settings, fails_once)
    app = create_app(settings, store, fails_once, retry_interval_s=0.01)
    box = office.device()
    announce(box, track(made=0))
    assert passes(box)[0]["processed_at"] is None
    with TestClient(app):
        assert second.wait(timeout=30)
    assert passes(box)[0]["processed_at"] is not None
    assert len(attempts) == 2


def test_a_drive_that_always_fails_is_tried_ever_more_rarely_and_holds_up_no_other(
    office: Office, clock: Callable[[], datetime]
) -> None:
    now, attempts, done = clock(), Counter[UUID](), []

    def process(_connection: Connection, complete: CompletePass) -> None:
        attempts[complete.key.drive_id] += 1
        if complete.key.drive_id == DRIVE_ID:
            raise ZeroDivisionError

    box = office.device()
    announce(box, track(made=0), track(drive_number(1), made=0))
    with office.database.writing() as connection:
        connection.execute(tables.drive_pass.update().values(processed_at=None))
    waiting = WaitingPasses(office.database, process, lambda: now)
    for _ in range(24 * 60):
        now += timedelta(minutes=1)
        done += waiting.process_due()
    assert [key.drive_id for key in done] == [drive_number(1)]
    assert attempts[drive_number(1)] == 1
    assert attempts[DRIVE_ID] == 12  # after 1, 2, 4, … minutes, then every six hours


def test_drives_left_over_are_processed_in_the_order_they_were_driven(office: Office) -> None:
    box = office.device()
    later, earlier = track(made=0), track(drive_number(1), made=0, started_at="2026-05-03T08:00:00Z")
    announce(box, later, earlier)
    with office.database.writing() as connection:
        connection.execute(tables.drive_pass.update().values(processed_at=None))
    done = process_complete(office.database, lambda _connection, _complete: None)
    assert [key.drive_id for key in done] == [drive_number(1), DRIVE_ID]


def test_a_track_is_read_back_in_etrs89(office: Office, clock: Callable[[], Any]) -> None:
    announce(office.device(), track())
    key = PassKey(office.tenant(DEFAULT), DRIVE_ID, track()["bundle"]["sha256"])
    with office.database.reading() as connection:
        found = repository.track_of_pass(connection, key)
    assert found.datum == "ETRS89"
    assert found.poses[0].lat < track()["poses"][0]["lat"]


def test_a_device_that_sends_is_seen(office: Office) -> None:
    send(office.device(), observation(1))
    with office.database.reading() as connection:
        assert connection.execute(select(tables.device.c.last_seen_at)).scalar_one() is not None


def test_a_system_that_only_reads_cannot_send(office: Office) -> None:
    box = office.device()
    with office.database.writing() as connection:
        connection.execute(tables.device.update().values(role=Role.VIEWER.value))
    problem(send(box, observation(1)), 403)
    assert box.get("/api/v1/observations").status_code == 200
