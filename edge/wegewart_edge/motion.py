"""Wheel speed and gyro of a recorded drive, beside its positions: motion.csv.

Both are optional, and each row may hold either. They carry the path through tunnels and hold it still where
a receiver's single fixes jump about.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wegewart.errors import InvalidPositions
from wegewart_edge.gnss import parse_moment

FASTEST_MPS = 100.0
FASTEST_TURN_DPS = 2000.0  # full scale of common gyros


@dataclass(frozen=True, slots=True)
class Motion:
    """One reading; None where a sensor did not read. Yaw rate about the vertical axis, right positive."""

    captured_at: datetime
    speed_mps: float | None = None
    yaw_rate_dps: float | None = None


def read_motion(path: Path) -> tuple[Motion, ...]:
    """Readings of a file in order of time.

    Args:
        path: CSV with `captured_at` and at least one of `speed_mps` (0 means standing) and `yaw_rate_dps`.
    Raises:
        InvalidPositions: If the file is missing, lacks a column, or holds what cannot be.
    """
    try:
        rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPositions(f"{path} cannot be read: {error}; save it as UTF-8") from error
    columns = set(rows.fieldnames or ())
    if "captured_at" not in columns or not columns & {"speed_mps", "yaw_rate_dps"}:
        raise InvalidPositions(f"{path.name} needs captured_at, and speed_mps or yaw_rate_dps or both")
    readings = []
    for line, row in enumerate(rows, start=2):
        try:
            readings.append(_reading(row))
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidPositions(f"{path.name}, line {line}: {error}") from error
    return tuple(sorted(readings, key=lambda reading: reading.captured_at))


def _reading(row: dict[str, str | None]) -> Motion:
    speed_mps = _number(row, "speed_mps", 0.0, FASTEST_MPS)
    yaw_rate_dps = _number(row, "yaw_rate_dps", -FASTEST_TURN_DPS, FASTEST_TURN_DPS)
    return Motion(parse_moment(row["captured_at"] or ""), speed_mps, yaw_rate_dps)


def _number(row: dict[str, str | None], column: str, least: float, most: float) -> float | None:
    text = (row.get(column) or "").strip()
    if not text:
        return None
    value = float(text)
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{column} {text} must lie between {least:g} and {most:g}")
    return value


def thinned(motion: Iterable[Motion], spacing_s: float) -> list[Motion]:
    """Readings averaged over bins of time: a gyro's mean rate keeps its angle, and the filter stays fast."""
    bins: list[list[Motion]] = []
    for reading in motion:
        if bins and (reading.captured_at - bins[-1][0].captured_at).total_seconds() < spacing_s:
            bins[-1].append(reading)
        else:
            bins.append([reading])
    return [_mean(readings) for readings in bins]


def _mean(readings: Sequence[Motion]) -> Motion:
    first, last = readings[0].captured_at, readings[-1].captured_at
    speeds = [reading.speed_mps for reading in readings if reading.speed_mps is not None]
    turns = [reading.yaw_rate_dps for reading in readings if reading.yaw_rate_dps is not None]
    return Motion(
        first + (last - first) / 2,
        sum(speeds) / len(speeds) if speeds else None,
        sum(turns) / len(turns) if turns else None,
    )
