"""An office as a customer runs it: the commands themselves, in processes of their own, over real HTTP."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from wegewart.observation import Observation

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SAMPLE = ROOT / "datasets" / "sample-drive"
STREETS = ROOT / "datasets" / "streets" / "north-bayreuth.osm.gz"


@dataclass(frozen=True)
class RunningOffice:
    """One office and what belongs to it."""

    folder: Path
    environment: dict[str, str]
    url: str
    setup_url: str | None

    def reader(self) -> httpx.Client:
        """Client that may read everything of the tenant."""
        token = self.command("token", "create", "test-report", "--role", "viewer").stdout.strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def command(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """One of the office's commands, which must succeed."""
        return finished([BIN / "wegewart-api", *arguments], self.environment)


def finished(
    command: list[Any], environment: dict[str, str], expected: int = 0
) -> "subprocess.CompletedProcess[str]":
    """A command run to its end, with the exit code it should have."""
    done = subprocess.run(
        [str(part) for part in command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, (
        f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return done


def environment_for(folder: Path, database_url: str | None) -> dict[str, str]:
    """Environment of an office whose store is in this folder, or in this database."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("WEGEWART_")}
    environment["WEGEWART_DATA_DIR"] = str(folder / "office")
    if database_url is not None:
        environment["WEGEWART_DATABASE_URL"] = database_url
    return environment


def import_streets(environment: dict[str, str]) -> None:
    """Give the office its streets."""
    finished([BIN / "wegewart-api", "streets", "import", STREETS], environment)


@contextmanager
def running_office(folder: Path, environment: dict[str, str], port: int = 0) -> Iterator[RunningOffice]:
    """Serve, and stop at the end as a service manager would."""
    ready_file = folder / "ready.json"
    ready_file.unlink(missing_ok=True)
    with (folder / "office.log").open("a", encoding="utf-8") as log:
        server = subprocess.Popen(
            [BIN / "wegewart-api", "serve", "--port", str(port), "--ready-file", str(ready_file)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        ready = _wait_for(ready_file, server, folder / "office.log")
        yield RunningOffice(folder, environment, ready["url"], ready.get("setup_url"))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def _wait_for(ready_file: Path, server: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
    give_up_s = time.monotonic() + 60
    while time.monotonic() < give_up_s and server.poll() is None:
        if ready_file.exists():
            ready: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
            return ready
        time.sleep(0.05)  # a process of its own: there is no clock to pass
    raise AssertionError(f"the office did not start:\n{log.read_text()[-4000:]}")


@dataclass(frozen=True)
class Vehicle:
    """A box with a token, and an outbox of its own."""

    office: RunningOffice
    token_file: Path
    outbox: Path

    @classmethod
    def of(cls, office: RunningOffice, name: str = "outbox") -> "Vehicle":
        """The box that recorded the sample drive."""
        token_file = office.folder / "box.token"
        if not token_file.exists():
            token_file.write_text(office.command("token", "create", "sample-box").stdout, encoding="utf-8")
        return cls(office, token_file, office.folder / f"{name}.sqlite")

    def replay_command(self, drive: Path) -> list[str]:
        """What is typed to replay a drive."""
        return [
            str(part)
            for part in (
                *(BIN / "wegewart-edge", "replay", drive, "--server", self.office.url),
                *("--token-file", self.token_file, "--outbox", self.outbox),
                *("--models", ROOT / "models", "--json"),
            )
        ]

    def replay(self, drive: Path, expected: int = 0) -> dict[str, Any]:
        """Summary of a replay run to its end."""
        done = finished(self.replay_command(drive), self.office.environment, expected)
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report


def rows(reader: httpx.Client, kind: str, **filters: str) -> list[dict[str, Any]]:
    """Every row of a list of the API."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = reader.get(f"/api/v1/{kind}", params=filters | ({"cursor": cursor} if cursor else {}))
        page.raise_for_status()
        found += page.json()[kind]
        cursor = page.json()["next"]
        if cursor is None:
            return found


def contents(reader: httpx.Client) -> dict[str, str]:
    """Hash of every stored observation as it was sent, by its id."""
    return {
        row["id"]: hashlib.sha256(
            json.dumps(
                {k: v for k, v in row.items() if k in Observation.model_fields}, sort_keys=True
            ).encode()
        ).hexdigest()
        for row in rows(reader, "observations")
    }
