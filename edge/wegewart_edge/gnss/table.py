"""Positions from and for a CSV table: the columns of docs/recorded-drive.md."""

import csv
import math
from collections.abc import Iterator

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.fix import Fix, checked, parse_moment

COLUMNS = (
    "captured_at",
    "lat",
    "lon",
    "sigma_east_m",
    "sigma_north_m",
    "heading_deg",
    "heading_sigma_deg",
    "speed_mps",
    "fix",
)


def fixes_of_csv(text: str, sigma_m: float, name: str) -> Iterator[Fix]:
    """One fix per row.

    Raises:
        InvalidPositions: If a column is missing or a row holds what cannot be.
    """
    rows = csv.DictReader(text.splitlines())
    missing = {"captured_at", "lat", "lon"} - set(rows.fieldnames or ())
    if missing:
        raise InvalidPositions(f"{name} lacks the columns {', '.join(sorted(missing))}")
    for line, row in enumerate(rows, start=2):
        try:
            yield checked(_fix_from_row(row, sigma_m))
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


def row_of(fix: Fix) -> tuple[object, ...]:
    """A fix as the row that is read as this fix again; None is an empty cell."""
    placed = fix.fix is not FixType.NONE
    return (
        fix.captured_at.isoformat().replace("+00:00", "Z"),
        fix.lat if placed else None,
        fix.lon if placed else None,
        fix.sigma_east_m,
        fix.sigma_north_m,
        fix.heading_deg,
        fix.heading_sigma_deg,
        fix.speed_mps,
        fix.fix.value,
    )


def _or(stated: float | None, fallback: float) -> float:
    return fallback if stated is None else stated
