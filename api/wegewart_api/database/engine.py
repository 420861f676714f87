"""The store and its transactions, the same on SQLite and on PostgreSQL.

Routes are plain `def` functions that open their transaction inside the body:

    with database.reading() as connection: ...
    with database.writing() as connection: ...   # committed when the block ends, before the answer is sent

Not as a dependency with `yield`: it would hold a connection (on SQLite the write lock) while it waits
for a thread that only other holders can free, and FastAPI would commit it after the answer was sent.
Repositories take the connection and neither begin nor commit.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from wegewart_api.errors import StoreInvalid

BUSY_TIMEOUT_MS = 15_000  # a writer waits this long for the one before it; a batch of 200 takes about 20 ms
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True)
class Database:
    """One store; threads share it, a connection belongs to one thread at a time."""

    engine: Engine

    @classmethod
    def open(cls, url: str, connections: int = 16) -> "Database":
        """Store at a SQLAlchemy URL; an embedded one is created with its folder if it is not there.

        Raises:
            StoreInvalid: If the URL is neither SQLite nor PostgreSQL.
        """
        try:
            address = make_url(url)
        except ArgumentError:
            raise StoreInvalid(
                "database_url is no database URL; use postgresql://USER@HOST/NAME or sqlite:///FILE"
            ) from None
        if address.get_backend_name() == "sqlite":
            return cls(_sqlite_engine(address, connections))
        if address.get_backend_name() == "postgresql":
            return cls(_postgresql_engine(address, connections))
        raise StoreInvalid(
            f"database_url names {address.get_backend_name()}; Wegewart runs on PostgreSQL and on SQLite"
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded store."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Transaction that sees one state of the store; on PostgreSQL it cannot write."""
        options: dict[str, Any] = {}
        if not self.is_sqlite:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Transaction that is committed when the block ends, and undone if it raises.

        On SQLite it takes the write lock at once: a lock taken later, after reading, could not be waited for.
        """
        options = {"sqlite_begin": "IMMEDIATE"} if self.is_sqlite else {}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections; on SQLite the write-ahead log goes back into the file."""
        self.engine.dispose()


def _sqlite_engine(address: URL, connections: int) -> Engine:
    if not address.database or address.database == ":memory:":
        raise StoreInvalid("database_url: the embedded store is a file, such as sqlite:///wegewart.sqlite")
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        address.set(drivername="sqlite+pysqlite"),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=4,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: _begin below does
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a confirmed observation is deleted on the vehicle
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine


def _postgresql_engine(address: URL, connections: int) -> Engine:
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": "-c timezone=UTC -c application_name=wegewart",
        },
    )
