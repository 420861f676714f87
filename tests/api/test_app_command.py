"""The command line as an operator uses it: real processes, a real socket, a kill in between."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.api.sent import DRIVE_ID, observation, track

from wegewart_api.__main__ import main
from wegewart_api.database import tables
from wegewart_api.database.engine import Database

STREETS = Path(__file__).parents[2] / "datasets" / "streets" / "north-bayreuth.osm.gz"
START_LIMIT_S = 60


@contextmanager
def serving(data_dir: Path, *more: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """A running server: what it says when it listens, and its process."""
    pipe = data_dir.parent / f"ready-{os.urandom(4).hex()}"
    command = [sys.executable, "-W", "error", "-m", "wegewart_api", "serve", "--port", "0", "--data-dir"]
    log = (data_dir.parent / "server.log").open("a+", encoding="utf-8")
    with (
        log,
        subprocess.Popen(
            [*command, str(data_dir), "--ready-file", str(pipe), *more], stderr=log, stdout=log, text=True
        ) as server,
    ):
        try:
            yield json.loads(_awaited(pipe, server, log.name)), server
        finally:
            server.kill()


def _awaited(file: Path, server: subprocess.Popen[str], log: str) -> str:
    """Content of the ready file: written whole or not at all, so looking is enough."""
    for _ in range(START_LIMIT_S * 10):
        if file.is_file():
            return file.read_text(encoding="utf-8")
        try:
            server.wait(timeout=0.1)  # waits for the process, and wakes as soon as it dies
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the server did not start: {Path(log).read_text(encoding='utf-8')}")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out.strip(), said.err


def test_a_fresh_server_tells_its_address_and_the_set_up_link_until_somebody_used_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as (said, server):
        assert httpx.get(f"{said['url']}/healthz").json()["status"] == "ok"
        first_link = said["setup_url"]
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    with serving(data_dir) as (said, _):
        assert said["setup_url"] not in (None, first_link)
        form = {"email": "amt@stadt.test", "name": "Amt", "password": "drei Straßen im Herbst"}
        token = said["setup_url"].partition("token=")[2]
        assert httpx.post(f"{said['url']}/api/v1/setup", json=form | {"token": token}).status_code == 201
    code, _, told = run(capsys, "setup-link", "--data-dir", str(data_dir))
    assert (code, "has people already" in told) == (2, True)
    log = (tmp_path / "server.log").read_text(encoding="utf-8")
    assert "Einmaliger Einrichtungs-Link" in log
    assert "Traceback" not in log


def test_what_was_confirmed_survives_a_kill_and_is_processed_at_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    _, token, _ = run(capsys, "token", "create", "box-01", "--data-dir", str(data_dir))
    headers = {"Authorization": f"Bearer {token}"}
    with serving(data_dir) as (said, server):
        api = f"{said['url']}/api/v1"
        httpx.post(f"{api}/observations", json={"observations": [observation(1)]}, headers=headers)
        answer = httpx.post(f"{api}/drives", json={"drives": [track(made=1)]}, headers=headers)
        assert answer.json()["results"][0]["status"] == "stored"
        server.kill()
    store = Database.open(f"sqlite:///{data_dir / 'wegewart.sqlite'}")
    with store.writing() as connection:  # as if it had been killed before the drive was processed
        connection.execute(tables.drive_pass.update().values(processed_at=None))
    store.close()
    with serving(data_dir) as (said, _):
        drive = httpx.get(f"{said['url']}/api/v1/drives/{DRIVE_ID}", headers=headers).json()
    assert drive["passes"][0]["observations_stored"] == 1
    assert drive["passes"][0]["processed_at"] is not None


def test_a_port_in_use_is_told_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "data") as (said, _):
        port = said["url"].rpartition(":")[2]
        code, _, told = run(capsys, "serve", "--port", port, "--data-dir", str(tmp_path / "other"))
    assert code == 2
    assert "--port 0" in told


def test_a_device_token_is_shown_once_and_can_be_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ("--data-dir", str(tmp_path))
    code, token, _ = run(capsys, "token", "create", "box-01", *store)
    assert code == 0
    assert re.fullmatch(r"wgd_[0-9a-f]{16}_[0-9a-f]{64}", token)
    assert run(capsys, "token", "revoke", "box-01", *store)[:2] == (0, "1 revoked")
    code, _, told = run(capsys, "token", "revoke", "box-01", *store)
    assert code == 2
    assert "still valid" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["token", "create", "box 01"], "letters, digits"),
        (["token", "create", "box-01", "--tenant", "nowhere"], "tenant create"),
        (["setup-link", "--tenant", "nowhere"], "tenant create"),
        (["serve", "--port", "99999"], "port"),
        (["migrate", "--database-url", "mysql://x/y"], "PostgreSQL and on SQLite"),
        (["migrate", "--config", "/does/not/exist.toml"], "no such file"),
        (["streets", "import", "/does/not/exist.osm"], "exist.osm"),
    ],
)
def test_a_wrong_call_is_told_with_advice_and_without_a_traceback(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = run(capsys, *arguments, "--data-dir", str(tmp_path))
    assert code in (1, 2)
    assert told in said
    assert "Traceback" not in said


def test_a_person_is_created_with_a_password_from_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = ("w@stadt.test", "--name", "W", "--role", "crew")
    arguments = ("user", "create", *person, "--data-dir", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO("kurz\n"))
    code, _, told = run(capsys, *arguments)
    assert (code, "12 to 256" in told) == (1, True)
    monkeypatch.setattr("sys.stdin", io.StringIO("drei Straßen im Herbst\n"))
    assert run(capsys, *arguments)[:2] == (0, "w@stadt.test crew")
    code, _, told = run(capsys, "setup-link", "--data-dir", str(tmp_path))
    assert (code, "has people already" in told) == (2, True)


def test_a_person_gets_a_new_password_and_can_be_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ("--data-dir", str(tmp_path / "data"))
    for verb in (("create", "w@stadt.test", "--name", "W", "--role", "crew"), ("password", "w@stadt.test")):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"ein langes Wort für {verb[0]}\n"))
        assert run(capsys, "user", *verb, *store)[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("ein langes Wort\n"))
    assert "has no account" in run(capsys, "user", "password", "nobody@stadt.test", *store)[2]
    with serving(tmp_path / "data") as (said, _):
        address = f"{said['url']}/api/v1/session"
        form = {"email": "w@stadt.test", "password": "ein langes Wort für create"}
        assert httpx.post(address, json=form).status_code == 401
        login = httpx.post(address, json=form | {"password": "ein langes Wort für password"})
        assert login.status_code == 200
        assert run(capsys, "user", "close", "w@stadt.test", *store)[0] == 0
        assert httpx.get(address, cookies=dict(login.cookies)).status_code == 401


def test_another_tenant_gets_its_own_set_up_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--data-dir", str(tmp_path))
    code, link, _ = run(capsys, "tenant", "create", "nachbarort", "Nachbarort", *store)
    assert code == 0
    assert "/setup?token=" in link
    assert run(capsys, "tenant", "create", "nachbarort", "Nachbarort", *store)[0] == 2
    assert run(capsys, "setup-link", "--tenant", "nachbarort", *store)[1] != link


def test_migrating_tells_the_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, version, _ = run(capsys, "migrate", "--data-dir", str(tmp_path))
    assert code == 0
    assert run(capsys, "migrate", "--data-dir", str(tmp_path))[1] == version


def test_streets_are_imported_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, counts, _ = run(capsys, "streets", "import", str(STREETS), "--data-dir", str(tmp_path))
    assert code == 0
    assert json.loads(counts)["streets"] > 1_000
