"""How much tilt, heading and pixel really vary from frame to frame, learnt from the looks of a drive.

What a mount's calibration and the settings state are assumptions about this vehicle on this road. Looks at
the same damages tell: they must agree on a place. The restricted likelihood of their disagreement
(Patterson and Thompson, Biometrika 58, 1971: places are unknowns without a prior) is weighed on a grid around
what was assumed; the mean over the grid counts, so that few looks change little.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wegewart.geo import Covariance
from wegewart_edge.locate import HEADING, HEIGHT, MIDDLE, TILT, YAW, Located, error_sigmas, turned
from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera

Array = npt.NDArray[np.float64]
DriftVarianceM2 = Callable[[Covariance, float], float]

FRAME_PART = (
    0.9  # a body's pitching outweighs what outlasts it: most of the setting's sigma is new each frame
)
# Factors on what was assumed, and the log-normal sigma of how far that may be off: body pitch of 0.1° on good
# asphalt and 1° on a bad road are both common, a detector's edges are known better.
FRAME_FACTORS, FRAME_LOG_SIGMA = (0.25, 0.5, 0.8, 1.2, 1.7, 2.5, 4.0), 0.8
SLOW_FACTORS, SLOW_LOG_SIGMA = (0.2, 1.0, 2.5), 0.8
PIXEL_FACTORS, PIXEL_LOG_SIGMA = (0.6, 1.0, 1.6), 0.4
HEADING_LENGTHS_M = (3.0, 20.0, 100.0)


@dataclass(frozen=True, slots=True)
class Noise:
    """Sigmas of what passes: tilt of a single frame, slow tilt; and how the pixel sigma is to be scaled.

    The slow tilt and the heading error forget themselves over driven lengths.
    """

    frame_tilt_rad: float
    slow_tilt_rad: float
    slow_length_m: float = (
        20.0  # slopes of streets and the load's sway outlast a body's pitching (1 to 1.5 Hz)
    )
    heading_length_m: float = 20.0
    fall_scale: float = 1.0
    right_scale: float = 1.0

    @classmethod
    def assumed(cls, slope_sigma_deg: float) -> "Noise":
        """Before the drive told anything."""
        sigma_rad = math.radians(slope_sigma_deg)
        return cls(FRAME_PART * sigma_rad, math.sqrt(1 - FRAME_PART**2) * sigma_rad)


class LoggedLook(Protocol):
    """A look as far as its noise is concerned."""

    @property
    def located(self) -> Located:
        """What was read."""

    @property
    def pose(self) -> VehiclePose:
        """From where."""


class LoggedTrack(Protocol):
    """A damage as far as the noise of its looks is concerned."""

    def east_north_from(self, pose: VehiclePose) -> tuple[Array, Array]:
        """Metres east and north of a pose, and covariance."""


@dataclass(frozen=True)
class _Disagreement:
    """Looks (N) of damages (P) seen at least twice: readings less what the damages' places predict.

    `places` (N, P) is how a place's way along or across the view moves a reading, `metres` (N,) the same
    without the damage.
    """

    residual: Array
    places: Array
    metres: Array
    by_error: Array
    noise: Array
    station_m: Array
    frame: Array


def learnt_noise(
    logged: Sequence[tuple[LoggedTrack, LoggedLook]],
    camera: RoadCamera,
    drift_variance_m2: DriftVarianceM2,
    assumed: Noise,
) -> Noise:
    """Sigmas that the looks speak for, on top of what was assumed and how far that may be off.

    What counts is the mean of the variance: looks that tell little leave the mean of what is thought possible
    beforehand, which is more than the settings' middle of it.
    """
    if not logged:
        return assumed
    along, across = _disagreements(logged, camera)
    pose = logged[-1][1].pose
    sigmas = error_sigmas(camera, pose.heading_sigma_deg)
    bias = _bias_kernel(along, pose, drift_variance_m2)
    return _learn_across(_learn_along(assumed, along, sigmas, bias), across, sigmas, bias)


def _learn_along(assumed: Noise, along: _Disagreement, sigmas: Array, bias: Array) -> Noise:
    """Tilt of the frame, slow tilt, and the pixel up and down: what moves places along the view."""
    tilt = np.outer(along.by_error[:, TILT], along.by_error[:, TILT])
    same_frame = along.frame[:, None] == along.frame[None]
    gap_m = np.abs(along.station_m[:, None] - along.station_m[None])
    slow = tilt * np.exp(-gap_m / assumed.slow_length_m) * assumed.slow_tilt_rad**2
    frame = tilt * same_frame * assumed.frame_tilt_rad**2
    fixed = bias * np.outer(along.metres, along.metres)
    for error in (HEIGHT, TILT):
        fixed += sigmas[error] ** 2 * np.outer(along.by_error[:, error], along.by_error[:, error])
    grid = np.array(list(product(FRAME_FACTORS, SLOW_FACTORS, PIXEL_FACTORS)))
    kernels = np.stack([frame, slow, np.diag(along.noise)])
    weights = _weights(along, fixed, kernels, grid, (FRAME_LOG_SIGMA, SLOW_LOG_SIGMA, PIXEL_LOG_SIGMA))
    frame_factor, slow_factor, pixel_factor = np.sqrt(weights @ grid**2)
    return replace(
        assumed,
        frame_tilt_rad=assumed.frame_tilt_rad * float(frame_factor),
        slow_tilt_rad=assumed.slow_tilt_rad * float(slow_factor),
        fall_scale=float(pixel_factor),
    )


def _learn_across(assumed: Noise, across: _Disagreement, sigmas: Array, bias: Array) -> Noise:
    """How long a heading error lasts, and the pixel left and right: what moves places across the view."""
    heading = np.outer(across.by_error[:, HEADING], across.by_error[:, HEADING]) * sigmas[HEADING] ** 2
    gap_m = np.abs(across.station_m[:, None] - across.station_m[None])
    fixed = bias * np.outer(across.metres, across.metres)
    for error in (YAW, MIDDLE):
        fixed += sigmas[error] ** 2 * np.outer(across.by_error[:, error], across.by_error[:, error])
    lasting = [heading * np.exp(-gap_m / length_m) for length_m in HEADING_LENGTHS_M]
    kernels = np.stack([*lasting, np.diag(across.noise)])
    grid = np.array(
        [[*lasts, factor] for lasts, factor in product(np.eye(len(HEADING_LENGTHS_M)), PIXEL_FACTORS)]
    )
    weights = _weights(across, fixed, kernels, grid, (*(math.inf,) * len(HEADING_LENGTHS_M), PIXEL_LOG_SIGMA))
    length_m = math.exp(float(weights @ (grid[:, :-1] @ np.log(HEADING_LENGTHS_M))))
    pixel_factor = math.sqrt(float(weights @ grid[:, -1] ** 2))
    return replace(assumed, heading_length_m=length_m, right_scale=pixel_factor)


def _weights(
    looks: _Disagreement, fixed: Array, kernels: Array, grid: Array, log_sigmas: tuple[float, ...]
) -> Array:
    """Weight of each row of factors in a grid (G, K): restricted likelihood times log-normal prior."""
    covariances = fixed + np.tensordot(grid**2, kernels, axes=1)
    asked = np.column_stack([looks.places, looks.residual])
    answered = asked.T @ np.linalg.solve(covariances, asked)
    of_places, towards = answered[:, :-1, :-1], answered[:, :-1, -1:]
    misfit = answered[:, -1, -1] - (towards * np.linalg.solve(of_places, towards)).sum(axis=(1, 2))
    log_weights = -0.5 * (misfit + _log_determinants(covariances) + _log_determinants(of_places))
    with np.errstate(divide="ignore"):
        off = np.where(np.isinf(log_sigmas), 0.0, np.log(np.maximum(grid, 1e-12)) / log_sigmas)
    log_weights -= 0.5 * (off**2).sum(axis=1)
    weights = np.exp(log_weights - log_weights.max())
    normed: Array = weights / weights.sum()
    return normed


def _log_determinants(covariances: Array) -> Array:
    roots = np.linalg.cholesky(covariances).diagonal(axis1=1, axis2=2)
    logarithms: Array = 2 * np.log(roots).sum(axis=1)
    return logarithms


def _bias_kernel(looks: _Disagreement, pose: VehiclePose, drift_variance_m2: DriftVarianceM2) -> Array:
    """Covariance (N, N) of the poses' errors per axis: what drifts on the way, and what is new with each."""
    white2_m2 = drift_variance_m2(pose.cov_gnss, 0.0)
    way_m = looks.station_m - looks.station_m.min(initial=math.inf)
    drifted = np.array([drift_variance_m2(pose.cov_gnss, float(each)) - white2_m2 for each in way_m])
    kernel = np.minimum(drifted[:, None], drifted[None])
    same_frame = looks.frame[:, None] == looks.frame[None]
    bias: Array = kernel + same_frame * white2_m2 / 2
    return bias


def _disagreements(
    logged: Sequence[tuple[LoggedTrack, LoggedLook]], camera: RoadCamera
) -> tuple[_Disagreement, _Disagreement]:
    """Disagreement in fall (along the view) and to the right (across it)."""
    times_seen: dict[int, int] = {}
    for track, _ in logged:
        times_seen[id(track)] = times_seen.get(id(track), 0) + 1
    again = [(track, look) for track, look in logged if times_seen[id(track)] > 1]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(id(track) for track, _ in again))}
    count = len(again)
    predicted, places = np.zeros((count, 2)), np.zeros((count, len(numbers)))
    for row, (track, look) in enumerate(again):
        predicted[row] = _predicted_slopes(track, look, camera)
        places[row, numbers[id(track)]] = 1.0
    located = [look.located for _, look in again]
    station_m = np.array([look.pose.station_m for _, look in again])
    height_m = camera.camera.mount.height_m
    read = np.array([each.slopes for each in located]).reshape(-1, 2)
    by_error = np.array([each.by_error for each in located]).reshape(-1, 2, 6)
    noise = np.array([each.noise for each in located]).reshape(-1, 2, 2)
    fall = predicted[:, 0]
    found = []
    for axis, metres in ((0, -(fall**2) / height_m), (1, fall / height_m)):
        found.append(
            _Disagreement(
                residual=read[:, axis] - predicted[:, axis],
                places=places * metres[:, None],
                metres=metres,
                by_error=by_error[:, axis],
                noise=noise[:, axis, axis],
                station_m=station_m,
                frame=station_m,
            )
        )
    return found[0], found[1]


def _predicted_slopes(track: LoggedTrack, look: LoggedLook, camera: RoadCamera) -> Array:
    mount, pose = camera.camera.mount, look.pose
    foot_east_m, foot_north_m = turned(pose.heading_deg, mount.forward_m, mount.right_m)
    east_m, north_m = track.east_north_from(pose)[0].tolist()
    viewing_deg = pose.heading_deg + mount.yaw_right_deg
    ahead_m, right_m = turned(viewing_deg, east_m - foot_east_m, north_m - foot_north_m)
    return np.array([mount.height_m / ahead_m, right_m / ahead_m])
