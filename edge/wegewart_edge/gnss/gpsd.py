"""Positions live from gpsd, the daemon that speaks with most receivers: its JSON protocol over a socket.

Source: gpsd_json(5), WATCH, TPV and GST. Written here because what is needed is one line out and lines of
JSON in, and the clients on PyPI poll for the latest report instead of giving each one.
"""

import json
import logging
import math
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss.fix import Fix, checked, parse_moment

logger = logging.getLogger(__name__)

WATCH = b'?WATCH={"enable":true,"json":true};\n'
LONGEST_LINE = 64 * 1024
LINE_95_SIGMAS = 1.96  # epx and epy: gpsd.h, GPSD_CONFIDENCE is that of 95 %
CIRCLE_95_SIGMAS = 2.448  # eph: radius of the circle that holds 95 %
STATUS = {  # gpsd_json(5), TPV status; where it is missing the fix is a plain one
    2: FixType.DIFFERENTIAL,
    3: FixType.RTK_FIXED,
    4: FixType.RTK_FLOAT,
    5: FixType.DEAD_RECKONING,
    6: FixType.DEAD_RECKONING,
}
ACCURACY_HOLDS_S = 2.0
WITH_POSITION = 2  # TPV mode: 0 unknown, 1 none, 2 two-dimensional, 3 three-dimensional


@dataclass(frozen=True, slots=True)
class _Accuracy:
    """Of a GST report: standard deviations in metres."""

    at: datetime
    east_m: float
    north_m: float


def _accuracy_of(report: dict[str, Any]) -> _Accuracy | None:
    east_m, north_m = _number(report, "lon"), _number(report, "lat")
    if not east_m or not north_m or "time" not in report:
        return None
    return _Accuracy(parse_moment(str(report["time"])), east_m, north_m)


class GpsdClient:
    """A watch on one gpsd; use it as a context."""

    def __init__(self, host: str, port: int, sigma_m: float, timeout_s: float) -> None:
        """Connect and ask for reports.

        Args:
            sigma_m: Per axis; used where gpsd states no accuracy.
            timeout_s: Longest silence before reading gives up; gpsd speaks once a second.
        Raises:
            InvalidPositions: If nobody answers there.
        """
        self._name, self._sigma_m = f"gpsd at {host}:{port}", sigma_m
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
            self._socket.sendall(WATCH)
        except OSError as error:
            raise InvalidPositions(f"{self._name}: {error}; is gpsd running there?") from error
        self._rest = b""
        self._accuracy: _Accuracy | None = None
        self.damaged = 0
        """Lines that could not be read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch."""
        self._socket.close()

    def fixes(self) -> Iterator[Fix]:
        """Fixes as they come; ends when gpsd closes.

        Raises:
            InvalidPositions: If gpsd is silent for longer than the timeout.
        """
        for line in self._lines():
            try:
                report = json.loads(line)
                fix = self._fix_of(report) if isinstance(report, dict) else None
            except (ValueError, TypeError) as error:
                self.damaged += 1
                logger.warning("%s: a report left out: %s", self._name, error)
                continue
            if fix is not None:
                yield fix

    def _fix_of(self, report: dict[str, Any]) -> Fix | None:
        """The fix of a report, with the accuracy of the receiver's own GST where it came within 2 s."""
        if report.get("class") == "GST":
            self._accuracy = _accuracy_of(report)
            return None
        fix = fix_of_report(report, self._sigma_m)
        stated = self._accuracy
        if fix is None or stated is None:
            return fix
        if abs((fix.captured_at - stated.at).total_seconds()) > ACCURACY_HOLDS_S:
            return fix
        return replace(fix, sigma_east_m=stated.east_m, sigma_north_m=stated.north_m)

    def _lines(self) -> Iterator[bytes]:
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                yield line
                continue
            if len(self._rest) > LONGEST_LINE:
                self.damaged += 1
                self._rest = b""
            try:
                received = self._socket.recv(4096)
            except TimeoutError as error:
                raise InvalidPositions(
                    f"{self._name} says nothing more: is the receiver plugged in?"
                ) from error
            except OSError as error:
                raise InvalidPositions(f"{self._name}: {error}") from error
            if not received:
                return
            self._rest += received


def fix_of_report(report: dict[str, Any], sigma_m: float) -> Fix | None:
    """The fix of a TPV report; None for other reports, and before the receiver knows the time.

    Raises:
        ValueError: If it holds what cannot be.
    """
    if report.get("class") != "TPV" or "time" not in report:
        return None
    placed = int(report.get("mode", 0)) >= WITH_POSITION and "lat" in report and "lon" in report
    kind = STATUS.get(int(report.get("status", 1)), FixType.SINGLE) if placed else FixType.NONE
    return checked(
        Fix(
            captured_at=parse_moment(str(report["time"])),
            lat=float(report["lat"]) if placed else math.nan,
            lon=float(report["lon"]) if placed else math.nan,
            sigma_east_m=_sigma_m(report, "epx", sigma_m),
            sigma_north_m=_sigma_m(report, "epy", sigma_m),
            fix=kind,
            heading_deg=_number(report, "track"),
            heading_sigma_deg=_share(report, "epd"),
            speed_mps=_number(report, "speed"),
        )
    )


def _sigma_m(report: dict[str, Any], axis: str, fallback_m: float) -> float:
    along_axis, circle = _number(report, axis), _number(report, "eph")
    if along_axis:
        return along_axis / LINE_95_SIGMAS
    return circle / CIRCLE_95_SIGMAS if circle else fallback_m


def _share(report: dict[str, Any], name: str) -> float | None:
    value = _number(report, name)
    return None if value is None else value / LINE_95_SIGMAS


def _number(report: dict[str, Any], name: str) -> float | None:
    value = report.get(name)
    return None if value is None else float(value)
