"""Delivery over real HTTP: repeated, refused, postponed, never lost."""

import socket
from uuid import UUID

import pytest
from tests.edge.conftest import DRIVE_ID
from tests.edge.test_outbox import make_observation, make_picture, make_track

from wegewart.errors import ServerRefused
from wegewart_edge.outbox import Outbox
from wegewart_edge.settings import ServerSettings
from wegewart_edge.uplink import Patience, Uplink

MIB = 2**20


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox.sqlite", MIB) as outbox:
        yield outbox


@pytest.fixture
def deliver(outbox, office):
    """Deliver once with a clock that only notes the pauses."""
    pauses: list[float] = []

    def once(token="wgd_test_secret", **chosen):
        settings = ServerSettings(url=chosen.pop("url", office.url), **chosen)
        uplink = Uplink(outbox, settings, token, Patience(sleep=pauses.append, jitter=lambda: 1.0))
        try:
            return uplink.deliver()
        finally:
            uplink.close()

    once.pauses = pauses
    return once


def fill(outbox, count=3):
    pictures = [make_picture(bytes([number]) * 500) for number in range(count)]
    for number, picture in enumerate(pictures):
        outbox.keep(make_observation(number, picture), picture)
    outbox.keep_drive(make_track(count))


def test_everything_arrives_pictures_first_and_the_drive_last(outbox, office, deliver):
    fill(outbox)
    delivery = deliver()
    assert (delivery.stored, delivery.pictures_stored, delivery.stopped) == (4, 3, None)
    assert len(office.observations) == 3
    kinds = [path.split("/")[3] for _, path in office.requests]
    assert kinds == ["evidence"] * 3 + ["observations", "drives"]
    assert outbox.counts() == {"observation": {"sent": 3}, "drive": {"sent": 1}, "evidence": {"sent": 3}}


def test_repeating_a_delivery_is_known_and_harmless(outbox, office, deliver, tmp_path):
    fill(outbox)
    deliver()
    before = office.content()
    with Outbox(tmp_path / "second.sqlite", MIB) as second:
        fill(second)
        uplink = Uplink(second, ServerSettings(url=office.url), office.token)
        again = uplink.deliver()
        uplink.close()
    assert (again.stored, again.known, again.pictures_known) == (0, 4, 3)
    assert office.content() == before


def test_server_that_is_busy_is_tried_again_with_growing_pauses(outbox, office, deliver):
    fill(outbox, 1)
    office.answers = [503, 429, 500, 200]
    delivery = deliver()
    assert delivery.stopped is None
    assert deliver.pauses == pytest.approx([0.5, 1.0, 2.0])
    assert len(office.observations) == 1


def test_pauses_are_jittered_between_half_and_whole(outbox, office):
    fill(outbox, 1)
    office.answers = [503, 503]
    pauses: list[float] = []
    draws = iter([0.0, 0.5])
    uplink = Uplink(
        outbox, ServerSettings(url=office.url), office.token, Patience(pauses.append, lambda: next(draws))
    )
    uplink.deliver()
    uplink.close()
    assert pauses == pytest.approx([0.25, 0.75])


def test_server_that_is_down_leaves_everything_queued(outbox, deliver):
    fill(outbox)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    delivery = deliver(url=f"http://127.0.0.1:{port}")
    assert delivery.stopped is not None
    assert "stays queued" in delivery.stopped
    assert len(deliver.pauses) == 4
    assert outbox.counts()["observation"] == {"pending": 3}


def test_refused_token_stops_at_once_and_keeps_the_queue(outbox, office, deliver):
    fill(outbox)
    delivery = deliver(token="wgd_wrong")
    assert delivery.stopped is not None
    assert "check the token" in delivery.stopped
    assert len(office.requests) == 1
    assert outbox.counts()["evidence"] == {"pending": 3}


@pytest.mark.parametrize("code", [409, 422])
def test_refused_observation_is_set_aside_and_the_others_arrive(outbox, office, deliver, code):
    fill(outbox)
    office.refuse_ids = {str(make_observation(1).id): code}
    delivery = deliver()
    assert (delivery.stored, delivery.set_aside, delivery.stopped) == (3, 1, None)
    (refused,) = outbox.all_set_aside()
    assert refused.reason == f"{code} not this one"
    assert len(office.observations) == 2
    assert len(office.drives) == 1


def test_batch_that_is_too_large_is_halved_until_it_fits(outbox, office, deliver):
    fill(outbox, 10)
    office.max_items = 3
    delivery = deliver(batch=10)
    assert (delivery.stored, delivery.set_aside) == (11, 0)
    assert len(office.observations) == 10


def test_single_message_that_is_too_large_is_set_aside(outbox, office, deliver):
    outbox.keep(make_observation(0), None)
    office.max_items = 0
    delivery = deliver()
    assert delivery.set_aside == 1
    assert "413" in outbox.all_set_aside()[0].reason


def test_picture_that_is_refused_is_set_aside_and_does_not_block(outbox, office, deliver):
    fill(outbox, 2)
    office.answers = [422]
    delivery = deliver()
    assert (delivery.pictures_set_aside, delivery.pictures_stored, delivery.stored) == (1, 1, 3)


def test_address_of_another_service_is_named_and_nothing_is_lost(outbox, office, deliver):
    outbox.keep(make_observation(0), None)
    office.answers = [404]
    delivery = deliver()
    assert delivery.stopped is not None
    assert "no Wegewart server" in delivery.stopped
    assert outbox.counts()["observation"] == {"pending": 1}


HOTSPOT = "<html><title>Willkommen im Hotspot</title></html>"


@pytest.mark.parametrize(
    "page",
    [
        HOTSPOT,
        "{}",
        "[1, 2]",
        '{"sha256": "' + "f" * 64 + '", "status": "stored"}',
        '{"sha256": "SENT", "status": "seen"}',
        '{"sha256": "SENT", "status": ["stored"]}',
    ],
    ids=["hotspot", "empty", "list", "another-picture", "another-status", "odd-status"],
)
@pytest.mark.parametrize("code", [200, 201])
def test_answer_that_does_not_name_the_picture_confirms_nothing(outbox, office, deliver, code, page):
    picture = make_picture(b"jpeg" * 100)
    outbox.keep(make_observation(0, picture), picture)
    office.answers = [(code, page.replace("SENT", picture.evidence.sha256))]
    delivery = deliver()
    assert delivery.stopped is not None
    assert "not as Wegewart" in delivery.stopped
    waiting = outbox.next_picture()
    assert waiting is not None
    assert waiting.content == picture.content


@pytest.mark.parametrize("code", [408, 425, 429, 500, 501, 507, 511, 520])
def test_server_that_cannot_take_it_now_makes_nothing_set_aside(outbox, office, deliver, code):
    fill(outbox, 1)
    office.answers = [200, code]  # the picture arrives, the observation does not
    delivery = deliver(attempts=1)
    assert delivery.stopped is not None
    assert f"HTTP {code}" in delivery.stopped
    assert (delivery.set_aside, delivery.pictures_set_aside) == (0, 0)
    assert outbox.counts()["observation"] == {"pending": 1}


ODD_ANSWERS = [
    HOTSPOT,
    "[]",
    '"stored"',
    '{"results": 1}',
    '{"results": [7]}',
    '{"results": [{"index": "first", "status": "stored"}]}',
    '{"results": [{"index": 5, "status": "stored"}]}',
    '{"results": [{"index": 0, "status": "perhaps"}]}',
]


@pytest.mark.parametrize("page", ODD_ANSWERS)
def test_answer_without_a_result_per_message_confirms_nothing(outbox, office, deliver, page):
    outbox.keep(make_observation(0), None)
    office.answers = [(200, page)]
    delivery = deliver()
    assert delivery.stopped is not None
    assert "not as Wegewart" in delivery.stopped
    assert outbox.counts()["observation"] == {"pending": 1}


@pytest.mark.parametrize(
    ("code", "page"),
    [
        (200, HOTSPOT),
        (200, "[]"),
        (200, '{"passes": {}}'),
        (200, '{"passes": [1]}'),
        (200, '{"passes": [{"bundle": "ab"}]}'),
        (200, '{"passes": [{"bundle": "ab", "observations_stored": null}]}'),
        (400, "{}"),
    ],
)
def test_server_whose_answer_is_odd_is_no_source_for_what_is_stored(outbox, office, code, page):
    office.answers = [(code, page)]
    uplink = Uplink(outbox, ServerSettings(url=office.url), office.token)
    with pytest.raises(ServerRefused, match="not as Wegewart"):
        uplink.stored_of(UUID(DRIVE_ID), "ab" * 32)
    uplink.close()


def test_answer_that_does_not_unpack_leaves_everything_queued(outbox, office, deliver):
    outbox.keep(make_observation(0), None)
    office.answers = [(200, "no gzip")]
    office.encoding = "gzip"
    delivery = deliver(attempts=1)
    assert delivery.stopped is not None
    assert "DecodingError" in delivery.stopped
    assert outbox.counts()["observation"] == {"pending": 1}


FOREIGN_DRIVE_ID = "0198a0d2-6c00-7000-8000-00000000000f"


def test_drive_of_another_device_is_set_aside_and_the_others_arrive(outbox, office, deliver):
    """The foreign drive's messages are the oldest, and lie between those of the own drive."""
    office.foreign_drives = {FOREIGN_DRIVE_ID}
    for number in range(3):
        outbox.keep(make_observation(number, drive_id=FOREIGN_DRIVE_ID), None)
        outbox.keep(make_observation(number), None)
    outbox.keep_drive(make_track(3).model_copy(update={"drive_id": UUID(FOREIGN_DRIVE_ID)}))
    outbox.keep_drive(make_track(3))
    delivery = deliver()
    assert (delivery.stopped, delivery.stored, delivery.set_aside) == (None, 4, 4)
    assert {each["drive_id"] for each in office.observations.values()} == {DRIVE_ID}
    assert {each.reason for each in outbox.all_set_aside()} == {"HTTP 403 recorded by another device"}
    assert delivery.reasons == [f"drive {FOREIGN_DRIVE_ID}: HTTP 403 recorded by another device"]


def test_403_without_that_reason_stops_and_sets_nothing_aside(outbox, office, deliver):
    outbox.keep(make_observation(0), None)
    office.answers = [403]
    delivery = deliver()
    assert delivery.stopped is not None
    assert outbox.counts()["observation"] == {"pending": 1}
