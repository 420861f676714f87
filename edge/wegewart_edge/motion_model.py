"""How a road vehicle moves and how its sensors err: the extended Kalman filter's model.

State (`STATE` names the rows): place, heading, speed, acceleration along, yaw rate, and what the sensors
have in common over a stretch: gyro bias, wheel scale, the receiver's own position bias per axis, and its
course's. The last three are in units of their stated sigma, so that a receiver that states a worse accuracy
also has a larger bias.

The receiver's bias is a Gauss-Markov process along the drive (FORMULAS section 4). Because it is in the
state, smoothing takes out the noise of single fixes and leaves the bias in the covariance, where it belongs.
Sources: Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001,
sections 5.3 and 11.7 (models), 10.3 (EKF).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_edge.settings import PoseSettings

Array = npt.NDArray[np.float64]

STATE = (
    "east_m",
    "north_m",
    "heading_rad",
    "speed_mps",
    "acceleration_mps2",
    "yaw_rate_radps",
    "gyro_bias_radps",
    "wheel_scale",
    "bias_east",
    "bias_north",
    "course_bias",
)
EAST, NORTH, HEADING, SPEED, ACCELERATION, YAW_RATE, GYRO_BIAS, SCALE, BIAS_EAST, BIAS_NORTH, COURSE = range(
    len(STATE)
)
SIZE = len(STATE)

ACCELERATION_MEMORY_S = 3.0  # a city driver holds the pedal about so long
YAW_RATE_MEMORY_S = 1.5  # a 90° turn of a street takes 3 to 4 s
SHARPEST_CURVATURE = 0.17  # 1/m: turning circle of a van about 12 m across
SLIP_SHARE = 0.01  # of the driven length, as a random walk per root metre: sideslip, uneven road
GYRO_WALK_RADPS = math.radians(0.005)  # per root second: a MEMS gyro's bias moves 0.3°/s an hour
SCALE_WALK = 1e-5  # per root metre: tyres warm up
COURSE_COMMON_SHARE = 0.5  # of a stated course accuracy, as sigma, that neighbouring fixes have in common
LEAST_BIAS_SHARE = 0.7  # of a stated accuracy that stays bias, however noisy single fixes turn out
COURSE_FLOOR_RAD = math.radians(0.1)  # a vehicle's course is its heading no better than that


@dataclass(frozen=True, slots=True)
class ReceiverNoise:
    """What differs from fix to fix: a share of the stated position accuracy, and of velocity per axis."""

    position_share: float
    velocity_sigma_mps: float

    def fix_sigma_m(self, stated_m: float, floor_m: float) -> float:
        """White noise of one fix, per axis."""
        return max(self.position_share * stated_m, floor_m)

    def bias_sigma_m(self, stated_m: float) -> float:
        """What neighbouring fixes have in common, per axis."""
        return stated_m * max(math.sqrt(max(1.0 - self.position_share**2, 0.0)), LEAST_BIAS_SHARE)


@dataclass(frozen=True, slots=True)
class Belief:
    """Mean and covariance of the state at a moment, seconds since the first fix."""

    at_s: float
    mean: Array
    covariance: Array


@dataclass(frozen=True, slots=True)
class Innovation:
    """What a measurement says beyond the prediction: residual (n,), its covariance and inverse (n, n).

    `cross` is the covariance of state and residual, (SIZE, n); n is 1 or 2.
    """

    residual: Array
    cross: Array
    spread: Array
    inverse: Array
    determinant: float

    @classmethod
    def of(cls, belief: Belief, residual: Array, jacobian: Array, noise: Array) -> "Innovation":
        """Innovation of a residual with its Jacobian (n, SIZE) and noise (n, n)."""
        cross = belief.covariance @ jacobian.T
        spread = jacobian @ cross + noise
        if len(residual) == 1:
            variance = float(spread[0, 0])
            return cls(residual, cross, spread, np.array([[1.0 / variance]]), variance)
        (a, upper), (lower, d) = spread.tolist()
        b = (upper + lower) / 2
        determinant = a * d - b * b
        return cls(residual, cross, spread, np.array([[d, -b], [-b, a]]) / determinant, determinant)

    @property
    def distance2(self) -> float:
        """Squared Mahalanobis length."""
        return float(self.residual @ self.inverse @ self.residual)


class MotionModel:
    """Prediction of the state; no sensor in it."""

    def __init__(self, settings: PoseSettings) -> None:
        self._settings = settings

    def predicted(self, belief: Belief, to_s: float) -> tuple[Belief, Array]:
        """Belief at a later moment, and the transition (SIZE, SIZE) that led there; steps of up to 0.25 s."""
        step_s = to_s - belief.at_s
        speed_mps = abs(float(belief.mean[SPEED]))
        transition = self._transition(belief.mean, step_s, speed_mps)
        covariance = transition @ belief.covariance @ transition.T
        covariance = (covariance + covariance.T) / 2  # rounding that favours one side would grow
        self._add_noise(covariance, belief.mean, step_s, speed_mps)
        return Belief(to_s, self._moved(belief.mean, transition, step_s), covariance), transition

    def _transition(self, mean: Array, step_s: float, speed_mps: float) -> Array:
        heading = float(mean[HEADING]) + 0.5 * step_s * float(mean[YAW_RATE])
        along = float(mean[SPEED]) + 0.5 * step_s * float(mean[ACCELERATION])
        sin, cos = math.sin(heading), math.cos(heading)
        way_m = along * step_s
        transition = np.eye(SIZE)
        transition[EAST, HEADING], transition[NORTH, HEADING] = way_m * cos, -way_m * sin
        transition[EAST, SPEED], transition[NORTH, SPEED] = step_s * sin, step_s * cos
        half = 0.5 * step_s
        transition[EAST, ACCELERATION] = half * step_s * sin
        transition[NORTH, ACCELERATION] = half * step_s * cos
        transition[EAST, YAW_RATE] = half * way_m * cos
        transition[NORTH, YAW_RATE] = -half * way_m * sin
        held, turned = math.exp(-step_s / ACCELERATION_MEMORY_S), math.exp(-step_s / YAW_RATE_MEMORY_S)
        transition[SPEED, ACCELERATION] = ACCELERATION_MEMORY_S * (1 - held)
        transition[HEADING, YAW_RATE] = YAW_RATE_MEMORY_S * (1 - turned)
        transition[ACCELERATION, ACCELERATION], transition[YAW_RATE, YAW_RATE] = held, turned
        kept = math.exp(-self._forgotten(step_s, speed_mps))
        transition[BIAS_EAST, BIAS_EAST] = transition[BIAS_NORTH, BIAS_NORTH] = kept
        transition[COURSE, COURSE] = kept
        return transition

    def _moved(self, mean: Array, transition: Array, step_s: float) -> Array:
        """The mean, moved along the middle of its step."""
        moved: Array = mean.copy()
        heading = float(mean[HEADING]) + 0.5 * step_s * float(mean[YAW_RATE])
        way_m = step_s * (float(mean[SPEED]) + 0.5 * step_s * float(mean[ACCELERATION]))
        moved[EAST] += way_m * math.sin(heading)
        moved[NORTH] += way_m * math.cos(heading)
        moved[HEADING] += transition[HEADING, YAW_RATE] * mean[YAW_RATE]
        moved[SPEED] += transition[SPEED, ACCELERATION] * mean[ACCELERATION]
        for row in (ACCELERATION, YAW_RATE, BIAS_EAST, BIAS_NORTH, COURSE):
            moved[row] = transition[row, row] * mean[row]
        return moved

    def _forgotten(self, step_s: float, speed_mps: float) -> float:
        """How much of the receiver's bias fades: with the way driven, and slowly with time while standing."""
        settings = self._settings
        return speed_mps * step_s / settings.bias_correlation_m + step_s / settings.bias_correlation_s

    def _add_noise(self, covariance: Array, mean: Array, step_s: float, speed_mps: float) -> None:
        way_m = max(speed_mps, 1e-3) * step_s
        slip_m2 = SLIP_SHARE**2 * way_m
        covariance[EAST, EAST] += slip_m2
        covariance[NORTH, NORTH] += slip_m2
        self._add_walk(
            covariance,
            (SPEED, ACCELERATION),
            step_s,
            self._settings.acceleration_sigma_mps2,
            ACCELERATION_MEMORY_S,
        )
        turn_radps = self._turn_sigma_radps(speed_mps)
        self._add_walk(covariance, (HEADING, YAW_RATE), step_s, turn_radps, YAW_RATE_MEMORY_S)
        covariance[GYRO_BIAS, GYRO_BIAS] += GYRO_WALK_RADPS**2 * step_s
        covariance[SCALE, SCALE] += SCALE_WALK**2 * way_m
        faded = -math.expm1(-2 * self._forgotten(step_s, speed_mps))
        for row in (BIAS_EAST, BIAS_NORTH, COURSE):
            covariance[row, row] += faded

    def _turn_sigma_radps(self, speed_mps: float) -> float:
        """A vehicle turns no sharper than its steering allows, and drivers avoid leaning to the side."""
        comfortable = self._settings.side_acceleration_sigma_mps2 / max(speed_mps, 0.1)
        return max(min(SHARPEST_CURVATURE * speed_mps, comfortable), 1e-5)

    @staticmethod
    def _add_walk(
        covariance: Array, rows: tuple[int, int], step_s: float, sigma: float, memory_s: float
    ) -> None:
        """Noise of a rate that forgets itself, and of its integral within the step."""
        value, rate = rows
        variance = sigma**2 * -math.expm1(-2 * step_s / memory_s)
        covariance[rate, rate] += variance
        covariance[value, rate] += variance * step_s / 2
        covariance[rate, value] += variance * step_s / 2
        covariance[value, value] += variance * step_s**2 / 3


def updated(belief: Belief, innovation: Innovation) -> Belief:
    """Belief after a measurement."""
    gain = innovation.cross @ innovation.inverse
    return Belief(
        belief.at_s,
        belief.mean + gain @ innovation.residual,
        belief.covariance - gain @ innovation.cross.T,
    )


def updated_without_turning(belief: Belief, innovation: Innovation) -> Belief:
    """Belief after a measurement that must not touch the heading (Schmidt's consider filter).

    Of a vehicle that hardly moves, the noise of its positions has every direction; linearised, it would
    make the heading ever surer.
    """
    gain = innovation.cross @ innovation.inverse
    gain[[HEADING, YAW_RATE]] = 0.0
    taken = gain @ innovation.cross.T
    return Belief(
        belief.at_s,
        belief.mean + gain @ innovation.residual,
        belief.covariance - taken - taken.T + gain @ innovation.spread @ gain.T,
    )
