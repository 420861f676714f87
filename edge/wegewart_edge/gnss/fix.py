"""One position of a receiver, and what makes it one."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from wegewart.drive import FixType
from wegewart.wire import utc_of


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


def parse_moment(text: str) -> datetime:
    """UTC time from ISO 8601 text that names its offset ("…Z").

    Raises:
        ValueError: If the text is no time, names no offset, or lies outside the years 2000 to 2099.
    """
    return utc_of(datetime.fromisoformat(text.strip()))


def known_moment(moment: datetime) -> datetime | None:
    """The moment in UTC; None where it is that of a clock that was not set yet."""
    try:
        return utc_of(moment)
    except ValueError:
        return None


def checked(fix: Fix) -> Fix:
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
