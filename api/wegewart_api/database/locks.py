"""Turns: work that must not happen twice at once waits here, over all processes of one store."""

import hashlib

from sqlalchemy import Connection, text


def wait_for_turn(connection: Connection, what: str) -> None:
    """Wait until nobody else works on this; the turn ends with the transaction.

    SQLite has one writer anyway, so there the transaction itself is the turn.

    Args:
        what: Name of the work and of what it works on; equal names wait for one another.
    """
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(what.encode("utf-8")).digest()[:8], "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
