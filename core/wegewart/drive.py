"""DriveTrack v1: where a drive went, what it looked at, and how well. The other message on the network."""

from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from wegewart.camera import Camera
from wegewart.geo import STATION_MOST_M, CovarianceM2, Datum, Heading, Latitude, Longitude
from wegewart.observation import COUNT_MOST
from wegewart.wire import BundleRef, Identifier, UtcDatetime, WireModel


class FixType(StrEnum):
    """How good the receiver said its position was."""

    NONE = "none"
    SINGLE = "single"
    DIFFERENTIAL = "differential"
    RTK_FLOAT = "rtk_float"
    RTK_FIXED = "rtk_fixed"
    DEAD_RECKONING = "dead_reckoning"


class DriveState(StrEnum):
    """Whether more of this drive is to come."""

    OPEN = "open"
    CLOSED = "closed"
    SUPERSEDED = "superseded"


class InvalidReason(StrEnum):
    """Why a stretch does not count as inspected."""

    STANDING = "standing"
    TOO_FAST = "too_fast"
    DARK = "dark"
    WET = "wet"
    GLARE = "glare"
    BLURRED = "blurred"
    COVERED_LENS = "covered_lens"
    NO_POSITION = "no_position"
    NO_FRAME = "no_frame"
    BROKEN_IMAGE = "broken_image"


class Pose(WireModel):
    """Where the vehicle's reference point was, and where the vehicle headed."""

    captured_at: UtcDatetime
    station_m: float = Field(ge=0, le=STATION_MOST_M, description="driven path length since the start")
    lat: Latitude
    lon: Longitude
    heading_deg: Heading
    heading_sigma_deg: float = Field(ge=0)
    cov_gnss_m2: CovarianceM2
    fix: FixType


class ViewingZone(WireModel):
    """The part of the road ahead in which a camera finds damage: metres from the reference point."""

    near_m: float = Field(ge=0)
    far_m: float = Field(gt=0)
    left_m: float = Field(description="offset to the right of the left border: negative left of the path")
    right_m: float

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        if not (self.far_m > self.near_m and self.right_m > self.left_m):
            raise ValueError("a viewing zone needs far_m > near_m and right_m > left_m")
        return self


class Stretch(WireModel):
    """Part of a drive, [from_station_m, to_station_m), that was looked at in one way, or not."""

    camera_id: Identifier
    from_station_m: float = Field(ge=0, le=STATION_MOST_M)
    to_station_m: float = Field(gt=0, le=STATION_MOST_M)
    zone: ViewingZone
    valid: bool
    invalid_reason: InvalidReason | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.to_station_m <= self.from_station_m:
            raise ValueError("a stretch needs to_station_m > from_station_m")
        if self.valid == (self.invalid_reason is not None):
            raise ValueError("a valid stretch has no invalid_reason, an invalid one needs it")
        return self


class DriveTrack(WireModel):
    """One drive as one bundle saw it; (drive_id, bundle) names it, revisions replace one another."""

    schema_version: Literal[1] = 1
    drive_id: UUID = Field(description="UUIDv7, written once into the drive")
    device_id: Identifier
    bundle: BundleRef
    revision: int = Field(ge=1, le=COUNT_MOST, description="a later revision replaces an earlier one")
    state: DriveState
    started_at: UtcDatetime
    ended_at: UtcDatetime | None = None
    datum: Datum
    cameras: tuple[Camera, ...] = Field(min_length=1)
    poses: tuple[Pose, ...] = Field(description="every 5 m or every second, in order of time")
    stretches: tuple[Stretch, ...]
    observations: int | None = Field(
        default=None, ge=0, le=COUNT_MOST, description="how many it made; known once it is closed"
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        moments = [pose.captured_at for pose in self.poses]
        if moments != sorted(moments):
            raise ValueError("poses must stand in order of time")
        if self.state is DriveState.CLOSED and (self.observations is None or self.ended_at is None):
            raise ValueError("a closed drive says when it ended and how many observations it made")
        known = {camera.camera_id for camera in self.cameras}
        unknown = {stretch.camera_id for stretch in self.stretches} - known
        if unknown:
            raise ValueError(f"stretches name cameras {sorted(unknown)} that the drive does not list")
        return self
