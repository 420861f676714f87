"""Positions from NMEA 0183 sentences.

One fix per epoch: GGA gives position and quality, RMC date, speed and course, VTG speed and course where RMC
has none, GST the accuracy per axis. DTM is watched: positions on a local datum are refused.
"""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pynmeagps import NMEAMessage, NMEAParseError, NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEATypeError

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart.wire import EARLIEST
from wegewart_edge.gnss.fix import Fix

logger = logging.getLogger(__name__)

KNOT_MPS = 1852 / 3600
KMH_MPS = 1 / 3.6
QUALITY = {  # NMEA 0183, GGA field 6
    0: FixType.NONE,
    1: FixType.SINGLE,
    2: FixType.DIFFERENTIAL,
    3: FixType.SINGLE,
    4: FixType.RTK_FIXED,
    5: FixType.RTK_FLOAT,
    6: FixType.DEAD_RECKONING,
}
TIMED = ("GGA", "RMC", "GST")
GLOBAL_DATUMS = {"W84", "999", "P90", ""}  # 999: user defined, as RTK receivers say of ETRS89; P90: PZ-90.11
MIDNIGHT_H = 12  # a step back by more than half a day is midnight, by less a clock that was set right


@dataclass(slots=True)
class _Epoch:
    """What the sentences of one moment said so far."""

    at: time
    gga: NMEAMessage | None = None
    rmc: NMEAMessage | None = None
    gst: NMEAMessage | None = None
    vtg: NMEAMessage | None = None


def fixes_of_nmea(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    """One fix per epoch with a date, in the order of the file.

    Raises:
        InvalidPositions: If the receiver says that its positions are on a local datum.
    """
    day: date | None = None
    last: time | None = None
    for epoch in epochs_of(sentences_of(text, name)):
        if epoch.rmc is not None and isinstance(epoch.rmc.date, date):
            day = epoch.rmc.date
        elif day is not None and last is not None and _past_midnight(last, epoch.at):
            day += timedelta(days=1)  # past midnight without a date of its own
        last = epoch.at
        if day is None or day < EARLIEST.date():
            continue  # no date yet, or that of a receiver just switched on (1980-01-06): no place in time
        fix = _fix_from_epoch(epoch, day, sigma_m)
        if fix is not None:
            yield fix


def _past_midnight(last: time, now: time) -> bool:
    return last.hour - now.hour > MIDNIGHT_H


def sentences_of(text: str, name: str) -> Iterator[NMEAMessage]:
    """Sentences that are whole; damaged ones are counted and left out."""
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
        if isinstance(message, NMEAMessage):
            _refuse_local_datum(message, name)
            yield message
    if damaged:
        logger.warning("%s: %d damaged NMEA sentences left out", name, damaged)


def _refuse_local_datum(message: NMEAMessage, name: str) -> None:
    if message.msgID == "DTM" and (message.datum or "") not in GLOBAL_DATUMS:
        raise InvalidPositions(
            f"{name}: the receiver gives positions on datum {message.datum!r}: set it to WGS 84 (W84), "
            "or convert the file"
        )


def epochs_of(messages: Iterable[NMEAMessage]) -> Iterator[_Epoch]:
    """Sentences gathered by their time; VTG, which has none, belongs to the epoch it stands in."""
    current: _Epoch | None = None
    for message in messages:
        if message.msgID == "VTG" and current is not None:
            current.vtg = message
        if message.msgID not in TIMED or not isinstance(message.time, time):
            continue  # of no use here, or the receiver does not know the time yet
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
        kind = QUALITY.get(int(epoch.gga.quality or 0), FixType.NONE)
    else:
        kind = FixType.SINGLE if position.status == "A" else FixType.NONE
    placed = isinstance(position.lat, float) and isinstance(position.lon, float)
    course_deg = _stated(epoch.rmc, "cog")
    return Fix(
        captured_at=datetime.combine(day, epoch.at, tzinfo=UTC),
        lat=position.lat if placed else math.nan,
        lon=position.lon if placed else math.nan,
        sigma_east_m=_stated(epoch.gst, "stdLong") or sigma_m,
        sigma_north_m=_stated(epoch.gst, "stdLat") or sigma_m,
        fix=kind if placed else FixType.NONE,
        heading_deg=_stated(epoch.vtg, "cogt") if course_deg is None else course_deg,
        speed_mps=_speed_mps(epoch),
    )


def _speed_mps(epoch: _Epoch) -> float | None:
    """RMC's speed, or VTG's in km/h, or in knots."""
    for message, field, unit_mps in (
        (epoch.rmc, "spd", KNOT_MPS),
        (epoch.vtg, "sogk", KMH_MPS),
        (epoch.vtg, "sogn", KNOT_MPS),
    ):
        speed = _stated(message, field)
        if speed is not None:
            return speed * unit_mps
    return None


def _stated(message: NMEAMessage | None, field: str) -> float | None:
    value = getattr(message, field, None)
    return float(value) if isinstance(value, int | float) else None
