"""Several drives over one street: where the vehicle really was, how it stood, what its receiver said."""

from dataclasses import dataclass

import numpy as np

from simulation.setting import DriveSetting, GnssSetting, PitchKind, Setting
from simulation.world import Array, Street, Waves

WAY_STEP_M = 0.5  # of the table from way to time


@dataclass(frozen=True)
class Motion:
    """True motion of P drives at N moments each, all (P, N): the reference point on the road."""

    time_s: Array
    way_m: Array
    east_m: Array
    north_m: Array
    heading_rad: Array
    speed_mps: Array
    path_m: Array  # driven since the drive's beginning


@dataclass(frozen=True)
class Shake:
    """How the camera really stood at each frame, (P, N), in the terms of the mount."""

    tilt_down_rad: Array
    roll_right_rad: Array
    yaw_right_rad: Array
    height_m: Array
    stamped_s: Array  # what the frame's stamp says


@dataclass(frozen=True)
class Fixes:
    """What the receiver said, (P, K): position of the antenna, course and speed; and its true bias there."""

    time_s: Array
    east_m: Array
    north_m: Array
    course_rad: Array
    speed_mps: Array
    bias_m: Array  # (P, K, 2), east and north
    noise_m: Array  # (P, K, 2)


@dataclass(frozen=True)
class Drives:
    """P drives over one street."""

    frames: Motion
    shake: Shake
    fixes: Fixes

    def bias_at(self, number: int, time_s: Array) -> Array:
        """True bias (N, 2) of the receiver in one drive."""
        fixes = self.fixes
        return np.column_stack(
            [np.interp(time_s, fixes.time_s[number], fixes.bias_m[number, :, axis]) for axis in (0, 1)]
        )


def draw_drives(street: Street, setting: Setting, random: np.random.Generator) -> Drives:
    """All passes over a street, each with errors of its own."""
    driver = _Driver(street, setting, random)
    margin_m = street.setting.margin_m
    first_m = random.uniform(0, setting.drive.frame_spacing_m, (setting.passes, 1)) - margin_m
    count = int((street.setting.length_m + margin_m) / setting.drive.frame_spacing_m)
    frames = driver.at_way(first_m + np.arange(count) * setting.drive.frame_spacing_m)
    begin_s, end_s = frames.time_s[:, :1] - 1.0, frames.time_s[:, -1:] + 1.0
    steps = np.arange(int(np.ceil((end_s - begin_s).max() * setting.gnss.rate_hz)) + 1)
    at_fixes = driver.at_time(begin_s + steps / setting.gnss.rate_hz)
    return Drives(frames, _shake(frames, setting, random), _fixes(at_fixes, setting, random))


class _Driver:
    """Way, place and heading of each pass over time."""

    def __init__(self, street: Street, setting: Setting, random: np.random.Generator) -> None:
        drive = setting.drive
        self._street = street
        self._wander = Waves.draw(drive.wander_m, drive.wander_waves_m, random, setting.passes)
        swing = Waves.draw(drive.speed_swing / 2, (80.0, 300.0), random, setting.passes)
        table_m = np.arange(street.grid_m[0], street.grid_m[-1], WAY_STEP_M)
        self._table_m = np.broadcast_to(table_m, (setting.passes, len(table_m)))
        self._table_mps = drive.speed_mps * (1 + np.clip(swing.at(self._table_m)[0], -0.5, 0.5))
        slowness = 1 / self._table_mps
        steps_s = (slowness[:, 1:] + slowness[:, :-1]) / 2 * WAY_STEP_M
        self._table_s = np.concatenate([np.zeros((setting.passes, 1)), np.cumsum(steps_s, axis=1)], axis=1)

    def at_way(self, way_m: Array) -> Motion:
        return self._motion(way_m, _interpolate(way_m, self._table_m, self._table_s))

    def at_time(self, time_s: Array) -> Motion:
        return self._motion(_interpolate(time_s, self._table_s, self._table_m), time_s)

    def _motion(self, way_m: Array, time_s: Array) -> Motion:
        right_m, drift = self._wander.at(way_m)
        east_m, north_m = self._street.place(way_m, right_m)
        bend = self._street.turn.at(way_m)[
            1
        ]  # of the lane, per metre: right of the middle the way is shorter
        stretch = np.hypot(1 - right_m * bend, drift)
        return Motion(
            time_s=time_s,
            way_m=way_m,
            east_m=east_m,
            north_m=north_m,
            heading_rad=self._street.heading_rad(way_m) + np.arctan2(drift, 1 - right_m * bend),
            speed_mps=_interpolate(way_m, self._table_m, self._table_mps) * stretch,
            path_m=way_m - way_m[:, :1],
        )


def _interpolate(at: Array, known: Array, values: Array) -> Array:
    return np.stack([np.interp(*row) for row in zip(at, known, values, strict=True)])


def _shake(frames: Motion, setting: Setting, random: np.random.Generator) -> Shake:
    """Mount as stated, plus what its calibration missed, its slow drift, and the body on its springs."""
    mount, drive, passes = setting.camera.mount, setting.drive, setting.passes
    vehicles = passes if setting.mount_per_drive else 1

    def missed(sigma: float) -> Array:
        return np.broadcast_to(random.normal(0, sigma, (vehicles, 1)), (passes, 1))

    tilt_deg = (
        mount.tilt_down_deg
        + missed(setting.static_tilt_sigma_deg)
        + drive.tilt_drift_deg * gauss_markov(frames.time_s / drive.tilt_drift_s, random)
        + drive.pitch_sigma_deg * _sprung(frames.time_s, drive, random)
    )
    roll_deg = mount.roll_right_deg + missed(mount.roll_sigma_deg)
    roll_deg = roll_deg + drive.roll_sigma_deg * _sprung(frames.time_s, drive, random)
    yaw_deg = mount.yaw_right_deg + missed(mount.yaw_sigma_deg) + np.zeros_like(frames.time_s)
    height_m = mount.height_m + missed(mount.height_sigma_m)
    height_m = height_m + drive.heave_sigma_m * _sprung(frames.time_s, drive, random)
    offset_s = random.normal(0, setting.time_sigma_s, (passes, 1))
    jitter_s = random.normal(0, setting.time_jitter_s, frames.time_s.shape)
    return Shake(
        tilt_down_rad=np.radians(tilt_deg),
        roll_right_rad=np.radians(roll_deg),
        yaw_right_rad=np.radians(yaw_deg),
        height_m=height_m,
        stamped_s=np.maximum.accumulate(frames.time_s + offset_s + jitter_s, axis=1),
    )


def _sprung(time_s: Array, drive: DriveSetting, random: np.random.Generator) -> Array:
    """Stationary motion of unit variance of a mass on a damped spring that white noise shakes.

    The unevenness of roads has a spectrum near 1/wavelength² (ISO 8608), so its speed under a wheel is white,
    and the body answers as a second-order resonance. Exact for any step: the state (position, velocity) has
    the transition expm(A dt) and the stationary covariance diag(1, ω²).
    """
    if drive.pitch_kind is PitchKind.WHITE:
        return random.normal(0, 1, time_s.shape)
    own, damping = 2 * np.pi * drive.pitch_hz, drive.pitch_damping
    swing, decay = own * np.sqrt(1 - damping**2), own * damping
    step_s = np.diff(time_s, axis=1)
    fade, sin, cos = np.exp(-decay * step_s), np.sin(swing * step_s), np.cos(swing * step_s)
    # Velocity in units of ω: the stationary covariance is then the identity.
    a, b = fade * (cos + decay / swing * sin), fade * own / swing * sin
    d = fade * (cos - decay / swing * sin)
    noise = random.normal(0, 1, (*time_s.shape, 2))
    spread11 = 1 - a**2 - b**2
    spread12 = -(a * -b + b * d)
    spread22 = 1 - b**2 - d**2
    first = np.sqrt(np.maximum(spread11, 0))
    cross = np.divide(spread12, first, out=np.zeros_like(first), where=first > 0)
    second = np.sqrt(np.maximum(spread22 - cross**2, 0))
    position, velocity = noise[:, 0, 0], noise[:, 0, 1]
    values = [position]
    for k in range(step_s.shape[1]):
        position, velocity = (
            a[:, k] * position + b[:, k] * velocity + first[:, k] * noise[:, k + 1, 0],
            -b[:, k] * position
            + d[:, k] * velocity
            + cross[:, k] * noise[:, k + 1, 0]
            + second[:, k] * noise[:, k + 1, 1],
        )
        values.append(position)
    return np.stack(values, axis=1)


def gauss_markov(way: Array, random: np.random.Generator, axes: int | None = None) -> Array:
    """Stationary first-order Gauss-Markov process of unit variance and correlation length 1 along `way`.

    Args:
        way: (P, N), rising, in correlation lengths.
        axes: With it, as many independent processes: (P, N, axes).
    """
    shape = way.shape if axes is None else (*way.shape, axes)
    noise = random.normal(0, 1, shape)
    kept = np.exp(-np.diff(way, axis=1))
    new = np.sqrt(-np.expm1(-2 * np.diff(way, axis=1)))
    if axes is not None:
        kept, new = kept[..., None], new[..., None]
    value = noise[:, 0]
    values = [value]
    for k in range(kept.shape[1]):
        value = kept[:, k] * value + new[:, k] * noise[:, k + 1]
        values.append(value)
    return np.stack(values, axis=1)


def _fixes(true: Motion, setting: Setting, random: np.random.Generator) -> Fixes:
    """Position of the antenna with bias and noise; course and speed as from Doppler."""
    gnss: GnssSetting = setting.gnss
    sin, cos = np.sin(true.heading_rad), np.cos(true.heading_rad)
    forward_m, right_m = setting.antenna_forward_m, setting.antenna_right_m
    bias_m = gnss.sigma_m * gauss_markov(true.path_m / gnss.correlation_m, random, axes=2)
    noise_m = random.normal(0, gnss.white_m, bias_m.shape)
    course_sigma = gnss.course_velocity_sigma_mps / true.speed_mps
    return Fixes(
        time_s=true.time_s,
        east_m=true.east_m + forward_m * sin + right_m * cos + bias_m[..., 0] + noise_m[..., 0],
        north_m=true.north_m + forward_m * cos - right_m * sin + bias_m[..., 1] + noise_m[..., 1],
        course_rad=true.heading_rad
        + course_sigma * gauss_markov(true.time_s / gnss.course_correlation_s, random),
        speed_mps=np.maximum(
            true.speed_mps + random.normal(0, gnss.speed_sigma_mps, true.speed_mps.shape), 0.0
        ),
        bias_m=bias_m,
        noise_m=noise_m,
    )
