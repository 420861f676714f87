"""Positions on the ground: datum, covariance, and the local east-north plane around a point."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

# GRS80 (ETRS89) and WGS84 share these to well below a millimetre: EPSG:7019, EPSG:7030.
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257222101
_ECCENTRICITY2 = FLATTENING * (2 - FLATTENING)


class Datum(StrEnum):
    """What latitude and longitude refer to; in Germany the two differ by almost a metre in 2026."""

    ETRS89 = "ETRS89"
    """EPSG:4258, what RTK services (SAPOS) give and what the store keeps."""
    WGS84 = "WGS84"
    """What a plain receiver gives: WGS84 (G2139 and later) at the epoch of the measurement, equal to ITRF."""


class Covariance(NamedTuple):
    """Covariance of a ground position in m², east and north; `[ee, en, nn]` on the wire."""

    ee: float
    en: float
    nn: float

    def plus(self, other: "Covariance") -> "Covariance":
        """Covariance of the sum of two independent errors."""
        return Covariance(self.ee + other.ee, self.en + other.en, self.nn + other.nn)

    @property
    def determinant(self) -> float:
        """Determinant in m⁴; the ellipse's area is π times its root times the gate's quantile."""
        return self.ee * self.nn - self.en * self.en

    @property
    def rms_m(self) -> float:
        """Root of the mean variance over both axes, in metres."""
        return math.sqrt((self.ee + self.nn) / 2)

    def mahalanobis2(self, east_m: float, north_m: float) -> float:
        """Squared Mahalanobis length of an offset under this covariance."""
        return (
            self.nn * east_m * east_m - 2 * self.en * east_m * north_m + self.ee * north_m * north_m
        ) / self.determinant


STATION_MOST_M = 1e7  # a quarter of the way around the earth, as a drive's path length
COVARIANCE_MOST_M2 = 1e6  # a sigma of 1 km: beyond it a position says nothing


def _positive(covariance: Covariance) -> Covariance:
    if max(map(abs, covariance)) > COVARIANCE_MOST_M2:
        raise ValueError(f"{list(covariance)} is no covariance of a position: at most 1e6 m² per entry")
    if not (covariance.ee > 0 and covariance.nn > 0 and covariance.determinant > 0):
        raise ValueError(f"{list(covariance)} is no covariance: ee, nn and ee·nn − en² must be above 0")
    return covariance


CovarianceM2 = Annotated[Covariance, AfterValidator(_positive)]
Latitude = Annotated[float, Field(ge=-90, le=90, description="degrees north")]
Longitude = Annotated[float, Field(ge=-180, le=180, description="degrees east")]
Heading = Annotated[float, Field(ge=0, lt=360, description="degrees clockwise from true north")]


@dataclass(frozen=True, slots=True)
class LocalPlane:
    """East-north plane touching the ellipsoid at one point.

    Within 5 km of that point and between 70° south and north, distances are right to 1 part in 1,000 at the
    far end and to 1 mm within 100 m; use a new plane where more is needed.
    """

    lat: float
    lon: float

    def east_north_m(self, lat: float, lon: float) -> tuple[float, float]:
        """Metres east and north of the plane's origin."""
        east_m_per_rad, north_m_per_rad = self._scales_m_per_rad
        lon_turn = (lon - self.lon + 180.0) % 360.0 - 180.0  # the short way over the date line
        return math.radians(lon_turn) * east_m_per_rad, math.radians(lat - self.lat) * north_m_per_rad

    def lat_lon(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Latitude and longitude in degrees of a point on the plane."""
        east_m_per_rad, north_m_per_rad = self._scales_m_per_rad
        lon = self.lon + math.degrees(east_m / east_m_per_rad)
        return self.lat + math.degrees(north_m / north_m_per_rad), (lon + 180.0) % 360.0 - 180.0

    @property
    def _scales_m_per_rad(self) -> tuple[float, float]:
        """Radii of curvature (Torge, Geodesy, 4th ed., section 4.1): prime vertical × cos φ, and meridian."""
        sin_lat = math.sin(math.radians(self.lat))
        root = math.sqrt(1 - _ECCENTRICITY2 * sin_lat * sin_lat)
        prime_vertical_m = SEMI_MAJOR_M / root
        meridian_m = SEMI_MAJOR_M * (1 - _ECCENTRICITY2) / root**3
        return prime_vertical_m * math.cos(math.radians(self.lat)), meridian_m


def ground_distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Distance on the ground between two points up to some kilometres apart, in metres."""
    midway = LocalPlane((lat_a + lat_b) / 2, lon_a)
    east_m, north_b_m = midway.east_north_m(lat_b, lon_b)
    _, north_a_m = midway.east_north_m(lat_a, lon_a)
    return math.hypot(east_m, north_b_m - north_a_m)
