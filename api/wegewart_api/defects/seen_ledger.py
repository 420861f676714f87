"""What passes saw of streets, in the store. Every query binds the tenant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from wegewart_api.database.ids import new_id
from wegewart_api.database.tables import drive_pass, street_seen
from wegewart_api.defects.repository import portions
from wegewart_api.defects.street_seen import SeenPart
from wegewart_api.intake.messages import PassKey


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Part of a street that a pass looked at, and when."""

    part: SeenPart
    at: datetime


def keep_seen(
    connection: Connection, key: PassKey, parts: Sequence[SeenPart], import_id: UUID | None
) -> None:
    """Store what a pass saw of streets, in place of what was known before.

    Args:
        import_id: Import of the streets that it was found on; None where there are none yet.
    """
    forget_seen(connection, key)
    passes = drive_pass.c
    this = and_(
        passes.tenant_id == key.tenant_id,
        passes.drive_id == key.drive_id,
        passes.bundle_sha256 == key.bundle_sha256,
    )
    connection.execute(update(drive_pass).where(this).values(seen_import_id=import_id))
    ended_at = connection.execute(select(passes.ended_at, passes.started_at).where(this)).one()
    rows = [
        {
            "tenant_id": key.tenant_id,
            "id": new_id(),
            "drive_id": key.drive_id,
            "bundle_sha256": key.bundle_sha256,
            "street_id": part.street_id,
            "forward": part.forward,
            "from_share": part.from_share,
            "to_share": part.to_share,
            "at": ended_at[0] or ended_at[1],
        }
        for part in parts
    ]
    if rows:
        connection.execute(insert(street_seen), rows)


def forget_seen(connection: Connection, key: PassKey) -> None:
    """Take back what a pass saw of streets."""
    at = street_seen.c
    connection.execute(
        delete(street_seen).where(
            at.tenant_id == key.tenant_id,
            at.drive_id == key.drive_id,
            at.bundle_sha256 == key.bundle_sha256,
        )
    )


def seen_of_streets(
    connection: Connection, tenant_id: UUID, street_ids: Iterable[UUID], since: datetime
) -> dict[UUID, list[StoredPart]]:
    """Parts of each of these streets that passes saw since a moment; superseded passes do not count."""
    found: dict[UUID, list[StoredPart]] = defaultdict(list)
    at, passes = street_seen.c, drive_pass.c
    joined = street_seen.join(
        drive_pass,
        and_(
            passes.tenant_id == at.tenant_id,
            passes.drive_id == at.drive_id,
            passes.bundle_sha256 == at.bundle_sha256,
        ),
    )
    query = select(at.street_id, at.forward, at.from_share, at.to_share, at.at).select_from(joined)
    for some in portions(street_ids):
        rows = connection.execute(
            query.where(
                at.tenant_id == tenant_id,
                at.street_id.in_(some),
                at.at >= since,
                passes.superseded_at.is_(None),
            )
        )
        for row in rows:
            found[row.street_id].append(StoredPart(SeenPart(*row[:4]), row.at))
    return dict(found)


def passes_seen_elsewhere(connection: Connection, tenant_id: UUID, import_id: UUID) -> list[PassKey]:
    """Processed passes whose streets are not those of this import, or were never looked for."""
    passes = drive_pass.c
    rows = connection.execute(
        select(passes.drive_id, passes.bundle_sha256)
        .where(
            passes.tenant_id == tenant_id,
            passes.processed_at.is_not(None),
            passes.superseded_at.is_(None),
            passes.state == "closed",
            or_(passes.seen_import_id.is_(None), passes.seen_import_id != import_id),
        )
        .order_by(passes.started_at, passes.drive_id)
    )
    return [PassKey(tenant_id, row.drive_id, row.bundle_sha256) for row in rows]
