"""Where the vehicle was and where it headed at any moment of a recorded drive, and how sure that is.

The fixes of the receiver, and wheels and gyro where the drive has them, go through a Kalman filter forwards
and a smoother backwards (`smoothing.py`); in between the path is a curve through position and velocity.
docs/pose.md says what happens while standing, in tunnels, after jumps and at a cold start.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wegewart.drive import FixType, Pose
from wegewart.errors import InvalidPositions
from wegewart.geo import Covariance, LocalPlane
from wegewart_edge.driven_path import DrivenPath, Moment
from wegewart_edge.gnss import Fix
from wegewart_edge.motion import Motion, thinned
from wegewart_edge.placing import placed_fixes
from wegewart_edge.receiver_noise import measured_noise
from wegewart_edge.sensors import LeverArm, MotionAt
from wegewart_edge.settings import PoseSettings
from wegewart_edge.smoothing import filtered

__all__ = ["LeverArm", "Trajectory", "VehiclePose", "pose_of", "rounded_covariance"]

logger = logging.getLogger(__name__)

MOTION_SPACING_S = 0.1  # wheels and gyro at 10 Hz: a street's curves are slower
UNKNOWN_HEADING_DEG = 60.0  # a heading with such a sigma is none


@dataclass(frozen=True, slots=True)
class VehiclePose:
    """Pose of the vehicle's reference point at one moment.

    The place is that of the receiver less the noise of single fixes: its slowly drifting bias is left in, so
    that all places of a drive err alike and the office can find and remove it (DESIGN section 7). `cov_gnss`
    is the covariance of the place; nearly all of it is that bias.
    """

    captured_at: datetime
    station_m: float
    lat: float
    lon: float
    heading_deg: float
    heading_sigma_deg: float
    speed_mps: float
    cov_gnss: Covariance
    fix: FixType

    def on_wire(self) -> Pose:
        """The same as the message carries it; decimals as in docs/frames.md."""
        return Pose(
            captured_at=self.captured_at,
            station_m=round(self.station_m, 3),
            lat=round(self.lat, 8),
            lon=round(self.lon, 8),
            heading_deg=round(self.heading_deg, 3) % 360.0,
            heading_sigma_deg=round(self.heading_sigma_deg, 3),
            cov_gnss_m2=rounded_covariance(self.cov_gnss),
            fix=self.fix,
        )


def rounded_covariance(covariance: Covariance) -> Covariance:
    """Covariance with 6 decimals (mm²) that is still one."""
    return Covariance(
        max(round(covariance.ee, 6), 1e-6), round(covariance.en, 6), max(round(covariance.nn, 6), 1e-6)
    )


class Trajectory:
    """The driven path of one recorded drive."""

    def __init__(
        self,
        fixes: Sequence[Fix],
        lever: LeverArm,
        settings: PoseSettings,
        motion: Sequence[Motion] = (),
        camera_ahead_s: float = 0.0,
    ) -> None:
        """Take the fixes that have a position, and what wheels and gyro read.

        Args:
            motion: On the receiver's clock.
            camera_ahead_s: What the clock of the moments that will be asked for is ahead of the receiver's.
        Raises:
            InvalidPositions: If fewer than two fixes are left.
        """
        usable = [fix for fix in fixes if fix.fix is not FixType.NONE]
        if len(usable) < 2:
            raise InvalidPositions(
                f"only {len(usable)} of {len(fixes)} positions have a fix: at least two are needed"
            )
        self._settings = settings
        self._start = usable[0].captured_at
        self._camera_ahead_s = camera_ahead_s
        placed = placed_fixes(usable)
        readings = self._readings(motion)
        self.noise = measured_noise(placed, readings, settings, lever)
        """What the receiver's fixes were found to differ by."""
        stretches, _ = filtered(placed, readings, settings, lever, self.noise)
        self._path = DrivenPath(stretches, settings, self.noise)
        self.fixes_left_out = sum(stretch.left_out for stretch in stretches)
        """Fixes beyond the filter's gate."""
        if self.fixes_left_out:
            logger.info("%d of %d fixes left out as outliers", self.fixes_left_out, len(usable))

    @property
    def length_m(self) -> float:
        """Driven path length from the first fix to the last."""
        return self._path.length_m

    def station_at(self, moment: datetime) -> float:
        """Driven path length at a moment; within a gap along the estimated way across it."""
        return self._path.station_m(self._seconds(moment) - self._camera_ahead_s)

    def at(self, moment: datetime) -> VehiclePose | None:
        """Pose at a moment; None where it is not known.

        Not known: further than `max_extrapolation_s` from any reading, where dead reckoning has added more
        than `max_drift_m` of sigma, and while the vehicle has not moved at all yet.
        """
        at = self._path.at(self._seconds(moment) - self._camera_ahead_s)
        return None if at is None else pose_of(at, moment, self._settings)

    def drift_variance_m2(self, cov_gnss: Covariance, driven_m: float) -> float:
        """Variance per axis of the change of the receiver's bias along a driven length.

        The bias is a Gauss-Markov process of correlation length L (FORMULAS section 4):
        2 σ² (1 − exp(−d/L)), plus the white noise of both ends.
        """
        sigma2_m2 = (cov_gnss.ee + cov_gnss.nn) / 2
        common = 2 * sigma2_m2 * -math.expm1(-abs(driven_m) / self._settings.bias_correlation_m)
        return common + 2 * self._settings.noise_floor_m**2

    def _seconds(self, moment: datetime) -> float:
        return (moment - self._start).total_seconds()

    def _readings(self, motion: Sequence[Motion]) -> list[MotionAt]:
        return [
            MotionAt(
                self._seconds(reading.captured_at),
                reading.speed_mps,
                None if reading.yaw_rate_dps is None else math.radians(reading.yaw_rate_dps),
            )
            for reading in thinned(motion, MOTION_SPACING_S)
        ]


def pose_of(at: Moment, captured_at: datetime, settings: PoseSettings) -> VehiclePose | None:
    """The path's moment as a pose; None where heading or place are not known well enough."""
    if math.degrees(at.heading_sigma_rad) > UNKNOWN_HEADING_DEG or at.drift_m > settings.max_drift_m:
        return None
    anchor = at.nearest
    lat, lon = LocalPlane(anchor.fix.lat, anchor.fix.lon).lat_lon(
        at.east_m + at.bias_east_m - anchor.east_m, at.north_m + at.bias_north_m - anchor.north_m
    )
    return VehiclePose(
        captured_at=captured_at,
        station_m=at.station_m,
        lat=lat,
        lon=lon,
        heading_deg=math.degrees(at.heading_rad) % 360.0,
        heading_sigma_deg=math.degrees(at.heading_sigma_rad),
        speed_mps=abs(at.speed_mps),
        cov_gnss=at.covariance,
        fix=FixType.DEAD_RECKONING if at.reckoned else anchor.fix.fix,
    )
