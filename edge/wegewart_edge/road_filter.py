"""One joint estimate of the tracks in view and of the errors that their looks share.

A damage lies still while the vehicle advances. What its looks contradict each other by therefore tells the
tilt of each frame, and over many damages the errors of the mount; and what cannot be told stays in the
covariance of every damage, with its correlations. An extended Kalman filter over

    drive-wide errors: height, tilt, roll, yaw of the mount, where the middle of a box lies
    passing errors:    heading, slow tilt (slope, load), tilt of this frame (pitching)
    damages in view:   logarithm of the fall, and way to the right, per metre ahead of the vehicle's pose

A look reads slopes, and tilt adds to the fall at any distance: unlike metres, slopes are as sure far as near
(Civera, Davison, Montiel, IEEE T-RO 24(5), 2008, on inverse depth). Of the fall the logarithm is
kept: what a first look's error of 10 % does to the sigma of the range on the way to the last look cancels
there, while damages kept by their fall itself end 0.1 m too far at 0.5° of pitching. Damages that are passed
leave the state; their errors stay where they belong. Formulas: docs/frames.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dgesv

from wegewart_edge.locate import HEADING, HEIGHT, MIDDLE, ROLL, TILT, YAW, Located, error_sigmas
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tilt import FrameTilt, MeasuredTilt
from wegewart_edge.tilt_noise import Noise

Array = npt.NDArray[np.float64]

SLOW, FRAME = 6, 7  # columns behind those of Located.by_error
HEAD = 8
TILTS = [TILT, SLOW, FRAME]
DRIVE_WIDE = np.array([HEIGHT, TILT, ROLL, YAW, MIDDLE])  # what later damages still tell of earlier ones
DRIVE_WIDE_PAIRS = np.ix_(DRIVE_WIDE, DRIVE_WIDE)
LEAST_FALL = 1e-3  # of a slope: further than any road in view
LEAST_VARIANCE = 1e-15  # of the largest: less is what rounding leaves of none
ITERATIONS = 2  # of an update: a third changes nothing above a millimetre
HEAD_COLUMNS = np.array([HEIGHT, TILT, ROLL, YAW, HEADING, MIDDLE, TILT, TILT])  # of Located.by_error
HEAD_AT = np.arange(HEAD)
TILT_SUM = np.isin(HEAD_AT, TILTS).astype(float)
RIGHT = np.diag([0.0, 1.0])


@dataclass(frozen=True, slots=True)
class Step:
    """What happened between two frames, in viewing axes of the earlier one: metres ahead and right, rad.

    `drift_m2` is the variance per axis of the pose's error that was added on the way, `white_m2` that of a
    single pose's own noise.
    """

    ahead_m: float
    right_m: float
    turn_right_rad: float
    driven_m: float
    drift_m2: float
    white_m2: float


@dataclass(frozen=True)
class Filtered:
    """What the filter knew of one damage at a moment: slopes, covariance (2, 2) of log fall and right.

    With it, for later, how it hung together with the drive-wide errors: `cross` (2, 5), their covariance
    `wide` (5, 5) and estimates (5,) of that moment.
    """

    slopes: Array
    covariance: Array
    cross: Array
    wide: Array
    wide_state: Array

    @property
    def covariance_of_slopes(self) -> Array:
        """Covariance (2, 2) of the slopes themselves."""
        return _of_slopes(self.slopes, self.covariance)


@dataclass(frozen=True)
class Reading:
    """Looks of one frame as the filter takes them: slopes (M, 2), columns (M, 2, 8), noise (M, 2, 2).

    `noise` is what is new with each look: the pixel's as this drive has it, and the pose's own.
    """

    slopes: Array
    by_head: Array
    noise: Array

    def part(self, looks: Sequence[int]) -> "Reading":
        """The same of some looks."""
        chosen = np.array(looks)
        return Reading(self.slopes[chosen], self.by_head[chosen], self.noise[chosen])


class RoadFilter:
    """State and covariance; damages are addressed by their slot, 0 to `count` - 1."""

    def __init__(self, camera: RoadCamera, noise: Noise) -> None:
        self._camera = camera
        self._height_m = camera.camera.mount.height_m
        self.noise = noise
        self.state = np.zeros(HEAD)
        passing = [noise.slow_tilt_rad, noise.frame_tilt_rad]
        # the heading's sigma comes with the first pose
        self.covariance = np.diag(np.concatenate([error_sigmas(camera, 0.0), passing]) ** 2)
        self._mount_sigma_rad = math.radians(camera.camera.mount.tilt_sigma_deg)
        self._white_m2 = 0.0

    @property
    def count(self) -> int:
        """Damages in the state."""
        return (len(self.state) - HEAD) // 2

    @property
    def slopes(self) -> Array:
        """Slopes (count, 2) of the damages."""
        return _slopes(self.state[HEAD:].reshape(-1, 2))

    def of(self, slot: int) -> Filtered:
        """What is known of one damage now."""
        at = HEAD + 2 * slot
        return Filtered(
            _slopes(self.state[at : at + 2]),
            self.covariance[at : at + 2, at : at + 2].copy(),
            self.covariance[at : at + 2, DRIVE_WIDE],
            self.covariance[DRIVE_WIDE_PAIRS],
            self.state[DRIVE_WIDE],
        )

    def smoothed(self, known: Filtered) -> tuple[Array, Array]:
        """Slopes and covariance of a damage, with what was learnt of the drive-wide errors since.

        What came later tells of a passed damage only through them: the backward step of Rauch, Tung and
        Striebel (AIAA Journal 3(8), 1965) over the constant part of the state.
        """
        variances, axes = np.linalg.eigh(known.wide)
        unknown = variances > LEAST_VARIANCE * variances[-1]  # what is known exactly tells nothing
        told = axes[:, unknown]
        gain: Array = known.cross @ (told / variances[unknown]) @ told.T
        now = self.covariance[DRIVE_WIDE_PAIRS]
        moved = gain @ (self.state[DRIVE_WIDE] - known.wide_state)
        slopes: Array = np.array([known.slopes[0] * math.exp(moved[0]), known.slopes[1] + moved[1]])
        covariance: Array = known.covariance + gain @ (now - known.wide) @ gain.T
        return slopes, _of_slopes(slopes, covariance)

    def frame_tilt(self) -> FrameTilt:
        """Tilt of the frame that was taken last."""
        variance = float(TILT_SUM @ self.covariance[:HEAD, :HEAD] @ TILT_SUM)
        prior = math.hypot(self._mount_sigma_rad, self.noise.slow_tilt_rad, self.noise.frame_tilt_rad)
        return FrameTilt(float(TILT_SUM @ self.state[:HEAD]), math.sqrt(max(variance, 0.0)), prior)

    def tilt_unseen(self) -> FrameTilt:
        """Tilt of a frame without looks: what the drive told of the mount, and any slope and pitching."""
        passing = (self.noise.slow_tilt_rad, self.noise.frame_tilt_rad)
        known_sigma_rad = math.sqrt(max(float(self.covariance[TILT, TILT]), 0.0))
        return FrameTilt(
            float(self.state[TILT]),
            math.hypot(known_sigma_rad, *passing),
            math.hypot(self._mount_sigma_rad, *passing),
        )

    def begin(self, heading_sigma_rad: float) -> None:
        """The first frame of a drive."""
        self.covariance[HEADING, HEADING] = heading_sigma_rad**2

    def advance(self, step: Step, heading_sigma_rad: float) -> None:
        """Drive on: damages come nearer, passing errors fade, and a new frame has a tilt of its own."""
        noise = self.noise
        keep_slow = math.exp(-step.driven_m / noise.slow_length_m)
        keep_heading = math.exp(-step.driven_m / noise.heading_length_m)
        moved, by_before, by_metres = self._moved(step)
        kept = np.ones(HEAD)
        kept[SLOW], kept[HEADING], kept[FRAME] = keep_slow, keep_heading, 0.0
        turn = np.zeros_like(self.covariance)
        turn[HEAD_AT, HEAD_AT] = kept
        at = HEAD + np.arange(2 * self.count).reshape(-1, 2)
        turn[at[:, :, None], at[:, None]] = by_before
        covariance: Array = turn @ self.covariance @ turn.T
        covariance[SLOW, SLOW] += (1 - keep_slow**2) * noise.slow_tilt_rad**2
        covariance[HEADING, HEADING] += (1 - keep_heading**2) * heading_sigma_rad**2
        covariance[FRAME, FRAME] = noise.frame_tilt_rad**2
        drift = by_metres.reshape(-1, 2)
        covariance[HEAD:, HEAD:] += step.drift_m2 * drift @ drift.T
        self.state = np.concatenate([self.state[:HEAD] * kept, moved.ravel()])
        self.covariance = covariance
        self._white_m2 = step.white_m2

    def ahead_after_m(self, step: Step) -> tuple[Array, Array]:
        """How far ahead of the camera the damages will be after a step, and the sigma of that, metres."""
        before_m = self._height_m * np.exp(-self.state[HEAD::2])
        cos, sin = math.cos(step.turn_right_rad), math.sin(step.turn_right_rad)
        still_m = step.ahead_m * cos + step.right_m * sin
        after: Array = before_m * (cos + sin * self.state[HEAD + 1 :: 2]) - still_m
        return after, before_m * np.sqrt(self.covariance.diagonal()[HEAD::2])

    def _moved(self, step: Step) -> tuple[Array, Array, Array]:
        """Damages (n, 2) after a step, and their derivatives (n, 2, 2) by what they were and by metres."""
        damages = self.state[HEAD:].reshape(-1, 2).tolist()
        rows = [_after(step, log_fall, right, self._height_m) for log_fall, right in damages]
        after = np.array(rows).reshape(-1, 10)
        return after[:, :2], after[:, 2:6].reshape(-1, 2, 2), after[:, 6:].reshape(-1, 2, 2)

    def reading(self, looks: Sequence[Located]) -> Reading:
        """Looks at this frame as the filter takes them."""
        slopes = np.array([look.slopes for look in looks])
        by_error = np.array([look.by_error for look in looks])
        noise = np.array([look.noise for look in looks])
        scales = np.array([self.noise.fall_scale, self.noise.right_scale])
        per_metre = slopes[:, :1, None] / self._height_m
        # a metre ahead moves the slopes by themselves times `per_metre`, one to the right only the second
        by_pose = slopes[:, :, None] * slopes[:, None, :] + RIGHT
        white = self._white_m2 * per_metre**2 * by_pose
        return Reading(slopes, by_error[:, :, HEAD_COLUMNS], noise * (scales[:, None] * scales) + white)

    def differences(self, reading: Reading) -> tuple[Array, Array, Array]:
        """How far looks lie from predictions, as log fall and right, and what that may be.

        Returns:
            Differences (damages, looks, 2), their covariances (damages, looks, 2, 2), and how one sigma of
            the frame's own tilt moves each look (looks, 2).
        """
        count, looks, by_head, new = self.count, *self._as_state(reading)
        of_looks = by_head @ self.covariance[:HEAD, :HEAD] @ by_head.transpose(0, 2, 1) + new
        blocks = self.covariance[HEAD:, HEAD:].reshape(count, 2, count, 2)
        of_damages = blocks.diagonal(axis1=0, axis2=2).transpose(2, 0, 1)
        cross = self.covariance[HEAD:, :HEAD].reshape(count, 1, 2, HEAD)
        mixed = cross @ by_head.transpose(0, 2, 1)
        covariances = of_damages[:, None] + of_looks + (mixed + mixed.transpose(0, 1, 3, 2))
        differences = looks - self.state[HEAD:].reshape(-1, 1, 2)
        return differences, covariances, by_head[:, :, FRAME] * self.noise.frame_tilt_rad

    def take(self, slots: Sequence[int], reading: Reading) -> None:
        """Update with looks (M) at damages in the state, all of one frame at once: they share its tilt."""
        at, even = HEAD + 2 * np.array(slots), 2 * np.arange(len(slots))
        new = _block_diagonal(reading.noise)
        rows = np.zeros((2 * len(slots), len(self.state)))
        rows[:, :HEAD] = reading.by_head.reshape(-1, HEAD)
        rows[even + 1, at + 1] = 1.0
        surprise = reading.slopes.ravel() - rows @ self.state
        to_fall, guess = surprise[even], self.state
        for _ in range(ITERATIONS):  # the fall's exponential is taken where the look puts it
            rows[even, at] = fall = np.exp(guess[at])
            surprise[even] = to_fall - fall * (1 + self.state[at] - guess[at])
            gain, cross = self._gain(rows, new)
            guess = self.state + gain @ surprise
        self._settle(guess, gain, cross)

    def doubt(self, slots: Sequence[int], differences: Array, wrong: Array) -> None:
        """Widen damages by what their last look may have been wrong: probability times difference squared.

        The spread of the means of probabilistic data association (Bar-Shalom and Tse, Automatica 11, 1975).
        """
        for slot, difference, chance in zip(slots, differences, wrong, strict=True):
            at = slice(HEAD + 2 * slot, HEAD + 2 * slot + 2)
            self.covariance[at, at] += chance * np.outer(difference, difference)

    def m2_per_unit(self, reading: Reading) -> Array:
        """Road area (looks,) per unit of log fall and right where looks meet the road."""
        area_m2: Array = (self._height_m / reading.slopes[:, 0]) ** 2
        return area_m2

    def take_tilt(self, measured: MeasuredTilt) -> None:
        """Update with the tilt of this frame as something else measured it."""
        more_rad = math.radians(measured.tilt_down_deg - self._camera.camera.mount.tilt_down_deg)
        row = np.zeros((1, len(self.state)))
        row[0, TILTS] = 1.0
        gain, cross = self._gain(row, np.array([[math.radians(measured.sigma_deg) ** 2]]))
        self._settle(self.state + gain @ (more_rad - row @ self.state), gain, cross)

    def _gain(self, rows: Array, new: Array) -> tuple[Array, Array]:
        cross = self.covariance @ rows.T
        # np.linalg.solve takes three times as long for so few rows
        _, _, gain, singular = dgesv(rows @ cross + new, cross.T)
        if singular:
            raise np.linalg.LinAlgError("looks without any noise contradict each other")
        return gain.T, cross

    def _settle(self, state: Array, gain: Array, cross: Array) -> None:
        self.state = state
        covariance = self.covariance - gain @ cross.T
        self.covariance = (covariance + covariance.T) / 2

    def add(self, reading: Reading) -> list[int]:
        """Take up damages (M) that were not in the state; their slots."""
        first, size = self.count, len(self.state)
        head = self.covariance[:HEAD]
        looks, by_head, new = self._as_state(reading)
        by_head = by_head.reshape(-1, HEAD)
        cross = -by_head @ head
        covariance = np.zeros((size + len(by_head), size + len(by_head)))
        covariance[:size, :size] = self.covariance
        covariance[size:, :size], covariance[:size, size:] = cross, cross.T
        covariance[size:, size:] = by_head @ head[:, :HEAD] @ by_head.T + _block_diagonal(new)
        self.state = np.concatenate([self.state, looks.ravel()])
        self.covariance = covariance
        return list(range(first, self.count))

    def drop(self, slots: Sequence[int]) -> None:
        """Leave damages out: what they told about the shared errors stays."""
        stays = np.ones(len(self.state), bool)
        stays[HEAD:].reshape(-1, 2)[slots] = False
        self.state = self.state[stays]
        self.covariance = self.covariance[stays][:, stays]

    def _as_state(self, reading: Reading) -> tuple[Array, Array, Array]:
        """Looks (M, 2) as log fall and right, how errors move them (M, 2, 8), and their noise (M, 2, 2)."""
        looks = reading.slopes - reading.by_head @ self.state[:HEAD]
        fall = np.maximum(looks[:, 0], LEAST_FALL)
        looks[:, 0] = np.log(fall)
        by_slopes = np.ones_like(looks)
        by_slopes[:, 0] = 1 / fall
        new = reading.noise * (by_slopes[:, :, None] * by_slopes[:, None, :])
        return looks, by_slopes[:, :, None] * reading.by_head, new


def _after(step: Step, log_fall: float, right: float, height_m: float) -> tuple[float, ...]:
    """A damage's log fall and right after a step, with derivatives: by both, (2, 2), and by metres, (2, 2).

    All in shares of the metres that it was ahead: `ahead` and `aside` in the old axes are left of the way to
    it, `left` ahead in the new ones. There are few damages at a time: plain numbers are quicker than arrays.
    """
    cos, sin = math.cos(step.turn_right_rad), math.sin(step.turn_right_rad)
    per_metre = math.exp(log_fall) / height_m
    driven, drifted = per_metre * step.ahead_m, per_metre * step.right_m
    ahead, aside = 1 - driven, right - drifted
    left = cos * ahead + sin * aside
    new_right = (cos * aside - sin * ahead) / left
    fall_by_ahead, fall_by_aside = -cos / left, -sin / left
    right_by_ahead, right_by_aside = (-sin - new_right * cos) / left, (cos - new_right * sin) / left
    return (
        *(log_fall - math.log(left), new_right),
        *(1 - driven * fall_by_ahead - drifted * fall_by_aside, fall_by_aside),
        *(-driven * right_by_ahead - drifted * right_by_aside, right_by_aside),
        *(per_metre * fall_by_ahead, per_metre * fall_by_aside),
        *(per_metre * right_by_ahead, per_metre * right_by_aside),
    )


def _block_diagonal(blocks: Array) -> Array:
    count = len(blocks)
    full = np.zeros((count, 2, count, 2))
    full[np.arange(count), :, np.arange(count), :] = blocks
    return full.reshape(2 * count, 2 * count)


def _slopes(logarithmic: Array) -> Array:
    """Slopes (…, 2) of log fall and right."""
    slopes = logarithmic.copy()
    slopes[..., 0] = np.exp(logarithmic[..., 0])
    return slopes


def _of_slopes(slopes: Array, covariance: Array) -> Array:
    """Covariance (2, 2) of slopes from that of log fall and right."""
    by_state = np.array([slopes[0], 1.0])
    of_slopes: Array = covariance * np.outer(by_state, by_state)
    return of_slopes
