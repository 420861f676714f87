"""Bring a store's tables to this version: at every start, and by `wegewart-api migrate`."""

import logging
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from wegewart_api.database.engine import Database
from wegewart_api.database.locks import wait_for_turn
from wegewart_api.errors import StoreInvalid

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_MS = 30_000  # rather fail than queue in front of every reader of a busy table


def migrate(database: Database, target: str = "head") -> str:
    """Bring the tables to this version's and give the version; nothing happens if they are.

    Everything happens in one transaction: a migration that fails leaves the store as it was.

    Args:
        target: Version to stop at; tests of later migrations start from an earlier one.
    Raises:
        StoreInvalid: If the store cannot be reached, is newer than this program, lacks PostGIS, or is held
            by somebody else for longer than the lock timeout.
    """
    try:
        with database.writing() as connection:
            if not database.is_sqlite:
                connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                wait_for_turn(connection, "migration")
            before = current_version(connection)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, target)
            after = current_version(connection)
    except CommandError as error:
        raise StoreInvalid(
            f"the store has tables of a version this program does not know: install a newer one ({error})"
        ) from error
    except DBAPIError as error:
        raise StoreInvalid(_explained(error)) from error
    if before != after:
        logger.info("store migrated from version %s to %s", before or "empty", after)
    return after or "empty"


def current_version(connection: Connection) -> str | None:
    """Version of the tables in a store, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_version() -> str:
    """Version of the tables that this program works with."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def alembic_config() -> Config:
    """Alembic's settings: the migrations lie in the package, so an installed wheel can migrate."""
    config = Config()
    config.set_main_option("script_location", str(files("wegewart_api.database") / "migrations"))
    return config


def _explained(error: DBAPIError) -> str:
    reason = str(error.orig).strip()
    if "postgis" in reason:
        return (
            "PostGIS is missing: install it beside PostgreSQL and, as a superuser, run CREATE EXTENSION"
            f" postgis in this database ({reason})"
        )
    if isinstance(error, OperationalError):
        return f"the store does not answer or is locked: is it running, is database_url right? ({reason})"
    return f"the store cannot be migrated: {reason}"
