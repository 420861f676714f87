"""The trajectory of a recorded drive: its positions, wheels and gyro, and whose clock they are on."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from wegewart.drive import FixType
from wegewart_edge.clock_offset import LEAST_OVERLAP_S, ClockOffset, NoOffset, Series, clock_offset, too_short
from wegewart_edge.drive_reader import MotionClock, RecordedDrive
from wegewart_edge.gnss import Fix, read_fixes
from wegewart_edge.motion import Motion, read_motion
from wegewart_edge.pose import LeverArm, Trajectory
from wegewart_edge.settings import PoseSettings

logger = logging.getLogger(__name__)

SAMPLE_S = 0.1
MOST_APART = timedelta(days=1)  # no clock of a drive is set so wrong by a time zone
LEAST_TURNING_DPS = 1.0  # sigma of the yaw rate over the drive: one turn of a street in a minute
LEAST_SPEED_CHANGE_MPS = 1.0


def trajectory_of(drive: RecordedDrive, settings: PoseSettings) -> Trajectory:
    """Path of a recorded drive, asked for by the times of its frames.

    Raises:
        InvalidPositions: If positions or motion cannot be read, or fewer than two fixes have a position.
    """
    gnss, stated_ahead_s = drive.about.gnss, drive.about.frames.camera_ahead_s
    lever = LeverArm(gnss.antenna_forward_m, gnss.antenna_right_m)
    fixes = of_the_days(
        read_fixes(drive.gnss_path, gnss.sigma_m), [each.captured_at for each in drive.frames]
    )
    if drive.about.motion is None or drive.motion_path is None:
        return Trajectory(fixes, lever, settings, camera_ahead_s=stated_ahead_s)
    motion = read_motion(drive.motion_path)
    if drive.about.motion.clock is MotionClock.RECEIVER:
        return Trajectory(fixes, lever, settings, motion, stated_ahead_s)
    offset = camera_clock_offset(fixes, motion, lever, settings)
    if isinstance(offset, NoOffset):
        logger.warning("the clock of camera and motion stays as stated: %s", offset.reason)
        ahead_s = stated_ahead_s
    else:
        logger.info("the camera's clock is %.3f ± %.3f s ahead", offset.ahead_s, offset.sigma_s)
        ahead_s = offset.ahead_s
    ahead = timedelta(seconds=ahead_s)
    on_receivers_clock = [
        Motion(reading.captured_at - ahead, reading.speed_mps, reading.yaw_rate_dps) for reading in motion
    ]
    return Trajectory(fixes, lever, settings, on_receivers_clock, ahead_s)


def of_the_days(fixes: Sequence[Fix], recorded: Sequence[datetime]) -> Sequence[Fix]:
    """Fixes of the days in which a drive was recorded by its other clocks; all, where no place is of them.

    A receiver that has no lock yet may give the date of its last drive, or one of years ago.
    """
    first, last = min(recorded) - MOST_APART, max(recorded) + MOST_APART
    kept = [fix for fix in fixes if first <= fix.captured_at <= last]
    if len(kept) == len(fixes) or all(fix.fix is FixType.NONE for fix in kept):
        return fixes
    logger.warning(
        "%d positions left out whose date is not that of the drive, %s: the receiver's clock was not set",
        len(fixes) - len(kept),
        min(recorded).date().isoformat(),
    )
    return kept


def camera_clock_offset(
    fixes: Sequence[Fix], motion: Sequence[Motion], lever: LeverArm, settings: PoseSettings
) -> ClockOffset | NoOffset:
    """How far the clock of `motion` is ahead of the receiver's: from the turns, else from the speed."""
    if not motion:
        return NoOffset("neither wheels nor gyro read anything")
    fixes = of_the_days(fixes, [reading.captured_at for reading in motion])
    alone = Trajectory(fixes, lever, settings)
    start = max(fixes[0].captured_at, motion[0].captured_at)
    end = min(fixes[-1].captured_at, motion[-1].captured_at)
    overlap_s = (end - start).total_seconds()
    if overlap_s < LEAST_OVERLAP_S:
        return too_short(overlap_s)
    moments_s = np.arange(0.0, overlap_s, SAMPLE_S)
    known = [
        (at_s, pose.heading_deg, pose.speed_mps)
        for at_s in moments_s.tolist()
        if (pose := alone.at(start + timedelta(seconds=at_s))) is not None
    ]
    if len(known) < 2:
        return NoOffset("the receiver alone gives no path")
    at_s, heading_deg, speed_mps = (np.array(column) for column in zip(*known, strict=True))
    turning_dps = np.gradient(np.unwrap(heading_deg, period=360.0), at_s)
    reasons = []
    for values, readings, least_change in (
        (turning_dps, [(each.captured_at, each.yaw_rate_dps) for each in motion], LEAST_TURNING_DPS),
        (speed_mps, [(each.captured_at, each.speed_mps) for each in motion], LEAST_SPEED_CHANGE_MPS),
    ):
        read = [((when - start).total_seconds(), value) for when, value in readings if value is not None]
        if len(read) < 2:
            continue
        second = Series(*(np.array(column) for column in zip(*read, strict=True)))
        offset = clock_offset(Series(at_s, values), second, least_change=least_change)
        if isinstance(offset, ClockOffset):
            return offset
        reasons.append(offset.reason)
    return NoOffset("; ".join(reasons) or "neither wheels nor gyro read anything")
