"""Messages as vehicles send them: a drive with its observations, consistent in itself."""

from typing import Any
from uuid import UUID

from tests.core.messages import BUNDLE, DRIVE_ID, drive_track_fields, observation_fields

from wegewart.identity import observation_id

OTHER_BUNDLE = {"id": "road-damage-small-0.2.0-int8", "sha256": "cd" * 32}


def observation(
    sequence: int = 7, drive_id: UUID = DRIVE_ID, bundle: dict[str, str] = BUNDLE, **changes: Any
) -> dict[str, Any]:
    """JSON of an observation first seen in a frame."""
    named = observation_id(drive_id, "front", bundle["sha256"], sequence, 0)
    return observation_fields(
        sequence, **{"id": str(named), "drive_id": str(drive_id), "bundle": bundle} | changes
    )


def track(drive_id: UUID = DRIVE_ID, made: int = 2, **changes: Any) -> dict[str, Any]:
    """JSON of a closed drive that made some observations."""
    return drive_track_fields(drive_id=str(drive_id), observations=made, **changes)


def drive_number(number: int) -> UUID:
    """Id of one of many drives."""
    return UUID(int=DRIVE_ID.int + number)
