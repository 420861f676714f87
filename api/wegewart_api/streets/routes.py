"""The imported streets as the map's background."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from wegewart_api.auth.access import Asking, StoreOf
from wegewart_api.streets.box import Box
from wegewart_api.streets.locating import StoredStreet
from wegewart_api.streets.repository import newest_import, streets_within

router = APIRouter(prefix="/api/v1/map", tags=["map"])

MOST_STREETS = 20_000  # about 6 MB of GeoJSON before compression: a town, not a country
MAX_AGE_S = 300  # a new import shows within five minutes; until then nothing is asked
GEOJSON = "application/geo+json"
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"

BoxText = Annotated[
    str | None, Query(alias="bbox", max_length=200, description="west,south,east,north in degrees (ETRS89)")
]


@router.get(
    "/streets.geojson",
    response_class=Response,
    responses={
        200: {"content": {GEOJSON: {}}, "description": "FeatureCollection of LineStrings"},
        304: {"description": "what the reader has is still right"},
    },
)
def get_streets(
    who: Asking,
    database: StoreOf,
    bbox: BoxText = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Streets within a box, at most 20,000; without one, of the whole network."""
    box = Box.read(bbox)
    with database.reading() as connection:
        tag = f'"{_tag(str(newest_import(connection, who.tenant_id)), bbox)}"'
        headers = {
            "ETag": tag,
            "Cache-Control": f"private, max-age={MAX_AGE_S}",
            "Vary": "Cookie, Authorization",
        }
        if if_none_match is not None and tag in if_none_match:
            return Response(status_code=304, headers=headers)
        found = streets_within(connection, who.tenant_id, box, MOST_STREETS)
    collection = {
        "type": "FeatureCollection",
        "attribution": ATTRIBUTION,
        "features": [_feature(street) for street in found],
    }
    return Response(
        json.dumps(collection, ensure_ascii=False, separators=(",", ":")), media_type=GEOJSON, headers=headers
    )


def _tag(*parts: str | None) -> str:
    return hashlib.sha256("/".join(part or "" for part in parts).encode()).hexdigest()[:32]


def _feature(street: StoredStreet) -> dict[str, Any]:
    named = {"name": street.name, "ref": street.ref, "highway": street.highway}
    return {
        "type": "Feature",
        "id": str(street.id),
        "properties": {key: value for key, value in named.items() if value is not None},
        "geometry": {"type": "LineString", "coordinates": [list(point) for point in street.line]},
    }
