"""Condition values of street segments, as a list and as a layer of the map: approximations, and told so."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from wegewart.condition import Band, Condition, ConditionTable
from wegewart_api.auth.access import Asking, StoreOf
from wegewart_api.auth.login import utc_now
from wegewart_api.defects.condition import ConditionLimitsOf, Segment, segments_within
from wegewart_api.streets.box import Box
from wegewart_api.streets.routes import GEOJSON, MOST_STREETS, BoxText

router = APIRouter(prefix="/api/v1", tags=["condition"])

APPROXIMATION: Literal["Näherung"] = "Näherung"
FORMULA = (
    "ZW = 1.5 + 2.0 (G − G15)/(G35 − G15) up to G35, then 3.5 + 1.0 (G − G35)/(G45 − G35), clamped to 1 … 5;"
    " G = percent of damaged fields; the segment's value is the worst of its characteristics"
)
NOT_MEASURED = ("evenness", "ruts", "skid resistance", "patches", "damages that no drive found")


class LimitsAnswer(BaseModel):
    """Percent of damaged fields at 1.5, 3.5 and 4.5 for one characteristic in one function class."""

    function_class: str
    highways: list[str]
    characteristic: str
    at_1_5: float
    at_3_5: float
    at_4_5: float
    recalled: bool = Field(description="from memory, not checked against the source yet")


class MethodAnswer(BaseModel):
    """How values come about: they never stand without it."""

    approximation: Literal["Näherung"] = APPROXIMATION
    source: str
    formula: str = FORMULA
    not_measured: tuple[str, ...] = NOT_MEASURED
    table: str
    field_m: float
    strips: int
    lane_width_m: float
    seen_least: float
    valid_days: float
    limits: list[LimitsAnswer]


class PartAnswer(BaseModel):
    """One characteristic: its share of damaged fields, and the value that follows, with its 95 % bounds."""

    characteristic: str
    share_percent: float
    value: float
    least: float
    most: float
    damages: int


class SegmentAnswer(BaseModel):
    """A part of a street; value and all that belongs to it are null where too little of it was seen."""

    id: str
    street_id: UUID
    name: str | None
    highway: str
    from_m: float
    to_m: float
    state: Literal["known", "unknown"]
    seen_m: float
    lanes: int
    last_seen_at: datetime | None
    approximation: Literal["Näherung"] = APPROXIMATION
    value: float | None = Field(description="1 very good to 5 very poor; an approximation")
    least: float | None = Field(description="of the value's 95 % bounds")
    most: float | None
    band: Band | None
    damages: int
    without_extent: int = Field(description="of those: length or width unknown, counted as the least")
    parts: list[PartAnswer]


class ConditionAnswer(BaseModel):
    """Segments with the method that their values stand on."""

    method: MethodAnswer
    segments: list[SegmentAnswer]


MostStreets = Annotated[int, Query(ge=1, le=MOST_STREETS, description="most streets, by id")]


@router.get("/streets/condition")
def get_condition(
    who: Asking,
    database: StoreOf,
    limits: ConditionLimitsOf,
    bbox: BoxText = None,
    limit: MostStreets = MOST_STREETS,
) -> ConditionAnswer:
    """Condition of all segments of the streets within a box: an approximation; unseen ones have no value."""
    box = Box.read(bbox)
    with database.reading() as connection:
        found = segments_within(connection, who.tenant_id, box, limit, limits, utc_now())
    return ConditionAnswer(method=_method(limits), segments=[_answer(each) for each in found])


@router.get(
    "/map/condition.geojson",
    response_class=Response,
    responses={200: {"content": {GEOJSON: {}}, "description": "FeatureCollection of LineStrings"}},
)
def get_condition_lines(
    who: Asking,
    database: StoreOf,
    limits: ConditionLimitsOf,
    bbox: BoxText = None,
    limit: MostStreets = MOST_STREETS,
) -> Response:
    """The same segments as lines; `band` is null where too little was seen: draw it grey, never green."""
    box = Box.read(bbox)
    with database.reading() as connection:
        found = segments_within(connection, who.tenant_id, box, limit, limits, utc_now())
    collection = {
        "type": "FeatureCollection",
        "method": _method(limits).model_dump(mode="json"),
        "features": [_feature(each) for each in found],
    }
    return Response(
        json.dumps(collection, ensure_ascii=False, separators=(",", ":")),
        media_type=GEOJSON,
        headers={"Cache-Control": "no-store"},
    )


def _method(limits: ConditionTable) -> MethodAnswer:
    return MethodAnswer(
        source=limits.source,
        table=limits.id,
        field_m=limits.field_m,
        strips=limits.strips,
        lane_width_m=limits.lane_width_m,
        seen_least=limits.seen_least,
        valid_days=limits.valid_days,
        limits=[
            LimitsAnswer(function_class=each.code, highways=list(each.highways), **percent.model_dump())
            for each in limits.function_classes
            for percent in each.limits
        ],
    )


def _answer(segment: Segment) -> SegmentAnswer:
    found = segment.condition
    return SegmentAnswer(
        id=segment.id,
        street_id=segment.street.id,
        name=segment.street.name or segment.street.ref,
        highway=segment.street.highway,
        from_m=round(segment.from_m, 1),
        to_m=round(segment.to_m, 1),
        state="known" if found else "unknown",
        seen_m=round(segment.seen_m, 1),
        lanes=segment.lanes,
        last_seen_at=segment.last_seen_at,
        value=round(found.value, 1) if found else None,
        least=round(found.least, 1) if found else None,
        most=round(found.most, 1) if found else None,
        band=found.band if found else None,
        damages=segment.damages,
        without_extent=found.without_extent if found else 0,
        parts=_parts(found) if found else [],
    )


def _parts(found: Condition) -> list[PartAnswer]:
    return [
        PartAnswer(
            characteristic=part.characteristic,
            share_percent=round(part.share_percent, 2),
            value=round(part.value, 2),
            least=round(part.least, 2),
            most=round(part.most, 2),
            damages=part.damages,
        )
        for part in found.parts
    ]


def _feature(segment: Segment) -> dict[str, Any]:
    told = _answer(segment).model_dump(mode="json", exclude={"parts"})
    coordinates = [[round(lon, 7), round(lat, 7)] for lon, lat in segment.line]
    return {
        "type": "Feature",
        "id": told["id"],
        "properties": told,
        "geometry": {"type": "LineString", "coordinates": coordinates},
    }
