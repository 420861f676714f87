"""Positions that a camera wrote into its own video, and when that video began by the receiver's clock."""

import logging
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.camm import fixes_of_camm
from wegewart_edge.gnss.fix import Fix
from wegewart_edge.gnss.gpmf import fixes_of_gpmf, payloads_of, video_starts
from wegewart_edge.gnss.mp4 import Track, metadata_tracks

logger = logging.getLogger(__name__)

FEWEST_PAIRS = 3
WHOLE_SECOND_SIGMA_S = 0.29  # of a stamp that may belong to any moment of its payload: 1 s / √12


@dataclass(frozen=True, slots=True)
class VideoClock:
    """UTC of a video's first frame, from the receiver's stamps beside its samples."""

    started_at: datetime
    sigma_s: float
    stamps: int


def fixes_of_video(path: Path, sigma_m: float) -> Iterator[Fix]:
    """Fixes of a video's GPMF or CAMM track.

    Raises:
        InvalidPositions: If it has no such track, or the track is damaged.
    """
    track = _track_of(path)
    too_early = 0
    try:
        with path.open("rb") as file:
            for fix in _fixes_of(track, file, sigma_m):
                if fix is None:
                    too_early += 1
                else:
                    yield fix
    except (ValueError, LookupError, OverflowError) as error:
        raise InvalidPositions(f"{path.name}, {track.format} track: {error}") from error
    if too_early:
        logger.warning(
            "%s: %d positions left out that come from before the receiver knew the time", path.name, too_early
        )


def _fixes_of(track: Track, file: BinaryIO, sigma_m: float) -> Iterator[Fix | None]:
    if track.format == "gpmd":
        return fixes_of_gpmf(payloads_of(track.samples(file)), sigma_m)
    return fixes_of_camm(track.samples(file), track.created_at, sigma_m)


def video_clock(path: Path) -> VideoClock:
    """When a GoPro video began, in UTC, for the times in frames.csv.

    The camera stamps each payload of about a second with the receiver's time, but does not say of which
    moment within it: the sigma contains that.

    Raises:
        InvalidPositions: If fewer than three payloads with a fix are stamped.
    """
    track = _track_of(path)
    starts: list[datetime] = []
    if track.format == "gpmd":
        with path.open("rb") as file:
            starts = video_starts(payloads_of(track.samples(file)))
    if len(starts) < FEWEST_PAIRS:
        raise InvalidPositions(
            f"{path.name}: {len(starts)} stamps of the receiver with a fix, {FEWEST_PAIRS} are needed"
        )
    first = min(starts)
    after_s = [(start - first).total_seconds() for start in starts]
    middle_s = statistics.median(after_s)
    spread_s = 1.4826 * statistics.median(abs(value - middle_s) for value in after_s)
    return VideoClock(
        first + timedelta(seconds=middle_s), (spread_s**2 + WHOLE_SECOND_SIGMA_S**2) ** 0.5, len(starts)
    )


def _track_of(path: Path) -> Track:
    for track in metadata_tracks(path):
        if track.format in ("gpmd", "camm"):
            return track
    raise InvalidPositions(
        f"{path.name} has no GPMF (GoPro) or CAMM track: record the positions in a file of their own"
    )
