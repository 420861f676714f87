"""Where along the driven path a damage lies, and how far beside it: in curves no straight line says that."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from wegewart.geo import LocalPlane
from wegewart_edge.locate import east_north_from
from wegewart_edge.pose import VehiclePose

CLOSE_M = 0.005  # of driving: finer than the message's millimetres need on a path known to centimetres
STEPS = 20
LONGEST_STEP_S = 5.0
SLOWEST_MPS = 1.0  # a vehicle that stops before a damage is not waited for longer


class Path(Protocol):
    """Where the vehicle was at any moment."""

    def at(self, moment: datetime) -> VehiclePose | None:
        """Pose at a moment; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Abeam:
    """Driven path length abeam of a place, and how far right of the path it lies."""

    station_m: float
    offset_right_m: float


def abeam_of(lat: float, lon: float, seen_from: VehiclePose, path: Path) -> Abeam:
    """Station and offset of a place, on the path driven after (or before) it was seen.

    Where the path ends before the place is reached, or the vehicle stops, its last heading goes on straight.
    """
    nearest, nearest_forward_m, nearest_right_m = seen_from, math.inf, 0.0
    pose: VehiclePose | None = seen_from
    for _ in range(STEPS):
        if pose is None:
            break
        forward_m, right_m = _forward_right_m(lat, lon, pose)
        if abs(forward_m) >= abs(nearest_forward_m):
            break
        nearest, nearest_forward_m, nearest_right_m = pose, forward_m, right_m
        if abs(forward_m) < CLOSE_M:
            break
        step_s = forward_m / max(pose.speed_mps, SLOWEST_MPS)
        step_s = max(min(step_s, LONGEST_STEP_S), -LONGEST_STEP_S)
        pose = path.at(pose.captured_at + timedelta(seconds=step_s))
    return Abeam(nearest.station_m + nearest_forward_m, nearest_right_m)


def _forward_right_m(lat: float, lon: float, pose: VehiclePose) -> tuple[float, float]:
    place_m = LocalPlane(pose.lat, pose.lon).east_north_m(lat, lon)
    forward_m, right_m = east_north_from(pose.heading_deg) @ place_m
    return float(forward_m), float(right_m)
