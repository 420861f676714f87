"""The fixes of a recorded drive, from any kind of file that holds some."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.exif import fixes_of_pictures
from wegewart_edge.gnss.fix import Fix, checked
from wegewart_edge.gnss.gpx import fixes_of_gpx
from wegewart_edge.gnss.nmea import fixes_of_nmea
from wegewart_edge.gnss.table import fixes_of_csv
from wegewart_edge.gnss.video import fixes_of_video

logger = logging.getLogger(__name__)

TextReader = Callable[[str, float, str], Iterator[Fix]]
TEXTS: dict[str, TextReader] = {
    ".nmea": fixes_of_nmea,
    ".nma": fixes_of_nmea,
    ".txt": fixes_of_nmea,
    ".gpx": fixes_of_gpx,
    ".csv": fixes_of_csv,
}
VIDEOS = (".mp4", ".mov", ".360")
STREAMS = (".nmea", ".nma", ".txt", *VIDEOS)  # written as time went on, by one clock


def read_fixes(path: Path, sigma_m: float) -> tuple[Fix, ...]:
    """Fixes of a file in order of time; of two with the same time the first counts.

    Args:
        path: .nmea/.nma/.txt, .gpx, .csv, a video with a GPMF or CAMM track, or a folder of photographs.
        sigma_m: Per axis; used where the source states no accuracy.
    Raises:
        InvalidPositions: If the file is missing, of an unknown kind, or yields no position at all.
    """
    stated = _checked(_stated(path, sigma_m), path.name)
    if path.suffix.lower() in STREAMS:
        stated = iter(without_overlap(stated, path.name))
    by_time: dict[datetime, Fix] = {}
    for fix in stated:
        by_time.setdefault(fix.captured_at, fix)
    if not by_time:
        raise InvalidPositions(
            f"{path.name} holds no position with a time: record the drive again or give another file"
        )
    return tuple(by_time[moment] for moment in sorted(by_time))


def _stated(path: Path, sigma_m: float) -> Iterator[Fix]:
    if path.is_dir():
        return fixes_of_pictures(path, sigma_m)
    suffix = path.suffix.lower()
    if suffix in VIDEOS:
        return fixes_of_video(path, sigma_m)
    if suffix not in TEXTS:
        known = ", ".join((*TEXTS, *VIDEOS))
        raise InvalidPositions(
            f"{path.name}: unknown kind of file, known are {known}, and a folder of pictures"
        )
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InvalidPositions(f"{path}: {error.strerror}") from error
    return TEXTS[suffix](text, sigma_m, path.name)


def _checked(fixes: Iterable[Fix], name: str) -> Iterator[Fix]:
    for stated in fixes:
        try:
            yield checked(stated)
        except ValueError as error:
            raise InvalidPositions(f"{name}, {stated.captured_at.isoformat()}: {error}") from error


def without_overlap(fixes: Iterable[Fix], name: str) -> list[Fix]:
    """Fixes of one stream whose clock was set back on the way, without those that then have a time twice.

    A receiver that starts cold first counts GPS time, or a time without its leap seconds, and sets its clock
    right later: from the step back on it is right, and what it said before of the same time is not. An older
    time without a place says nothing of that kind: a receiver that restarts states such times.
    """
    kept: list[Fix] = []
    dropped = 0
    for fix in fixes:
        if kept and kept[-1].captured_at > fix.captured_at:
            if fix.fix is FixType.NONE:
                dropped += 1
                continue
            while kept and kept[-1].captured_at >= fix.captured_at:
                kept.pop()
                dropped += 1
        kept.append(fix)
    if dropped:
        logger.warning("%s: %d fixes left out that the receiver's clock, set back, took twice", name, dropped)
    return kept
