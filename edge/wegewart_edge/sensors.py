"""What each sensor of a vehicle should read, given the state: the measurement half of the Kalman filter.

Each function returns the innovation, or None where that sensor says nothing (a course while standing).
"""

import math
from dataclasses import dataclass

import numpy as np

from wegewart_edge.gnss import Fix
from wegewart_edge.motion_model import (
    BIAS_EAST,
    BIAS_NORTH,
    COURSE,
    COURSE_COMMON_SHARE,
    COURSE_FLOOR_RAD,
    EAST,
    GYRO_BIAS,
    HEADING,
    NORTH,
    SCALE,
    SIZE,
    SPEED,
    YAW_RATE,
    Belief,
    Innovation,
    ReceiverNoise,
)
from wegewart_edge.settings import PoseSettings

COURSE_FROM_MPS = 2.0  # slower, a course is useless: FORMULAS, sigma_psi = sigma_vel / v
STANDING_SIGMA_MPS = 0.02
VELOCITY_MEMORY_S = 1.0  # receivers filter their velocity; faster fixes repeat its error
UNMOVED_SIGMA_MPS = 0.1
STANDING_TURN_SIGMA_RADPS = math.radians(0.05)


@dataclass(frozen=True, slots=True)
class LeverArm:
    """Of the antenna from the vehicle's reference point."""

    forward_m: float = 0.0
    right_m: float = 0.0

    def east_north_m(self, heading_rad: float) -> tuple[float, float]:
        """The arm on the ground."""
        sin, cos = math.sin(heading_rad), math.cos(heading_rad)
        return self.forward_m * sin + self.right_m * cos, self.forward_m * cos - self.right_m * sin


@dataclass(frozen=True, slots=True)
class PlacedFix:
    """A fix on the drive's own plane: seconds since its first fix, metres east and north of it.

    `calm_east_m` and `calm_north_m` are its stated accuracy without the flicker from fix to fix; `standing`
    says that the fixes around show no motion.
    """

    at_s: float
    east_m: float
    north_m: float
    fix: Fix
    calm_east_m: float
    calm_north_m: float
    standing: bool = False


@dataclass(frozen=True, slots=True)
class MotionAt:
    """What wheels and gyro read at a moment; None where a sensor is missing. Turning right is positive."""

    at_s: float
    speed_mps: float | None = None
    yaw_rate_radps: float | None = None


class Sensors:
    """All sensors of one vehicle, with their noise."""

    def __init__(self, settings: PoseSettings, lever: LeverArm, noise: ReceiverNoise) -> None:
        self._settings = settings
        self._lever = lever
        self._noise = noise

    def position(self, belief: Belief, placed: PlacedFix) -> Innovation:
        """The receiver's place: the antenna's, plus its bias, plus the noise of a single fix."""
        fix, mean = placed.fix, belief.mean
        arm_east_m, arm_north_m = self._lever.east_north_m(float(mean[HEADING]))
        bias_m = np.array(
            [self._noise.bias_sigma_m(placed.calm_east_m), self._noise.bias_sigma_m(placed.calm_north_m)]
        )
        jacobian = np.zeros((2, SIZE))
        jacobian[0, EAST] = jacobian[1, NORTH] = 1.0
        jacobian[0, BIAS_EAST], jacobian[1, BIAS_NORTH] = bias_m
        jacobian[0, HEADING], jacobian[1, HEADING] = arm_north_m, -arm_east_m
        expected = np.array([mean[EAST] + arm_east_m, mean[NORTH] + arm_north_m])
        expected += bias_m * mean[[BIAS_EAST, BIAS_NORTH]]
        floor_m = self._settings.noise_floor_m
        white_m = np.array(
            [
                self._noise.fix_sigma_m(fix.sigma_east_m, floor_m),
                self._noise.fix_sigma_m(fix.sigma_north_m, floor_m),
            ]
        )
        residual = np.array([placed.east_m, placed.north_m]) - expected
        return Innovation.of(belief, residual, jacobian, np.diag(white_m**2))

    def course(self, belief: Belief, fix: Fix, since_s: float) -> Innovation | None:
        """The receiver's course over ground: the heading, or its reverse while backing up."""
        speed_mps = float(belief.mean[SPEED])
        stated_mps = abs(speed_mps) if fix.speed_mps is None else fix.speed_mps
        if fix.heading_deg is None or min(stated_mps, abs(speed_mps)) < COURSE_FROM_MPS:
            return None
        if fix.heading_sigma_deg is None:
            sigma_rad = self._velocity_sigma_mps(since_s) / stated_mps
        else:
            sigma_rad = max(math.radians(fix.heading_sigma_deg), 1e-4)
        common_rad = COURSE_COMMON_SHARE * sigma_rad
        reverse_rad = math.pi if speed_mps < 0 else 0.0
        expected = float(belief.mean[HEADING]) + reverse_rad + common_rad * float(belief.mean[COURSE])
        jacobian = np.zeros((1, SIZE))
        jacobian[0, HEADING], jacobian[0, COURSE] = 1.0, common_rad
        residual = math.remainder(math.radians(fix.heading_deg) - expected, 2 * math.pi)
        variance = sigma_rad**2 - common_rad**2 + COURSE_FLOOR_RAD**2
        return Innovation.of(belief, np.array([residual]), jacobian, np.array([[variance]]))

    def receiver_speed(self, belief: Belief, fix: Fix, since_s: float) -> Innovation | None:
        """The receiver's speed over ground, which has no sign."""
        if fix.speed_mps is None:
            return None
        return self._speed(belief, fix.speed_mps, self._velocity_sigma_mps(since_s))

    def _velocity_sigma_mps(self, since_s: float) -> float:
        """As if fixes within the memory of the receiver's own filter were one."""
        return self._noise.velocity_sigma_mps * math.sqrt(max(VELOCITY_MEMORY_S / since_s, 1.0))

    def wheel_speed(self, belief: Belief, motion: MotionAt) -> Innovation | None:
        """What the wheels say: true speed times their scale, which a tyre's wear changes."""
        if motion.speed_mps is None:
            return None
        if motion.speed_mps == 0.0:
            return self._speed(belief, 0.0, STANDING_SIGMA_MPS)
        return self._speed(
            belief, motion.speed_mps, self._settings.wheel_speed_sigma_mps, float(belief.mean[SCALE])
        )

    def gyro(self, belief: Belief, motion: MotionAt) -> Innovation | None:
        """What a gyro about the vertical axis reads: yaw rate plus its bias."""
        if motion.yaw_rate_radps is None:
            return None
        jacobian = np.zeros((1, SIZE))
        jacobian[0, YAW_RATE] = jacobian[0, GYRO_BIAS] = 1.0
        expected = float(belief.mean[YAW_RATE] + belief.mean[GYRO_BIAS])
        sigma_radps = math.radians(self._settings.gyro_sigma_dps)
        residual = np.array([motion.yaw_rate_radps - expected])
        return Innovation.of(belief, residual, jacobian, np.array([[sigma_radps**2]]))

    def standing(self, belief: Belief) -> Innovation:
        """What fixes that show no motion say of the speed; cautious, for slow traffic shows little either."""
        return self._speed(belief, 0.0, UNMOVED_SIGMA_MPS)

    @staticmethod
    def no_turn(belief: Belief) -> Innovation:
        """A standing vehicle does not turn: this is what fixes a gyro's bias."""
        jacobian = np.zeros((1, SIZE))
        jacobian[0, YAW_RATE] = 1.0
        variance = np.array([[STANDING_TURN_SIGMA_RADPS**2]])
        return Innovation.of(belief, np.array([-float(belief.mean[YAW_RATE])]), jacobian, variance)

    @staticmethod
    def _speed(belief: Belief, read_mps: float, sigma_mps: float, scale: float | None = None) -> Innovation:
        speed_mps = float(belief.mean[SPEED])
        sign = -1.0 if speed_mps < 0 and read_mps > 0 else 1.0
        factor = 1.0 + (scale or 0.0)
        jacobian = np.zeros((1, SIZE))
        jacobian[0, SPEED] = sign * factor
        if scale is not None:
            jacobian[0, SCALE] = sign * speed_mps
        residual = np.array([read_mps - sign * factor * speed_mps])
        return Innovation.of(belief, residual, jacobian, np.array([[sigma_mps**2]]))
