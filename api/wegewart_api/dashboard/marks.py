"""Points for the map as GeoJSON: what each popup says, and the ellipse in which the place lies."""

import math
from typing import Any

from wegewart.damage import Taxonomy
from wegewart.geo import LocalPlane
from wegewart_api.dashboard.formats import ellipse_axes_m
from wegewart_api.dashboard.labels import place_words, state_label
from wegewart_api.dashboard.repository import DefectRecord, TicketRecord
from wegewart_api.dashboard.symbols import class_label
from wegewart_api.dashboard.text import Words

ELLIPSE_CORNERS = 48


def ticket_marks(records: list[TicketRecord], taxonomy: Taxonomy, words: Words) -> dict[str, Any]:
    """FeatureCollection with one point for each ticket."""
    return _collection([_ticket_point(record, taxonomy, words, linked=True) for record in records])


def one_ticket_marks(
    record: TicketRecord, defects: list[DefectRecord], taxonomy: Taxonomy, words: Words
) -> dict[str, Any]:
    """FeatureCollection with a ticket's point and, below it, where its defects lie with 95 %."""
    areas = [_ellipse(defect) for defect in defects]
    return _collection([*areas, _ticket_point(record, taxonomy, words, linked=False)])


def _ticket_point(record: TicketRecord, taxonomy: Taxonomy, words: Words, *, linked: bool) -> dict[str, Any]:
    label = class_label(record.class_code, taxonomy, words.language)
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [record.lon, record.lat]},
        "properties": {
            "id": str(record.id),
            "symbol": label.symbol.name,
            "title": words("map.point_title", name=label.name, number=record.number),
            "place": place_words(record.street_name, record.house_number, words),
            "state": state_label(record.state, words).word,
            "href": f"/tickets/{record.id}" if linked else None,
        },
    }


def _ellipse(defect: DefectRecord) -> dict[str, Any]:
    longer_m, shorter_m, angle = ellipse_axes_m(defect.covariance)
    plane = LocalPlane(defect.lat, defect.lon)
    ring = []
    for corner in range(ELLIPSE_CORNERS + 1):
        turn = 2 * math.pi * (corner % ELLIPSE_CORNERS) / ELLIPSE_CORNERS
        along_m, across_m = longer_m * math.cos(turn), shorter_m * math.sin(turn)
        lat, lon = plane.lat_lon(
            along_m * math.cos(angle) - across_m * math.sin(angle),
            along_m * math.sin(angle) + across_m * math.cos(angle),
        )
        ring.append([lon, lat])
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"id": f"area-{defect.id}"},
    }


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}
