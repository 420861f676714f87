"""Condition of street segments: damages as they are believed, over what drives saw; unseen has no value."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from shapely import LineString, Point
from shapely.ops import substring
from sqlalchemy import Connection

from wegewart.condition import (
    Condition,
    ConditionTable,
    Damage,
    condition_of,
    read_condition_table,
    shipped_condition_table,
)
from wegewart.geo import LocalPlane
from wegewart_api.defects.existence import probability
from wegewart_api.defects.repository import StoredDefect, defects_on_streets
from wegewart_api.defects.seen_ledger import StoredPart, seen_of_streets
from wegewart_api.defects.severity import extent_of
from wegewart_api.defects.street_seen import merged
from wegewart_api.settings import Settings
from wegewart_api.streets.box import Box
from wegewart_api.streets.locating import NOT_DRIVEN, StoredStreet
from wegewart_api.streets.network import LonLat
from wegewart_api.streets.repository import streets_within


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a street with its condition, or without one where too little of it was seen.

    Attributes:
        from_m: Along the street's line, as is to_m.
        seen_m: Length of it that valid frames saw.
        lanes: Directions in which enough of it was seen; 0 for an unknown segment.
    """

    street: StoredStreet
    from_m: float
    to_m: float
    line: tuple[LonLat, ...]
    seen_m: float
    lanes: int
    last_seen_at: datetime | None
    damages: int
    condition: Condition | None

    @property
    def length_m(self) -> float:
        """Its length."""
        return self.to_m - self.from_m

    @property
    def id(self) -> str:
        """Name that stays as long as the street's line and the segments' length do."""
        return f"{self.street.id}-{self.from_m:.0f}"


def condition_limits(settings: Settings) -> ConditionTable:
    """The city's limits, or the shipped ones.

    Raises:
        LimitsInvalid: If the city's table has mistakes.
    """
    if settings.condition_limits is None:
        return shipped_condition_table()
    return read_condition_table(settings.condition_limits)


def _limits_in_force(request: Request) -> ConditionTable:
    limits: ConditionTable = request.app.state.condition_limits
    return limits


ConditionLimitsOf = Annotated[ConditionTable, Depends(_limits_in_force)]


def segments_within(
    connection: Connection,
    tenant_id: UUID,
    box: Box | None,
    limit: int | None,
    limits: ConditionTable,
    now: datetime,
) -> list[Segment]:
    """Segments of the streets that touch a box, or of all that cars drive on; at most `limit` streets."""
    streets = [
        street
        for street in streets_within(connection, tenant_id, box, limit)
        if street.highway not in NOT_DRIVEN
    ]
    ids = [street.id for street in streets]
    since = now - timedelta(days=limits.valid_days)
    seen = seen_of_streets(connection, tenant_id, ids, since)
    damages: dict[UUID, list[StoredDefect]] = defaultdict(list)
    for street_id, defect in defects_on_streets(connection, tenant_id, seen):
        damages[street_id].append(defect)
    return [
        segment
        for street in streets
        for segment in segments_of(street, seen.get(street.id, []), damages[street.id], limits)
    ]


def segments_of(
    street: StoredStreet, seen: Sequence[StoredPart], defects: Sequence[StoredDefect], limits: ConditionTable
) -> list[Segment]:
    """Segments of equal length along a street; one for all of it where nothing was seen."""
    plane = LocalPlane(street.line[0][1], street.line[0][0])
    line = LineString([plane.east_north_m(lat, lon) for lon, lat in street.line])
    if not seen or line.length == 0:
        return [Segment(street, 0.0, line.length, street.line, 0.0, 0, None, 0, None)]
    count = max(math.ceil(line.length / limits.segment_m - 1e-9), 1)
    on_segment: dict[int, list[StoredDefect]] = defaultdict(list)
    for defect in defects:
        place = Point(plane.east_north_m(defect.lat, defect.lon))
        share = line.project(place, normalized=True)
        on_segment[min(int(share * count), count - 1)].append(defect)
    return [
        _segment(street, line, plane, (number, count), seen, on_segment[number], limits)
        for number in range(count)
    ]


def _segment(
    street: StoredStreet,
    line: LineString,
    plane: LocalPlane,
    place: tuple[int, int],
    seen: Sequence[StoredPart],
    defects: Sequence[StoredDefect],
    limits: ConditionTable,
) -> Segment:
    number, count = place
    start, end = number / count, (number + 1) / count
    from_m, to_m = start * line.length, end * line.length
    here = [each for each in seen if each.part.from_share < end and each.part.to_share > start]
    shares = {
        lane: _covered(here, start, end, lane) / (end - start) for lane in (None, True, False)
    }  # either direction, with the line, against it
    known = shares[None] >= limits.seen_least
    lanes = max(sum(shares[lane] >= limits.seen_least for lane in (True, False)), 1) if known else 0
    seen_m = shares[None] * (to_m - from_m)
    return Segment(
        street=street,
        from_m=from_m,
        to_m=to_m,
        line=_cut(line, from_m, to_m, plane),
        seen_m=seen_m,
        lanes=lanes,
        last_seen_at=max((each.at for each in here), default=None),
        damages=len(defects),
        condition=_condition(defects, seen_m, lanes, street.highway, limits) if known else None,
    )


def _covered(seen: Sequence[StoredPart], start: float, end: float, forward: bool | None) -> float:
    """Share of the street's line between two shares of it that was seen, in one direction or either."""
    pieces = merged(
        [
            (max(each.part.from_share, start), min(each.part.to_share, end))
            for each in seen
            if forward is None or each.part.forward is forward
        ]
    )
    return sum(to_share - from_share for from_share, to_share in pieces)


def _condition(
    defects: Sequence[StoredDefect], seen_m: float, lanes: int, highway: str, limits: ConditionTable
) -> Condition:
    damages = [
        Damage(each.class_code, probability(each.existence_log_odds), extent_of(each)) for each in defects
    ]
    return condition_of(damages, seen_m, lanes, highway, limits)


def _cut(line: LineString, from_m: float, to_m: float, plane: LocalPlane) -> tuple[LonLat, ...]:
    places = [plane.lat_lon(east_m, north_m) for east_m, north_m in substring(line, from_m, to_m).coords]
    return tuple((lon, lat) for lat, lon in places)
