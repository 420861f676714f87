"""Which street a place belongs to, and which house is the nearest on that street."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, Point, STRtree

from wegewart.geo import LocalPlane
from wegewart_api.streets.network import LonLat

STREET_REACH_M = 30.0  # half a wide street, plus three sigmas of plain GNSS across
HOUSE_REACH_M = 150.0  # farther away, a house number misleads more than it helps
CROSSING_DEG = 35.0  # a street that runs more across than this is a crossing one, not the driven one
CROSSING_PENALTY_M = 15.0  # so a crossing street wins only where no driven one is within a lane's width
FOLLOWED_REACH_M = 15.0  # of a street from a vehicle on it: half a wide one, plus three sigmas of plain GNSS
UNNAMED_PENALTY_M = 6.0  # a service road beside a named street must be closer by a street's width

# Ways that a car does not use; they draw the map, but a damage seen from a vehicle is not theirs.
NOT_DRIVEN = frozenset({"footway", "path", "steps", "cycleway", "bridleway", "pedestrian"})


@dataclass(frozen=True, slots=True)
class StoredStreet:
    """A street as the store holds it."""

    id: UUID
    name: str | None
    ref: str | None
    highway: str
    line: tuple[LonLat, ...]


@dataclass(frozen=True, slots=True)
class StoredAddress:
    """A house number as the store holds it."""

    street_name: str
    house_number: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class StreetPlace:
    """Where a damage is in words; everything None where no street is near."""

    street_id: UUID | None = None
    street_name: str | None = None
    house_number: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Which street each of n places of a path lies on, shape (n,) each.

    Attributes:
        street: Index into `streets`, -1 where the path follows none.
        share: Of the length of the street's line, 0 to 1; NaN where it follows none.
        forward: Whether it is driven as its line runs.
    """

    streets: list[StoredStreet]
    street: NDArray[np.intp]
    share: NDArray[np.float64]
    forward: NDArray[np.bool_]


class StreetFinder:
    """Streets and addresses of one area on a local plane, ready to be asked for many places."""

    def __init__(
        self, streets: Sequence[StoredStreet], addresses: Sequence[StoredAddress], lat: float, lon: float
    ) -> None:
        self._plane = LocalPlane(lat, lon)
        self._streets = [street for street in streets if street.highway not in NOT_DRIVEN]
        self._lines = [
            LineString([self._plane.east_north_m(at_lat, at_lon) for at_lon, at_lat in street.line])
            for street in self._streets
        ]
        self._tree = STRtree(self._lines)
        self._houses: dict[str, list[StoredAddress]] = defaultdict(list)
        for address in addresses:
            self._houses[address.street_name].append(address)

    def place(self, lat: float, lon: float, heading_deg: float | None) -> StreetPlace:
        """Street and nearest house number on it.

        Args:
            heading_deg: Of the vehicle that saw it, clockwise from north; None where it is not known.
        """
        east_m, north_m = self._plane.east_north_m(lat, lon)
        street = self._street(Point(east_m, north_m), heading_deg)
        if street is None:
            return StreetPlace()
        return StreetPlace(street.id, street.name or street.ref, self._house(street.name, east_m, north_m))

    def follow(
        self, lat: NDArray[np.float64], lon: NDArray[np.float64], heading_deg: NDArray[np.float64]
    ) -> Followed:
        """Streets under a driven path: the nearest one that runs as it is driven.

        Args:
            lat: Shape (n,), degrees north, as is lon degrees east; heading clockwise from north.
        """
        places = shapely.points([self._plane.east_north_m(*each) for each in zip(lat, lon, strict=True)])
        found = Followed(
            self._streets,
            np.full(len(lat), -1, dtype=np.intp),
            np.full(len(lat), np.nan),
            np.zeros(len(lat), dtype=np.bool_),
        )
        at, street = self._tree.query(places, predicate="dwithin", distance=FOLLOWED_REACH_M)
        if not len(at):
            return found
        lines = np.asarray(self._lines, dtype=object)[street]
        turn_deg = (_directions_deg(lines, places[at]) - heading_deg[at] + 180.0) % 360.0 - 180.0
        along = np.abs(np.abs(turn_deg) - 90.0) >= 90.0 - CROSSING_DEG
        unnamed = np.array([each.name is None and each.ref is None for each in self._streets])
        cost_m = shapely.distance(lines, places[at]) + UNNAMED_PENALTY_M * unnamed[street]
        for pair in np.lexsort((-street, -cost_m)):  # the cheapest comes last and stays
            if along[pair]:
                found.street[at[pair]] = street[pair]
                found.share[at[pair]] = shapely.line_locate_point(
                    lines[pair], places[at[pair]], normalized=True
                )
                found.forward[at[pair]] = abs(turn_deg[pair]) < 90.0
        return found

    def _street(self, point: Point, heading_deg: float | None) -> StoredStreet | None:
        near = self._tree.query(point, predicate="dwithin", distance=STREET_REACH_M)
        best: tuple[float, StoredStreet] | None = None
        for index in np.sort(near):
            street, line = self._streets[index], self._lines[index]
            cost_m = line.distance(point)
            if heading_deg is not None and _across_deg(line, point, heading_deg) > CROSSING_DEG:
                cost_m += CROSSING_PENALTY_M
            if street.name is None and street.ref is None:
                cost_m += UNNAMED_PENALTY_M
            if best is None or cost_m < best[0]:
                best = (cost_m, street)
        return best[1] if best else None

    def _house(self, street_name: str | None, east_m: float, north_m: float) -> str | None:
        nearest: tuple[float, str] | None = None
        for house in self._houses.get(street_name or "", []):
            house_east_m, house_north_m = self._plane.east_north_m(house.lat, house.lon)
            gap_m = math.hypot(house_east_m - east_m, house_north_m - north_m)
            if gap_m <= HOUSE_REACH_M and (nearest is None or gap_m < nearest[0]):
                nearest = (gap_m, house.house_number)
        return nearest[1] if nearest else None


def _directions_deg(lines: NDArray[np.object_], places: NDArray[np.object_]) -> NDArray[np.float64]:
    """Direction in which each line runs near its place, clockwise from north."""
    at_m = shapely.line_locate_point(lines, places)
    before = shapely.line_interpolate_point(lines, np.maximum(at_m - 2.0, 0.0))
    after = shapely.line_interpolate_point(lines, np.minimum(at_m + 2.0, shapely.length(lines)))
    east, north = (axis(after) - axis(before) for axis in (shapely.get_x, shapely.get_y))
    directions: NDArray[np.float64] = np.degrees(np.arctan2(east, north))
    return directions


def _across_deg(line: LineString, point: Point, heading_deg: float) -> float:
    """Angle between a street near a point and a heading, 0 to 90: streets are driven both ways."""
    at_m = line.project(point)
    before = line.interpolate(max(at_m - 2.0, 0.0))
    after = line.interpolate(min(at_m + 2.0, line.length))
    street_deg = math.degrees(math.atan2(after.x - before.x, after.y - before.y))
    turn = abs(street_deg - heading_deg) % 180.0
    return min(turn, 180.0 - turn)
