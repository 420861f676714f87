"""Who asks, as everything above the login sees it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What somebody may do; a device is one by its token, the others are people."""

    VIEWER = "viewer"
    CREW = "crew"
    INSPECTOR = "inspector"
    DISPATCHER = "dispatcher"
    ADMIN = "admin"
    ENGINEER = "engineer"
    DEVICE = "device"


PEOPLE = tuple(role for role in Role if role is not Role.DEVICE)


@dataclass(frozen=True)
class Principal:
    """Somebody whose token or login was checked; the tenant of a request comes from here alone."""

    tenant_id: UUID
    role: Role
    actor_name: str
    """Display name of a person, device_id of a device; what events record."""
    user_id: UUID | None = None
    device_id: str | None = None
    language: str | None = None
    csrf_token: str | None = None
    """What unsafe requests of this login must carry; None for tokens, which no browser sends by itself."""

    @property
    def is_person(self) -> bool:
        """Whether a person is logged in, rather than a device."""
        return self.user_id is not None
