"""Both stores for every test that asks for one, and an office over it that tests talk to by HTTP."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.api.office import Office
from tests.postgres_cluster import Cluster

from wegewart_api.auth.repository import add_tenant
from wegewart_api.database.engine import Database
from wegewart_api.database.migrate import migrate
from wegewart_api.database.tables import metadata
from wegewart_api.settings import Settings

STORES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embedded store with all tables and nothing in them, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "wegewart.sqlite"
    database = Database.open(f"sqlite:///{file}")
    migrate(database)
    database.close()
    return file


@pytest.fixture(scope="session")
def migrated_database(cluster: Cluster) -> Iterator[Database]:
    """One PostgreSQL database with all tables for the whole run; each test leaves it empty again."""
    database = Database.open(cluster.url(cluster.create()))
    migrate(database)
    yield database
    database.close()


def _empty(database: Database) -> None:
    """Delete all rows, past the triggers that keep events; a fresh copy would take ten times as long."""
    rows = "; ".join(f'DELETE FROM "{name}"' for name in metadata.tables)
    with database.writing() as connection:
        connection.exec_driver_sql(f"SET LOCAL session_replication_role = replica; {rows}")


@pytest.fixture(params=STORES)
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store without any table."""
    if request.param == "sqlite":
        database = Database.open(f"sqlite:///{tmp_path / 'empty.sqlite'}")
        yield database
        database.close()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    database = Database.open(cluster.url(name))
    yield database
    database.close()
    cluster.drop(name)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store with all tables and nothing in them: once on SQLite, once on PostgreSQL with PostGIS."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "wegewart.sqlite")
        database = Database.open(f"sqlite:///{file}")
        yield database
        database.close()
        return
    database = request.getfixturevalue("migrated_database")
    yield database
    _empty(database)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose evidence goes to the test's own folder; few failures, because each costs an argon2."""
    return Settings.load(data_dir=tmp_path / "data", body_limit_bytes=4 * 1024 * 1024, login_failures=3)


@pytest.fixture
def office(store: Database, settings: Settings) -> Office:
    """The application over a store with the tenant `default` in it."""
    return Office.open(store, settings)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """A clock that moves one second each time somebody looks."""
    moment = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def now() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    return now


@pytest.fixture
def tenant_id(store: Database, clock: Callable[[], datetime]) -> object:
    """A tenant in the store."""
    with store.writing() as connection:
        return add_tenant(connection, "somewhere", "Somewhere", clock())
