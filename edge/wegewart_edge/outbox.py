"""Where everything waits until the server has confirmed it: one SQLite file, WAL, synchronous=FULL.

A payload is deleted only after the server confirmed it; its key and hash stay, so that a repeated run knows
it was sent. Beside the messages it keeps what the detector found in each frame of an unfinished drive, so
that a killed replay continues without looking again.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from wegewart.drive import DriveTrack
from wegewart.errors import OutboxInvalid, OutboxUnwritable
from wegewart.identity import content_sha256
from wegewart.observation import Observation
from wegewart_edge.privacy import Picture

FORMAT = 1
BUSY_TIMEOUT_S = 30.0
WHY_UNWRITABLE = {  # primary result codes that speak of the disk and not of the file's content
    sqlite3.SQLITE_FULL: (
        "der Datenträger ist voll: Platz schaffen und denselben Befehl noch einmal ausführen · "
        "the disk is full: free some space and run the same command again"
    ),
    sqlite3.SQLITE_BUSY: (
        "ein anderer Vorgang schreibt gerade hinein: später noch einmal versuchen · "
        "another process is writing to it: try again later"
    ),
    sqlite3.SQLITE_READONLY: (
        "sie ist schreibgeschützt: Rechte prüfen · it is read-only: check the permissions"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "sie lässt sich nicht öffnen: Pfad und Rechte prüfen · "
        "it cannot be opened: check path and permissions"
    ),
    sqlite3.SQLITE_IOERR: (
        "der Datenträger meldet einen Fehler: prüfen, Platz schaffen und denselben Befehl noch einmal "
        "ausführen · the disk reports an error: check it, free some space and run the same command again"
    ),
}

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    kind TEXT NOT NULL CHECK (kind IN ('observation', 'drive')),
    key TEXT NOT NULL,
    drive_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    body TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'set_aside')),
    reason TEXT,
    made_at TEXT NOT NULL,
    PRIMARY KEY (kind, key),
    CHECK (state = 'sent' OR body IS NOT NULL)
) STRICT;
CREATE INDEX IF NOT EXISTS message_state ON message (state, kind, made_at);
CREATE TABLE IF NOT EXISTS evidence (
    sha256 TEXT PRIMARY KEY,
    drive_id TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB,
    size_bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'set_aside', 'evicted')),
    reason TEXT,
    made_at TEXT NOT NULL,
    CHECK (state IN ('sent', 'evicted') OR content IS NOT NULL)
) STRICT;
CREATE TABLE IF NOT EXISTS looked_at (
    run TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """One message that waits."""

    kind: str
    key: str
    drive_id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class QueuedPicture:
    """One picture that waits."""

    sha256: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class SetAside:
    """One message or picture that the server refused for good."""

    kind: str
    key: str
    reason: str


class Outbox:
    """The vehicle's queue; every public method is one transaction.

    Raises:
        OutboxInvalid: If the file is no outbox of this version.
        OutboxUnwritable: If the disk is full or does not let it be written; from every method that writes.
    """

    def __init__(self, path: Path, budget_bytes: int) -> None:
        self.path = path
        self._budget_bytes = budget_bytes
        self._connection = _connected(path)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._check_format()
            self._connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise _unwritable(path, error) or OutboxInvalid(
                f"{path} is no outbox: {error}; name another file with --outbox"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def _check_format(self) -> None:
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise OutboxInvalid(f"{self.path} has format {found}, this version knows {FORMAT}")
        self._connection.execute(f"PRAGMA user_version={FORMAT}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:  # SQLite has already rolled back when the disk is full
                self._connection.execute("ROLLBACK")
            cause = _unwritable(self.path, error) if isinstance(error, sqlite3.Error) else None
            if cause is not None:
                raise cause from error
            raise

    # Keeping

    def keep(self, observation: Observation, picture: Picture | None) -> None:
        """Queue an observation and its picture together; a repeated one changes nothing."""
        with self._transaction():
            if picture is not None:
                self._put_picture(picture, observation.drive_id)
            self._put("observation", str(observation.id), observation.drive_id, observation)
        self._fit_budget()

    def keep_drive(self, track: DriveTrack) -> None:
        """Queue what a drive looked at; it is sent after its observations."""
        with self._transaction():
            self._put("drive", f"{track.drive_id}/{track.bundle.sha256}", track.drive_id, track)

    def _put(self, kind: str, key: str, drive_id: UUID, message: Observation | DriveTrack) -> None:
        self._connection.execute(
            "INSERT INTO message (kind, key, drive_id, sha256, body, state, made_at)"
            " VALUES (?, ?, ?, ?, ?, 'pending', ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET sha256 = excluded.sha256, body = excluded.body,"
            " state = 'pending', reason = NULL WHERE message.sha256 <> excluded.sha256",
            (kind, key, str(drive_id), content_sha256(message), message.model_dump_json(), _now()),
        )

    def _put_picture(self, picture: Picture, drive_id: UUID) -> None:
        evidence = picture.evidence
        self._connection.execute(
            "INSERT INTO evidence (sha256, drive_id, media_type, content, size_bytes, state, made_at)"
            " VALUES (?, ?, ?, ?, ?, 'pending', ?)"
            " ON CONFLICT (sha256) DO UPDATE SET content = excluded.content, state = 'pending', reason = NULL"
            " WHERE evidence.state = 'evicted'",
            (
                evidence.sha256,
                str(drive_id),
                evidence.media_type,
                picture.content,
                len(picture.content),
                _now(),
            ),
        )

    def _fit_budget(self) -> None:
        """Give up pictures, refused before unsent ones and the oldest first; records are never given up."""
        (held,) = self._connection.execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM evidence WHERE content IS NOT NULL"
        ).fetchone()
        if held <= self._budget_bytes:
            return
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT sha256, size_bytes FROM evidence WHERE content IS NOT NULL"
                " ORDER BY state = 'pending', made_at, sha256"
            ).fetchall()
            for sha256, size_bytes in rows:
                connection.execute(
                    "UPDATE evidence SET content = NULL, state = 'evicted', reason = ? WHERE sha256 = ?",
                    ("given up, because the outbox reached its budget", sha256),
                )
                held -= size_bytes
                if held <= self._budget_bytes:
                    return

    # Sending

    def pending(self, kind: str, limit: int, drive_id: UUID | None = None) -> list[Queued]:
        """The oldest messages that wait; drives only once none of their observations waits."""
        rows = self._connection.execute(
            "SELECT kind, key, drive_id, body FROM message WHERE state = 'pending' AND kind = :kind"
            " AND (:drive IS NULL OR drive_id = :drive)"
            " AND (kind = 'observation' OR NOT EXISTS (SELECT 1 FROM message AS other WHERE"
            " other.kind = 'observation' AND other.state = 'pending' AND other.drive_id = message.drive_id))"
            " ORDER BY made_at, key LIMIT :limit",
            {"kind": kind, "limit": limit, "drive": None if drive_id is None else str(drive_id)},
        )
        return [Queued(kind, key, UUID(drive), body) for kind, key, drive, body in rows]

    def next_picture(self) -> QueuedPicture | None:
        """The oldest picture that waits."""
        row = self._connection.execute(
            "SELECT sha256, media_type, content FROM evidence WHERE state = 'pending'"
            " ORDER BY made_at, sha256 LIMIT 1"
        ).fetchone()
        return QueuedPicture(*row) if row else None

    def confirm(self, kind: str, keys: Sequence[str]) -> None:
        """The server has them: the payloads are deleted, the keys stay."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE message SET state = 'sent', body = NULL, reason = NULL WHERE kind = ? AND key = ?",
                [(kind, key) for key in keys],
            )

    def confirm_picture(self, sha256: str) -> None:
        """The server has it: its bytes are deleted."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE evidence SET state = 'sent', content = NULL, reason = NULL WHERE sha256 = ?",
                (sha256,),
            )

    def set_aside(self, kind: str, key: str, reason: str) -> None:
        """The server refused it for good: kept with the reason, not tried again until told to."""
        table, column = ("evidence", "sha256") if kind == "evidence" else ("message", "key")
        only = "" if kind == "evidence" else " AND kind = :kind"
        with self._transaction() as connection:
            connection.execute(
                f"UPDATE {table} SET state = 'set_aside', reason = :reason"  # noqa: S608 - two fixed names
                f" WHERE {column} = :key AND state = 'pending'{only}",
                {"reason": reason[:1000], "key": key, "kind": kind},
            )

    def set_aside_drive(self, drive_id: UUID, reason: str) -> int:
        """The server refused a whole drive: all of its messages that wait; returns how many."""
        with self._transaction() as connection:
            return connection.execute(
                "UPDATE message SET state = 'set_aside', reason = ? WHERE drive_id = ? AND state = 'pending'",
                (reason[:1000], str(drive_id)),
            ).rowcount

    def retry_set_aside(self) -> int:
        """Queue again whatever was set aside; returns how many."""
        with self._transaction() as connection:
            messages = connection.execute(
                "UPDATE message SET state = 'pending', reason = NULL WHERE state = 'set_aside'"
            ).rowcount
            pictures = connection.execute(
                "UPDATE evidence SET state = 'pending', reason = NULL WHERE state = 'set_aside'"
            ).rowcount
        return messages + pictures

    # Knowing

    def counts(self, drive_id: UUID | None = None) -> dict[str, dict[str, int]]:
        """Number of rows by kind (observation, drive, evidence) and state."""
        drive = None if drive_id is None else str(drive_id)
        rows = self._connection.execute(
            "SELECT kind, state, count(*) FROM message WHERE ?1 IS NULL OR drive_id = ?1 GROUP BY 1, 2"
            " UNION ALL SELECT 'evidence', state, count(*) FROM evidence"
            " WHERE ?1 IS NULL OR drive_id = ?1 GROUP BY 1, 2",
            (drive,),
        )
        found: dict[str, dict[str, int]] = {"observation": {}, "drive": {}, "evidence": {}}
        for kind, state, count in rows:
            found[kind][state] = count
        return found

    def all_set_aside(self) -> list[SetAside]:
        """What the server refused for good, with the reasons."""
        rows = self._connection.execute(
            "SELECT kind, key, reason FROM message WHERE state = 'set_aside'"
            " UNION ALL SELECT 'evidence', sha256, reason FROM evidence WHERE state = 'set_aside'"
            " ORDER BY 1, 2"
        )
        return [SetAside(kind, key, reason or "") for kind, key, reason in rows]

    def forget_confirmation(self, drive_id: UUID) -> None:
        """Drop the keys of what was sent of a drive, so that the next replay offers it again."""
        with self._transaction() as connection:
            for table in ("message", "evidence"):
                connection.execute(
                    f"DELETE FROM {table} WHERE drive_id = ? AND state = 'sent'",  # noqa: S608 - two fixed names
                    (str(drive_id),),
                )

    # Progress of a replay

    def looked_at(self, run: str) -> dict[int, str]:
        """Outcomes, as JSON text, of the frames of a run that were looked at before, by sequence."""
        return dict(self._connection.execute("SELECT sequence, outcome FROM looked_at WHERE run = ?", (run,)))

    def remember_look(self, run: str, sequence: int, outcome: object) -> None:
        """Keep what was found in a frame."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO looked_at (run, sequence, outcome) VALUES (?, ?, ?)",
                (run, sequence, json.dumps(outcome, separators=(",", ":"))),
            )

    def forget_looks(self, run: str) -> None:
        """The run is delivered: what its frames showed is no longer needed."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM looked_at WHERE run = ?", (run,))


def _connected(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise OutboxUnwritable(f"{path}: {WHY_UNWRITABLE[sqlite3.SQLITE_CANTOPEN]} ({error})") from error


def _unwritable(path: Path, error: sqlite3.Error) -> OutboxUnwritable | None:
    """What to do about the disk, where the disk is the matter."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the primary of an extended code
    why = WHY_UNWRITABLE.get(code)
    return None if why is None else OutboxUnwritable(f"{path}: {why} ({error})")


def _now() -> str:
    return datetime.now(UTC).isoformat()
