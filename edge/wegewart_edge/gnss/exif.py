"""Positions from the EXIF data of photographs: one fix per picture that has a place and a time."""

import logging
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import exifread

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.camm import RADIUS_68_SIGMAS
from wegewart_edge.gnss.fix import Fix

logger = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".tif", ".tiff", ".heic", ".webp", ".png")
SPEED_UNITS_MPS = {"K": 1 / 3.6, "M": 0.44704, "N": 1852 / 3600}
POSITIONING_ERROR = "GPS Tag 0x001F"  # GPSHPositioningError (Exif 2.31), which exifread 3.5 does not name
WORLD = "WGS84"  # GPSMapDatum with its hyphens and blanks gone


def fixes_of_pictures(folder: Path, sigma_m: float) -> Iterator[Fix]:
    """Fixes of a folder's pictures, by name; those without a place or a time are counted and left out.

    Raises:
        InvalidPositions: If a picture cannot be read, or its place is on a local datum.
    """
    without = 0
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES):
        try:
            with path.open("rb") as file:
                tags = exifread.process_file(file, details=False)
            fix = _fix_of(tags, sigma_m)
        except OSError as error:
            raise InvalidPositions(f"{path}: {error.strerror}") from error
        except (ValueError, ZeroDivisionError, IndexError, TypeError) as error:
            raise InvalidPositions(f"{path.name}: its EXIF position cannot be read: {error}") from error
        if fix is None:
            without += 1
        else:
            yield fix
    if without:
        logger.warning("%s: %d pictures without a position or its time in UTC", folder.name, without)


def _fix_of(tags: Mapping[str, Any], sigma_m: float) -> Fix | None:
    captured_at = _utc(tags)
    lat, lon = _degrees(tags, "Latitude", "S"), _degrees(tags, "Longitude", "W")
    if captured_at is None or lat is None or lon is None:
        return None
    datum = (_text(tags, "GPS GPSMapDatum") or WORLD).upper().replace("-", "").replace(" ", "")
    if datum != WORLD:
        raise ValueError(f"it is on datum {datum}, not WGS 84: convert it")
    radius_m = _number(tags, "GPS GPSHPositioningError") or _number(tags, POSITIONING_ERROR)
    stated_m = radius_m / RADIUS_68_SIGMAS if radius_m else sigma_m
    differential = _number(tags, "GPS GPSDifferential") == 1
    return Fix(
        captured_at=captured_at,
        lat=lat,
        lon=lon,
        sigma_east_m=stated_m,
        sigma_north_m=stated_m,
        fix=FixType.NONE
        if _text(tags, "GPS GPSStatus") == "V"
        else (FixType.DIFFERENTIAL if differential else FixType.SINGLE),
        heading_deg=_course_deg(tags),
        speed_mps=_speed_mps(tags),
    )


def _utc(tags: Mapping[str, Any]) -> datetime | None:
    """The receiver's time, or the camera's where it names its offset from UTC."""
    day, clock = _text(tags, "GPS GPSDate"), tags.get("GPS GPSTimeStamp")
    if day and clock is not None:
        hours, minutes, seconds = (float(part) for part in clock.values)
        start = datetime.strptime(day.replace("-", ":"), "%Y:%m:%d").replace(tzinfo=UTC)
        return start + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    taken, offset = _text(tags, "EXIF DateTimeOriginal"), _text(tags, "EXIF OffsetTimeOriginal")
    if not taken or not offset:
        return None
    fraction = _text(tags, "EXIF SubSecTimeOriginal") or "0"
    moment = datetime.strptime(f"{taken}.{fraction[:6]} {offset}", "%Y:%m:%d %H:%M:%S.%f %z")
    return moment.astimezone(UTC)


def _degrees(tags: Mapping[str, Any], which: str, negative: str) -> float | None:
    tag = tags.get(f"GPS GPS{which}")
    if tag is None:
        return None
    degrees, minutes, seconds = (float(part) for part in tag.values)
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value):
        raise ValueError(f"{which.lower()} is no number")
    return -value if _text(tags, f"GPS GPS{which}Ref") == negative else value


def _course_deg(tags: Mapping[str, Any]) -> float | None:
    """Direction of travel; only against true north, for the magnetic one differs by degrees."""
    return _number(tags, "GPS GPSTrack") if _text(tags, "GPS GPSTrackRef") == "T" else None


def _speed_mps(tags: Mapping[str, Any]) -> float | None:
    speed = _number(tags, "GPS GPSSpeed")
    unit_mps = SPEED_UNITS_MPS.get(_text(tags, "GPS GPSSpeedRef") or "K")
    return None if speed is None or unit_mps is None else speed * unit_mps


def _number(tags: Mapping[str, Any], name: str) -> float | None:
    tag = tags.get(name)
    return float(tag.values[0]) if tag is not None and tag.values else None


def _text(tags: Mapping[str, Any], name: str) -> str:
    tag = tags.get(name)
    if tag is None:
        return ""
    values = tag.values
    return (values if isinstance(values, str) else "".join(map(str, values))).strip("\0 ")
