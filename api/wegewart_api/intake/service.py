"""Stores batches: what is new once, what is known again harmlessly, what contradicts not at all."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from wegewart.damage import Taxonomy
from wegewart.drive import DriveState, DriveTrack
from wegewart.identity import content_sha256
from wegewart.observation import Observation
from wegewart_api.auth.principal import Principal
from wegewart_api.database.cells import cell_of
from wegewart_api.errors import NotAllowed
from wegewart_api.intake import repository
from wegewart_api.intake.datum import to_etrs89
from wegewart_api.intake.messages import Accepted, Outcome, PassKey, Unreadable

logger = logging.getLogger(__name__)

UNSTORABLE = (DataError, IntegrityError, OverflowError, ValueError)


def accept_observations(
    connection: Connection,
    who: Principal,
    items: Sequence[Observation | Unreadable],
    taxonomy: Taxonomy,
    now: datetime,
) -> Accepted:
    """Store those of a batch that are new, and say for each what became of it.

    Raises:
        NotAllowed: If one is not of the device that sends it; then nothing is stored.
    """
    _refuse_foreign(who, items)
    hashes = {index: content_sha256(item) for index, item in _readable(items)}
    fitting = {index: item for index, item in _readable(items) if _taxonomy_mistake(item, taxonomy) is None}
    first = {item.id: index for index, item in reversed(fitting.items())}
    new, unstorable = _add(connection, who.tenant_id, [(fitting[i], hashes[i]) for i in first.values()], now)
    stored = repository.hashes_of_observations(connection, who.tenant_id, first)
    touched = {_key(who.tenant_id, item) for item in fitting.values() if item.id not in unstorable}
    grown = {_key(who.tenant_id, item) for item in fitting.values() if item.id in new}
    _tell_passes(connection, touched, grown, now)
    outcomes = []
    for index, item in enumerate(items):
        if isinstance(item, Unreadable):
            outcomes.append(_invalid(index, item.named, item.detail))
        elif (mistake := _taxonomy_mistake(item, taxonomy)) is not None:
            outcomes.append(_invalid(index, str(item.id), mistake))
        elif item.id in unstorable:
            outcomes.append(_invalid(index, str(item.id), unstorable[item.id]))
        else:
            is_new = item.id in new and first[item.id] == index
            outcomes.append(_outcome(index, str(item.id), is_new, stored[item.id], hashes[index]))
    return Accepted(outcomes, touched)


def accept_drives(
    connection: Connection, who: Principal, items: Sequence[DriveTrack | Unreadable], now: datetime
) -> Accepted:
    """Store the drives of a batch in their newest revisions, and say for each what became of it.

    Raises:
        NotAllowed: If one is not of the device that sends it; then nothing is stored.
    """
    _refuse_foreign(who, items)
    outcomes = [
        _invalid(index, item.named, item.detail)
        for index, item in enumerate(items)
        if isinstance(item, Unreadable)
    ]
    readable = _readable(items)
    for index, item in sorted(
        readable, key=lambda pair: repository.in_order_of_locks(_key(who.tenant_id, pair[1]))
    ):
        outcomes.append(_accept_drive_or_refuse(connection, who, index, item, now))
    return Accepted(
        sorted(outcomes, key=lambda outcome: outcome.index),
        {_key(who.tenant_id, item) for item in items if not isinstance(item, Unreadable)},
    )


def _add(
    connection: Connection, tenant_id: UUID, items: Sequence[tuple[Observation, str]], now: datetime
) -> tuple[set[UUID], dict[UUID, str]]:
    """Store observations; ids of those that were not there, and why some cannot be stored at all."""
    try:
        with connection.begin_nested():
            rows = [_row(tenant_id, item, sha256, now) for item, sha256 in items]
            return repository.add_observations(connection, rows), {}
    except UNSTORABLE:
        logger.warning("a batch holds what the store cannot keep: stored one by one")
    new: set[UUID] = set()
    unstorable: dict[UUID, str] = {}
    for item, sha256 in sorted(items, key=lambda pair: pair[0].id):
        try:
            with connection.begin_nested():
                new |= repository.add_observations(connection, [_row(tenant_id, item, sha256, now)])
        except UNSTORABLE as error:
            unstorable[item.id] = _why(error)
    return new, unstorable


def _why(error: Exception) -> str:
    reason = error.orig if isinstance(error, (DataError, IntegrityError)) else error
    logger.warning("not stored: %s", reason)
    return f"the store cannot keep this: {str(reason).splitlines()[0][:200]}"


def _accept_drive_or_refuse(
    connection: Connection, who: Principal, index: int, track: DriveTrack, now: datetime
) -> Outcome:
    try:
        with connection.begin_nested():
            return _accept_drive(connection, who, index, track, now)
    except UNSTORABLE as error:
        return _invalid(index, str(track.drive_id), _why(error))


def _accept_drive(
    connection: Connection, who: Principal, index: int, track: DriveTrack, now: datetime
) -> Outcome:
    key = _key(who.tenant_id, track)
    named = str(track.drive_id)
    sent = content_sha256(track)
    others = repository.passes_of_drive(connection, who.tenant_id, track.drive_id)
    if any(other.device_id != track.device_id for other in others):
        return Outcome(
            index=index,
            id=named,
            status="refused",
            code=409,
            detail="this drive was announced by another device: a drive_id is never used twice",
        )
    columns = _columns(track, sent, now)
    if repository.add_pass(connection, key, {**columns, "received_at": now}):
        _supersede_if_told(connection, key, track, now)
        return Outcome(index=index, id=named, status="stored")
    known = repository.find_pass(connection, key, for_update=True)
    assert known is not None, "a pass that could not be added is there"
    if track.revision > known.revision:
        repository.replace_pass(connection, key, columns)
        _supersede_if_told(connection, key, track, now)
        return Outcome(index=index, id=named, status="stored")
    if track.revision < known.revision:
        return Outcome(
            index=index,
            id=named,
            status="known",
            detail=f"revision {track.revision} ignored: revision {known.revision} is stored",
        )
    return _outcome(index, named, is_new=False, stored=known.content_sha256, sent=sent)


def _readable(items: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(index, item) for index, item in enumerate(items) if not isinstance(item, Unreadable)]


def _refuse_foreign(who: Principal, items: Sequence[Observation | DriveTrack | Unreadable]) -> None:
    for index, item in _readable(items):
        if item.device_id != who.device_id:
            raise NotAllowed(
                f"item {index} is of device {item.device_id}, the token of {who.device_id}:"
                " nothing was stored",
                reason="device",
            )


def _taxonomy_mistake(item: Observation, taxonomy: Taxonomy) -> str | None:
    if item.taxonomy != taxonomy.id:
        return f"taxonomy: this server knows {taxonomy.id}, not {item.taxonomy}: bring it up to date first"
    unknown = set(item.class_probabilities) - set(taxonomy.codes)
    if unknown:
        return f"class_probabilities: {taxonomy.id} has no class {', '.join(sorted(unknown))}"
    return None


def _tell_passes(connection: Connection, touched: set[PassKey], grown: set[PassKey], now: datetime) -> None:
    """What arrives for a pass that was taken over is taken over at once; any other is processed (again)."""
    for key in sorted(touched, key=repository.in_order_of_locks):
        known = repository.find_pass(connection, key, for_update=True)
        if known is not None and known.superseded_at is not None:
            repository.supersede(connection, key, now)
        elif known is not None and key in grown:
            repository.mark_unprocessed(connection, key)


def _supersede_if_told(connection: Connection, key: PassKey, track: DriveTrack, now: datetime) -> None:
    if track.state is DriveState.SUPERSEDED:
        repository.supersede(connection, key, now)


def _outcome(index: int, named: str, is_new: bool, stored: str, sent: str) -> Outcome:
    if is_new or stored == sent:
        return Outcome(index=index, id=named, status="stored" if is_new else "known")
    return Outcome(
        index=index,
        id=named,
        status="refused",
        code=409,
        detail="stored with other content: what was sent first stays",
        stored_sha256=stored,
        sent_sha256=sent,
    )


def _invalid(index: int, named: str | None, detail: str) -> Outcome:
    return Outcome(index=index, id=named, status="refused", code=422, detail=detail)


def _key(tenant_id: UUID, item: Observation | DriveTrack) -> PassKey:
    return PassKey(tenant_id, item.drive_id, item.bundle.sha256)


def _row(tenant_id: UUID, item: Observation, sha256: str, now: datetime) -> dict[str, Any]:
    lat, lon = to_etrs89(item.lat, item.lon, item.datum, item.captured_at)
    return {
        "tenant_id": tenant_id,
        "id": item.id,
        "drive_id": item.drive_id,
        "bundle_sha256": item.bundle.sha256,
        "content_sha256": sha256,
        "content": item.model_dump(mode="json"),
        "captured_at": item.captured_at,
        "lat": lat,
        "lon": lon,
        "h3_cell": cell_of(lat, lon),
        "station_m": item.station_m,
        "class_code": item.likeliest_class,
        "evidence_sha256": item.evidence.sha256 if item.evidence else None,
        "received_at": now,
    }


def _columns(track: DriveTrack, sha256: str, now: datetime) -> dict[str, Any]:
    return {
        "bundle_id": track.bundle.id,
        "device_id": track.device_id,
        "revision": track.revision,
        "state": track.state.value,
        "started_at": track.started_at,
        "ended_at": track.ended_at,
        "observations_made": track.observations,
        "content_sha256": sha256,
        "track": track.model_dump(mode="json"),
    }
