"""Drives that never were, with the truth: a vehicle, its receiver with a drifting bias, wheels and gyro."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from wegewart.geo import LocalPlane
from wegewart_edge.gnss import Fix
from wegewart_edge.motion import Motion
from wegewart_edge.pose import LeverArm, Trajectory, VehiclePose
from wegewart_edge.settings import PoseSettings

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
ORIGIN = LocalPlane(49.94, 11.57)
TICK_S = 0.02
AT_THE_ANTENNA = LeverArm()


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fix_at(seconds: float, east_m: float, north_m: float, sigma_m: float = 0.02, **other: object) -> Fix:
    lat, lon = ORIGIN.lat_lon(east_m, north_m)
    return Fix(moment(seconds), lat, lon, sigma_m, sigma_m, **other)  # type: ignore[arg-type]


def trajectory(
    fixes: Sequence[Fix],
    lever: LeverArm = AT_THE_ANTENNA,
    motion: Sequence[Motion] = (),
    **chosen: float,
) -> Trajectory:
    return Trajectory(fixes, lever, PoseSettings(**chosen), motion)


def place_m(pose: VehiclePose) -> tuple[float, float]:
    return ORIGIN.east_north_m(pose.lat, pose.lon)


@dataclass
class Driven:
    """Truth at every tick, and what was recorded."""

    time_s: np.ndarray
    east_m: np.ndarray
    north_m: np.ndarray
    heading_rad: np.ndarray
    speed_mps: np.ndarray
    bias_m: np.ndarray
    fixes: list[Fix] = field(default_factory=list)
    motion: list[Motion] = field(default_factory=list)

    @property
    def length_m(self) -> float:
        return float(np.hypot(np.diff(self.east_m), np.diff(self.north_m)).sum())

    def error_m(self, pose: VehiclePose) -> tuple[float, float]:
        tick = round((pose.captured_at - START).total_seconds() / TICK_S)
        east_m, north_m = place_m(pose)
        return east_m - float(self.east_m[tick]), north_m - float(self.north_m[tick])


def drive(
    seed: int,
    lasts_s: float = 60.0,
    fixes_per_s: int = 5,
    sigma_m: float = 2.5,
    white_m: float = 0.03,
    velocity: bool = True,
    wheels: bool = False,
    gyro: bool = False,
    speed_at: Callable[[float], float] | None = None,
) -> Driven:
    """A street drive with turns. The receiver's bias forgets itself over 750 m; sigmas are per axis."""
    random = np.random.default_rng(seed)
    ticks = int(lasts_s / TICK_S)
    time_s = np.arange(ticks) * TICK_S
    speed_mps = _speeds(random, time_s, speed_at)
    turn_radps = _turns(random, speed_mps)
    heading_rad = random.uniform(0, 6) + np.concatenate([[0.0], np.cumsum(turn_radps[1:] * TICK_S)])
    middle_rad = heading_rad - turn_radps * TICK_S / 2
    step_m = speed_mps * TICK_S
    step_m[0] = 0.0
    kept = np.exp(-np.abs(speed_mps) * TICK_S / 750.0)
    bias_m = np.empty((ticks, 2))
    bias_m[0] = random.normal(size=2) * sigma_m
    shocks_m = random.normal(size=(ticks, 2)) * sigma_m * np.sqrt(1 - kept**2)[:, None]
    for tick in range(1, ticks):
        bias_m[tick] = bias_m[tick - 1] * kept[tick] + shocks_m[tick]
    driven = Driven(
        time_s,
        np.cumsum(step_m * np.sin(middle_rad)),
        np.cumsum(step_m * np.cos(middle_rad)),
        heading_rad,
        speed_mps,
        bias_m,
    )
    _record_fixes(driven, random, fixes_per_s, sigma_m, white_m, velocity)
    if wheels or gyro:
        _record_motion(driven, random, turn_radps, wheels, gyro)
    return driven


def _speeds(random, time_s, speed_at):
    if speed_at is not None:
        return np.array([speed_at(at_s) for at_s in time_s.tolist()])
    kept, speeds, push = math.exp(-TICK_S / 3), [8.0], 0.0
    for shock in random.normal(size=len(time_s) - 1).tolist():
        push = push * kept + shock * 0.7 * math.sqrt(1 - kept**2)
        speeds.append(max(speeds[-1] + (push - 0.1 * (speeds[-1] - 9)) * TICK_S, 1.0))
    return np.array(speeds)


def _turns(random, speed_mps):
    kept, turns, now = math.exp(-TICK_S / 1.5), [], 0.0
    for speed, shock in zip(speed_mps.tolist(), random.normal(size=len(speed_mps)).tolist(), strict=True):
        sigma = 0.6 * min(0.17 * abs(speed), 1.0 / max(abs(speed), 0.1))
        now = (now * kept + shock * sigma * math.sqrt(1 - kept**2)) if speed else 0.0
        turns.append(now)
    return np.array(turns)


def _record_fixes(driven, random, fixes_per_s, sigma_m, white_m, velocity):
    for tick in range(0, len(driven.time_s), round(1 / fixes_per_s / TICK_S)):
        noise_m = random.normal(size=2) * white_m
        speed_mps = float(driven.speed_mps[tick])
        course_rad = driven.heading_rad[tick] + random.normal() * 0.05 / max(speed_mps, 0.5)
        stated = (
            {
                "heading_deg": math.degrees(course_rad) % 360,
                "speed_mps": abs(speed_mps + random.normal() * 0.05),
            }
            if velocity
            else {}
        )
        driven.fixes.append(
            fix_at(
                float(driven.time_s[tick]),
                driven.east_m[tick] + driven.bias_m[tick, 0] + noise_m[0],
                driven.north_m[tick] + driven.bias_m[tick, 1] + noise_m[1],
                sigma_m,
                **stated,
            )
        )


def _record_motion(driven, random, turn_radps, wheels, gyro):
    scale, bias_dps = 1 + random.normal() * 0.01, random.normal() * 0.5
    for tick in range(0, len(driven.time_s), 5):
        speed_mps = float(driven.speed_mps[tick])
        read_mps = max(speed_mps * scale + random.normal() * 0.05, 0.0) if speed_mps > 0 else 0.0
        turn_dps = math.degrees(turn_radps[tick]) + bias_dps + random.normal() * 0.2
        driven.motion.append(
            Motion(
                moment(float(driven.time_s[tick])),
                read_mps if wheels else None,
                turn_dps if gyro else None,
            )
        )
