"""Boxes in degrees, as lists and maps are narrowed to."""

import math
from dataclasses import dataclass

from wegewart.geo import LocalPlane
from wegewart_api.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Box:
    """Box in degrees; it never spans the date line."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def read(cls, text: str | None) -> "Box | None":
        """Box from "west,south,east,north", None for no text.

        Raises:
            BadRequest: If these are not four numbers in that order on the earth.
        """
        if not text:
            return None
        try:
            west, south, east, north = (float(number) for number in text.split(","))
        except ValueError:
            west = south = east = north = math.nan
        if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
            raise BadRequest(
                f"bbox={text[:80]!r} is none: give west,south,east,north in degrees (11.4,49.9,11.6,50.1)"
            )
        return cls(west, south, east, north)

    def grown(self, by_m: float) -> "Box":
        """Box with a margin on every side."""
        plane = LocalPlane((self.south + self.north) / 2, self.west)
        lat, lon = plane.lat_lon(by_m, by_m)
        margin_lat, margin_lon = lat - plane.lat, lon - plane.lon
        return Box(
            self.west - margin_lon, self.south - margin_lat, self.east + margin_lon, self.north + margin_lat
        )
