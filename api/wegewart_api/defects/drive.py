"""One drive against the map: which of its observations are known defects, and what it looked at in vain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from wegewart.drive import DriveTrack
from wegewart.geo import Covariance, LocalPlane
from wegewart_api.defects.arrays import class_codes, known_of, sightings_of
from wegewart_api.defects.ledger import StoredLook
from wegewart_api.defects.matching import DriveMatch, MatchingRules, match_drive
from wegewart_api.defects.repository import StoredDefect
from wegewart_api.defects.sighting import FloatArray
from wegewart_api.defects.state import Offset, covariance_of, matrix
from wegewart_api.defects.visibility import VisibilityRules, along_path, looked_at, path_of
from wegewart_api.intake.repository import StoredObservation
from wegewart_api.streets.box import Box


@dataclass(frozen=True, slots=True)
class Sighted:
    """One observation, the known defect that it shows (None: a new one), and its drive's offset there."""

    observation: StoredObservation
    defect: StoredDefect | None
    offset: Offset
    frame: Covariance
    """Of a new defect: how well the map's frame is known there."""


@dataclass(frozen=True, slots=True)
class DriveCompared:
    """One drive against the map.

    Attributes:
        missed: Known defects at whose place the drive looked and saw no damage.
        knots: Offset along the drive, as `drive_alignment` keeps it.
        aligned: How many observations stand on a stretch whose offset is known.
    """

    sighted: tuple[Sighted, ...]
    missed: tuple[StoredLook, ...]
    knots: list[dict[str, Any]] = field(default_factory=list)
    aligned: int = 0


def box_of(track: DriveTrack, observations: Sequence[StoredObservation]) -> Box | None:
    """Box around a drive and all that it saw; None if it has no place at all."""
    lats = [pose.lat for pose in track.poses] + [each.lat for each in observations]
    lons = [pose.lon for pose in track.poses] + [each.lon for each in observations]
    return Box(min(lons), min(lats), max(lons), max(lats)) if lats else None


def compare_drive(
    track: DriveTrack,
    observations: Sequence[StoredObservation],
    defects: Sequence[StoredDefect],
    matching: MatchingRules | None = None,
    visibility: VisibilityRules | None = None,
) -> DriveCompared:
    """Align and match one drive, poses in ETRS89, with the defects around it."""
    in_order = sorted(
        observations, key=lambda each: (each.sent.station_m, each.sent.captured_at, each.sent.id)
    )
    around = box_of(track, in_order)
    if around is None:
        return DriveCompared((), ())
    plane = LocalPlane((around.south + around.north) / 2, (around.west + around.east) / 2)
    codes = class_codes(in_order, defects)
    seen, known = sightings_of(in_order, plane, codes), known_of(defects, plane, codes)
    match = match_drive(seen, known, matching)
    frames = _frames_nearby(seen.place_m, known.place_m, known.frame_m2)
    sighted = tuple(
        _sighted(index, each, match, defects, seen.gnss_m2[index], frames[index])
        for index, each in enumerate(in_order)
    )
    found = {int(index) for index in match.defect if index >= 0}
    correlation_m = (matching or MatchingRules()).alignment.correlation_m
    missed = _missed(track, plane, in_order, match, defects, found, visibility, correlation_m)
    return DriveCompared(sighted, missed, _knots(in_order, match), int(match.alignment.aligned.sum()))


def _sighted(
    index: int,
    observation: StoredObservation,
    match: DriveMatch,
    defects: Sequence[StoredDefect],
    gnss_m2: FloatArray,
    frame_nearby_m2: FloatArray,
) -> Sighted:
    """On a stretch where nothing fixes the offset, a new defect extends the map as the drive has it."""
    bias, aligned = match.alignment.bias, bool(match.alignment.aligned[index])
    number = int(match.defect[index])
    remaining = covariance_of(bias.covariance_m2[index]) if aligned or number >= 0 else None
    return Sighted(
        observation,
        defects[number] if number >= 0 else None,
        Offset(float(bias.offset_m[index, 0]), float(bias.offset_m[index, 1]), remaining),
        covariance_of(frame_nearby_m2 if aligned else gnss_m2),
    )


def _frames_nearby(place_m: FloatArray, known_m: FloatArray, frame_m2: FloatArray) -> FloatArray:
    if not len(known_m) or not len(place_m):
        return np.tile(np.eye(2), (len(place_m), 1, 1))
    _, nearest = cKDTree(known_m).query(place_m)
    nearby: FloatArray = frame_m2[nearest]
    return nearby


def _missed(
    track: DriveTrack,
    plane: LocalPlane,
    observations: Sequence[StoredObservation],
    match: DriveMatch,
    defects: Sequence[StoredDefect],
    found: set[int],
    visibility: VisibilityRules | None,
    correlation_m: float,
) -> tuple[StoredLook, ...]:
    """Looks at defects that were in view and not seen, judged at their place in the drive's own frame."""
    left = [index for index in range(len(defects)) if index not in found]
    if not left or len(track.poses) < 2:
        return ()
    in_map = np.array([plane.east_north_m(defects[index].map_lat, defects[index].map_lon) for index in left])
    poses = np.array([plane.east_north_m(pose.lat, pose.lon) for pose in track.poses])
    prior = _prior_at(track, poses, in_map, [defects[index] for index in left])
    offsets, remaining = _offsets_at(plane, observations, match, in_map, prior, correlation_m)
    path = path_of(track, poses)
    on_path = along_path(path, in_map + offsets)
    own = np.array([matrix(defects[index].relative) for index in left])
    sigma_m = np.sqrt(np.trace(remaining + own, axis1=1, axis2=2) / 2)
    in_view = np.flatnonzero(looked_at(on_path, sigma_m, track.stretches, visibility))
    return tuple(
        StoredLook(
            defects[left[each]].id,
            _moment(track, int(on_path.pose[each])),
            seen=False,
            offset=Offset(float(offsets[each, 0]), float(offsets[each, 1]), covariance_of(remaining[each])),
        )
        for each in in_view
    )


def _moment(track: DriveTrack, pose: int) -> datetime:
    return track.poses[pose].captured_at


def _prior_at(
    track: DriveTrack, poses_m: FloatArray, place_m: FloatArray, defects: Sequence[StoredDefect]
) -> FloatArray:
    """Variance of the offset at places before anything was seen: of the receiver there, and of the map."""
    _, nearest = cKDTree(poses_m).query(place_m)
    gnss = np.array([matrix(track.poses[int(pose)].cov_gnss_m2) for pose in nearest])
    frame = np.array([matrix(each.frame) for each in defects])
    prior: FloatArray = gnss + frame
    return prior


def _offsets_at(
    plane: LocalPlane,
    observations: Sequence[StoredObservation],
    match: DriveMatch,
    place_m: FloatArray,
    prior_m2: FloatArray,
    correlation_m: float,
) -> tuple[FloatArray, FloatArray]:
    """Offset of the drive at places: what the nearest observation says fades into the prior with distance."""
    if not observations:
        return np.zeros((len(place_m), 2)), prior_m2
    bias = match.alignment.bias
    at = np.array([plane.east_north_m(each.lat, each.lon) for each in observations])
    away_m, nearest = cKDTree(at - bias.offset_m).query(place_m)
    rho = np.exp(-away_m / correlation_m)[:, None]
    remaining = rho[..., None] ** 2 * bias.covariance_m2[nearest] + (1 - rho[..., None] ** 2) * prior_m2
    return rho * bias.offset_m[nearest], remaining


def _knots(observations: Sequence[StoredObservation], match: DriveMatch) -> list[dict[str, Any]]:
    bias = match.alignment.bias
    return [
        {
            "station_m": each.sent.station_m,
            "east_m": float(bias.offset_m[index, 0]),
            "north_m": float(bias.offset_m[index, 1]),
            "cov_m2": list(covariance_of(bias.covariance_m2[index])),
            "aligned": bool(match.alignment.aligned[index]),
        }
        for index, each in enumerate(observations)
    ]
