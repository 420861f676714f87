"""The adjustment of a mount to road points that stay where they are while the vehicle advances.

One least-squares solution over all pairs of frames. Unknown are the mount (tilt, roll, yaw, height), how each
frame's pitch, roll and heading stray from it, and how far the camera went between the frames of each pair.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wegewart_edge.calibration.road_motion import (
    Array,
    Motion,
    Pair,
    RoadPoints,
    back_to_rays,
    on_road,
    turned,
)

PITCH_SIGMA, ROLL_SIGMA = math.radians(0.4), math.radians(0.3)  # a car on its springs, from frame to frame
SUM_SIGMA = math.radians(0.02)  # what all frames share belongs to the mount
HEIGHT_START_SIGMA = 0.3  # of the rough height's logarithm: a hint, so that a drive without scale is solvable
START_SIGMA_PX, LEAST_SIGMA_PX = 1.0, 0.3
NOISE_ROUNDS = 3  # the noise of the matches is not known before they are adjusted
MOST_STEPS, CONVERGED, MOST_DAMPING = 30, 1e-7, 1e6
JACKKNIFE_BLOCKS = 10
DERIVATIVE_STEP = 1e-6  # rad, metres and log metres alike
MOUNT, FRAME, MOVE = 4, 3, 2  # unknowns of each
ARGUMENTS = 9  # of one point: tilt, roll, yaw in both frames, log height, advance, sideways


class Adjustment:
    """Least squares over all pairs, with large residuals growing slowly (soft L1)."""

    def __init__(
        self, pairs: Sequence[Pair], points: Sequence[RoadPoints], frame_count: int, focal_px: float
    ) -> None:
        self._pairs, self._frame_count, self._focal_px = pairs, frame_count, focal_px
        self._first = np.concatenate([each.first for each in points])
        self._second = np.concatenate([each.second for each in points])
        self._pair = np.concatenate([np.full(len(each.first), each.pair) for each in points])
        self._frames = np.array([(pairs[number].first, pairs[number].second) for number in self._pair])
        self._turn = np.array([pairs[number].turn_rad for number in self._pair])
        self._moves_at = MOUNT + FRAME * frame_count
        self._unknown_of = self._place_arguments()

    def solve(self, angles_rad: Array, height_m: float) -> Motion:
        """Mount, frames and moves from a rough mount: tilt, roll and yaw (3,), and height."""
        moves = [(pair.advance_m, pair.sideways_m) for pair in self._pairs]
        still = np.zeros(FRAME * self._frame_count)
        start = np.concatenate([angles_rad, [math.log(height_m)], still, np.ravel(moves)])
        unknowns, sigma_px = start, START_SIGMA_PX
        for _ in range(NOISE_ROUNDS):
            unknowns = self._descend(unknowns, start, sigma_px)
            sigma_px = self._noise_px(unknowns)
        return self._motion(self._descend(unknowns, start, sigma_px), start, sigma_px)

    def residuals_px(self, motion: Motion) -> Array:
        """Where the first frame's points should stand in the second, minus where they do, (N, 2)."""
        return self._transfer_px(self._arguments(_unknowns(motion)))

    def road_residuals_m(self, motion: Motion, *, one_mount: bool = False) -> Array:
        """Places by the second frame minus those by the first, (N, 2) along and across.

        Args:
            one_mount: As if every frame had the mount's angles, which is all that drive.toml can say; the
                move of each pair is then the median of its points.
        """
        frames = np.zeros_like(motion.frames) if one_mount else motion.frames
        arguments = self._arguments(_unknowns(replace(motion, frames=frames)))
        height_m = np.exp(arguments[:, 6])
        here = turned(on_road(self._second, arguments[:, 3:6], height_m), -self._turn)
        apart_m = here - on_road(self._first, arguments[:, :3], height_m)
        if not one_mount:
            return np.asarray(apart_m + arguments[:, 7:])
        for number in np.unique(self._pair):
            chosen = self._pair == number
            apart_m[chosen] -= np.median(apart_m[chosen], axis=0)
        return np.asarray(apart_m)

    def _descend(self, unknowns: Array, start: Array, sigma_px: float) -> Array:
        """Levenberg's steps until they no longer matter."""
        damping, cost = 1e-4, self._cost(unknowns, start, sigma_px)
        for _ in range(MOST_STEPS):
            rows, residuals, _ = self._system(unknowns, start, sigma_px)
            normal, gradient = rows.T @ rows, rows.T @ residuals
            tried = math.inf
            step: Array = np.zeros_like(unknowns)
            while not tried <= cost and damping < MOST_DAMPING:
                damped = normal + damping * np.diag(np.diag(normal))
                step = np.asarray(np.linalg.solve(damped, -gradient), np.float64)
                tried = self._cost(unknowns + step, start, sigma_px)
                damping *= 10
            if not tried <= cost:
                break
            unknowns, gained = unknowns + step, cost - tried
            cost, damping = tried, damping / 100
            if gained < CONVERGED * cost:
                break
        return unknowns

    def _motion(self, unknowns: Array, start: Array, sigma_px: float) -> Motion:
        rows, residuals, pair_of_row = self._system(unknowns, start, sigma_px)
        normal = rows.T @ rows
        return Motion(
            mount=unknowns[:MOUNT],
            frames=unknowns[MOUNT : self._moves_at].reshape(-1, FRAME),
            moves=unknowns[self._moves_at :].reshape(-1, MOVE),
            covariance=np.asarray(np.linalg.inv(normal)[:MOUNT, :MOUNT], np.float64),
            jackknife=_jackknife(rows, residuals, pair_of_row, normal),
            sigma_px=sigma_px,
        )

    def _system(
        self, unknowns: Array, start: Array, sigma_px: float
    ) -> tuple[Array, Array, npt.NDArray[np.int64]]:
        """Rows, residuals and each row's pair (-1: none), all in units of their sigma."""
        arguments = self._arguments(unknowns)
        seen = self._transfer_px(arguments)
        weights = self._weights(arguments, seen, sigma_px)
        rows = np.zeros((len(seen), 2, len(unknowns)))
        every = np.arange(len(seen))
        for argument in range(ARGUMENTS):
            step = np.zeros(ARGUMENTS)
            step[argument] = DERIVATIVE_STEP
            change = self._transfer_px(arguments + step) - self._transfer_px(arguments - step)
            for unknown in self._unknown_of[argument]:
                rows[every, :, unknown] += change / (2 * DERIVATIVE_STEP)
        seen_rows = (rows * weights[:, :, None]).reshape(2 * len(seen), -1)
        expected_rows, expected, expected_pairs = self._expectations(unknowns, start)
        return (
            np.concatenate([seen_rows, expected_rows]),
            np.concatenate([(seen * weights).ravel(), expected]),
            np.concatenate([np.repeat(self._pair, 2), expected_pairs]),
        )

    def _place_arguments(self) -> list[list[npt.NDArray[np.int64]]]:
        """For each argument the unknowns that it is the sum of, as one number per point."""
        count = len(self._pair)
        shared = [[np.full(count, number)] for number in range(MOUNT)]
        first, second = MOUNT + FRAME * self._frames.T
        move = self._moves_at + MOVE * self._pair
        in_frames = [[*shared[angle], frame + angle] for frame in (first, second) for angle in range(FRAME)]
        return [*in_frames, shared[3], [move], [move + 1]]

    def _arguments(self, unknowns: Array) -> Array:
        """Arguments (N, 9) of every point."""
        return np.column_stack([sum(unknowns[place] for place in places) for places in self._unknown_of])

    def _transfer_px(self, arguments: Array) -> Array:
        """Each point's place in the second frame as the first one predicts it, minus where it is, (N, 2)."""
        height_m = np.exp(arguments[:, 6])
        road_m = turned(on_road(self._first, arguments[:, :3], height_m) - arguments[:, 7:], self._turn)
        predicted = back_to_rays(np.column_stack([road_m, height_m]), *arguments[:, 3:6].T)
        return np.asarray((predicted - self._second)[:, :2] * self._focal_px)

    def _weights(self, arguments: Array, seen_px: Array, sigma_px: float) -> Array:
        """One over sigma, (N, 2), less for what is far off; a spot that comes nearer grows, its error too."""
        height_m = np.exp(arguments[:, 6])
        far_m = on_road(self._first, arguments[:, :3], height_m)[:, 0]
        near_m = np.maximum(far_m - arguments[:, 7], 0.5)
        across = far_m / near_m
        down = (far_m**2 + height_m**2) / (near_m**2 + height_m**2)
        sigmas = sigma_px * np.sqrt(1 + np.column_stack([across, down]) ** 2)
        return np.asarray(1 / sigmas / (1 + (seen_px / sigmas) ** 2) ** 0.25)

    def _noise_px(self, unknowns: Array) -> float:
        """Sigma of one match in one frame, from the median residual."""
        arguments = self._arguments(unknowns)
        seen = self._transfer_px(arguments)
        plain = self._weights(arguments, np.zeros_like(seen), 1.0)
        return max(1.4826 * float(np.median(np.abs(seen * plain))), LEAST_SIGMA_PX)

    def _cost(self, unknowns: Array, start: Array, sigma_px: float) -> float:
        arguments = self._arguments(unknowns)
        seen = self._transfer_px(arguments)
        scaled = seen * self._weights(arguments, np.zeros_like(seen), sigma_px)
        _, expected, _ = self._expectations(unknowns, start)
        cost = float((2 * (np.sqrt(1 + scaled**2) - 1)).sum() + (expected**2).sum())
        return cost if math.isfinite(cost) else math.inf

    def _expectations(self, unknowns: Array, start: Array) -> tuple[Array, Array, npt.NDArray[np.int64]]:
        """Rows, residuals and pairs of what is known beforehand, in units of sigma."""
        frames = np.arange(self._frame_count)
        heading = np.full(self._frame_count, min(pair.heading_sigma_rad for pair in self._pairs))
        sigmas = np.full(len(unknowns), math.inf)
        sigmas[3] = HEIGHT_START_SIGMA
        for angle, sigma in enumerate((PITCH_SIGMA, ROLL_SIGMA, heading)):
            sigmas[MOUNT + FRAME * frames + angle] = sigma
        sigmas[self._moves_at :: MOVE] = [pair.advance_sigma_m for pair in self._pairs]
        sigmas[self._moves_at + 1 :: MOVE] = [pair.sideways_sigma_m for pair in self._pairs]
        known = np.flatnonzero(np.isfinite(sigmas))
        rows = np.eye(len(unknowns))[known] / sigmas[known, None]
        sums = np.zeros((FRAME, len(unknowns)))
        for angle in range(FRAME):
            sums[angle, MOUNT + FRAME * frames + angle] = 1 / (SUM_SIGMA * self._frame_count)
        every = np.concatenate([rows, sums])
        pairs = np.where(known >= self._moves_at, (known - self._moves_at) // MOVE, -1)
        return every, every @ (unknowns - start), np.append(pairs, [-1] * FRAME)


def _unknowns(motion: Motion) -> Array:
    return np.concatenate([motion.mount, motion.frames.ravel(), motion.moves.ravel()])


def _jackknife(rows: Array, residuals: Array, pair_of_row: npt.NDArray[np.int64], normal: Array) -> Array:
    """Sigmas (4,) of the mount from leaving out one stretch of the drive after the other, linearised."""
    pairs = np.unique(pair_of_row[pair_of_row >= 0])
    blocks = np.array_split(pairs, max(min(JACKKNIFE_BLOCKS, len(pairs) // 2), 2))
    shifts = []
    for block in blocks:
        out = np.isin(pair_of_row, block)
        without = normal - rows[out].T @ rows[out]
        loose = np.diag(without) < 1e-9 * np.diag(normal)  # the moves of pairs that are left out
        without[np.ix_(loose, loose)] = np.eye(int(loose.sum()))
        shifts.append(np.linalg.solve(without, -(rows[~out].T @ residuals[~out]))[:MOUNT])
    spread = np.array(shifts) - np.mean(shifts, axis=0)
    return np.asarray(np.sqrt((len(blocks) - 1) / len(blocks) * (spread**2).sum(axis=0)))
