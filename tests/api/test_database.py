"""The store: both kinds alike, migrations, transactions, and rules that hold as constraints."""

import threading
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from wegewart_api.auth.repository import add_tenant
from wegewart_api.database import tables
from wegewart_api.database.cells import cell_of, cells_around
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.database.migrate import current_version, migrate, newest_version
from wegewart_api.database.paging import Cursor
from wegewart_api.errors import BadRequest, StoreInvalid

NOW = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
OURS_ON_POSTGRESQL = {"place", "spatial_ref_sys"}  # made by the migration for GIS programs, not in the model


def ticket_row(tenant_id: UUID, **changes: Any) -> dict[str, Any]:
    row = {
        "tenant_id": tenant_id,
        "id": new_id(),
        "number": "2026-000001",
        "state": "new",
        "class_code": "D40",
        "priority": 2,
        "lat": 49.95,
        "lon": 11.58,
        "h3_cell": cell_of(49.95, 11.58),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return row | changes


def ticket_event_row(tenant_id: UUID, ticket_id: UUID) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": new_id(),
        "ticket_id": ticket_id,
        "action": "propose",
        "to_state": "new",
        "actor_name": "Wegewart",
        "actor_role": "system",
        "at": NOW,
    }


def test_a_migration_from_empty_gives_exactly_the_tables_of_the_model(empty_store: Database) -> None:
    assert migrate(empty_store) == newest_version()

    def is_modelled(_object: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
        return name not in OURS_ON_POSTGRESQL and not (kind == "index" and str(name).endswith("_place"))

    with empty_store.reading() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type 'geometry'")  # SQLAlchemy has none
        context = MigrationContext.configure(connection, opts={"include_object": is_modelled})
        assert compare_metadata(context, tables.metadata) == []


def test_a_store_with_rows_in_it_is_brought_forward_and_keeps_them(empty_store: Database) -> None:
    migrate(empty_store, "0001")
    tenant_id, defect_id, ticket_id = new_id(), new_id(), new_id()
    defect = defect_row(tenant_id, defect_id)
    ticket = ticket_row(tenant_id, id=ticket_id)
    with empty_store.writing() as connection:
        add_tenant(connection, "t", "T", NOW)
        connection.execute(update(tables.tenant).values(id=tenant_id))
        connection.execute(insert(tables.defect).values(defect))
        connection.execute(insert(tables.ticket).values(ticket))
        connection.execute(
            insert(tables.ticket_defect).values(tenant_id=tenant_id, ticket_id=ticket_id, defect_id=defect_id)
        )
    migrate(empty_store)
    with empty_store.reading() as connection:
        for table, row in ((tables.defect, defect), (tables.ticket, ticket)):
            found = connection.execute(select(table)).mappings().one()
            assert {column: found[column] for column in row} == row


def test_migrating_again_changes_nothing(empty_store: Database) -> None:
    assert migrate(empty_store) == migrate(empty_store)


def test_two_processes_that_migrate_at_once_both_succeed(empty_store: Database) -> None:
    versions: list[str] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            versions.append(migrate(empty_store))
        except StoreInvalid as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert versions == [newest_version()] * 3


def test_a_migration_that_fails_leaves_the_store_as_it_was(empty_store: Database) -> None:
    with empty_store.writing() as connection:
        connection.execute(text("CREATE TABLE ticket_event (surprise INTEGER)"))
    with pytest.raises(StoreInvalid, match="ticket_event"):
        migrate(empty_store)
    with empty_store.reading() as connection:
        assert current_version(connection) is None
        assert inspect(connection).get_table_names() == ["ticket_event"]


def test_a_store_of_a_newer_program_is_refused_with_advice(empty_store: Database) -> None:
    migrate(empty_store)
    with empty_store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreInvalid, match="install a newer one"):
        migrate(empty_store)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql://localhost/x", "PostgreSQL and on SQLite"),
        ("sqlite://", "is a file"),
        ("no url", "postgresql://USER@HOST/NAME"),
    ],
)
def test_a_store_of_another_kind_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(StoreInvalid, match=advice):
        Database.open(url)


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    database = Database.open("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(StoreInvalid, match="does not answer"):
        migrate(database)
    database.close()


@pytest.mark.postgres
def test_postgresql_has_geometry_with_an_index_for_gis_programs(migrated_database: Database) -> None:
    with migrated_database.engine.connect() as connection:  # rolled back at the end
        tenant_id = add_tenant(connection, "t", "T", NOW)
        connection.execute(insert(tables.ticket).values(ticket_row(tenant_id)))
        place = connection.execute(text("SELECT ST_X(place), ST_Y(place), ST_SRID(place) FROM ticket")).one()
        indexed = connection.execute(
            text("SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%gist (place)%'")
        ).scalars()
        assert tuple(place) == (11.58, 49.95, 4326)
        assert set(indexed) == {"observation", "defect", "ticket", "street_address"}


def test_times_come_back_as_the_same_moment_in_utc(store: Database) -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=2)))
    with store.writing() as connection:
        add_tenant(connection, "t", "T", berlin)
    with store.reading() as connection:
        found = connection.execute(select(tables.tenant.c.created_at)).scalar_one()
        earlier = connection.execute(
            select(func.count()).where(tables.tenant.c.created_at < NOW + timedelta(microseconds=1))
        ).scalar_one()
    assert found == NOW
    assert found.utcoffset() == timedelta(0)
    assert earlier == 1


def test_a_time_without_zone_is_refused(store: Database) -> None:
    with pytest.raises(StatementError, match="no time zone"), store.writing() as connection:
        add_tenant(connection, "t", "T", NOW.replace(tzinfo=None))


def test_what_raises_inside_a_transaction_leaves_nothing(store: Database) -> None:
    def add_and_fail() -> None:
        with store.writing() as connection:
            add_tenant(connection, "t", "T", NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(tables.tenant)).scalar_one() == 0


def test_writers_wait_for_one_another_and_lose_nothing(store: Database, tenant_id: UUID) -> None:
    def add_one(connection: Connection) -> None:
        key = (tables.ticket_number.c.tenant_id == tenant_id) & (tables.ticket_number.c.year == 2026)
        known = connection.execute(select(tables.ticket_number.c.last).where(key).with_for_update())
        connection.execute(update(tables.ticket_number).where(key).values(last=known.scalar_one() + 1))

    with store.writing() as connection:
        connection.execute(insert(tables.ticket_number).values(tenant_id=tenant_id, year=2026, last=0))

    def run() -> None:
        for _ in range(20):
            with store.writing() as connection:
                add_one(connection)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as connection:
        assert connection.execute(select(tables.ticket_number.c.last)).scalar_one() == 80


def test_a_reader_sees_one_state_while_others_write(store: Database, tenant_id: UUID) -> None:
    with store.reading() as reader:
        before = reader.execute(select(func.count()).select_from(tables.tenant)).scalar_one()
        with store.writing() as writer:
            add_tenant(writer, "another", "Another", NOW)
        assert reader.execute(select(func.count()).select_from(tables.tenant)).scalar_one() == before


@pytest.mark.parametrize("table", tables.APPEND_ONLY)
def test_events_can_neither_be_changed_nor_deleted(table: str, store: Database, tenant_id: UUID) -> None:
    rows = EVENT_ROWS[table]
    with store.writing() as connection:
        rows(connection, tenant_id)
    for change in (
        update(tables.metadata.tables[table]).values(reason="somebody else"),
        delete(tables.metadata.tables[table]),
    ):
        with (
            pytest.raises(DBAPIError, match="keeps its rows as they were written"),
            store.writing() as connection,
        ):
            connection.execute(change)


def _add_ticket_event(connection: Connection, tenant_id: UUID) -> None:
    ticket = ticket_row(tenant_id)
    connection.execute(insert(tables.ticket).values(ticket))
    connection.execute(insert(tables.ticket_event).values(ticket_event_row(tenant_id, ticket["id"])))


def _add_defect_event(connection: Connection, tenant_id: UUID) -> None:
    defect_id = new_id()
    connection.execute(insert(tables.defect).values(defect_row(tenant_id, defect_id)))
    connection.execute(
        insert(tables.defect_event).values(
            tenant_id=tenant_id, id=new_id(), defect_id=defect_id, kind="seen", at=NOW, actor="x", detail={}
        )
    )


EVENT_ROWS: dict[str, Callable[[Connection, UUID], None]] = {
    "ticket_event": _add_ticket_event,
    "defect_event": _add_defect_event,
}


def defect_row(tenant_id: UUID, defect_id: UUID, **changes: Any) -> dict[str, Any]:
    row = {
        "tenant_id": tenant_id,
        "id": defect_id,
        "lat": 49.95,
        "lon": 11.58,
        "h3_cell": cell_of(49.95, 11.58),
        "cov_ee_m2": 0.5,
        "cov_en_m2": 0.1,
        "cov_nn_m2": 0.5,
        "class_code": "D40",
        "class_probabilities": {"D40": 1.0},
        "existence_log_odds": 2.0,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "observation_count": 1,
        "drive_count": 1,
        "status": "open",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return row | changes


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "forgotten"},
        {"state": "rejected"},
        {"reject_reason": "duplicate"},
        {"priority": 0},
        {"lat": 91.0},
        {"tenant_id": UUID(int=1)},
    ],
    ids=["unknown state", "rejected without reason", "reason without rejection", "priority", "lat", "tenant"],
)
def test_a_ticket_that_contradicts_itself_is_refused_by_the_store(
    wrong: dict[str, Any], store: Database, tenant_id: UUID
) -> None:
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(insert(tables.ticket).values(ticket_row(tenant_id) | wrong))


def test_a_defect_whose_covariance_is_none_is_refused_by_the_store(store: Database, tenant_id: UUID) -> None:
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(insert(tables.defect).values(defect_row(tenant_id, new_id(), cov_en_m2=0.6)))


def test_no_row_can_point_into_another_tenant(store: Database, tenant_id: UUID) -> None:
    with store.writing() as connection:
        other = add_tenant(connection, "other", "Other", NOW)
        ticket = ticket_row(other)
        connection.execute(insert(tables.ticket).values(ticket))
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(insert(tables.ticket_event).values(ticket_event_row(tenant_id, ticket["id"])))


def test_every_table_but_one_carries_its_tenant() -> None:
    without = {name for name, table in tables.metadata.tables.items() if "tenant_id" not in table.c}
    assert without == {"tenant", "login_failure"}


def test_ids_of_one_process_rise() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


def test_two_rings_of_cells_hold_everything_within_fifteen_metres() -> None:
    lat, lon = 49.95, 11.58
    around = set(cells_around(lat, lon, 2))
    metre_lat, metre_lon = 1 / 111_230, 1 / 71_760
    for east_m, north_m in ((15, 0), (-15, 0), (0, 15), (0, -15), (10.6, 10.6), (-10.6, 10.6)):
        assert cell_of(lat + north_m * metre_lat, lon + east_m * metre_lon) in around


def test_a_cell_fits_a_signed_64_bit_column(store: Database, tenant_id: UUID) -> None:
    cell = cell_of(-54.8, -68.3)
    with store.writing() as connection:
        connection.execute(
            insert(tables.ticket).values(ticket_row(tenant_id, lat=-54.8, lon=-68.3, h3_cell=cell))
        )
        assert connection.execute(select(tables.ticket.c.h3_cell)).scalar_one() == cell


def test_a_cursor_comes_back_as_it_was() -> None:
    cursor = Cursor(NOW, new_id())
    assert Cursor.read(cursor.text) == cursor
    assert Cursor.read(None) is None


@pytest.mark.parametrize("broken", ["x", "MTIz", "ä", "////"])
def test_a_cursor_that_is_none_is_refused(broken: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        Cursor.read(broken)


def test_the_embedded_store_creates_its_folder(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'new' / 'folder' / 'w.sqlite'}")
    migrate(database)
    database.close()
    assert (tmp_path / "new" / "folder" / "w.sqlite").is_file()
