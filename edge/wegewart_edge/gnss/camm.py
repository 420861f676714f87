"""Positions from videos with a camera motion metadata track (CAMM): packets of type 5 and 6.

Source: developers.google.com/streetview/publish/camm-spec. Type 6 has its own time and accuracy; type 5 has
neither, its time is that of the video, which counts only where the camera wrote when it began.
"""

import logging
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from wegewart.drive import FixType
from wegewart_edge.gnss.fix import Fix, known_moment
from wegewart_edge.gnss.mp4 import Sample

logger = logging.getLogger(__name__)

GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
MOST_GPS_S = 4e9  # beyond the year 2100
LEAP_SECONDS = (  # GPS ahead of UTC since; IERS Bulletin C
    (datetime(2017, 1, 1, tzinfo=UTC), 18),
    (datetime(2015, 7, 1, tzinfo=UTC), 17),
    (datetime(2012, 7, 1, tzinfo=UTC), 16),
    (datetime(2009, 1, 1, tzinfo=UTC), 15),
    (datetime(2006, 1, 1, tzinfo=UTC), 14),
    (datetime(1999, 1, 1, tzinfo=UTC), 13),
)
RADIUS_68_SIGMAS = 1.515  # the circle that holds 68 % has this radius in sigmas per axis: √(−2 ln 0.3173)
MIN_GPS, GPS = 5, 6
POSITION = struct.Struct("<3d")
FULL_POSITION = struct.Struct("<di2df2f3ff")
WITH_POSITION = 2
MOVING_MPS = 0.5  # a course from a slower velocity is noise


def fixes_of_camm(
    samples: Iterator[Sample], created_at: datetime | None, sigma_m: float
) -> Iterator[Fix | None]:
    """Fixes of the track; None for each that the receiver stamped before it knew the time.

    Type 5 counts only where no type 6 was written.

    Raises:
        ValueError: If a packet is cut off, or positions have no time at all.
    """
    plain: list[Fix] = []
    untimed = full = 0
    for sample in samples:
        if len(sample.content) < 4:
            raise ValueError("a packet of less than 4 bytes")
        kind = struct.unpack_from("<HH", sample.content)[1]
        if kind == GPS:
            full += 1
            yield _full_fix(sample.content, sigma_m)
        elif kind == MIN_GPS and created_at is None:
            untimed += 1
        elif kind == MIN_GPS and created_at is not None:
            plain.append(_plain_fix(sample, created_at, sigma_m))
    if not full:
        if untimed:
            raise ValueError(
                "its positions have no time of their own and the camera did not write when the video began"
            )
        yield from plain


def _plain_fix(sample: Sample, created_at: datetime, sigma_m: float) -> Fix:
    lat, lon, _ = POSITION.unpack_from(_whole(sample.content, POSITION), 4)
    return Fix(created_at + timedelta(seconds=sample.at_s), lat, lon, sigma_m, sigma_m)


def _full_fix(content: bytes, sigma_m: float) -> Fix | None:
    gps_s, kind, lat, lon, _, radius_m, _, east_mps, north_mps, _, speed_sigma_mps = (
        FULL_POSITION.unpack_from(_whole(content, FULL_POSITION), 4)
    )
    captured_at = utc_of_gps(gps_s)
    if captured_at is None:
        return None
    stated_m = radius_m / RADIUS_68_SIGMAS if math.isfinite(radius_m) and radius_m > 0 else sigma_m
    speed_mps = math.hypot(east_mps, north_mps)
    moving = speed_mps >= MOVING_MPS
    sure = math.isfinite(speed_sigma_mps) and speed_sigma_mps > 0
    return Fix(
        captured_at=captured_at,
        lat=lat,
        lon=lon,
        sigma_east_m=stated_m,
        sigma_north_m=stated_m,
        fix=FixType.SINGLE if kind >= WITH_POSITION else FixType.NONE,
        heading_deg=math.degrees(math.atan2(east_mps, north_mps)) % 360.0 if moving else None,
        heading_sigma_deg=math.degrees(math.atan2(speed_sigma_mps, speed_mps)) if moving and sure else None,
        speed_mps=speed_mps,
    )


def utc_of_gps(gps_s: float) -> datetime | None:
    """UTC of seconds since the GPS epoch; None where the receiver did not know them yet."""
    if not 0 < gps_s < MOST_GPS_S:
        return None
    ahead = GPS_EPOCH + timedelta(seconds=gps_s)
    for since, leap_s in LEAP_SECONDS:
        if ahead - timedelta(seconds=leap_s) >= since:
            return known_moment(ahead - timedelta(seconds=leap_s))
    return None


def _whole(content: bytes, layout: struct.Struct) -> bytes:
    if len(content) < 4 + layout.size:
        raise ValueError(f"a packet of {len(content)} bytes is cut off")
    return content
