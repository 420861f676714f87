"""Timed metadata of an MP4 or MOV file: the samples of one track, with their media time.

Written here because the packages found either wrap C code or have been left alone for years, and all that is
needed is one sample table. Source: ISO/IEC 14496-12, boxes moov, trak, mdia, stbl.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from wegewart.errors import InvalidPositions

MAC_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
MOST_INDEX_BYTES = 256 * 2**20  # of moov: hours of video at thousands of samples a second
MOST_SAMPLES = 10_000_000
CONTAINERS = (b"trak", b"mdia", b"minf", b"stbl")

DEEPEST = 12  # boxes within boxes; a track needs five


@dataclass(frozen=True, slots=True)
class Sample:
    """One piece of a metadata track; times in seconds since the start of the video."""

    at_s: float
    lasts_s: float
    content: bytes


@dataclass(frozen=True, slots=True)
class Track:
    """A metadata track: format of its samples ("gpmd", "camm"), and where they lie."""

    format: str
    created_at: datetime | None
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    times_s: tuple[float, ...]

    @property
    def end(self) -> int:
        """First byte of the file behind all samples."""
        return max(map(int.__add__, self.offsets, self.sizes), default=0)

    def samples(self, file: BinaryIO) -> Iterator[Sample]:
        """Read the samples, in order of time."""
        for number, (offset, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            file.seek(offset)
            start_s, end_s = self.times_s[number], self.times_s[number + 1]
            yield Sample(start_s, end_s - start_s, file.read(size))


def metadata_tracks(path: Path) -> tuple[Track, ...]:
    """Metadata tracks of a video.

    Raises:
        InvalidPositions: If the file cannot be read or is no whole MP4.
    """
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            index = _index_of(file, path.name, length)
        tracks = tuple(_tracks(index, length))
    except OSError as error:
        raise InvalidPositions(f"{path}: {error.strerror}") from error
    except (struct.error, LookupError, ValueError, OverflowError) as error:
        raise InvalidPositions(
            f"{path.name}: its index is damaged ({error}): copy the video again"
        ) from error
    for track in tracks:
        if track.end > length:
            raise InvalidPositions(
                f"{path.name} was cut off: its {track.format} track reaches to byte {track.end}, "
                f"the file has {length}: copy the video again"
            )
    return tracks


def _index_of(file: BinaryIO, name: str, length: int) -> bytes:
    """The moov box, wherever it stands."""
    while len(header := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        skipped = 8
        if size == 1:
            size, skipped = struct.unpack(">Q", file.read(8))[0], 16
        if kind == b"moov":
            left = length - file.tell() + skipped
            if not skipped <= size <= min(MOST_INDEX_BYTES, left):
                raise ValueError(f"an index of {size} bytes where the file has {left}")
            return file.read(size - skipped)
        if size < skipped:
            break
        file.seek(size - skipped, 1)
    raise InvalidPositions(f"{name} has no index (moov): it is no MP4, or its recording was cut off")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8 or at + size > len(content):
            raise ValueError(f"box {kind!r} of {size} bytes does not fit")
        yield kind, content[at + 8 : at + size]
        at += size


def _tracks(index: bytes, length: int) -> Iterator[Track]:
    for kind, content in _boxes(index):
        if kind == b"trak":
            tables: dict[bytes, bytes] = {}
            _gather(b"trak", content, tables)
            track = _track(tables, length)
            if track is not None:
                yield track


def _gather(kind: bytes, content: bytes, tables: dict[bytes, bytes], depth: int = 0) -> None:
    """The leaves of a track's boxes by name.

    Raises:
        ValueError: If boxes lie in one another deeper than any camera writes them.
    """
    if depth > DEEPEST:
        raise ValueError(f"boxes more than {DEEPEST} deep")
    if kind in CONTAINERS:
        for inner, held in _boxes(content):
            _gather(inner, held, tables, depth + 1)
    else:
        tables.setdefault(kind, content)


def _track(tables: dict[bytes, bytes], length: int) -> Track | None:
    if tables.get(b"hdlr", b"")[8:12] not in (b"meta", b"camm") or b"stsd" not in tables:
        return None
    sample_format = tables[b"stsd"][12:16].decode("ascii", "replace")
    created_at, ticks_per_s = _clock(tables[b"mdhd"])
    sizes = _sizes(tables[b"stsz"], length)
    times_s = _times(tables[b"stts"], len(sizes), ticks_per_s)
    return Track(sample_format, created_at, sizes, _offsets(tables, sizes), times_s)


def _clock(mdhd: bytes) -> tuple[datetime | None, int]:
    """When the track was made, if the camera said so, and its ticks per second."""
    made_s, _, ticks_per_s = struct.unpack_from(">QQI" if mdhd[0] == 1 else ">III", mdhd, 4)
    if ticks_per_s == 0:
        raise ValueError("0 ticks a second")
    return (MAC_EPOCH + timedelta(seconds=made_s) if made_s else None), ticks_per_s


def _sizes(stsz: bytes, length: int) -> tuple[int, ...]:
    """Sizes of all samples, which share no byte: together they are no larger than the file."""
    common, count = struct.unpack_from(">II", stsz, 4)
    if count > MOST_SAMPLES or common * count > length:
        raise ValueError(f"{count} samples of {common or 'various'} bytes in a file of {length}")
    sizes = (common,) * count if common else struct.unpack_from(f">{count}I", stsz, 12)
    if sum(sizes) > length:
        raise ValueError(f"samples of {sum(sizes)} bytes in a file of {length}")
    return sizes


def _times(stts: bytes, count: int, ticks_per_s: int) -> tuple[float, ...]:
    """Start of each sample, and the end of the last."""
    times, now = [0.0], 0
    for entry in range(struct.unpack_from(">I", stts, 4)[0]):
        repeated, ticks = struct.unpack_from(">II", stts, 8 + 8 * entry)
        for _ in range(min(repeated, count + 1 - len(times))):
            now += ticks
            times.append(now / ticks_per_s)
    if len(times) != count + 1:
        raise ValueError(f"times of {len(times) - 1} samples, but {count} samples")
    return tuple(times)


def _offsets(tables: dict[bytes, bytes], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Where each sample lies: chunks (stco, co64), and how many samples each holds (stsc)."""
    wide = b"co64" in tables
    chunk_table = tables[b"co64"] if wide else tables[b"stco"]
    count = struct.unpack_from(">I", chunk_table, 4)[0]
    chunks = struct.unpack_from(f">{count}{'Q' if wide else 'I'}", chunk_table, 8)
    runs = struct.unpack_from(f">{3 * struct.unpack_from('>I', tables[b'stsc'], 4)[0]}I", tables[b"stsc"], 8)
    firsts, per_chunk = (*runs[0::3], count + 1), runs[1::3]
    offsets: list[int] = []
    for run, samples in enumerate(per_chunk):
        for chunk in range(firsts[run] - 1, firsts[run + 1] - 1):
            offset = chunks[chunk]
            for _ in range(samples):
                if len(offsets) == len(sizes):
                    return tuple(offsets)
                offsets.append(offset)
                offset += sizes[len(offsets) - 1]
    if len(offsets) != len(sizes):
        raise ValueError(f"places of {len(offsets)} samples, but {len(sizes)} samples")
    return tuple(offsets)
