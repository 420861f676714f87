"""Rows of observations, drives and evidence. Two processes may store the same batch at the same moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wegewart.drive import DriveState, DriveTrack
from wegewart.observation import Observation
from wegewart_api.database.paging import Cursor, Page, page_of
from wegewart_api.database.tables import drive_pass, evidence, observation
from wegewart_api.intake.datum import track_in_etrs89
from wegewart_api.intake.messages import PassKey

AT_ONCE = 500  # ids in one question; SQLite takes 32,766 values


@dataclass(frozen=True)
class StoredObservation:
    """An observation as the store holds it."""

    sent: Observation
    """As it was sent, in its own datum."""
    lat: float
    """In ETRS89."""
    lon: float
    received_at: datetime
    superseded_at: datetime | None
    defect_id: UUID | None


@dataclass(frozen=True)
class StoredPass:
    """A pass as the store holds it, without its track."""

    key: PassKey
    bundle_id: str
    device_id: str
    revision: int
    state: DriveState
    started_at: datetime
    ended_at: datetime | None
    observations_made: int | None
    content_sha256: str
    processed_at: datetime | None
    superseded_at: datetime | None


# --- observations -------------------------------------------------------------------------------------


def hashes_of_observations(connection: Connection, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Content hashes of those observations that are stored, by id."""
    wanted = sorted(set(ids))
    found: dict[UUID, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = connection.execute(
            select(observation.c.id, observation.c.content_sha256).where(
                observation.c.tenant_id == tenant_id, observation.c.id.in_(wanted[start : start + AT_ONCE])
            )
        )
        found.update((row.id, row.content_sha256) for row in rows)
    return found


def add_observations(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Store observations and give the ids of those that were not there; in order of id, so none deadlock."""
    if not rows:
        return set()
    in_order = sorted((dict(row) for row in rows), key=lambda row: row["id"])
    stored = connection.execute(
        _insert_if_absent(connection, observation).returning(observation.c.id), in_order
    )
    return {row.id for row in stored}


def observations_of_pass(connection: Connection, key: PassKey) -> list[StoredObservation]:
    """All observations of a pass along its way, superseded or not."""
    rows = connection.execute(
        select(observation)
        .where(_observed_by(key))
        .order_by(observation.c.station_m, observation.c.captured_at, observation.c.id)
    )
    return [_observation(row) for row in rows.mappings()]


def count_observations(connection: Connection, key: PassKey) -> int:
    """How many observations of a pass are stored."""
    return connection.execute(
        select(func.count()).select_from(observation).where(_observed_by(key))
    ).scalar_one()


def list_observations(
    connection: Connection,
    tenant_id: UUID,
    drive_id: UUID | None,
    defect_id: UUID | None,
    after: Cursor | None,
    limit: int,
) -> Page[StoredObservation]:
    """A page of observations in order of their capture."""
    query = select(observation).where(observation.c.tenant_id == tenant_id)
    if drive_id is not None:
        query = query.where(observation.c.drive_id == drive_id)
    if defect_id is not None:
        query = query.where(observation.c.defect_id == defect_id)
    order = (observation.c.captured_at, observation.c.id)
    return page_of(connection, query, order, after, limit, _observation)


# --- passes -------------------------------------------------------------------------------------------


def passes_of_drive(connection: Connection, tenant_id: UUID, drive_id: UUID) -> list[StoredPass]:
    """All passes over a drive, oldest first."""
    rows = connection.execute(
        select(*_WITHOUT_TRACK)
        .where(drive_pass.c.tenant_id == tenant_id, drive_pass.c.drive_id == drive_id)
        .order_by(drive_pass.c.received_at, drive_pass.c.bundle_sha256)
    )
    return [_pass(row) for row in rows]


def find_pass(connection: Connection, key: PassKey, *, for_update: bool = False) -> StoredPass | None:
    """A pass, None if its drive was not announced yet."""
    query = select(*_WITHOUT_TRACK).where(_is(key))
    row = connection.execute(query.with_for_update() if for_update else query).one_or_none()
    return _pass(row) if row is not None else None


def lock_passes_of_drive(connection: Connection, key: PassKey) -> None:
    """Let nobody else change the passes over a drive until the transaction ends.

    Everybody who changes several passes locks them in the order of `in_order_of_locks`: none deadlock.
    """
    connection.execute(
        select(drive_pass.c.bundle_sha256)
        .where(drive_pass.c.tenant_id == key.tenant_id, drive_pass.c.drive_id == key.drive_id)
        .order_by(drive_pass.c.bundle_sha256)
        .with_for_update()
    ).all()


def in_order_of_locks(key: PassKey) -> tuple[UUID, str]:
    """Sort key of passes in the order in which they are locked."""
    return key.drive_id, key.bundle_sha256


def add_pass(connection: Connection, key: PassKey, values: Mapping[str, Any]) -> bool:
    """Store a pass; False if it was there."""
    row = {
        "tenant_id": key.tenant_id,
        "drive_id": key.drive_id,
        "bundle_sha256": key.bundle_sha256,
        **values,
    }
    stored = connection.execute(
        _insert_if_absent(connection, drive_pass).returning(drive_pass.c.drive_id), [row]
    )
    return stored.first() is not None


def replace_pass(connection: Connection, key: PassKey, values: Mapping[str, Any]) -> None:
    """Put a later revision in the place of the stored one; it has to be processed again."""
    connection.execute(update(drive_pass).where(_is(key)).values(**values, processed_at=None))


def track_of_pass(connection: Connection, key: PassKey) -> DriveTrack:
    """The newest track of a stored pass, its poses in ETRS89."""
    track = connection.execute(select(drive_pass.c.track).where(_is(key))).scalar_one()
    return track_in_etrs89(DriveTrack.model_validate(track))


def passes_to_process(connection: Connection) -> list[PassKey]:
    """Passes that are complete or given up, and not processed, in the order in which they were driven."""
    stored = (
        select(func.count())
        .select_from(observation)
        .where(
            observation.c.tenant_id == drive_pass.c.tenant_id,
            observation.c.drive_id == drive_pass.c.drive_id,
            observation.c.bundle_sha256 == drive_pass.c.bundle_sha256,
        )
        .scalar_subquery()
    )
    rows = connection.execute(
        select(drive_pass.c.tenant_id, drive_pass.c.drive_id, drive_pass.c.bundle_sha256)
        .where(or_(and_(_waiting(), stored >= drive_pass.c.observations_made), _given_up()))
        .order_by(drive_pass.c.started_at, drive_pass.c.drive_id)
    )
    return [PassKey(row.tenant_id, row.drive_id, row.bundle_sha256) for row in rows]


def is_complete(connection: Connection, key: PassKey) -> bool:
    """Whether a pass is closed, whole and not processed."""
    query = select(drive_pass.c.observations_made).where(_is(key), _waiting())
    row = connection.execute(query).one_or_none()
    return row is not None and count_observations(connection, key) >= row.observations_made


def is_given_up(connection: Connection, key: PassKey) -> bool:
    """Whether the vehicle took a pass back, and what it said of defects still stands."""
    return connection.execute(select(drive_pass.c.drive_id).where(_is(key), _given_up())).first() is not None


def supersede_others(connection: Connection, key: PassKey, now: datetime) -> list[PassKey]:
    """Let a complete pass take over from the other bundles' passes of its drive; give those taken over.

    Also from passes whose track never came: their observations are marked all the same.
    """
    others = connection.execute(
        select(observation.c.bundle_sha256)
        .where(
            observation.c.tenant_id == key.tenant_id,
            observation.c.drive_id == key.drive_id,
            observation.c.bundle_sha256 != key.bundle_sha256,
        )
        .union(
            select(drive_pass.c.bundle_sha256).where(
                drive_pass.c.tenant_id == key.tenant_id,
                drive_pass.c.drive_id == key.drive_id,
                drive_pass.c.bundle_sha256 != key.bundle_sha256,
            )
        )
    )
    taken_over = sorted(
        (PassKey(key.tenant_id, key.drive_id, row.bundle_sha256) for row in others), key=in_order_of_locks
    )
    for other in taken_over:
        supersede(connection, other, now)
    return taken_over


def supersede(connection: Connection, key: PassKey, now: datetime) -> None:
    """Mark a pass and its observations as taken over; what was marked before keeps its time."""
    connection.execute(
        update(drive_pass).where(_is(key), drive_pass.c.superseded_at.is_(None)).values(superseded_at=now)
    )
    connection.execute(
        update(observation)
        .where(_observed_by(key), observation.c.superseded_at.is_(None))
        .values(superseded_at=now)
    )


def mark_processed(connection: Connection, key: PassKey, now: datetime) -> None:
    """Remember that a pass became defects."""
    connection.execute(update(drive_pass).where(_is(key)).values(processed_at=now))


def mark_unprocessed(connection: Connection, key: PassKey) -> None:
    """Let a pass be processed again, because it has grown."""
    connection.execute(update(drive_pass).where(_is(key)).values(processed_at=None))


# --- evidence -----------------------------------------------------------------------------------------


def add_evidence(
    connection: Connection, tenant_id: UUID, sha256: str, media_type: str, size_bytes: int, now: datetime
) -> bool:
    """Note an image that lies in the evidence store; False if it was noted."""
    row = {
        "tenant_id": tenant_id,
        "sha256": sha256,
        "media_type": media_type,
        "size_bytes": size_bytes,
        "stored_at": now,
    }
    stored = connection.execute(_insert_if_absent(connection, evidence).returning(evidence.c.sha256), [row])
    return stored.first() is not None


def media_type_of_evidence(connection: Connection, tenant_id: UUID, sha256: str) -> str | None:
    """Media type of an image, None if this tenant has no such image."""
    return connection.execute(
        select(evidence.c.media_type).where(evidence.c.tenant_id == tenant_id, evidence.c.sha256 == sha256)
    ).scalar()


def evidence_missing(connection: Connection, key: PassKey) -> list[str]:
    """Hashes of images that a pass announced and that have not arrived."""
    rows = connection.execute(
        select(observation.c.evidence_sha256)
        .outerjoin(
            evidence,
            and_(
                evidence.c.tenant_id == observation.c.tenant_id,
                evidence.c.sha256 == observation.c.evidence_sha256,
            ),
        )
        .where(_observed_by(key), observation.c.evidence_sha256.is_not(None), evidence.c.sha256.is_(None))
        .distinct()
        .order_by(observation.c.evidence_sha256)
    )
    return [row.evidence_sha256 for row in rows]


_WITHOUT_TRACK = [column for column in drive_pass.c if column.name != "track"]


def _insert_if_absent(connection: Connection, table: Any) -> Any:  # noqa: ANN401
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _is(key: PassKey) -> ColumnElement[bool]:
    return and_(
        drive_pass.c.tenant_id == key.tenant_id,
        drive_pass.c.drive_id == key.drive_id,
        drive_pass.c.bundle_sha256 == key.bundle_sha256,
    )


def _waiting() -> ColumnElement[bool]:
    return and_(
        drive_pass.c.state == DriveState.CLOSED.value,
        drive_pass.c.processed_at.is_(None),
        drive_pass.c.superseded_at.is_(None),
    )


def _given_up() -> ColumnElement[bool]:
    return and_(drive_pass.c.state == DriveState.SUPERSEDED.value, drive_pass.c.processed_at.is_(None))


def _observed_by(key: PassKey) -> ColumnElement[bool]:
    return and_(
        observation.c.tenant_id == key.tenant_id,
        observation.c.drive_id == key.drive_id,
        observation.c.bundle_sha256 == key.bundle_sha256,
    )


def _observation(row: RowMapping) -> StoredObservation:
    return StoredObservation(
        sent=Observation.model_validate(row["content"]),
        lat=row["lat"],
        lon=row["lon"],
        received_at=row["received_at"],
        superseded_at=row["superseded_at"],
        defect_id=row["defect_id"],
    )


def _pass(row: Any) -> StoredPass:  # noqa: ANN401
    return StoredPass(
        key=PassKey(row.tenant_id, row.drive_id, row.bundle_sha256),
        bundle_id=row.bundle_id,
        device_id=row.device_id,
        revision=row.revision,
        state=DriveState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        observations_made=row.observations_made,
        content_sha256=row.content_sha256,
        processed_at=row.processed_at,
        superseded_at=row.superseded_at,
    )
