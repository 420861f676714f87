"""Where the vehicle was and where it headed at any moment of a recorded drive, from the receiver's fixes.

Positions are interpolated between neighbouring fixes; the heading is the receiver's course where it is
stated and the vehicle moves, else the chord of the driven path. Across a gap that is too long there is
no pose.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wegewart.drive import FixType, Pose
from wegewart.errors import InvalidPositions
from wegewart.geo import Covariance, LocalPlane
from wegewart_edge.gnss import Fix
from wegewart_edge.settings import PoseSettings

Array = npt.NDArray[np.float64]

VERTEX_SPACING_M = 1.0  # shorter steps of a receiver are its noise, not driven path (u-blox M8: 0.02-0.3 m)
SHORTEST_CHORD_M = 2.0  # below it the noise of two fixes outweighs the direction between them
COURSE_FROM_MPS = 2.0  # slower, a course is useless: FORMULAS, sigma_psi = sigma_vel / v
WORST_HEADING_DEG = 90.0


@dataclass(frozen=True, slots=True)
class VehiclePose:
    """Pose of the vehicle's reference point at one moment."""

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


@dataclass(frozen=True, slots=True)
class LeverArm:
    """Of the antenna from the vehicle's reference point."""

    forward_m: float = 0.0
    right_m: float = 0.0


class Trajectory:
    """The driven path of one recorded drive."""

    def __init__(self, fixes: Sequence[Fix], lever: LeverArm, settings: PoseSettings) -> None:
        """Take the fixes that have a position.

        Raises:
            InvalidPositions: If fewer than two are left.
        """
        self._fixes = [fix for fix in fixes if fix.fix is not FixType.NONE]
        if len(self._fixes) < 2:
            raise InvalidPositions(
                f"only {len(self._fixes)} of {len(fixes)} positions have a fix: at least two are needed"
            )
        self._lever = lever
        self._settings = settings
        self._start = self._fixes[0].captured_at
        self._time_s = np.array([self._seconds(fix.captured_at) for fix in self._fixes])
        self._path = _driven_path(self._fixes, self._time_s)

    @property
    def length_m(self) -> float:
        """Driven path length from the first fix to the last."""
        return float(self._path.station_m[-1])

    def station_at(self, moment: datetime) -> float:
        """Driven path length at a moment; within a gap along the straight line across it."""
        return float(np.interp(self._seconds(moment), self._path.time_s, self._path.station_m))

    def at(self, moment: datetime) -> VehiclePose | None:
        """Pose at a moment; None where it is not known.

        Not known: between two fixes more than `max_gap_s` apart, further than `max_extrapolation_s`
        before the first or after the last, and while the vehicle has not moved at all yet.
        """
        pair = self._bracket(moment)
        if pair is None:
            return None
        before, after, share = pair
        station_m = self.station_at(moment)
        speed_mps = self._speed_mps(before, after, share, self._seconds(moment))
        heading = self._heading(before, after, share, station_m, speed_mps)
        if heading is None:
            return None
        heading_deg, heading_sigma_deg = heading
        lat, lon = self._reference_point(before, after, share, heading_deg)
        return VehiclePose(
            captured_at=moment,
            station_m=station_m,
            lat=lat,
            lon=lon,
            heading_deg=heading_deg,
            heading_sigma_deg=heading_sigma_deg,
            speed_mps=speed_mps,
            cov_gnss=Covariance(
                max(before.sigma_east_m, after.sigma_east_m) ** 2,
                0.0,
                max(before.sigma_north_m, after.sigma_north_m) ** 2,
            ),
            fix=before.fix if share < 0.5 else after.fix,
        )

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

    def _bracket(self, moment: datetime) -> tuple[Fix, Fix, float] | None:
        """The fixes around a moment and how far between them it lies (0 to 1, beyond at the ends)."""
        at_s = self._seconds(moment)
        over_s = max(self._time_s[0] - at_s, at_s - self._time_s[-1], 0.0)
        if over_s > self._settings.max_extrapolation_s:
            return None
        right = bisect.bisect_right(self._time_s, at_s)
        left = min(max(right - 1, 0), len(self._fixes) - 2)
        span_s = float(self._time_s[left + 1] - self._time_s[left])
        share = (at_s - float(self._time_s[left])) / span_s
        if span_s > self._settings.max_gap_s and 0 < share < 1:
            return None
        if span_s > self._settings.max_gap_s and over_s > 0:
            return None
        return self._fixes[left], self._fixes[left + 1], share

    def _speed_mps(self, before: Fix, after: Fix, share: float, at_s: float) -> float:
        if before.speed_mps is not None and after.speed_mps is not None:
            return max(before.speed_mps + share * (after.speed_mps - before.speed_mps), 0.0)
        around_s = np.clip([at_s - 1.0, at_s + 1.0], self._time_s[0], self._time_s[-1])
        stations_m = np.interp(around_s, self._path.time_s, self._path.station_m)
        return float((stations_m[1] - stations_m[0]) / max(around_s[1] - around_s[0], 1e-3))

    def _heading(
        self, before: Fix, after: Fix, share: float, station_m: float, speed_mps: float
    ) -> tuple[float, float] | None:
        """Heading and its sigma in degrees: stated course while moving, else the path's chord."""
        nearer = before if share < 0.5 else after
        if before.heading_deg is not None and after.heading_deg is not None:
            turn_deg = (after.heading_deg - before.heading_deg + 180.0) % 360.0 - 180.0
            heading_deg = (before.heading_deg + share * turn_deg) % 360.0
            if nearer.heading_sigma_deg is not None:
                return heading_deg, nearer.heading_sigma_deg
            if speed_mps > COURSE_FROM_MPS:
                sigma_rad = self._settings.course_velocity_sigma_mps / speed_mps
                return heading_deg, math.degrees(sigma_rad)
        return self._chord_heading(nearer, station_m)

    def _chord_heading(self, nearer: Fix, station_m: float) -> tuple[float, float] | None:
        window_m = self._settings.heading_window_m
        path = self._path
        ends_m = np.clip([station_m - window_m, station_m + window_m], 0.0, path.station_m[-1])
        east_m, north_m = path.at(ends_m)
        chord_m = math.hypot(east_m[1] - east_m[0], north_m[1] - north_m[0])
        if chord_m < SHORTEST_CHORD_M:
            return None
        heading_deg = math.degrees(math.atan2(east_m[1] - east_m[0], north_m[1] - north_m[0])) % 360.0
        cov_gnss = Covariance(nearer.sigma_east_m**2, 0.0, nearer.sigma_north_m**2)
        sigma_m = math.sqrt(self.drift_variance_m2(cov_gnss, float(ends_m[1] - ends_m[0])))
        return heading_deg, min(math.degrees(math.atan2(sigma_m, chord_m)), WORST_HEADING_DEG)

    def _reference_point(
        self, before: Fix, after: Fix, share: float, heading_deg: float
    ) -> tuple[float, float]:
        """Latitude and longitude of the reference point: the antenna's, less its lever arm."""
        plane = LocalPlane(before.lat, before.lon)
        east_m, north_m = plane.east_north_m(after.lat, after.lon)
        sin, cos = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
        arm_east_m = self._lever.forward_m * sin + self._lever.right_m * cos
        arm_north_m = self._lever.forward_m * cos - self._lever.right_m * sin
        return plane.lat_lon(share * east_m - arm_east_m, share * north_m - arm_north_m)


@dataclass(frozen=True, slots=True)
class _Path:
    """Vertices of the driven path, at least a metre apart; metres east and north of the first."""

    time_s: Array
    station_m: Array
    east_m: Array
    north_m: Array

    def at(self, station_m: Array) -> tuple[Array, Array]:
        return (
            np.interp(station_m, self.station_m, self.east_m),
            np.interp(station_m, self.station_m, self.north_m),
        )


def _driven_path(fixes: Sequence[Fix], time_s: Array) -> _Path:
    """Path without the noise of a standing receiver, unrolled step by step so that its scale stays true."""
    vertices = [(float(time_s[0]), 0.0, 0.0, 0.0)]
    last = fixes[0]
    for fix, at_s in zip(fixes[1:], time_s[1:], strict=True):
        east_m, north_m = LocalPlane(last.lat, last.lon).east_north_m(fix.lat, fix.lon)
        step_m = math.hypot(east_m, north_m)
        if step_m < VERTEX_SPACING_M and fix is not fixes[-1]:
            continue
        _, station_m, path_east_m, path_north_m = vertices[-1]
        vertices.append((float(at_s), station_m + step_m, path_east_m + east_m, path_north_m + north_m))
        last = fix
    return _Path(*(np.array(column) for column in zip(*vertices, strict=True)))
