"""The whole vehicle: recorded drive in, observations at a server, the same whatever happens on the way."""

import json
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.office import Office

from wegewart.drive import DriveTrack
from wegewart.observation import Observation
from wegewart_edge.__main__ import main
from wegewart_edge.drive_reader import MOST_HELD, FrameLoader
from wegewart_edge.replay import replay as run_replay
from wegewart_edge.settings import EdgeSettings
from wegewart_edge.video_reader import VideoReader
from wegewart_inference.frame import Frame

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "datasets" / "sample-drive" / "pass-2"


@pytest.fixture
def token_file(tmp_path, office):
    path = tmp_path / "token"
    path.write_text(office.token + "\n")
    return path


@pytest.fixture
def replay(models, office, token_file, tmp_path, capsys):
    """Run the command; exit code and its JSON summary."""

    def run(drive, outbox="outbox.sqlite", *more):
        code = main(
            [
                "replay",
                str(drive),
                "--server",
                office.url,
                "--token-file",
                str(token_file),
                "--outbox",
                str(tmp_path / outbox),
                "--models",
                str(models),
                "--json",
                *more,
            ]
        )
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return run


def test_drive_becomes_observations_at_the_server(replay, office, make_drive):
    code, summary = replay(make_drive())
    assert code == 0
    assert (summary["frames_read"], summary["frames_used"], summary["delivered"]) == (12, 12, True)
    assert summary["observations"] == len(office.observations) > 0
    observations = [Observation.model_validate(each) for each in office.observations.values()]
    assert {each.likeliest_class for each in observations} == {"D40", "D20"}
    shown = {each.evidence.sha256 for each in observations if each.evidence}
    assert shown == set(office.evidence)
    (track,) = (DriveTrack.model_validate(each) for each in office.drives.values())
    assert track.observations == len(observations)
    assert [(each.from_station_m, each.to_station_m, each.valid) for each in track.stretches] == [
        (0.0, pytest.approx(55.1, abs=0.05), True)
    ]


def test_people_are_grey_in_what_leaves_the_vehicle(replay, office, make_drive):
    """The mask bundle sees a person at 300–330 × 160–240 px of every frame; the margin is 15 % and 4 px."""
    replay(make_drive())
    observation = next(iter(office.observations.values()))
    crop = observation["evidence"]
    image = cv2.imdecode(np.frombuffer(office.evidence[crop["sha256"]], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (crop["height_px"], crop["width_px"])
    top, left = crop["top_px"], crop["left_px"]
    masked = image[max(160 - top, 0) : 240 - top, 300 - left : 330 - left]
    assert abs(masked.astype(int) - 128).max() <= 6  # JPEG ripples at the border
    beside = image[max(160 - top, 0) : 240 - top, 400 - left : 430 - left]
    assert beside.std() > 20


def test_strip_begins_below_the_horizon(replay, office, make_drive):
    replay(make_drive())
    horizon_px = 180 - 368 * np.tan(np.radians(5.0))
    tops = {each["evidence"]["top_px"] for each in office.observations.values()}
    assert all(horizon_px < top < horizon_px + 0.05 * 360 for top in tops)


def test_repeating_with_and_without_the_outbox_changes_nothing(replay, office, make_drive):
    drive = make_drive()
    replay(drive)
    before = office.content()
    assert replay(drive)[1]["delivered"]
    code, summary = replay(drive, "another.sqlite")
    assert code == 0
    assert summary["delivery"]["stored"] == 0
    assert summary["delivery"]["known"] == summary["observations"] + 1
    assert office.content() == before


def test_new_server_gets_everything_again_from_the_same_outbox(replay, office, make_drive):
    drive = make_drive()
    replay(drive)
    before = office.content()
    office.observations.clear()
    office.evidence.clear()
    assert replay(drive)[1]["delivered"]
    assert office.content() == before


def test_server_that_is_down_costs_nothing_but_time(replay, office, make_drive, tmp_path):
    drive = make_drive()
    config = tmp_path / "vehicle.toml"
    config.write_text("[server]\nattempts = 1\n")
    office.answers = [503]
    code, summary = replay(drive, "outbox.sqlite", "--config", str(config))
    assert code == 1
    assert summary["waiting"]["observation"] == summary["observations"]
    assert "stays queued" in summary["delivery"]["stopped"]
    code, summary = replay(drive)
    assert code == 0
    assert len(office.observations) == summary["observations"]


def test_offline_replay_is_delivered_by_retry(replay, office, make_drive, tmp_path, token_file):
    drive = make_drive()
    assert replay(drive, "outbox.sqlite", "--offline")[0] == 1
    assert office.requests == []
    code = main(
        [
            "outbox",
            "retry",
            "--server",
            office.url,
            "--token-file",
            str(token_file),
            "--outbox",
            str(tmp_path / "outbox.sqlite"),
        ]
    )
    assert code == 0
    assert len(office.drives) == 1


def test_without_a_mask_bundle_no_picture_leaves_and_the_reason_does(
    replay, office, make_drive, models, tmp_path
):
    only_damage = tmp_path / "only-damage"
    only_damage.mkdir()
    (only_damage / "default.toml").write_text('damage = "sees-0.1.0-fp32"\nmask = "not-there"\n')
    code, summary = replay(
        make_drive(), "o.sqlite", "--models", str(only_damage), "--bundle", str(models / "sees-0.1.0-fp32")
    )
    assert code == 0
    assert office.evidence == {}
    assert summary["without_picture"] == {
        "no mask bundle: without it no image is kept": summary["observations"]
    }
    reasons = {each["no_evidence_reason"] for each in office.observations.values()}
    assert reasons == {"no mask bundle: without it no image is kept"}


def test_broken_and_dark_frames_and_frames_without_a_fix_are_counted_and_explained(
    replay, office, make_drive
):
    drive = make_drive()
    (drive / "images" / "0003.jpg").write_bytes(b"\xff\xd8 no picture")
    cv2.imwrite(str(drive / "images" / "0005.jpg"), np.full((360, 640, 3), 5, np.uint8))
    rows = (drive / "gnss.csv").read_text().splitlines()
    (drive / "gnss.csv").write_text("\n".join(rows[:-2]) + "\n")  # the last two frames have no position
    code, summary = replay(drive)
    assert code == 0
    assert summary["rejected"] == {"broken_image": 1, "dark": 1, "no_position": 2}
    assert summary["frames_used"] == 8
    (track,) = (DriveTrack.model_validate(each) for each in office.drives.values())
    reasons = [str(each.invalid_reason) for each in track.stretches if not each.valid]
    assert reasons[:2] == ["broken_image", "dark"]


@pytest.fixture
def make_video_drive(make_drive):
    """The same drive with its images as an MJPEG video."""

    def make(frames=12):
        folder = make_drive(frames, replace={'images = "images"': 'video = "front.avi"'})
        writer = cv2.VideoWriter(str(folder / "front.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 2, (640, 360))
        for image in sorted((folder / "images").iterdir()):
            writer.write(cv2.imread(str(image)))
        writer.release()
        rows = (folder / "frames.csv").read_text().splitlines()
        changed = [rows[0].replace("file", "frame_index")]
        changed += [f"{row.rsplit(',', 1)[0]},{number}" for number, row in enumerate(rows[1:])]
        (folder / "frames.csv").write_text("\n".join(changed) + "\n")
        return folder

    return make


KILLED_IN_FRAME = """
import os, signal, sys
from pathlib import Path
from wegewart_edge.replay import replay
from wegewart_edge.settings import EdgeSettings
drive, models, outbox, frame = sys.argv[1:]
settings = EdgeSettings.load(None, {"models": {"folder": Path(models)}, "outbox": {"file": Path(outbox)}}, {})
def killed(done, total):
    if done == int(frame):
        os.kill(os.getpid(), signal.SIGKILL)
replay(Path(drive), settings, killed, offline=True)
"""


@pytest.mark.parametrize(
    ("frame", "keeps_outbox"),
    [(1, True), (6, True), (12, True), (6, False)],
    ids=["at-the-start", "midway", "before-the-end", "midway-and-outbox-lost"],
)
def test_replay_killed_anywhere_and_repeated_gives_the_same_content(
    replay, office, make_drive, models, tmp_path, frame, keeps_outbox
):
    drive = make_drive()
    replay(drive, "undisturbed.sqlite")
    undisturbed = office.content()
    office.observations.clear()
    office.drives.clear()
    office.evidence.clear()
    outbox = tmp_path / "killed.sqlite"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_FRAME, drive, models, outbox, str(frame)], cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    assert outbox.exists()
    code, _ = replay(drive, "killed.sqlite" if keeps_outbox else "fresh.sqlite")
    assert code == 0
    assert office.content() == undisturbed


def test_continued_replay_does_not_look_at_known_frames_again(replay, make_drive, models, tmp_path, caplog):
    """The frames that a killed run had looked at are answered from the outbox: their images may be gone."""
    drive = make_drive()
    subprocess.run(
        [sys.executable, "-c", KILLED_IN_FRAME, drive, models, tmp_path / "o.sqlite", "6"], cwd=ROOT
    )
    (drive / "images" / "0000.jpg").write_bytes(b"gone")
    _, summary = replay(drive, "o.sqlite")
    assert summary["rejected"] == {}


def test_continued_replay_of_a_video_never_starts_it_anew(
    replay, make_video_drive, models, tmp_path, monkeypatch
):
    drive = make_video_drive()
    subprocess.run(
        [sys.executable, "-c", KILLED_IN_FRAME, drive, models, tmp_path / "o.sqlite", "10"], cwd=ROOT
    )
    opened = []
    open_video = VideoReader._opened
    monkeypatch.setattr(VideoReader, "_opened", lambda self: opened.append(self) or open_video(self))
    code, summary = replay(drive, "o.sqlite")
    assert (code, summary["without_picture"]) == (0, {})
    assert len(opened) == len(set(map(id, opened))) <= 2  # one for what comes, one for best views let go


@pytest.mark.parametrize("kind", ["images", "video"])
def test_few_decoded_frames_are_in_memory_while_the_noise_is_learnt(
    kind, make_drive, make_video_drive, models, tmp_path, monkeypatch
):
    """Two damages in each of 24 frames: fewer than 60 looks, so all of them wait until the drive's end."""
    drive = make_drive(24) if kind == "images" else make_video_drive(24)
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    load, most, opened = FrameLoader.load, [], []
    open_video = VideoReader._opened

    def loaded(loader, entry):
        shot = load(loader, entry)
        alive.add(shot)
        most.append(len(alive))
        return shot

    monkeypatch.setattr(FrameLoader, "load", loaded)
    monkeypatch.setattr(VideoReader, "_opened", lambda self: opened.append(self) or open_video(self))
    settings = EdgeSettings.load(
        None, {"models": {"folder": models}, "outbox": {"file": tmp_path / "o.sqlite"}}, {}
    )
    outcome = run_replay(drive, settings, lambda done, total: None, offline=True)
    assert len(most) > 24  # best views were read again
    assert max(most) <= MOST_HELD + 2
    assert outcome.tally.observations > 0
    assert outcome.tally.without_picture == {}
    assert len(opened) == (2 if kind == "video" else 0)


def test_drive_of_another_device_stays_queued_with_a_clear_word(replay, office, make_drive):
    office.answers = [403]
    code, summary = replay(make_drive())
    assert code == 1
    assert "device_id" in summary["delivery"]["stopped"]


def test_missing_damage_bundle_is_an_error_that_says_what_to_do(replay, make_drive, tmp_path):
    code, said = replay(make_drive(), "o.sqlite", "--bundle", str(tmp_path / "none"))
    assert code == 1
    assert "no complete model bundle" in said


def test_outbox_status_names_what_was_refused(replay, office, make_drive, tmp_path, capsys):
    drive = make_drive()
    replay(drive)
    first = next(iter(office.observations))
    office.observations.clear()
    office.drives.clear()
    office.refuse_ids = {first: 422}
    code, summary = replay(drive, "other.sqlite")
    assert (code, summary["set_aside"]["observation"]) == (1, 1)
    assert main(["outbox", "status", "--outbox", str(tmp_path / "other.sqlite"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["set_aside"] == [{"kind": "observation", "key": first, "reason": "422 not this one"}]


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample drive is not in this checkout")
def test_sample_drive_runs_twice_to_the_same_content_with_the_shipped_bundles(
    tmp_path, office: Office, capsys
):
    token = tmp_path / "token"
    token.write_text(office.token)
    contents = []
    for name in ("a", "b"):
        office.observations.clear()
        office.drives.clear()
        office.evidence.clear()
        outbox = tmp_path / f"{name}.sqlite"
        command = f"replay {SAMPLE} --server {office.url} --token-file {token} --outbox {outbox} --json"
        code = main([*command.split(), "--models", str(ROOT / "models")])
        summary = json.loads(capsys.readouterr().out)
        assert (code, summary["frames_read"]) == (0, 18)
        contents.append(office.content())
    assert contents[0] == contents[1]
    assert len(office.observations) >= 5
