"""Streets and addresses in the store."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select

from wegewart_api.database.cells import cell_of
from wegewart_api.database.ids import new_id
from wegewart_api.database.tables import street, street_address
from wegewart_api.streets.box import Box
from wegewart_api.streets.locating import (
    HOUSE_REACH_M,
    STREET_REACH_M,
    StoredAddress,
    StoredStreet,
    StreetFinder,
)
from wegewart_api.streets.network import Network
from wegewart_api.streets.readers import read_network

logger = logging.getLogger(__name__)

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought."""

    streets: int
    addresses: int
    left_out: int


def import_streets(
    connection: Connection, tenant_id: UUID, path: Path, progress: Callable[[str], None] = lambda _: None
) -> Imported:
    """Bring a file's streets and addresses into the store, in place of those of earlier imports.

    Streets replace streets and addresses replace addresses, so that the two may come in separate files. What
    keeps its id in the source keeps it in the store; importing the same file again changes nothing else.

    Raises:
        StreetsInvalid: If the file cannot be read or holds nothing usable.
    """
    network = read_network(path, progress)
    store_network(connection, tenant_id, network)
    progress(
        f"{len(network.streets)} Straßenabschnitte und {len(network.addresses)} Hausnummern eingelesen,"
        f" {network.left_out} unbrauchbar / {len(network.streets)} ways and {len(network.addresses)} house"
        f" numbers imported, {network.left_out} unusable"
    )
    logger.info("streets imported: %d ways, %d addresses", len(network.streets), len(network.addresses))
    return Imported(len(network.streets), len(network.addresses), network.left_out)


def store_network(connection: Connection, tenant_id: UUID, network: Network) -> None:
    """Replace the tenant's streets, addresses, or both, by what a network holds."""
    import_id = new_id()
    if network.streets:
        ids = _emptied(connection, tenant_id, street)
        _insert(connection, street, _street_rows(network, tenant_id, import_id, ids))
    if network.addresses:
        ids = _emptied(connection, tenant_id, street_address)
        _insert(connection, street_address, _address_rows(network, tenant_id, import_id, ids))


def _emptied(connection: Connection, tenant_id: UUID, table: Table) -> dict[str, UUID]:
    """Empty a tenant's table and give the ids that its sources had."""
    known = select(table.c.source_id, table.c.id).where(table.c.tenant_id == tenant_id)
    ids = {row.source_id: row.id for row in connection.execute(known)}
    connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
    return ids


def _street_rows(
    network: Network, tenant_id: UUID, import_id: UUID, ids: dict[str, UUID]
) -> Iterator[dict[str, Any]]:
    for each in {one.source_id: one for one in network.streets}.values():
        lons, lats = [lon for lon, _ in each.line], [lat for _, lat in each.line]
        yield {
            "tenant_id": tenant_id,
            "id": ids.get(each.source_id) or new_id(),
            "source_id": each.source_id,
            "import_id": import_id,
            "name": each.name,
            "ref": each.ref,
            "highway": each.highway,
            "geometry": {"type": "LineString", "coordinates": [list(point) for point in each.line]},
            "west": min(lons),
            "south": min(lats),
            "east": max(lons),
            "north": max(lats),
        }


def _address_rows(
    network: Network, tenant_id: UUID, import_id: UUID, ids: dict[str, UUID]
) -> Iterator[dict[str, Any]]:
    for each in {one.source_id: one for one in network.addresses}.values():
        yield {
            "tenant_id": tenant_id,
            "id": ids.get(each.source_id) or new_id(),
            "source_id": each.source_id,
            "import_id": import_id,
            "street_name": each.street_name,
            "house_number": each.house_number,
            "lat": each.lat,
            "lon": each.lon,
            "h3_cell": cell_of(each.lat, each.lon),
        }


def _insert(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == BATCH:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)


def finder_for(connection: Connection, tenant_id: UUID, box: Box) -> StreetFinder:
    """Finder for places within a box."""
    reach = box.grown(STREET_REACH_M)
    houses = box.grown(HOUSE_REACH_M)
    at = street_address.c
    found = connection.execute(
        select(at.street_name, at.house_number, at.lat, at.lon).where(
            at.tenant_id == tenant_id,
            at.lat.between(houses.south, houses.north),
            at.lon.between(houses.west, houses.east),
        )
    )
    return StreetFinder(
        streets_within(connection, tenant_id, reach),
        [StoredAddress(*row) for row in found],
        (box.south + box.north) / 2,
        (box.west + box.east) / 2,
    )


def streets_within(
    connection: Connection, tenant_id: UUID, box: Box | None, limit: int | None = None
) -> Sequence[StoredStreet]:
    """Streets whose own box touches a box, or all of them; at most `limit`."""
    at = street.c
    query = select(at.id, at.name, at.ref, at.highway, at.geometry).where(at.tenant_id == tenant_id)
    if box is not None:
        query = query.where(*_touches(box))
    rows = connection.execute(query.order_by(at.id).limit(limit))
    return [
        StoredStreet(
            row.id,
            row.name,
            row.ref,
            row.highway,
            tuple((lon, lat) for lon, lat in row.geometry["coordinates"]),
        )
        for row in rows
    ]


def newest_import(connection: Connection, tenant_id: UUID) -> UUID | None:
    """Id of the import that the tenant's streets come from; it changes whenever they may have."""
    found = select(street.c.import_id).where(street.c.tenant_id == tenant_id).limit(1)
    import_id: UUID | None = connection.execute(found).scalar_one_or_none()
    return import_id


def _touches(box: Box) -> tuple[ColumnElement[bool], ...]:
    at = street.c
    return at.south <= box.north, at.north >= box.south, at.west <= box.east, at.east >= box.west
