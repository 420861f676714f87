"""Identity is derived, not drawn: ids that a repeated run makes again, and the hash of a content."""

import hashlib
import json
from collections.abc import Collection
from uuid import UUID, uuid5

from pydantic import BaseModel

OBSERVATION_NAMESPACE = UUID(
    "6f0e4a52-5e51-5b0e-9d0c-0b6d1a6f3c11"
)  # drawn once for Wegewart, never to change


def observation_id(
    drive_id: UUID, camera_id: str, bundle_sha256: str, first_sequence: int, first_number: int
) -> UUID:
    """UUIDv5 that names an observation: the same drive seen by the same model gives it again.

    Args:
        first_sequence: Sequence of the frame in which the damage was first seen.
        first_number: Its number among the detections of that frame, from 0.
    """
    name = f"{drive_id}/{camera_id}/{bundle_sha256}/{first_sequence}/{first_number}"
    return uuid5(OBSERVATION_NAMESPACE, name)


def content_sha256(message: BaseModel, fields: Collection[str] | None = None) -> str:
    """Hash of a message's content, or of some of its fields: SHA-256 over its JSON with sorted keys."""
    content = message.model_dump(mode="json", include=None if fields is None else set(fields))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
