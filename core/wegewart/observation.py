"""Observation v1: one damage, seen on one drive. One of the two messages that cross the network."""

from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from wegewart.damage import DEFAULT_TAXONOMY
from wegewart.geo import STATION_MOST_M, CovarianceM2, Datum, Heading, Latitude, Longitude
from wegewart.identity import observation_id
from wegewart.wire import BundleRef, Identifier, Sha256, UtcDatetime, WireModel

SIZE_MOST_M = 1000.0
AREA_MOST_M2 = 1e6
PIXELS_MOST = 2**31 - 1
COUNT_MOST = 2**31 - 1
PROBABILITY_SLACK = 1e-6  # rounding of probabilities that were written as decimals


class FrameSize(WireModel):
    """Size of a frame in pixels."""

    width: int = Field(gt=0, le=PIXELS_MOST)
    height: int = Field(gt=0, le=PIXELS_MOST)


class BoxPx(WireModel):
    """Box in the pixels of the whole frame: origin top left, x right, y down."""

    x1: float
    y1: float
    x2: float
    y2: float

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        if not (self.x2 > self.x1 and self.y2 > self.y1):
            raise ValueError("a box needs x2 > x1 and y2 > y1")
        return self


class Evidence(WireModel):
    """The masked road strip that shows the damage, and where in the frame it was cut out."""

    sha256: Sha256
    media_type: Literal["image/jpeg", "image/webp"] = "image/jpeg"
    left_px: int = Field(ge=0, le=PIXELS_MOST, description="of the crop within the frame")
    top_px: int = Field(ge=0, le=PIXELS_MOST, description="of the crop within the frame")
    width_px: int = Field(gt=0, le=PIXELS_MOST)
    height_px: int = Field(gt=0, le=PIXELS_MOST)
    mask_bundle: BundleRef = Field(description="what masked people and vehicles in it")


class Observation(WireModel):
    """One damage as one drive saw it.

    `cov_relative_m2` is what differs from damage to damage (tilt, pixel, height, heading, time);
    `cov_gnss_m2` is what the whole stretch shares (the receiver's slowly drifting bias). The place's
    covariance is their sum, but merging needs them apart.
    """

    schema_version: Literal[1] = 1
    id: UUID = Field(description="UUIDv5 over drive, camera, bundle, first frame and number: never drawn")
    drive_id: UUID
    device_id: Identifier
    camera_id: Identifier
    first_sequence: int = Field(
        ge=0, le=COUNT_MOST, description="sequence of the frame in which it was first seen"
    )
    first_number: int = Field(
        ge=0, le=COUNT_MOST, description="its number among the detections of that frame"
    )

    captured_at: UtcDatetime = Field(description="of the best view")
    time_sigma_s: float = Field(ge=0)
    best_sequence: int = Field(ge=0, le=COUNT_MOST, description="sequence of the frame with the best view")

    lat: Latitude
    lon: Longitude
    datum: Datum
    heading_deg: Heading
    station_m: float = Field(
        ge=-STATION_MOST_M, le=STATION_MOST_M, description="driven path length abeam of the damage"
    )
    offset_right_m: float = Field(
        ge=-STATION_MOST_M, le=STATION_MOST_M, description="from the driven path, positive to the right"
    )
    cov_relative_m2: CovarianceM2
    cov_gnss_m2: CovarianceM2

    taxonomy: Identifier = Field(
        default=DEFAULT_TAXONOMY, description="id with version, such as road-damage-1"
    )
    class_probabilities: dict[str, float] = Field(min_length=1, description="class code to probability")
    confidence: float = Field(ge=0, le=1, description="of the detector at the best view")

    length_m: float | None = Field(
        default=None, ge=0, le=SIZE_MOST_M, description="along the driving direction"
    )
    length_sigma_m: float | None = Field(default=None, ge=0, le=SIZE_MOST_M)
    width_m: float | None = Field(
        default=None, ge=0, le=SIZE_MOST_M, description="across the driving direction"
    )
    width_sigma_m: float | None = Field(default=None, ge=0, le=SIZE_MOST_M)
    area_m2: float | None = Field(default=None, ge=0, le=AREA_MOST_M2)
    area_sigma_m2: float | None = Field(default=None, ge=0, le=AREA_MOST_M2)

    looks: int = Field(ge=1, le=COUNT_MOST, description="frames in which it was seen")
    nearest_m: float = Field(
        ge=0, le=STATION_MOST_M, description="smallest distance from the camera on the road"
    )
    frame_size_px: FrameSize
    box_px: BoxPx = Field(description="of the best view")
    bundle: BundleRef
    threshold: float = Field(ge=0, le=1, description="confidence at which the bundle reports this class")

    evidence: Evidence | None = None
    no_evidence_reason: str | None = Field(
        default=None, min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$"
    )

    @property
    def likeliest_class(self) -> str:
        """Code of the class with the highest probability."""
        return max(self.class_probabilities, key=lambda code: self.class_probabilities[code])

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.evidence is None) == (self.no_evidence_reason is None):
            raise ValueError(
                "give either evidence or no_evidence_reason: no image without a mask, no gap unexplained"
            )
        probabilities = self.class_probabilities.values()
        if min(probabilities) < 0 or sum(probabilities) > 1 + PROBABILITY_SLACK:
            raise ValueError("class_probabilities must be at least 0 each and at most 1 together")
        for size, sigma in (
            ("length_m", "length_sigma_m"),
            ("width_m", "width_sigma_m"),
            ("area_m2", "area_sigma_m2"),
        ):
            if (getattr(self, size) is None) != (getattr(self, sigma) is None):
                raise ValueError(f"{size} and {sigma} are known together or not at all")
        derived = observation_id(
            self.drive_id, self.camera_id, self.bundle.sha256, self.first_sequence, self.first_number
        )
        if self.id != derived:
            raise ValueError(
                f"id {self.id} is not the one that follows from the drive and the first frame: {derived}"
            )
        return self
