"""Poses while driving: the same filter as for recorded drives, smoothed over the last two seconds.

A pose is given `live_lag_s` late, when what came after it has had its say. Readings may arrive out of order
within a third of a second; what comes later than that is counted and left out. Memory is bounded.
"""

import logging
import math
from bisect import insort
from datetime import datetime, timedelta

from wegewart.drive import FixType
from wegewart_edge.drive_filter import DriveFilter
from wegewart_edge.driven_path import DrivenPath
from wegewart_edge.gnss import Fix
from wegewart_edge.kind_changes import Border
from wegewart_edge.motion import Motion
from wegewart_edge.placing import first_placed, next_placed, with_standing
from wegewart_edge.pose import VehiclePose, pose_of
from wegewart_edge.receiver_noise import first_guess, measured_noise
from wegewart_edge.sensors import LeverArm, MotionAt, PlacedFix
from wegewart_edge.settings import PoseSettings
from wegewart_edge.smoothing import Ahead
from wegewart_edge.stretch import Stretch

logger = logging.getLogger(__name__)

ORDER_WITHIN_S = 0.3  # a receiver's fix arrives 0.05 to 0.2 s after its moment, wheels at once
KEPT_S = 10.0  # of path behind the newest reading, for frames that come late
NOISE_AFTER = 100  # fixes from which the receiver's noise is measured, once
CLOCK_SET_BACK_S = 1.0
MOST_WAITING = 600  # fixes before the vehicle first moves; the oldest are forgotten

Reading = PlacedFix | MotionAt


class LivePose:
    """The path of a drive under way."""

    def __init__(self, lever: LeverArm, settings: PoseSettings) -> None:
        self._lever = lever
        self._settings = settings
        self._noise = first_guess(settings)
        self.too_late = 0
        """Readings left out because newer ones were already taken in."""
        self.restarts = 0
        """How often the receiver's clock was set back, and the path began anew."""
        self._station_m = 0.0
        self._change_of_kind: Border | None = None
        self._path: DrivenPath | None = None
        self._cold_start()

    def take(self, reading: Fix | Motion) -> None:
        """One reading, as it comes."""
        if isinstance(reading, Fix):
            if reading.fix is FixType.NONE:
                return
            placed = self._place(reading)
            if placed is None:
                return
            self._queue(placed)
        elif self._origin is not None:
            turn = None if reading.yaw_rate_dps is None else math.radians(reading.yaw_rate_dps)
            self._queue(MotionAt(self._seconds(reading.captured_at), reading.speed_mps, turn))
        self._advance()

    @property
    def ready_until(self) -> datetime | None:
        """The newest moment whose pose is settled; None before the vehicle has moved."""
        if self._stretch is None or self._origin is None:
            return None
        settled_s = self._stretch.knots[-1].belief.at_s - self._settings.live_lag_s
        return self._origin + timedelta(seconds=settled_s)

    def at(self, moment: datetime) -> VehiclePose | None:
        """Pose at a moment up to `ready_until`, and at most ten seconds before it; None where not known."""
        ready = self.ready_until
        if ready is None or moment > ready or self._stretch is None:
            return None
        if self._path is None:
            self._path = self._smoothed(self._stretch)
        at = self._path.at(self._seconds(moment))
        return None if at is None else pose_of(at, moment, self._settings)

    def _cold_start(self) -> None:
        self._filter = DriveFilter(self._settings, self._lever, self._noise)
        self._origin: datetime | None = None
        self._last: PlacedFix | None = None
        self._recent: list[PlacedFix] = []
        self._queued: list[Reading] = []
        self._stretch: Stretch | None = None
        self._path = None
        self._measured = False

    def _place(self, fix: Fix) -> PlacedFix | None:
        if self._last is not None:
            behind_s = (self._last.fix.captured_at - fix.captured_at).total_seconds()
            if behind_s >= CLOCK_SET_BACK_S:
                logger.warning("the receiver's clock was set back by %.1f s: the path begins anew", behind_s)
                self.restarts += 1
                self._keep_station()
                self._cold_start()
            elif behind_s >= 0:
                self.too_late += 1
                return None
        if self._last is None:
            self._origin = fix.captured_at
        placed = first_placed(fix) if self._last is None else next_placed(self._last, fix)
        self._last = placed
        self._recent = [*self._recent[-(MOST_WAITING - 1) :], placed]
        return with_standing(self._recent)

    def _queue(self, reading: Reading) -> None:
        if self._stretch is not None and reading.at_s < self._stretch.knots[-1].belief.at_s:
            self.too_late += 1
            return
        insort(self._queued, reading, key=lambda each: each.at_s)

    def _advance(self) -> None:
        """Take in what no earlier reading can precede any more."""
        until_s = max((reading.at_s for reading in self._queued), default=0.0) - ORDER_WITHIN_S
        if self._stretch is None and not self._begin():
            return
        while self._queued and self._queued[0].at_s <= until_s:
            self._take_in(self._queued.pop(0))
            self._path = None
        self._forget()

    def _begin(self) -> bool:
        """Start as soon as the vehicle has moved, for before that its heading is unknown."""
        fixes = [reading for reading in self._queued if isinstance(reading, PlacedFix)]
        if not fixes:
            return False
        start = Ahead(fixes, self._noise).start(fixes[0])
        if not start.heading_known:
            del self._queued[:-MOST_WAITING]
            return False
        self._queued = [each for each in self._queued if each.at_s >= fixes[0].at_s and each is not fixes[0]]
        self._stretch = self._filter.begin(start, after_gap=True)
        return True

    def _take_in(self, reading: Reading) -> None:
        stretch = self._stretch
        if stretch is None:
            return
        gap_s = reading.at_s - stretch.used[-1].at_s
        if isinstance(reading, MotionAt):
            if gap_s <= self._settings.max_gap_s:
                self._filter.take_motion(stretch, reading)
            return
        if gap_s > self._settings.max_gap_s or not self._filter.take_fix(stretch, reading):
            self._keep_station()
            start = Ahead([reading], self._noise).start(reading)
            if not start.heading_known:  # nothing newer is known yet: go on as the vehicle went
                start = self._filter.restart(stretch, reading)
            self._stretch = self._filter.begin(start, after_gap=gap_s > self._settings.max_gap_s)
        if not self._measured and len(self._recent) >= NOISE_AFTER:
            self._measured = True
            self._noise = measured_noise(self._recent, [], self._settings, self._lever)
            self._filter.use_noise(self._noise)

    def _keep_station(self) -> None:
        """What was driven so far, before a new path begins."""
        if self._stretch is not None:
            self._station_m = self._smoothed(self._stretch).length_m
        self._change_of_kind = None

    def _forget(self) -> None:
        """Let go of knots and fixes that no frame will ask for."""
        stretch = self._stretch
        if stretch is None:
            return
        oldest_s = stretch.knots[-1].belief.at_s - KEPT_S - self._settings.live_lag_s
        first = 0
        while stretch.knots[first].belief.at_s < oldest_s:
            first += 1
        if first < len(stretch.knots) // 4:
            return  # in larger pieces, because the path must be smoothed once for it
        path = self._path or self._smoothed(stretch)
        first_s = stretch.knots[first].belief.at_s
        self._station_m = path.station_m(first_s)
        self._change_of_kind = path.change_before(first_s)
        del stretch.knots[:first]
        in_force = sum(placed.at_s <= first_s for placed in stretch.used) - 1
        del stretch.used[: max(min(in_force, len(stretch.used) - 2), 0)]
        self._path = None

    def _smoothed(self, stretch: Stretch) -> DrivenPath:
        return DrivenPath(
            [stretch],
            self._settings,
            self._noise,
            self._station_m,
            live=True,
            carried=self._change_of_kind,
        )

    def _seconds(self, moment: datetime) -> float:
        assert self._origin is not None
        return (moment - self._origin).total_seconds()
