"""Nothing that was observed is lost, whatever happens to the process, the disk's room, or the server."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from tests.edge.conftest import DRIVE_ID, START

from wegewart.damage import DEFAULT_TAXONOMY
from wegewart.drive import DriveState, DriveTrack
from wegewart.errors import OutboxInvalid, OutboxUnwritable
from wegewart.geo import Covariance, Datum
from wegewart.identity import observation_id
from wegewart.observation import BoxPx, Evidence, FrameSize, Observation
from wegewart.wire import BundleRef
from wegewart_edge.outbox import Outbox
from wegewart_edge.privacy import Picture

BUNDLE = BundleRef(id="sees-0.1.0-fp32", sha256="a" * 64)
MIB = 2**20


def make_picture(content: bytes) -> Picture:
    evidence = Evidence(
        sha256=hashlib.sha256(content).hexdigest(),
        left_px=0,
        top_px=100,
        width_px=640,
        height_px=260,
        mask_bundle=BUNDLE,
    )
    return Picture(evidence, content)


def make_observation(
    number: int, picture: Picture | None = None, width_m: float = 0.5, drive_id: str = DRIVE_ID
) -> Observation:
    drive = UUID(drive_id)
    return Observation(
        id=observation_id(drive, "front", BUNDLE.sha256, number, 0),
        drive_id=drive,
        device_id="box-01",
        camera_id="front",
        first_sequence=number,
        first_number=0,
        captured_at=START,
        time_sigma_s=0.02,
        best_sequence=number,
        lat=49.94,
        lon=11.57,
        datum=Datum.WGS84,
        heading_deg=0.0,
        station_m=float(number),
        offset_right_m=0.5,
        cov_relative_m2=Covariance(0.1, 0.0, 0.1),
        cov_gnss_m2=Covariance(6.25, 0.0, 6.25),
        taxonomy=DEFAULT_TAXONOMY,
        class_probabilities={"D40": 1.0},
        confidence=0.8,
        width_m=width_m,
        width_sigma_m=0.05,
        looks=1,
        nearest_m=6.0,
        frame_size_px=FrameSize(width=640, height=360),
        box_px=BoxPx(x1=1, y1=2, x2=3, y2=4),
        bundle=BUNDLE,
        threshold=0.25,
        evidence=picture.evidence if picture else None,
        no_evidence_reason=None if picture else "no mask bundle",
    )


def make_track(observations: int) -> DriveTrack:
    return DriveTrack.model_validate(
        {
            "drive_id": DRIVE_ID,
            "device_id": "box-01",
            "bundle": BUNDLE.model_dump(),
            "revision": 1,
            "state": DriveState.CLOSED,
            "started_at": START,
            "ended_at": START,
            "datum": Datum.WGS84,
            "cameras": [
                {
                    "camera_id": "front",
                    "intrinsics": {
                        "width_px": 640,
                        "height_px": 360,
                        "focal_x_px": 368,
                        "focal_y_px": 368,
                        "centre_x_px": 320,
                        "centre_y_px": 180,
                    },
                    "mount": {"version": "1", "height_m": 1.3, "tilt_down_deg": 5},
                }
            ],
            "poses": [],
            "stretches": [],
            "observations": observations,
        }
    )


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path / "outbox.sqlite", MIB) as outbox:
        yield outbox


def test_outbox_keeps_an_observation_until_the_server_confirms_it(outbox):
    observation = make_observation(1)
    outbox.keep(observation, None)
    (waiting,) = outbox.pending("observation", 10)
    assert Observation.model_validate_json(waiting.body) == observation
    outbox.confirm("observation", [waiting.key])
    assert outbox.pending("observation", 10) == []
    assert outbox.counts()["observation"] == {"sent": 1}


def test_payload_is_deleted_only_after_the_confirmation(outbox):
    picture = make_picture(b"jpeg" * 100)
    outbox.keep(make_observation(1, picture), picture)
    waiting = outbox.next_picture()
    assert waiting is not None
    assert waiting.content == picture.content
    outbox.confirm_picture(waiting.sha256)
    with sqlite3.connect(outbox.path) as connection:
        assert connection.execute("SELECT content, state FROM evidence").fetchall() == [(None, "sent")]
    connection.close()


def test_keeping_the_same_observation_again_changes_nothing(outbox):
    outbox.keep(make_observation(1), None)
    outbox.confirm("observation", [str(make_observation(1).id)])
    outbox.keep(make_observation(1), None)
    assert outbox.counts()["observation"] == {"sent": 1}


def test_observation_with_other_content_is_offered_again(outbox):
    outbox.keep(make_observation(1), None)
    outbox.confirm("observation", [str(make_observation(1).id)])
    outbox.keep(make_observation(1, width_m=0.7), None)
    assert outbox.counts()["observation"] == {"pending": 1}


def test_drive_waits_until_none_of_its_observations_waits(outbox):
    outbox.keep(make_observation(1), None)
    outbox.keep_drive(make_track(1))
    assert outbox.pending("drive", 10) == []
    outbox.set_aside("observation", str(make_observation(1).id), "409 other content")
    assert len(outbox.pending("drive", 10)) == 1


def test_what_was_set_aside_keeps_its_reason_and_can_be_tried_again(outbox):
    outbox.keep(make_observation(1), None)
    outbox.set_aside("observation", str(make_observation(1).id), "422 no such class")
    (refused,) = outbox.all_set_aside()
    assert refused.reason == "422 no such class"
    assert outbox.retry_set_aside() == 1
    assert len(outbox.pending("observation", 10)) == 1


def test_budget_gives_up_the_oldest_pictures_and_never_a_record(tmp_path):
    with Outbox(tmp_path / "small.sqlite", 2500) as outbox:
        for number in range(4):
            picture = make_picture(bytes([number]) * 1000)
            outbox.keep(make_observation(number, picture), picture)
        counts = outbox.counts()
    assert counts["observation"] == {"pending": 4}
    assert counts["evidence"] == {"pending": 2, "evicted": 2}


def test_budget_gives_up_refused_pictures_before_unsent_ones(tmp_path):
    with Outbox(tmp_path / "small.sqlite", 2500) as outbox:
        pictures = [make_picture(bytes([number]) * 1000) for number in range(3)]
        for number in (0, 1):
            outbox.keep(make_observation(number, pictures[number]), pictures[number])
        outbox.set_aside("evidence", pictures[1].evidence.sha256, "422")
        outbox.keep(make_observation(2, pictures[2]), pictures[2])
        assert outbox.counts()["evidence"] == {"pending": 2, "evicted": 1}
        first = outbox.next_picture()
    assert first is not None
    assert first.sha256 == pictures[0].evidence.sha256


def test_picture_that_was_given_up_comes_back_with_the_next_replay(tmp_path):
    with Outbox(tmp_path / "small.sqlite", 1500) as outbox:
        pictures = [make_picture(bytes([number]) * 1000) for number in range(2)]
        for number, picture in enumerate(pictures):
            outbox.keep(make_observation(number, picture), picture)
        outbox.confirm_picture(pictures[1].evidence.sha256)
        outbox.keep(make_observation(0, pictures[0]), pictures[0])
        assert outbox.counts()["evidence"] == {"pending": 1, "sent": 1}


def test_file_that_is_no_outbox_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, " * 200)
    with pytest.raises(OutboxInvalid, match="no outbox"):
        Outbox(path, MIB)
    assert path.read_text().startswith("my notes")


def test_outbox_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "outbox.sqlite"
    Outbox(path, MIB).__exit__(None, None, None)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(OutboxInvalid, match="format 99"):
        Outbox(path, MIB)


KILLED_AFTER_KEEPING = """
import os, signal, sys
from pathlib import Path
from tests.edge.test_outbox import make_observation, make_picture
from wegewart_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 2**20)
for number in range(int(sys.argv[2])):
    picture = make_picture(bytes([number]) * 1000)
    outbox.keep(make_observation(number, picture), picture)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_kept_survives_a_killed_process(tmp_path):
    path = tmp_path / "outbox.sqlite"
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_KEEPING, path, "5"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert killed.returncode == -signal.SIGKILL
    with Outbox(path, MIB) as outbox:
        assert outbox.counts() == {"observation": {"pending": 5}, "drive": {}, "evidence": {"pending": 5}}


def allow_pages(outbox: Outbox, pages: int) -> None:
    """SQLite's own full disk: no page beyond these, the same error as from the system."""
    outbox._connection.execute(f"PRAGMA max_page_count={pages}")


def test_full_disk_is_named_and_nothing_kept_before_is_lost(outbox):
    outbox.keep(make_observation(1), None)
    allow_pages(outbox, 20)
    picture = make_picture(b"jpeg" * 100_000)
    with pytest.raises(OutboxUnwritable, match=r"Platz schaffen .* · the disk is full: free some space"):
        outbox.keep(make_observation(2, picture), picture)
    assert outbox.counts()["observation"] == {"pending": 1}
    allow_pages(outbox, 10_000)
    outbox.keep(make_observation(2, picture), picture)
    assert outbox.counts()["evidence"] == {"pending": 1}


def test_outbox_that_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(OutboxUnwritable, match="check path and permissions"):
        Outbox(tmp_path, MIB)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutboxUnwritable, match="check path and permissions"):
        Outbox(tmp_path / "file" / "outbox.sqlite", MIB)
