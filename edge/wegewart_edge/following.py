"""`wegewart-edge pose`: follow the receiver through gpsd, give poses, and keep what was received.

Poses come `live_lag_s` late and at most once a second. Whoever follows is told when something changes: no
fix, not moved yet, gpsd gone and back again. A record can be named as `gnss.file` of a recorded drive.
"""

import csv
import logging
import math
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import FileIO, StringIO
from pathlib import Path

from wegewart.drive import FixType
from wegewart.errors import CalledWrongly, InvalidPositions, RecordUnwritable
from wegewart_edge.gnss import Fix
from wegewart_edge.gnss.gpsd import GpsdClient
from wegewart_edge.gnss.table import COLUMNS, row_of
from wegewart_edge.live_pose import KEPT_S, LivePose
from wegewart_edge.pose import VehiclePose

logger = logging.getLogger(__name__)

Take = Callable[[Fix], None]

SILENCE_S = 10.0  # gpsd speaks once a second as long as a receiver is plugged in
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
EVERY = timedelta(seconds=1)


def follow(host: str, port: int, sigma_m: float, take: Take, pause: Callable[[float], None]) -> None:
    """Hand over every fix until interrupted; where gpsd goes, wait and connect again.

    Args:
        sigma_m: Per axis; used where gpsd states no accuracy.
        pause: Waits for seconds.
    Raises:
        InvalidPositions: If gpsd cannot be reached at the beginning: then the address is wrong.
    """
    client, pause_s = GpsdClient(host, port, sigma_m, SILENCE_S), FIRST_PAUSE_S
    logger.info("connected with gpsd at %s:%d; Ctrl-C ends", host, port)
    while True:
        for fix in _received(client):
            pause_s = FIRST_PAUSE_S
            take(fix)
        client, pause_s = _again(host, port, sigma_m, pause, pause_s)
        logger.info("connected with gpsd again")


def _received(client: GpsdClient) -> Iterator[Fix]:
    """Fixes of one connection, and why it ended."""
    with client:
        try:
            yield from client.fixes()
            reason = "gpsd closed the connection"
        except InvalidPositions as error:
            reason = str(error)
    logger.warning("%s: connecting again", reason)


def _again(
    host: str, port: int, sigma_m: float, pause: Callable[[float], None], pause_s: float
) -> tuple[GpsdClient, float]:
    """A new connection, however long it takes; and the next pause, longer each time."""
    while True:
        pause(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        try:
            return GpsdClient(host, port, sigma_m, SILENCE_S), pause_s
        except InvalidPositions as error:
            logger.warning("%s; next try in %.0f s", error, pause_s)


class Poses:
    """Poses at the moments of the fixes, as soon as they are settled."""

    def __init__(self, live: LivePose, give: Callable[[VehiclePose], None]) -> None:
        self._live = live
        self._give = give
        self._asked: deque[datetime] = deque()
        self._restarts = 0
        self._state = ""
        self.given = 0
        """How many so far."""

    def take(self, fix: Fix) -> None:
        """One fix, as it comes."""
        self._live.take(fix)
        if self._live.restarts != self._restarts:
            self._restarts = self._live.restarts
            self._asked.clear()
        if fix.fix is FixType.NONE:
            self._say("the receiver has no fix: no pose")
        elif not self._asked or fix.captured_at - self._asked[-1] >= EVERY:
            self._asked.append(fix.captured_at)
        ready = self._live.ready_until
        if ready is None:
            self._wait_for_motion(fix)
            return
        while self._asked and self._asked[0] <= ready:
            pose = self._live.at(self._asked.popleft())
            if pose is not None:
                self.given += 1
                self._say(f"poses of fixes of the kind {pose.fix.value}")
                self._give(pose)

    def _wait_for_motion(self, fix: Fix) -> None:
        while self._asked and (fix.captured_at - self._asked[0]).total_seconds() > KEPT_S:
            self._asked.popleft()
        if fix.fix is not FixType.NONE:
            self._say("the receiver has a fix; poses come when the vehicle has moved")

    def _say(self, state: str) -> None:
        if state != self._state:
            self._state = state
            logger.info(state)


@contextmanager
def recording(path: Path | None) -> Iterator[Take]:
    """Writes each fix to a new table of positions at once, so that a loss of power costs one line.

    Where no fix came, no table is left behind.

    Raises:
        CalledWrongly: If the file is no .csv, exists already, or cannot be made.
        RecordUnwritable: If a line cannot be written any more; those before it stay.
    """
    if path is None:
        yield lambda _: None
        return
    with _new_table(path) as file:
        _write(file, COLUMNS, path)
        taken = 0

        def take(fix: Fix) -> None:
            nonlocal taken
            _write(file, row_of(fix), path)
            taken += 1

        try:
            yield take
        finally:
            if not taken:
                path.unlink(missing_ok=True)


def _write(file: FileIO, row: Sequence[object], path: Path) -> None:
    line = StringIO(newline="")
    csv.writer(line).writerow(row)
    try:
        file.write(line.getvalue().encode())
    except OSError as error:
        raise RecordUnwritable(
            f"{path} cannot be written ({error.strerror}): free some space, and name a new file with --record"
        ) from error


def _new_table(path: Path) -> FileIO:
    if path.suffix.lower() != ".csv":
        raise CalledWrongly(f"{path} does not end with .csv: positions are recorded as a table")
    try:
        return path.open("xb", buffering=0)  # what is in no buffer cannot be lost, nor fail again at the end
    except FileExistsError as error:
        raise CalledWrongly(f"{path} exists already: name another file, or move it away") from error
    except OSError as error:
        raise CalledWrongly(f"{path}: {error.strerror}") from error


@contextmanager
def stopped_as_by_ctrl_c() -> Iterator[None]:
    """A service is stopped by SIGTERM: inside this context that is Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def as_json(pose: VehiclePose) -> str:
    """A pose as the message `DriveTrack` carries it, on one line."""
    return pose.on_wire().model_dump_json()


def as_text(pose: VehiclePose) -> str:
    """A pose for people: time, place, its sigma per axis, heading, speed, kind of fix."""
    return (
        f"{pose.captured_at:%H:%M:%S}  {pose.lat:.7f} {pose.lon:.7f} ± {pose.cov_gnss.rms_m:.2f} m  "
        f"{pose.heading_deg:5.1f}° ± {pose.heading_sigma_deg:.1f}°  "
        f"{math.floor(pose.speed_mps * 3.6 + 0.5):3d} km/h  {pose.fix.value}"
    )
