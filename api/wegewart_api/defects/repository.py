"""Defects, their looks and their history in the store. Every query binds the tenant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from wegewart.geo import Covariance
from wegewart_api.database.paging import Cursor, Page, page_of
from wegewart_api.database.tables import (
    defect,
    defect_event,
)
from wegewart_api.defects.existence import DefectStatus
from wegewart_api.defects.state import likeliest
from wegewart_api.streets.box import Box

AT_ONCE = 500  # ids in one question; SQLite takes 32,766 values


@dataclass(frozen=True, slots=True)
class StoredSize:
    """A measure with its sigma, in metres or m²."""

    size: float
    sigma: float


@dataclass(frozen=True, slots=True)
class StoredDefect:
    """A defect as stored."""

    id: UUID
    lat: float
    lon: float
    covariance: Covariance
    map_lat: float
    map_lon: float
    relative: Covariance
    frame: Covariance
    class_code: str
    class_probabilities: dict[str, float]
    length: StoredSize | None
    width: StoredSize | None
    area: StoredSize | None
    existence_log_odds: float
    status: DefectStatus
    first_seen_at: datetime
    last_seen_at: datetime
    observation_count: int
    drive_count: int
    street_name: str | None
    house_number: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DefectFilter:
    """What a list is narrowed to; None leaves it open. Withdrawn defects show only when asked for."""

    box: Box | None = None
    class_code: str | None = None
    status: DefectStatus | None = None


@dataclass(frozen=True, slots=True)
class DefectEvent:
    """One line of a defect's history."""

    kind: str
    at: datetime
    actor: str
    reason: str | None
    detail: Mapping[str, Any]


def defects_within(connection: Connection, tenant_id: UUID, box: Box) -> list[StoredDefect]:
    """Defects whose place in the map lies within a box, withdrawn ones left out, in order of id."""
    query = (
        select(defect)
        .where(
            defect.c.tenant_id == tenant_id,
            defect.c.lat.between(box.south, box.north),
            defect.c.lon.between(box.west, box.east),
            defect.c.status != DefectStatus.WITHDRAWN,
        )
        .order_by(defect.c.id)
    )
    return [_defect(row) for row in connection.execute(query).mappings()]


def list_defects(
    connection: Connection, tenant_id: UUID, wanted: DefectFilter, after: Cursor | None, limit: int
) -> Page[StoredDefect]:
    """A page of defects in the order in which they were found."""
    query = select(defect).where(defect.c.tenant_id == tenant_id)
    if wanted.box is not None:
        query = query.where(
            defect.c.lat.between(wanted.box.south, wanted.box.north),
            defect.c.lon.between(wanted.box.west, wanted.box.east),
        )
    if wanted.class_code is not None:
        query = query.where(defect.c.class_code == wanted.class_code)
    if wanted.status is not None:
        query = query.where(defect.c.status == wanted.status)
    else:
        query = query.where(defect.c.status != DefectStatus.WITHDRAWN)
    return page_of(connection, query, (defect.c.created_at, defect.c.id), after, limit, _defect)


def one_defect(connection: Connection, tenant_id: UUID, defect_id: UUID) -> StoredDefect | None:
    """One defect of the tenant, None if it has no such defect."""
    query = select(defect).where(defect.c.tenant_id == tenant_id, defect.c.id == defect_id)
    row = connection.execute(query).mappings().one_or_none()
    return _defect(row) if row is not None else None


def some_defects(connection: Connection, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, StoredDefect]:
    """These defects of the tenant, by id."""
    found: dict[UUID, StoredDefect] = {}
    for some in portions(ids):
        query = select(defect).where(defect.c.tenant_id == tenant_id, defect.c.id.in_(some))
        found.update({row["id"]: _defect(row) for row in connection.execute(query).mappings()})
    return found


def defects_on_streets(
    connection: Connection, tenant_id: UUID, street_ids: Iterable[UUID]
) -> Iterator[tuple[UUID, StoredDefect]]:
    """Defects on these streets, each with its street's id; withdrawn ones left out."""
    for some in portions(street_ids):
        query = select(defect).where(
            defect.c.tenant_id == tenant_id,
            defect.c.street_id.in_(some),
            defect.c.status != DefectStatus.WITHDRAWN,
        )
        for row in connection.execute(query.order_by(defect.c.id)).mappings():
            yield row["street_id"], _defect(row)


def events_of(connection: Connection, tenant_id: UUID, defect_id: UUID) -> list[DefectEvent]:
    """A defect's history, oldest first."""
    at = defect_event.c
    rows = connection.execute(
        select(at.kind, at.at, at.actor, at.reason, at.detail)
        .where(at.tenant_id == tenant_id, at.defect_id == defect_id)
        .order_by(at.at, at.id)
    )
    return [DefectEvent(*row) for row in rows]


def portions(ids: Iterable[UUID]) -> list[list[UUID]]:
    """Ids in portions that fit one question."""
    wanted = sorted(set(ids))
    return [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]


def _defect(row: RowMapping) -> StoredDefect:
    return StoredDefect(
        id=row["id"],
        lat=row["lat"],
        lon=row["lon"],
        covariance=Covariance(row["cov_ee_m2"], row["cov_en_m2"], row["cov_nn_m2"]),
        map_lat=row["map_lat"],
        map_lon=row["map_lon"],
        relative=covariance_in(row, "relative"),
        frame=covariance_in(row, "frame"),
        class_code=row["class_code"] or likeliest(row["class_probabilities"]),
        class_probabilities=row["class_probabilities"],
        length=_size(row, "length_m", "length_sigma_m"),
        width=_size(row, "width_m", "width_sigma_m"),
        area=_size(row, "area_m2", "area_sigma_m2"),
        existence_log_odds=row["existence_log_odds"],
        status=DefectStatus(row["status"]),
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        observation_count=row["observation_count"],
        drive_count=row["drive_count"],
        street_name=row["street_name"],
        house_number=row["house_number"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def covariance_in(row: RowMapping, kind: str) -> Covariance:
    """Covariance from a row's three columns of a kind."""
    return Covariance(row[f"{kind}_ee_m2"], row[f"{kind}_en_m2"], row[f"{kind}_nn_m2"])


def _size(row: RowMapping, size: str, sigma: str) -> StoredSize | None:
    return None if row[size] is None else StoredSize(row[size], row[sigma])
