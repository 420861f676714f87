"""What both messages share: strict parsing, UTC time, hashes, and the model bundle's name."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def utc_of(moment: datetime) -> datetime:
    """The same moment in UTC, from 2000 until 2100: anything else is a clock that was never set.

    Raises:
        ValueError: If it names no time zone, or lies outside these years.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} names no time zone: write UTC with a Z at the end")
    if not EARLIEST <= moment < LATEST:
        raise ValueError(
            f"{moment.isoformat()} lies outside the years 2000 to 2099: check the clock that stamped it"
        )
    return moment.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(utc_of)]


class WireModel(BaseModel):
    """Base of everything that crosses the network: frozen, and unknown fields or NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BundleRef(WireModel):
    """Which model bundle looked: its id (name-version-precision) and the hash of what decides its reports."""

    id: str = Field(min_length=1, max_length=128)
    sha256: Sha256
