"""Ids of the office: UUIDv7, so that rows of one time lie together in every index."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Fresh UUIDv7."""
    return UUID(int=uuid_utils.compat.uuid7().int)
