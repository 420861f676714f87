"""What passes saw of defects: views and looks to derive them from, and all that processing writes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, insert, select, update

from wegewart.geo import Covariance
from wegewart.observation import Observation
from wegewart_api.database.cells import cell_of
from wegewart_api.database.ids import new_id
from wegewart_api.database.tables import (
    defect,
    defect_event,
    defect_look,
    drive_alignment,
    observation,
)
from wegewart_api.defects.existence import DefectStatus, Look
from wegewart_api.defects.repository import DefectEvent, covariance_in, portions
from wegewart_api.defects.state import DefectState, Offset, View
from wegewart_api.intake.messages import PassKey
from wegewart_api.streets.locating import StreetPlace


@dataclass(frozen=True, slots=True)
class StoredLook:
    """What one pass saw, or did not see, of a defect."""

    defect_id: UUID
    at: datetime
    seen: bool
    offset: Offset


def views_of(connection: Connection, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, list[View]]:
    """All views of each of these defects, with the offsets of their drives."""
    found: dict[UUID, list[View]] = defaultdict(list)
    look = defect_look.c
    joined = observation.join(
        defect_look,
        and_(
            look.tenant_id == observation.c.tenant_id,
            look.defect_id == observation.c.defect_id,
            look.drive_id == observation.c.drive_id,
            look.bundle_sha256 == observation.c.bundle_sha256,
        ),
    )
    query = select(
        observation.c.defect_id,
        observation.c.content,
        observation.c.lat,
        observation.c.lon,
        look.offset_east_m,
        look.offset_north_m,
        look.offset_ee_m2,
        look.offset_en_m2,
        look.offset_nn_m2,
    ).select_from(joined)
    for some in portions(ids):
        rows = connection.execute(
            query.where(observation.c.tenant_id == tenant_id, observation.c.defect_id.in_(some)).order_by(
                observation.c.captured_at, observation.c.id
            )
        ).mappings()
        for row in rows:
            seen = Observation.model_validate(row["content"])
            found[row["defect_id"]].append(View(seen, row["lat"], row["lon"], _offset(row)))
    return dict(found)


def looks_of(connection: Connection, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, list[Look]]:
    """All looks at each of these defects."""
    found: dict[UUID, list[Look]] = defaultdict(list)
    look = defect_look.c
    for some in portions(ids):
        rows = connection.execute(
            select(look.defect_id, look.at, look.seen).where(
                look.tenant_id == tenant_id, look.defect_id.in_(some)
            )
        )
        for row in rows:
            found[row.defect_id].append(Look(row.at, row.seen))
    return dict(found)


def frames_of(
    connection: Connection, tenant_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, tuple[DefectStatus, Covariance]]:
    """Status and frame of each of these defects."""
    found: dict[UUID, tuple[DefectStatus, Covariance]] = {}
    for some in portions(ids):
        rows = connection.execute(
            select(defect).where(defect.c.tenant_id == tenant_id, defect.c.id.in_(some))
        ).mappings()
        found.update({row["id"]: (DefectStatus(row["status"]), covariance_in(row, "frame")) for row in rows})
    return found


def add_defects(
    connection: Connection,
    tenant_id: UUID,
    states: Mapping[UUID, tuple[DefectState, DefectStatus]],
    places: Mapping[UUID, StreetPlace],
    now: datetime,
) -> None:
    """Store new defects."""
    rows = [
        {
            "tenant_id": tenant_id,
            "id": each,
            **_values(state, status, places[each]),
            "created_at": now,
            "updated_at": now,
        }
        for each, (state, status) in states.items()
    ]
    if rows:
        connection.execute(insert(defect), rows)


def change_defects(
    connection: Connection,
    tenant_id: UUID,
    states: Mapping[UUID, tuple[DefectState, DefectStatus]],
    places: Mapping[UUID, StreetPlace],
    now: datetime,
) -> None:
    """Store what a pass changed of known defects."""
    rows = [
        {"the_id": each, **_values(state, status, places[each]), "updated_at": now}
        for each, (state, status) in states.items()
    ]
    if rows:
        names = [name for name in rows[0] if name != "the_id"]
        connection.execute(
            update(defect)
            .where(defect.c.tenant_id == tenant_id, defect.c.id == bindparam("the_id"))
            .values({name: bindparam(name) for name in names}),
            rows,
        )


def withdraw_defects(connection: Connection, tenant_id: UUID, ids: Iterable[UUID], now: datetime) -> None:
    """Mark defects of which no observation is left."""
    for some in portions(ids):
        connection.execute(
            update(defect)
            .where(defect.c.tenant_id == tenant_id, defect.c.id.in_(some))
            .values(
                status=DefectStatus.WITHDRAWN,
                observation_count=0,
                drive_count=0,
                updated_at=now,
            )
        )


def assign_observations(
    connection: Connection, tenant_id: UUID, defect_of: Mapping[UUID, UUID | None]
) -> None:
    """Say of each observation which defect it shows; None for none any more."""
    rows = [{"the_id": each, "the_defect": found} for each, found in defect_of.items()]
    if rows:
        connection.execute(
            update(observation)
            .where(observation.c.tenant_id == tenant_id, observation.c.id == bindparam("the_id"))
            .values(defect_id=bindparam("the_defect")),
            rows,
        )


def other_passes(connection: Connection, key: PassKey) -> list[PassKey]:
    """Other bundles' passes of the same drive that left looks: what this one takes over from."""
    look = defect_look.c
    rows = connection.execute(
        select(look.bundle_sha256)
        .where(
            look.tenant_id == key.tenant_id,
            look.drive_id == key.drive_id,
            look.bundle_sha256 != key.bundle_sha256,
        )
        .distinct()
    )
    return [PassKey(key.tenant_id, key.drive_id, row.bundle_sha256) for row in rows]


def leave_defects(connection: Connection, key: PassKey) -> list[UUID]:
    """Take a pass back: its observations leave their defects, its looks are gone. Gives those defects."""
    look = defect_look.c
    of_pass = and_(
        look.tenant_id == key.tenant_id,
        look.drive_id == key.drive_id,
        look.bundle_sha256 == key.bundle_sha256,
    )
    left = list(connection.execute(select(look.defect_id).where(of_pass)).scalars())
    connection.execute(
        update(observation)
        .where(
            observation.c.tenant_id == key.tenant_id,
            observation.c.drive_id == key.drive_id,
            observation.c.bundle_sha256 == key.bundle_sha256,
        )
        .values(defect_id=None)
    )
    connection.execute(delete(defect_look).where(of_pass))
    return left


def add_looks(connection: Connection, key: PassKey, looks: Sequence[StoredLook]) -> None:
    """Store what a pass saw of defects."""
    rows = [
        {
            "tenant_id": key.tenant_id,
            "defect_id": look.defect_id,
            "drive_id": key.drive_id,
            "bundle_sha256": key.bundle_sha256,
            "at": look.at,
            "seen": look.seen,
            "offset_east_m": look.offset.east_m,
            "offset_north_m": look.offset.north_m,
            **_remaining(look.offset),
        }
        for look in looks
    ]
    if rows:
        connection.execute(insert(defect_look), rows)


def keep_alignment(connection: Connection, key: PassKey, knots: list[dict[str, Any]], now: datetime) -> None:
    """Store the offset of a drive along its stations, in place of an earlier one."""
    at = drive_alignment.c
    connection.execute(
        delete(drive_alignment).where(
            at.tenant_id == key.tenant_id,
            at.drive_id == key.drive_id,
            at.bundle_sha256 == key.bundle_sha256,
        )
    )
    connection.execute(
        insert(drive_alignment).values(
            tenant_id=key.tenant_id,
            drive_id=key.drive_id,
            bundle_sha256=key.bundle_sha256,
            knots=knots,
            computed_at=now,
        )
    )


def add_events(connection: Connection, tenant_id: UUID, events: Sequence[tuple[UUID, DefectEvent]]) -> None:
    """Add lines to defects' histories."""
    rows = [
        {
            "tenant_id": tenant_id,
            "id": new_id(),
            "defect_id": each,
            "kind": event.kind,
            "at": event.at,
            "actor": event.actor,
            "reason": event.reason,
            "detail": dict(event.detail),
        }
        for each, event in events
    ]
    if rows:
        connection.execute(insert(defect_event), rows)


def _values(state: DefectState, status: DefectStatus, place: StreetPlace) -> dict[str, Any]:
    return {
        "lat": state.lat,
        "lon": state.lon,
        "h3_cell": cell_of(state.lat, state.lon),
        "cov_ee_m2": state.covariance.ee,
        "cov_en_m2": state.covariance.en,
        "cov_nn_m2": state.covariance.nn,
        "map_lat": state.map_lat,
        "map_lon": state.map_lon,
        "relative_ee_m2": state.relative.ee,
        "relative_en_m2": state.relative.en,
        "relative_nn_m2": state.relative.nn,
        "frame_ee_m2": state.frame.ee,
        "frame_en_m2": state.frame.en,
        "frame_nn_m2": state.frame.nn,
        "class_code": state.class_code,
        "class_probabilities": state.class_probabilities,
        "length_m": state.length.size if state.length else None,
        "length_sigma_m": state.length.sigma if state.length else None,
        "width_m": state.width.size if state.width else None,
        "width_sigma_m": state.width.sigma if state.width else None,
        "area_m2": state.area.size if state.area else None,
        "area_sigma_m2": state.area.sigma if state.area else None,
        "existence_log_odds": state.existence_log_odds,
        "first_seen_at": state.first_seen_at,
        "last_seen_at": state.last_seen_at,
        "observation_count": state.observation_count,
        "drive_count": state.drive_count,
        "status": str(status),
        "street_id": place.street_id,
        "street_name": place.street_name,
        "house_number": place.house_number,
    }


def _offset(row: RowMapping) -> Offset:
    remaining = covariance_in(row, "offset")
    return Offset(
        row["offset_east_m"], row["offset_north_m"], remaining if remaining.determinant > 0 else None
    )


def _remaining(offset: Offset) -> dict[str, float]:
    remaining = offset.remaining or Covariance(0.0, 0.0, 0.0)
    return {
        "offset_ee_m2": remaining.ee,
        "offset_en_m2": remaining.en,
        "offset_nn_m2": remaining.nn,
    }
