"""Positions live from gpsd: recorded lines through a real socket, and the daemon itself where installed."""

import json
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from itertools import pairwise

import pytest
from pynmeagps import NMEAMessage

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.gpsd import GpsdClient, fix_of_report

VERSION = b'{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}\r\n'
# As gpsd 3.22 wrote it for the RTK epochs below.
TPV = (
    b'{"class":"TPV","device":"tcp://127.0.0.1:40123","status":3,"mode":3,"time":"2026-05-04T08:00:02.000Z",'
    b'"ept":0.005,"lat":49.940140000,"lon":11.570000000,"epx":12.170,"epy":12.170,"track":0.5000,'
    b'"speed":7.768,"eph":15.200}\r\n'
)


@contextmanager
def speaking(*chunks):
    """A server that reads the request, says its lines, and closes."""
    server = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve():
        connection, _ = server.accept()
        with connection:
            heard.append(connection.recv(1000))
            for chunk in chunks:
                connection.sendall(chunk)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1], heard
    thread.join()
    server.close()


def test_recorded_reports_become_fixes_whatever_pieces_they_arrive_in():
    pieces = (VERSION + TPV[:50], TPV[50:120], TPV[120:] + b'{"class":"SKY"}\r\n')
    with (
        speaking(*pieces) as (port, heard),
        GpsdClient("127.0.0.1", port, 2.5, timeout_s=5) as client,
    ):
        (fix,) = client.fixes()
    assert heard == [b'?WATCH={"enable":true,"json":true};\n']
    assert (fix.lat, fix.lon, fix.fix) == (49.94014, 11.57, FixType.RTK_FIXED)
    assert fix.captured_at == datetime(2026, 5, 4, 8, 0, 2, tzinfo=UTC)
    assert (fix.speed_mps, fix.heading_deg) == (7.768, 0.5)
    assert fix.sigma_east_m == pytest.approx(12.17 / 1.96)


def test_accuracy_of_the_receiver_itself_counts_before_gpsds_own():
    gst = b'{"class":"GST","time":"2026-05-04T08:00:02.000Z","lat":0.012,"lon":0.018}\r\n'
    with speaking(gst + TPV) as (port, _), GpsdClient("127.0.0.1", port, 2.5, timeout_s=5) as client:
        (fix,) = client.fixes()
    assert (fix.sigma_east_m, fix.sigma_north_m) == (0.018, 0.012)


@pytest.mark.parametrize(
    "line",
    [
        b"no json\r\n",
        TPV.replace(b"49.94", b"99.94"),
        TPV.replace(b'"7.768"', b"x").replace(b"2026-05", b"soon"),
    ],
    ids=["text", "place", "time"],
)
def test_damaged_report_is_left_out_and_counted(line):
    with speaking(line + TPV) as (port, _), GpsdClient("127.0.0.1", port, 2.5, timeout_s=5) as client:
        assert len(list(client.fixes())) == 1
        assert client.damaged == 1


def test_report_without_a_lock_is_no_fix_and_without_a_time_nothing():
    report = json.loads(TPV)
    assert fix_of_report(report | {"mode": 1}, 2.5).fix is FixType.NONE
    del report["time"]
    assert fix_of_report(report, 2.5) is None


def test_nobody_at_the_address_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InvalidPositions, match="is gpsd running there"):
        GpsdClient("127.0.0.1", port, 2.5, timeout_s=1)


def test_silence_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = GpsdClient("127.0.0.1", server.getsockname()[1], 2.5, timeout_s=0.05)
        with client, pytest.raises(InvalidPositions, match="plugged in"):
            next(client.fixes())


def epoch(second):
    at = time(8, 0, second)
    north = {"lat": 49.94 + second * 7e-5, "NS": "N", "lon": 11.57, "EW": "E"}
    sentences = (
        NMEAMessage("GN", "GGA", 0, time=at, **north, quality=4, numSV=12, HDOP=0.8, alt=340, altUnit="M"),
        NMEAMessage("GN", "RMC", 0, time=at, **north, status="A", spd=15.1, cog=0.5, date=date(2026, 5, 4)),
        NMEAMessage(
            "GN", "GST", 0, time=at, stdMajor=0.02, stdMinor=0.01, orient=0, stdLat=0.012, stdLong=0.018
        ),
    )
    return b"".join(sentence.serialize() for sentence in sentences)


def test_real_gpsd_gives_the_positions_of_its_receiver():
    daemon = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if daemon is None:
        pytest.skip("gpsd is not installed: only its recorded lines were read")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    receiver = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def receive():
        connection, _ = receiver.accept()
        with connection:
            for second in range(50):
                connection.sendall(epoch(second))
                if done.wait(0.05):
                    return

    thread = threading.Thread(target=receive)
    thread.start()
    where = f"tcp://127.0.0.1:{receiver.getsockname()[1]}"
    gpsd = subprocess.Popen([daemon, "-N", "-n", "-S", str(port), where], stderr=subprocess.DEVNULL)
    try:
        with connected(port) as client:
            reports = client.fixes()
            fixes = [next(reports) for _ in range(4)]
    finally:
        done.set()
        gpsd.terminate()
        gpsd.wait(10)
        thread.join()
        receiver.close()
    assert all(fix.lon == pytest.approx(11.57) and 49.94 <= fix.lat < 49.944 for fix in fixes)
    assert all(a.captured_at <= b.captured_at for a, b in pairwise(fixes))
    assert fixes[-1].fix is FixType.RTK_FIXED
    assert fixes[-1].speed_mps == pytest.approx(15.1 * 1852 / 3600, abs=0.01)


def connected(port):
    """A client, as soon as the daemon listens."""
    waiting = threading.Event()
    for _ in range(200):
        try:
            return GpsdClient("127.0.0.1", port, 2.5, timeout_s=20)
        except InvalidPositions:
            waiting.wait(0.05)
    raise AssertionError("gpsd did not listen within 10 s")
