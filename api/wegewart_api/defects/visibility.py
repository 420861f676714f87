"""Which places a drive looked at: only there does not seeing a damage prove anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from wegewart.drive import DriveTrack, Stretch
from wegewart_api.defects.sighting import FloatArray


@dataclass(frozen=True, slots=True)
class VisibilityRules:
    """When a place counts as looked at."""

    covered_share: float = 0.75
    """Share of the way from far to near border of the viewing zone that was driven with valid frames; a
    smaller part leaves too few looks (FORMULAS section 2: five looks at one frame per 2 m)."""
    margin_sigmas: float = 1.0
    """The place must lie inside the zone's left and right border by so many sigmas."""
    margin_least_m: float = 0.3
    """And by at least so much: half of a typical damage must be in view."""


@dataclass(frozen=True, slots=True)
class DrivenPath:
    """Path of a drive on a local plane, p poses.

    Attributes:
        station_m: Shape (p,), rising.
        place_m: Shape (p, 2), east and north.
        at: When each pose was taken.
    """

    station_m: FloatArray
    place_m: FloatArray
    at: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class OnPath:
    """Places relative to a driven path, shape (m,) each; NaN where the path does not pass abeam."""

    station_m: FloatArray
    offset_right_m: FloatArray
    pose: NDArray[np.intp]


def along_path(path: DrivenPath, place_m: FloatArray) -> OnPath:
    """Station and offset to the right of places, from the nearest segment of the path."""
    count = len(place_m)
    if len(path.station_m) < 2 or not count:
        nothing = np.full(count, np.nan)
        return OnPath(nothing, nothing.copy(), np.zeros(count, dtype=np.intp))
    _, pose = cKDTree(path.place_m).query(place_m)
    pose = np.asarray(pose, dtype=np.intp)
    station, right = np.full(count, np.nan), np.full(count, np.nan)
    nearest = np.full(count, np.inf)
    for begin in (np.maximum(pose - 1, 0), np.minimum(pose, len(path.station_m) - 2)):
        step = path.place_m[begin + 1] - path.place_m[begin]
        length = np.linalg.norm(step, axis=1)
        unit = step / np.where(length > 0, length, 1.0)[:, None]
        gap = place_m - path.place_m[begin]
        forward = np.sum(gap * unit, axis=1)
        sideways = gap[:, 0] * unit[:, 1] - gap[:, 1] * unit[:, 0]
        beyond = np.maximum(np.maximum(-forward, forward - length), 0.0)
        closer = (length > 0) & (np.hypot(beyond, sideways) < nearest) & (beyond < 1.0)
        scale = (path.station_m[begin + 1] - path.station_m[begin]) / np.where(length > 0, length, 1.0)
        station = np.where(closer, path.station_m[begin] + forward * scale, station)
        right = np.where(closer, sideways, right)
        nearest = np.where(closer, np.hypot(beyond, sideways), nearest)
    return OnPath(station, right, pose)


def looked_at(
    on_path: OnPath, sigma_m: FloatArray, stretches: Sequence[Stretch], rules: VisibilityRules | None = None
) -> NDArray[np.bool_]:
    """Which places the drive looked at well enough to have seen a damage there.

    A stretch tells where the vehicle was; a place at station s is in view while the vehicle drives from
    s − far to s − near.

    Args:
        sigma_m: Shape (m,), how well each place is known relative to the drive, per axis.
    """
    rules = rules or VisibilityRules()
    covered = np.zeros(len(on_path.station_m))
    margin_m = np.maximum(rules.margin_sigmas * sigma_m, rules.margin_least_m)
    for stretch in stretches:
        if not stretch.valid:
            continue
        zone = stretch.zone
        inside = (on_path.offset_right_m >= zone.left_m + margin_m) & (
            on_path.offset_right_m <= zone.right_m - margin_m
        )
        driven_m = np.minimum(stretch.to_station_m, on_path.station_m - zone.near_m) - np.maximum(
            stretch.from_station_m, on_path.station_m - zone.far_m
        )
        share = np.clip(np.nan_to_num(driven_m), 0, None) / (zone.far_m - zone.near_m)
        covered += np.where(inside, share, 0.0)
    return np.asarray(covered >= rules.covered_share)


def path_of(track: DriveTrack, east_north_m: FloatArray) -> DrivenPath:
    """Path of a drive whose poses lie at the given places, shape (p, 2)."""
    return DrivenPath(
        np.array([pose.station_m for pose in track.poses], dtype=np.float64),
        east_north_m,
        [pose.captured_at for pose in track.poses],
    )
