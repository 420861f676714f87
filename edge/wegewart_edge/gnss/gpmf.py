"""Positions from GoPro videos: the GPMF track, GPS5 (up to HERO10) and GPS9 (from HERO11).

Written here because gpmf-parser is C and its Python wrappers are single releases; what is read is one nested
list of key, type, size and count. Source: github.com/gopro/gpmf-parser, README, "GPMF Deeper Dive".
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wegewart.drive import FixType
from wegewart_edge.gnss.fix import Fix, known_moment
from wegewart_edge.gnss.mp4 import Sample

DAY_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
MOST_DAYS = 40_000  # beyond the year 2100
WITH_POSITION = 2  # GPSF: 0 none, 2 two-dimensional, 3 three-dimensional
NUMBERS = {"b": "b", "B": "B", "s": "h", "S": "H", "l": "i", "L": "I", "f": "f", "d": "d", "j": "q", "J": "Q"}

Entry = tuple[str, str, int, bytes]


@dataclass(frozen=True, slots=True)
class Payload:
    """What one sample of the track says of positions: rows of numbers, and when the first was taken."""

    sample: Sample
    started_at: datetime | None
    rows: tuple[tuple[float, ...], ...]
    has_fix: bool
    newer: bool


def payload_of(sample: Sample) -> Payload | None:
    """Positions of one sample; None where it holds none.

    Raises:
        ValueError: If the sample is damaged.
    """
    for stream in _streams(sample.content):
        entries = {key: (kind, size, content) for key, kind, size, content in stream}
        key = "GPS9" if "GPS9" in entries else "GPS5"
        if key in entries:
            return _payload(sample, entries, key)
    return None


def payloads_of(samples: Iterable[Sample]) -> list[Payload]:
    """All samples that hold positions.

    Raises:
        ValueError: If a sample is damaged.
    """
    return [payload for sample in samples if (payload := payload_of(sample)) is not None and payload.rows]


def video_starts(payloads: Iterable[Payload]) -> list[datetime]:
    """When the video began, as each payload with a fix says it: its time less its place in the video."""
    starts = []
    for payload in payloads:
        since = timedelta(seconds=payload.sample.at_s)
        if payload.newer and payload.rows[0][8] >= WITH_POSITION:
            own = _own_moment(payload.rows[0])
            starts += [] if own is None else [own - since]
        elif not payload.newer and payload.has_fix and payload.started_at is not None:
            starts.append(payload.started_at - since)
    return starts


def fixes_of_gpmf(payloads: Sequence[Payload], sigma_m: float) -> Iterator[Fix | None]:
    """Fixes of the track; None for each that the receiver stamped before it knew the time.

    GPMF states a dilution of precision, which is no accuracy, so `sigma_m` counts.

    GPS9 has the time in every row. GPS5 has one stamp a payload, which jumps by tenths of a second and may
    be stale in the first; its rows are therefore placed by the video's own clock, which starts at the median
    of the stamps. So frames and positions share one clock.
    """
    starts = sorted(video_starts(payloads))
    start = starts[len(starts) // 2] if starts else None
    for payload in payloads:
        for row, moment, has_fix in _moments(payload, start):
            if moment is None:
                yield None
                continue
            yield Fix(
                captured_at=moment,
                lat=row[0],
                lon=row[1],
                sigma_east_m=sigma_m,
                sigma_north_m=sigma_m,
                fix=FixType.SINGLE if has_fix else FixType.NONE,
                speed_mps=max(row[3], 0.0),
            )


def _moments(
    payload: Payload, video_start: datetime | None
) -> Iterator[tuple[tuple[float, ...], datetime | None, bool]]:
    """Each row with its time, where that is known, and whether it is a fix."""
    if payload.newer:
        for row in payload.rows:
            yield row, _own_moment(row), row[8] >= WITH_POSITION
    elif video_start is not None:
        for number, row in enumerate(payload.rows):
            after_s = payload.sample.at_s + payload.sample.lasts_s * number / len(payload.rows)
            yield row, video_start + timedelta(seconds=after_s), payload.has_fix


def _own_moment(row: Sequence[float]) -> datetime | None:
    """UTC of a row of GPS9; None where the receiver's calendar had not begun, or went beyond all sense."""
    days, seconds = row[5], row[6]
    if not 1 <= days < MOST_DAYS:
        return None
    return known_moment(DAY_ZERO + timedelta(days=days, seconds=seconds))


def _payload(sample: Sample, entries: dict[str, tuple[str, int, bytes]], key: str) -> Payload:
    kind, size, content = entries[key]
    scales = _numbers(*entries["SCAL"]) if "SCAL" in entries else (1.0,)
    layout = _text(entries["TYPE"][2]) if "TYPE" in entries else kind * (size // _width(kind))
    row_format = ">" + "".join(NUMBERS[letter] for letter in layout)
    if struct.calcsize(row_format) != size or len(layout) < (9 if key == "GPS9" else 5):
        raise ValueError(f"{key} rows of {size} bytes cannot be read as {layout!r}")
    scales = scales * len(layout) if len(scales) == 1 else scales
    if len(scales) != len(layout) or 0 in scales:
        raise ValueError(f"{key} has {len(scales)} scales for {len(layout)} columns")
    rows = tuple(
        tuple(value / scale for value, scale in zip(row, scales, strict=True))
        for row in struct.iter_unpack(row_format, content[: len(content) // size * size])
    )
    has_fix = "GPSF" not in entries or _numbers(*entries["GPSF"])[0] >= WITH_POSITION
    started_at = _utc(_text(entries["GPSU"][2])) if "GPSU" in entries else None
    return Payload(sample, started_at, rows, has_fix, key == "GPS9")


def _utc(stamp: str) -> datetime | None:
    """Of "yymmddhhmmss.sss"; None where that is no date, as before the first lock."""
    try:
        return known_moment(datetime.strptime(stamp, "%y%m%d%H%M%S.%f").replace(tzinfo=UTC))
    except ValueError:
        return None


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode("ascii")


def _width(kind: str) -> int:
    return struct.calcsize(">" + NUMBERS[kind])


def _numbers(kind: str, size: int, content: bytes) -> tuple[float, ...]:
    return struct.unpack(f">{len(content) // _width(kind)}{NUMBERS[kind]}", content)


def _streams(content: bytes) -> Iterator[list[Entry]]:
    """Entries of each stream, device by device."""
    for key, kind, _, device in _entries(content):
        if key == "DEVC" and kind == "\0":
            for inner, inner_kind, _, stream in _entries(device):
                if inner == "STRM" and inner_kind == "\0":
                    yield list(_entries(stream))


def _entries(content: bytes) -> Iterator[Entry]:
    """Key, type, size of one structure, and content; entries end at multiples of four bytes."""
    at = 0
    while at + 8 <= len(content) and content[at : at + 4] != b"\0\0\0\0":
        key, kind, size, count = struct.unpack_from(">4scBH", content, at)
        length = size * count
        if at + 8 + length > len(content):
            raise ValueError(f"entry {key!r} of {length} bytes does not fit")
        yield key.decode("latin1"), kind.decode("latin1"), size, content[at + 8 : at + 8 + length]
        at += 8 + (length + 3) // 4 * 4
