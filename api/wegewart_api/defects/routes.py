"""Defects as lists, one by one, and on the map."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from wegewart.geo import Covariance
from wegewart.severity import Severity, SeverityTable
from wegewart_api.auth.access import Asking, StoreOf
from wegewart_api.database.paging import LIMIT_DEFAULT, LIMIT_MOST, Cursor
from wegewart_api.defects import repository
from wegewart_api.defects.existence import DefectStatus, probability
from wegewart_api.defects.ledger import looks_of
from wegewart_api.defects.repository import DefectFilter, StoredDefect, StoredSize
from wegewart_api.defects.severity import (
    SeverityAnswer,
    SeverityLimitsOf,
    Size,
    severity_answer,
    severity_of_defect,
)
from wegewart_api.errors import NotFound
from wegewart_api.intake.repository import StoredObservation, list_observations
from wegewart_api.streets.box import Box
from wegewart_api.streets.routes import GEOJSON, BoxText

router = APIRouter(prefix="/api/v1", tags=["defects"])

MOST_SIGHTINGS = 1000  # of one defect: twenty years of weekly drives
MOST_ON_MAP = 5000


class Place(BaseModel):
    """Where a defect is, in ETRS89, and how well that is known."""

    lat: float
    lon: float
    covariance_m2: Covariance = Field(description="[ee, en, nn] in m², of the place on earth")
    covariance_relative_m2: Covariance = Field(description="against its neighbours on the map")
    street: str | None
    house_number: str | None


class DefectAnswer(BaseModel):
    """One damage on the street, over all drives."""

    id: UUID
    status: DefectStatus
    class_code: str = Field(description="the likeliest class")
    class_probabilities: dict[str, float]
    existence: float = Field(description="probability that it is there, at its last look")
    existence_log_odds: float
    place: Place
    length_m: Size | None
    width_m: Size | None
    area_m2: Size | None
    severity: SeverityAnswer
    first_seen_at: datetime
    last_seen_at: datetime
    observation_count: int
    drive_count: int
    created_at: datetime
    updated_at: datetime


class DefectPage(BaseModel):
    """Defects and the cursor of the next page."""

    defects: list[DefectAnswer]
    next: str | None


class SightingAnswer(BaseModel):
    """One observation of a defect, in short; GET /observations has all of it."""

    id: UUID
    drive_id: UUID
    captured_at: datetime
    lat: float
    lon: float
    class_probabilities: dict[str, float]
    confidence: float
    evidence_sha256: str | None


class LookAnswer(BaseModel):
    """One pass that saw it, or looked and did not."""

    at: datetime
    seen: bool


class HistoryAnswer(BaseModel):
    """One line of a defect's history."""

    kind: str
    at: datetime
    actor: str
    reason: str | None
    detail: dict[str, Any]


class DefectDetail(DefectAnswer):
    """A defect with all that it stands on."""

    observations: list[SightingAnswer]
    looks: list[LookAnswer]
    events: list[HistoryAnswer]


@router.get("/defects")
def get_defects(
    who: Asking,
    database: StoreOf,
    limits: SeverityLimitsOf,
    bbox: BoxText = None,
    class_code: Annotated[str | None, Query(alias="class", max_length=16)] = None,
    status: DefectStatus | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MOST)] = LIMIT_DEFAULT,
) -> DefectPage:
    """Defects in the order in which they were found; withdrawn ones only when asked for."""
    wanted = DefectFilter(Box.read(bbox), class_code, status)
    with database.reading() as connection:
        page = repository.list_defects(connection, who.tenant_id, wanted, Cursor.read(cursor), limit)
    return DefectPage(
        defects=[defect_answer(each, limits) for each in page.rows],
        next=page.next.text if page.next else None,
    )


@router.get("/defects/{defect_id}")
def get_defect(defect_id: UUID, who: Asking, database: StoreOf, limits: SeverityLimitsOf) -> DefectDetail:
    """One defect with its observations, looks and history."""
    with database.reading() as connection:
        found = repository.one_defect(connection, who.tenant_id, defect_id)
        if found is None:
            raise NotFound(f"there is no defect {defect_id}")
        seen = list_observations(connection, who.tenant_id, None, defect_id, None, MOST_SIGHTINGS)
        looks = looks_of(connection, who.tenant_id, [defect_id]).get(defect_id, [])
        events = repository.events_of(connection, who.tenant_id, defect_id)
    return DefectDetail(
        **defect_answer(found, limits).model_dump(),
        observations=[_sighting(each) for each in seen.rows],
        looks=[LookAnswer(at=look.at, seen=look.seen) for look in sorted(looks)],
        events=[
            HistoryAnswer(
                kind=each.kind, at=each.at, actor=each.actor, reason=each.reason, detail=dict(each.detail)
            )
            for each in events
        ],
    )


@router.get(
    "/map/defects.geojson",
    response_class=Response,
    responses={200: {"content": {GEOJSON: {}}, "description": "FeatureCollection of Points"}},
)
def get_defect_points(
    who: Asking, database: StoreOf, limits: SeverityLimitsOf, bbox: BoxText = None
) -> Response:
    """Defects within a box as points, at most 5,000."""
    with database.reading() as connection:
        page = repository.list_defects(
            connection, who.tenant_id, DefectFilter(Box.read(bbox)), None, MOST_ON_MAP
        )
    collection = {"type": "FeatureCollection", "features": [_feature(each, limits) for each in page.rows]}
    return Response(json.dumps(collection, ensure_ascii=False), media_type=GEOJSON)


def defect_answer(found: StoredDefect, limits: SeverityTable) -> DefectAnswer:
    """A defect as the API shows it."""
    return DefectAnswer(
        id=found.id,
        status=found.status,
        class_code=found.class_code,
        class_probabilities=found.class_probabilities,
        existence=probability(found.existence_log_odds),
        existence_log_odds=found.existence_log_odds,
        place=Place(
            lat=found.lat,
            lon=found.lon,
            covariance_m2=found.covariance,
            covariance_relative_m2=found.relative,
            street=found.street_name,
            house_number=found.house_number,
        ),
        length_m=_size(found.length),
        width_m=_size(found.width),
        area_m2=_size(found.area),
        severity=severity_answer(severity_of_defect(found, limits)),
        first_seen_at=found.first_seen_at,
        last_seen_at=found.last_seen_at,
        observation_count=found.observation_count,
        drive_count=found.drive_count,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _size(stored: StoredSize | None) -> Size | None:
    return Size(value=stored.size, sigma=stored.sigma) if stored else None


def _sighting(stored: StoredObservation) -> SightingAnswer:
    sent = stored.sent
    return SightingAnswer(
        id=sent.id,
        drive_id=sent.drive_id,
        captured_at=sent.captured_at,
        lat=stored.lat,
        lon=stored.lon,
        class_probabilities=sent.class_probabilities,
        confidence=sent.confidence,
        evidence_sha256=sent.evidence.sha256 if sent.evidence else None,
    )


def _feature(found: StoredDefect, limits: SeverityTable) -> dict[str, Any]:
    severity = severity_of_defect(found, limits)
    return {
        "type": "Feature",
        "id": str(found.id),
        "properties": {
            "class": found.class_code,
            "status": str(found.status),
            "existence": round(probability(found.existence_log_odds), 4),
            "street": found.street_name,
            "house_number": found.house_number,
            "drive_count": found.drive_count,
            "severity": severity.likeliest if isinstance(severity, Severity) else None,
        },
        "geometry": {"type": "Point", "coordinates": [found.lon, found.lat]},
    }
