"""A PostgreSQL cluster of the tests' own: fresh folder, free port, gone afterwards.

PostgreSQL refuses to run as root; then the cluster belongs to its package's account `postgres`.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

START_LIMIT_S = 60
CARELESS = (  # what a power cut would lose here is a test's
    "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off"
)
_numbers = count(1)


class ClusterMissing(Exception):
    """This machine has no PostgreSQL with PostGIS; the message says what to install."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    port: int

    def url(self, name: str) -> str:
        """URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template1") -> str:
        """Name of a fresh database, copied from another that nobody is connected to."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster and stop it afterwards.

    Raises:
        ClusterMissing: If PostgreSQL 15 or newer with PostGIS is not installed.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="wegewart-postgres-"))
    port = _free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        store = folder / "store"
        _run(programs / "initdb", "-D", store, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c max_connections=200 {CARELESS}"
        log = folder / "log"
        _run(programs / "pg_ctl", "-D", store, "-l", log, "-o", options, "-w", "-t", START_LIMIT_S, "start")
        try:
            yield Cluster(port)
        finally:
            _run(programs / "pg_ctl", "-D", store, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Folder of the newest installed server's programs, Debian's place first, else that on the PATH."""
    debian = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda path: int(path.parts[-3]),
    )
    found = debian[-1] if debian else Path(shutil.which("initdb") or "")
    if not found.name:
        raise ClusterMissing("no PostgreSQL here: apt-get install postgresql postgresql-15-postgis-3")
    share = subprocess.run(
        [found.parent / "pg_config", "--sharedir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not (Path(share) / "extension" / "postgis.control").is_file():
        raise ClusterMissing(f"{found.parent} has no PostGIS: apt-get install postgresql-15-postgis-3")
    return found.parent


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        words = [
            "setpriv",
            f"--reuid={account.pw_uid}",
            f"--regid={account.pw_gid}",
            "--clear-groups",
            *words,
        ]
    # pg_ctl's server inherits the pipe and would keep it open: write to a file instead
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(words, stdout=said, stderr=said, cwd="/", check=False)
        if done.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{Path(words[-1]).name}: exit {done.returncode}\n{said.read()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
