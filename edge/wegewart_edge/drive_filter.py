"""Forward pass over a drive: the Kalman filter step by step, with what it does when a receiver misbehaves.

A fix that lies beyond the gate is left out. When fixes stay there and agree among themselves for
`jump_after_s`, the jump is real: first the receiver's bias is forgotten (it found other satellites), and
where that does not explain it, a new stretch begins, which no smoothing ties to the one before. The same
holds after a gap of more than `max_gap_s`.
"""

import math
from dataclasses import replace

import numpy as np

from wegewart_edge.manoeuvre import HEADING_FROM_MPS, landed, manoeuvres
from wegewart_edge.motion_model import (
    BIAS_EAST,
    BIAS_NORTH,
    EAST,
    HEADING,
    NORTH,
    SIZE,
    SPEED,
    Array,
    Belief,
    Innovation,
    MotionModel,
    ReceiverNoise,
    updated,
    updated_without_turning,
)
from wegewart_edge.sensors import LeverArm, MotionAt, PlacedFix, Sensors
from wegewart_edge.settings import PoseSettings
from wegewart_edge.stretch import UNKNOWN_HEADING_RAD, Knot, Start, Stretch

STEP_S = 0.25  # longest prediction step: at 0.2 rad/s a heading turns 3° within it
OUTLIER_COST = 3.0  # gates: what one outlier may add to the surprise, lest noise be chosen that leaves many
GATE_1D = 10.8  # 99.9 % of a line
FIRST_SIGMAS, FIRST_LEAST_M = 10.0, 5.0  # of the first place: so wide that the first fix decides
COURSES_AGAINST = 5  # so many courses in a row beyond the gate: the heading is wrong, not the receiver
WHEELS_COUNT_S = 1.0  # wheels heard so recently make the receiver's speed, which lags, superfluous
RESTART_SIGMA_RAD, RESTART_SIGMA_MPS = math.radians(30.0), 3.0


class DriveFilter:
    """One drive from its first reading to its last, in order of time."""

    def __init__(self, settings: PoseSettings, lever: LeverArm, noise: ReceiverNoise) -> None:
        self._settings = settings
        self._lever = lever
        self._model = MotionModel(settings)
        self._sensors = Sensors(settings, lever, noise)
        self.against: list[PlacedFix] = []
        """Latest fixes beyond the gate, one after the other."""
        self._courses_against = 0
        self._wheels_at_s = self._velocity_at_s = -math.inf
        self._changed: tuple[Belief, Array] | None = None
        self.surprise = 0.0
        """Twice the negative log likelihood of all readings of the receiver so far, outliers clipped."""

    def use_noise(self, noise: ReceiverNoise) -> None:
        """From now on take the receiver to be so noisy."""
        self._sensors = Sensors(self._settings, self._lever, noise)

    def begin(self, start: Start, *, after_gap: bool) -> Stretch:
        """A stretch that holds its first fix."""
        self.against, self._courses_against, self._changed = [], 0, None
        fix = start.placed.fix
        arm_east_m, arm_north_m = self._lever.east_north_m(start.heading_rad)
        mean, sigma = np.zeros(SIZE), np.ones(SIZE)
        mean[[EAST, NORTH, HEADING, SPEED]] = (
            start.placed.east_m - arm_east_m,
            start.placed.north_m - arm_north_m,
            start.heading_rad,
            start.speed_mps,
        )
        sigma[:SIZE] = (
            max(FIRST_SIGMAS * fix.sigma_east_m, FIRST_LEAST_M),
            max(FIRST_SIGMAS * fix.sigma_north_m, FIRST_LEAST_M),
            start.heading_sigma_rad,
            start.speed_sigma_mps,
            self._settings.acceleration_sigma_mps2,
            0.05,
            math.radians(self._settings.gyro_bias_sigma_dps),
            self._settings.wheel_scale_sigma,
            1.0,
            1.0,
            1.0,
        )
        belief = Belief(start.placed.at_s, mean, np.diag(sigma**2))
        belief = updated(belief, self._sensors.position(belief, start.placed))
        return Stretch([Knot(belief)], [start.placed], after_gap=after_gap, heading_known=start.heading_known)

    def restart(self, stretch: Stretch, placed: PlacedFix) -> Start:
        """A start elsewhere with the heading and speed that were known here."""
        belief = self.advance(stretch, placed.at_s)
        heading_sigma_rad = math.sqrt(float(belief.covariance[HEADING, HEADING]))
        return Start(
            placed,
            float(belief.mean[HEADING]),
            min(heading_sigma_rad + RESTART_SIGMA_RAD, UNKNOWN_HEADING_RAD / 2),
            float(belief.mean[SPEED]),
            math.sqrt(float(belief.covariance[SPEED, SPEED])) + RESTART_SIGMA_MPS,
        )

    def advance(self, stretch: Stretch, to_s: float) -> Belief:
        """Prediction at a later moment; steps on the way become knots."""
        belief = stretch.knots[-1].belief
        steps = max(math.ceil((to_s - belief.at_s) / STEP_S - 1e-9), 1)
        from_s = belief.at_s
        for step in range(1, steps + 1):
            belief, _ = self._model.predicted(belief, from_s + (to_s - from_s) * step / steps)
            if step < steps:
                stretch.knots.append(Knot(belief))
        return belief

    def take_motion(self, stretch: Stretch, motion: MotionAt) -> None:
        """Wheels and gyro."""
        belief = self.advance(stretch, motion.at_s)
        if motion.speed_mps is not None:
            self._wheels_at_s = motion.at_s
        readings = [self._sensors.wheel_speed, self._sensors.gyro]
        for reading in readings:
            innovation = reading(belief, motion)
            if innovation is not None and innovation.distance2 < GATE_1D:
                belief = updated(belief, innovation)
        if motion.speed_mps == 0.0:
            belief = updated(belief, self._sensors.no_turn(belief))
        stretch.knots.append(Knot(belief))

    def take_fix(self, stretch: Stretch, placed: PlacedFix) -> bool:
        """Position, course and speed of a fix; False where it starts a new stretch instead."""
        predicted = self.advance(stretch, placed.at_s)
        self._changed = None
        other_kind = placed.fix.fix is not stretch.used[-1].fix.fix
        # another kind of solution errs in its own way
        belief = self._bias_forgotten(stretch, predicted) if other_kind else predicted
        accepted = self._position(stretch, belief, placed)
        if accepted is None:
            return False
        belief = accepted
        if not self.against:
            belief = self._velocity(belief, placed)
        elif other_kind:  # an outlier says nothing of its kind
            belief, self._changed = predicted, None
        stretch.knots.append(Knot(belief, self._changed))
        return True

    def _position(self, stretch: Stretch, belief: Belief, placed: PlacedFix) -> Belief | None:
        """Belief after the position, or as it was where that is an outlier; None after a real jump."""
        gate = self._settings.outlier_gate
        innovation = self._sensors.position(belief, placed)
        self._count(innovation, gate)
        if innovation.distance2 >= gate:
            for suspected in manoeuvres(
                belief,
                placed,
                stretch.used[-1].at_s,
                wheels_heard=placed.at_s - self._wheels_at_s <= WHEELS_COUNT_S,
            ):
                innovation = self._sensors.position(suspected, placed)
                if innovation.distance2 < gate:
                    belief = self._as_changed(stretch, suspected)
                    break
            else:
                return self._outlier(stretch, belief, placed)
        self.against = []
        stretch.used.append(placed)
        if abs(float(belief.mean[SPEED])) < HEADING_FROM_MPS:
            return updated_without_turning(belief, innovation)
        return updated(belief, innovation)

    def _outlier(self, stretch: Stretch, belief: Belief, placed: PlacedFix) -> Belief | None:
        self.against.append(placed)
        stretch.left_out += 1
        agreeing = landed(self.against, self._settings.jump_after_s)
        if not agreeing:
            return belief
        self.against = agreeing
        forgotten = self._bias_forgotten(stretch, belief)
        innovation = self._sensors.position(forgotten, placed)
        if innovation.distance2 >= self._settings.outlier_gate:
            return None
        self.against = []
        stretch.used.append(placed)
        return updated(forgotten, innovation)

    def _as_changed(self, stretch: Stretch, belief: Belief) -> Belief:
        """The belief, noted for the smoother as what the measurements met."""
        if self._changed is None:
            _, transition = self._model.predicted(stretch.knots[-1].belief, belief.at_s)
        else:
            transition = self._changed[1]
        self._changed = (belief, transition)
        return belief

    def _velocity(self, belief: Belief, placed: PlacedFix) -> Belief:
        since_s = placed.at_s - self._velocity_at_s
        self._velocity_at_s = placed.at_s
        course = self._sensors.course(belief, placed.fix, since_s)
        if course is not None:
            belief = self._course(belief, course)
        if placed.at_s - self._wheels_at_s <= WHEELS_COUNT_S:
            return belief
        speed = self._sensors.receiver_speed(belief, placed.fix, since_s)
        if speed is not None:
            self._count(speed, GATE_1D)
            if speed.distance2 < GATE_1D:
                belief = updated(belief, speed)
        if placed.standing:
            standing = self._sensors.standing(belief)
            if standing.distance2 < GATE_1D:
                belief = updated(belief, standing)
                belief = updated(belief, self._sensors.no_turn(belief))
        return belief

    def _course(self, belief: Belief, course: Innovation) -> Belief:
        self._count(course, GATE_1D)
        if course.distance2 < GATE_1D:
            self._courses_against = 0
            return updated(belief, course)
        self._courses_against += 1
        if self._courses_against >= COURSES_AGAINST and self._changed is None:
            self._courses_against = 0
            covariance = belief.covariance.copy()
            covariance[HEADING, HEADING] += UNKNOWN_HEADING_RAD**2
            return replace(belief, covariance=covariance)
        return belief

    def _bias_forgotten(self, stretch: Stretch, belief: Belief) -> Belief:
        """The receiver's bias drawn anew: mean 0, sigma 1, independent of all else."""
        mean, covariance = belief.mean.copy(), belief.covariance.copy()
        rows = [BIAS_EAST, BIAS_NORTH]
        mean[rows] = 0.0
        covariance[rows, :] = covariance[:, rows] = 0.0
        covariance[rows, rows] = 1.0
        changed = self._as_changed(stretch, replace(belief, mean=mean, covariance=covariance))
        if self._changed is not None:
            self._changed[1][rows, :] = 0.0
        return changed

    def _count(self, innovation: Innovation, gate: float) -> None:
        self.surprise += math.log(innovation.determinant) + min(innovation.distance2, OUTLIER_COST * gate)
