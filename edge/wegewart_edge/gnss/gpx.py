"""Positions from GPX tracks."""

from collections.abc import Iterator
from datetime import UTC

import gpxpy
import gpxpy.gpx

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart.wire import utc_of
from wegewart_edge.gnss.fix import Fix

GPX_FIX = {"none": FixType.NONE, "2d": FixType.SINGLE, "3d": FixType.SINGLE, "dgps": FixType.DIFFERENTIAL}


def fixes_of_gpx(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    """Track points with a time. GPX has no accuracy in metres: hdop is a mere factor and is not read.

    Raises:
        InvalidPositions: If it is no GPX, or a time cannot be.
    """
    try:
        track = gpxpy.parse(text)
    except gpxpy.gpx.GPXException as error:
        raise InvalidPositions(f"{name} is no GPX: {error}") from error
    for point in track.walk(only_points=True):
        if point.time is None:
            continue
        moment = point.time if point.time.tzinfo else point.time.replace(tzinfo=UTC)  # GPX times are UTC
        try:
            captured_at = utc_of(moment)
        except ValueError as error:
            raise InvalidPositions(f"{name}: {error}") from error
        yield Fix(
            captured_at=captured_at,
            lat=point.latitude,
            lon=point.longitude,
            sigma_east_m=sigma_m,
            sigma_north_m=sigma_m,
            fix=GPX_FIX.get(point.type_of_gpx_fix or "", FixType.SINGLE),
            heading_deg=point.course,
            speed_mps=None if (point.speed or 0.0) < 0 else point.speed,  # phones write -1 for "not known"
        )
