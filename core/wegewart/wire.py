"""What both messages share: strict parsing, UTC time, hashes, and the model bundle's name."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class WireModel(BaseModel):
    """Base of everything that crosses the network: frozen, and unknown fields or NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BundleRef(WireModel):
    """Which model bundle looked: its id (name-version-precision) and the hash of its graph."""

    id: str = Field(min_length=1, max_length=128)
    sha256: Sha256
