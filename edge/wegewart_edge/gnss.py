"""Positions of a receiver as `Fix` values: from NMEA 0183, GPX, or CSV.

What the file does not say stays None; only the accuracy has a fallback, given by the drive.
"""

import csv
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import gpxpy
import gpxpy.gpx
from pynmeagps import NMEAMessage, NMEAParseError, NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEATypeError

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart.wire import EARLIEST, utc_of

logger = logging.getLogger(__name__)

KNOT_MPS = 1852 / 3600
NMEA_QUALITY = {  # NMEA 0183, GGA field 6
    0: FixType.NONE,
    1: FixType.SINGLE,
    2: FixType.DIFFERENTIAL,
    3: FixType.SINGLE,
    4: FixType.RTK_FIXED,
    5: FixType.RTK_FLOAT,
    6: FixType.DEAD_RECKONING,
}
GPX_FIX = {"none": FixType.NONE, "2d": FixType.SINGLE, "3d": FixType.SINGLE, "dgps": FixType.DIFFERENTIAL}


@dataclass(frozen=True, slots=True)
class Fix:
    """One position of the antenna as the receiver stated it."""

    captured_at: datetime
    lat: float
    lon: float
    sigma_east_m: float
    sigma_north_m: float
    fix: FixType = FixType.SINGLE
    heading_deg: float | None = None
    heading_sigma_deg: float | None = None
    speed_mps: float | None = None


def read_fixes(path: Path, sigma_m: float) -> tuple[Fix, ...]:
    """Fixes of a file in order of time; of two with the same time the first counts.

    Args:
        path: .nmea/.nma/.txt, .gpx, or .csv.
        sigma_m: Per axis; used where the file states no accuracy.
    Raises:
        InvalidPositions: If the file is missing, of an unknown kind, or yields no position at all.
    """
    readers = {".nmea": _nmea, ".nma": _nmea, ".txt": _nmea, ".gpx": _gpx, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidPositions(f"{path.name}: unknown kind of file, known are {', '.join(readers)}")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidPositions(f"{path}: {error.strerror}") from error
    by_time: dict[datetime, Fix] = {}
    for stated in reader(text, sigma_m, path.name):
        try:
            fix = _checked(stated)
        except ValueError as error:
            raise InvalidPositions(f"{path.name}, {stated.captured_at.isoformat()}: {error}") from error
        by_time.setdefault(fix.captured_at, fix)
    if not by_time:
        raise InvalidPositions(
            f"{path.name} holds no position with a time: record the drive again or give another file"
        )
    return tuple(by_time[moment] for moment in sorted(by_time))


def parse_moment(text: str) -> datetime:
    """UTC time from ISO 8601 text that names its offset ("…Z").

    Raises:
        ValueError: If the text is no time, names no offset, or lies outside the years 2000 to 2099.
    """
    return utc_of(datetime.fromisoformat(text.strip()))


def _csv(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    rows = csv.DictReader(text.splitlines())
    missing = {"captured_at", "lat", "lon"} - set(rows.fieldnames or ())
    if missing:
        raise InvalidPositions(f"{name} lacks the columns {', '.join(sorted(missing))}")
    for line, row in enumerate(rows, start=2):
        try:
            yield _checked(_fix_from_row(row, sigma_m))
        except (ValueError, TypeError) as error:
            raise InvalidPositions(f"{name}, line {line}: {error}") from error


def _fix_from_row(row: dict[str, str | None], sigma_m: float) -> Fix:
    def number(column: str) -> float | None:
        value = (row.get(column) or "").strip()
        return float(value) if value else None

    kind = FixType((row.get("fix") or "").strip() or FixType.SINGLE)
    lat, lon = number("lat"), number("lon")
    if lat is None or lon is None:
        if kind is not FixType.NONE:
            raise ValueError("lat and lon are empty, but fix is not 'none'")
        lat, lon = math.nan, math.nan
    return Fix(
        captured_at=parse_moment(row["captured_at"] or ""),
        lat=lat,
        lon=lon,
        sigma_east_m=_or(number("sigma_east_m"), sigma_m),
        sigma_north_m=_or(number("sigma_north_m"), sigma_m),
        fix=kind,
        heading_deg=number("heading_deg"),
        heading_sigma_deg=number("heading_sigma_deg"),
        speed_mps=number("speed_mps"),
    )


def _or(stated: float | None, fallback: float) -> float:
    return fallback if stated is None else stated


def _checked(fix: Fix) -> Fix:
    """The fix with its course from 0 to 360°.

    Raises:
        ValueError: If one of its numbers is none, or cannot be what it is said to be.
    """
    utc_of(fix.captured_at)
    if fix.fix is FixType.NONE:
        return fix
    if not (-90 <= fix.lat <= 90 and -180 <= fix.lon <= 180):
        raise ValueError(f"lat {fix.lat}, lon {fix.lon} is no position on Earth")
    for sigma_m in (fix.sigma_east_m, fix.sigma_north_m):
        if not (math.isfinite(sigma_m) and sigma_m > 0):
            raise ValueError(f"an accuracy of {sigma_m} m: it must be a number above 0")
    for name in ("heading_sigma_deg", "speed_mps"):
        value = getattr(fix, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} {value} must be a number of 0 or more")
    if fix.heading_deg is None:
        return fix
    if not math.isfinite(fix.heading_deg):
        raise ValueError("heading_deg is no number")
    return replace(fix, heading_deg=fix.heading_deg % 360.0)


def _gpx(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    """Track points with a time. GPX has no accuracy in metres: hdop is a mere factor and is not read."""
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
            speed_mps=None if (point.speed or 0.0) < 0 else point.speed,  # phones write -1 for "not known"
        )


@dataclass(slots=True)
class _Epoch:
    """What the sentences of one moment said so far."""

    at: time
    gga: NMEAMessage | None = None
    rmc: NMEAMessage | None = None
    gst: NMEAMessage | None = None


def _nmea(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    """One fix per epoch: GGA gives position and quality, RMC date, speed and course, GST the accuracy."""
    day: date | None = None
    last: time | None = None
    for epoch in _epochs(_sentences(text, name)):
        if epoch.rmc is not None and isinstance(epoch.rmc.date, date):
            day = epoch.rmc.date
        elif day is not None and last is not None and epoch.at < last:
            day += timedelta(days=1)  # past midnight without a date of its own
        last = epoch.at
        if day is None or day < EARLIEST.date():
            continue  # no date yet, or that of a receiver just switched on (1980-01-06): no place in time
        fix = _fix_from_epoch(epoch, day, sigma_m)
        if fix is not None:
            yield fix


def _sentences(text: str, name: str) -> Iterator[NMEAMessage]:
    damaged = 0
    for line in text.splitlines():
        start, checksum = line.find("$"), line.rfind("*")
        if start < 0:
            continue
        if checksum < start:  # the parser takes a line without a checksum, thus also one that was cut off
            damaged += 1
            continue
        try:
            message = NMEAReader.parse(line[start:].strip())
        except (NMEAParseError, NMEAMessageError, NMEATypeError, ValueError, KeyError, IndexError):
            damaged += 1  # a line cut off or with a wrong checksum; the receiver repeats itself
            continue
        if isinstance(message, NMEAMessage) and message.msgID in ("GGA", "RMC", "GST"):
            yield message
    if damaged:
        logger.warning("%s: %d damaged NMEA sentences left out", name, damaged)


def _epochs(messages: Iterable[NMEAMessage]) -> Iterator[_Epoch]:
    current: _Epoch | None = None
    for message in messages:
        if not isinstance(message.time, time):
            continue  # the receiver does not know the time yet
        if current is None or current.at != message.time:
            if current is not None:
                yield current
            current = _Epoch(at=message.time)
        setattr(current, message.msgID.lower(), message)
    if current is not None:
        yield current


def _fix_from_epoch(epoch: _Epoch, day: date, sigma_m: float) -> Fix | None:
    position = epoch.gga or epoch.rmc
    if position is None:
        return None
    if epoch.gga is not None:
        kind = NMEA_QUALITY.get(int(epoch.gga.quality or 0), FixType.NONE)
    else:
        kind = FixType.SINGLE if position.status == "A" else FixType.NONE
    placed = isinstance(position.lat, float) and isinstance(position.lon, float)
    rmc = epoch.rmc
    return Fix(
        captured_at=datetime.combine(day, epoch.at, tzinfo=UTC),
        lat=position.lat if placed else math.nan,
        lon=position.lon if placed else math.nan,
        sigma_east_m=_stated(epoch.gst, "stdLong") or sigma_m,
        sigma_north_m=_stated(epoch.gst, "stdLat") or sigma_m,
        fix=kind if placed else FixType.NONE,
        heading_deg=_stated(rmc, "cog"),
        speed_mps=None if (knots := _stated(rmc, "spd")) is None else knots * KNOT_MPS,
    )


def _stated(message: NMEAMessage | None, field: str) -> float | None:
    value = getattr(message, field, None)
    return float(value) if isinstance(value, int | float) else None
