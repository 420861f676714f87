"""`wegewart-edge pose`: a receiver followed through a real socket, until Ctrl-C."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.edge.driving import START, drive, fix_at, moment, trajectory

from wegewart.drive import FixType, Pose
from wegewart.errors import RecordUnwritable
from wegewart_edge.__main__ import main
from wegewart_edge.following import Poses, as_text, follow, recording
from wegewart_edge.gnss import read_fixes
from wegewart_edge.live_pose import LivePose
from wegewart_edge.pose import LeverArm
from wegewart_edge.settings import PoseSettings


def tpv(fix):
    """A report as gpsd writes it."""
    report = {
        "class": "TPV",
        "mode": 1 if fix.fix is FixType.NONE else 3,
        "status": 3,
        "time": fix.captured_at.isoformat().replace("+00:00", "Z"),
        "lat": fix.lat,
        "lon": fix.lon,
        "epx": fix.sigma_east_m * 1.96,
        "epy": fix.sigma_north_m * 1.96,
        "track": 90.0,
        "speed": 8.0,
    }
    return json.dumps(report).encode() + b"\r\n"


@contextmanager
def gpsd(*connections):
    """A server that says one list of chunks per connection, and closes it; the last one it keeps open."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        for number, chunks in enumerate(connections):
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1000).startswith(b"?WATCH")
                for chunk in chunks:
                    connection.sendall(chunk)
                if number == len(connections) - 1:
                    ended.wait(60)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        ended.set()
        thread.join()
        server.close()


def eastwards(from_s, to_s):
    return [fix_at(float(second), 8.0 * second, 0.0, 0.02) for second in range(from_s, to_s)]


def lines_of(process, count):
    return [process.stdout.readline() for _ in range(count)]


# A runner in the background ignores Ctrl-C, and so would what it starts.
HEEDING_CTRL_C = """
import signal, sys
from wegewart_edge.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["pose", *sys.argv[1:]]))
"""


def following(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", HEEDING_CTRL_C, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "service-stopped"])
def test_poses_go_on_over_a_lost_connection_until_stopped_and_the_record_is_a_drives_positions(
    tmp_path, stop
):
    first, second = eastwards(0, 20), eastwards(20, 40)
    record = tmp_path / "gnss.csv"
    with gpsd([tpv(fix) for fix in first], [tpv(fix) for fix in second]) as address:
        process = following("--gpsd", address, "--record", str(record))
        too_long = threading.Timer(120, process.kill)  # a pose that never comes fails, and does not hang
        too_long.start()
        poses = [Pose.model_validate_json(line) for line in lines_of(process, 37)]
        process.send_signal(stop)
        rest, said = process.communicate()
        too_long.cancel()
    assert process.returncode == 0
    assert "gpsd closed the connection: connecting again" in said
    assert "connected with gpsd again" in said
    assert f"{len(poses) + len(rest.splitlines())} poses" in said
    assert [pose.captured_at for pose in poses] == [moment(second) for second in range(37)]
    assert poses[30].heading_deg == pytest.approx(90.0, abs=1.0)
    assert poses[30].station_m == pytest.approx(240.0, abs=1.0)
    assert poses[30].fix is FixType.RTK_FIXED
    assert poses[30].cov_gnss_m2.rms_m == pytest.approx(0.02, abs=0.01)
    recorded = read_fixes(record, 2.5)
    assert [fix.captured_at for fix in recorded] == [fix.captured_at for fix in first + second]
    assert trajectory(recorded).at(moment(30)).station_m == pytest.approx(240.0, abs=1.0)


def test_nobody_at_the_address_fails_and_says_what_to_look_at(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    record = tmp_path / "gnss.csv"
    assert main(["pose", "--gpsd", f"127.0.0.1:{port}", "--record", str(record)]) == 1
    said = capsys.readouterr()
    assert "is gpsd running there" in said.err
    assert said.out == ""
    assert not record.exists()  # or the next try would be refused for it


@pytest.mark.parametrize("address", ["", "host:", "host:0", "host:99999", "a:b:c"])
def test_address_that_is_none_is_called_wrongly(address, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pose", "--gpsd", address])
    assert ended.value.code == 2
    assert "HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "says"), [("a.nmea", ".csv"), ("here.csv", "exists already")])
def test_record_that_would_be_unreadable_or_overwrite_is_called_wrongly(tmp_path, capsys, name, says):
    (tmp_path / "here.csv").write_text("a drive that nobody wants to lose")
    assert main(["pose", "--gpsd", "127.0.0.1:1", "--record", str(tmp_path / name)]) == 2
    assert says in capsys.readouterr().err
    assert (tmp_path / "here.csv").read_text().startswith("a drive")


def test_a_record_on_a_full_disk_ends_with_what_to_do_and_is_not_taken_for_a_lost_receiver(
    tmp_path, monkeypatch
):
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115  closed by the record
    monkeypatch.setattr("wegewart_edge.following._new_table", lambda _: full)
    with pytest.raises(RecordUnwritable, match="free some space"), recording(tmp_path / "gnss.csv"):
        pass


@pytest.mark.parametrize("arm", ["nan", "inf"])
def test_an_antenna_arm_that_is_no_length_is_called_wrongly(capsys, arm):
    assert main(["pose", "--gpsd", "127.0.0.1:1", "--antenna-forward-m", arm]) == 2
    assert "must be metres" in capsys.readouterr().err


class Ended(Exception):
    """Stands for Ctrl-C."""


def test_gpsd_that_stays_away_is_asked_ever_more_seldom(caplog):
    pauses_s = []

    def pause(seconds):
        pauses_s.append(seconds)
        if len(pauses_s) == 8:
            raise Ended

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve():
            server.accept()[0].close()
            server.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Ended):
            follow("127.0.0.1", port, 2.5, lambda _: None, pause)
        thread.join()
    assert pauses_s == [1, 2, 4, 8, 16, 30, 30, 30]
    assert caplog.text.count("is gpsd running there") == 7


def test_recorded_fixes_are_read_as_they_were(tmp_path):
    driven = drive(3, lasts_s=4)
    fixes = [replace(fix, heading_sigma_deg=0.4, fix=FixType.RTK_FLOAT) for fix in driven.fixes]
    fixes[3] = replace(fixes[3], heading_deg=None, heading_sigma_deg=None, speed_mps=None)
    with recording(tmp_path / "gnss.csv") as take:
        for fix in fixes:
            take(fix)
        take(replace(fix_at(9, 0, 0), lat=float("nan"), lon=float("nan"), fix=FixType.NONE))
        written = (tmp_path / "gnss.csv").read_text().splitlines()  # at once: power may go
    *read, none = read_fixes(tmp_path / "gnss.csv", 9.9)
    assert read == fixes
    assert none.fix is FixType.NONE
    assert len(written) == len(fixes) + 2


def told(fixes, caplog):
    given = []
    poses = Poses(LivePose(LeverArm(), PoseSettings()), given.append)
    with caplog.at_level(logging.INFO):
        for fix in fixes:
            poses.take(fix)
    return given, [record.message for record in caplog.records if "following" in record.name]


def test_one_pose_a_second_is_given_of_a_faster_receiver(caplog):
    given, _ = told([fix_at(tick / 10, 0.8 * tick, 0) for tick in range(200)], caplog)
    steps_s = {round((b.captured_at - a.captured_at) / timedelta(seconds=1), 3) for a, b in pairwise(given)}
    assert steps_s == {1.0}
    assert len(given) == 18  # the last two seconds are not settled
    assert given[10].captured_at == START + timedelta(seconds=10)


def test_what_keeps_poses_away_is_said_once(caplog):
    none = [replace(fix_at(second, 0, 0), fix=FixType.NONE) for second in range(5)]
    standing = [fix_at(5 + second, 0, 0) for second in range(20)]
    driving = [fix_at(25 + second, 8.0 * second, 0) for second in range(10)]
    given, said = told(none + standing + driving, caplog)
    assert said == [
        "the receiver has no fix: no pose",
        "the receiver has a fix; poses come when the vehicle has moved",
        "poses of fixes of the kind single",
    ]
    assert given[-1].heading_deg == pytest.approx(90, abs=5)
    assert as_text(given[-1]).endswith("29 km/h  single")


def test_clock_set_back_does_not_hold_poses_up(caplog):
    ahead = [fix_at(1000 + second, 8.0 * second, 0) for second in range(10)]
    right = [fix_at(second, 80 + 8.0 * second, 0) for second in range(10)]
    given, _ = told(ahead + right, caplog)
    assert given[-1].captured_at == moment(6)
    assert given[-1].station_m > 80
