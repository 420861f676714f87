"""Which parts of which streets a drive looked at: only what was seen has a condition, the rest is unknown."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from wegewart.drive import DriveTrack
from wegewart.geo import LocalPlane
from wegewart_api.defects.sighting import FloatArray
from wegewart_api.defects.visibility import OnPath, VisibilityRules, looked_at
from wegewart_api.streets.locating import Followed, StreetFinder

SAMPLE_M = 4.0  # along the path: finer than the 5 m at which poses come
STEP_LEAST_M = 0.5  # shorter steps have no direction


@dataclass(frozen=True, slots=True)
class SeenPart:
    """Part of a street, in shares of its line's length, that a drive looked at in one direction."""

    street_id: UUID
    forward: bool
    from_share: float
    to_share: float


def seen_parts(
    track: DriveTrack, finder: StreetFinder, visibility: VisibilityRules | None = None
) -> list[SeenPart]:
    """Parts of streets that a drive looked at: road under its path, in view of valid frames."""
    if len(track.poses) < 2:
        return []
    station_m, lat, lon, heading_deg = _samples(track)
    middle = np.zeros(len(station_m))
    on_path = OnPath(station_m, middle, middle.astype(np.intp))
    seen = looked_at(on_path, middle, track.stretches, visibility)
    followed = finder.follow(lat[seen], lon[seen], heading_deg[seen])
    return _joined(station_m[seen], followed)


def _samples(track: DriveTrack) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Station, latitude, longitude and direction of places along the path, shape (n,) each."""
    poses = track.poses
    at_m = np.array([pose.station_m for pose in poses])
    lats, lons = np.array([pose.lat for pose in poses]), np.array([pose.lon for pose in poses])
    plane = LocalPlane(float(lats.mean()), float(lons.mean()))
    east, north = np.array([plane.east_north_m(pose.lat, pose.lon) for pose in poses]).T
    moved = np.flatnonzero(np.hypot(np.diff(east), np.diff(north)) >= STEP_LEAST_M)
    if not len(moved):
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    directions = np.degrees(np.arctan2(np.diff(east)[moved], np.diff(north)[moved]))
    station_m = np.arange(at_m[0] + SAMPLE_M / 2, at_m[-1], SAMPLE_M)
    step = np.clip(np.searchsorted(at_m[moved + 1], station_m), 0, len(moved) - 1)
    return (
        station_m,
        np.interp(station_m, at_m, lats),
        np.interp(station_m, at_m, lons),
        directions[step],
    )


def _joined(station_m: FloatArray, followed: Followed) -> list[SeenPart]:
    """Neighbouring places on one street as one part; each speaks for half a sample to either side."""
    parts: dict[tuple[int, bool], list[tuple[float, float]]] = defaultdict(list)
    lengths_m: dict[int, float] = {}
    for index in np.flatnonzero(followed.street >= 0):
        street = int(followed.street[index])
        if street not in lengths_m:
            lengths_m[street] = _length_m(followed, street)
        half = SAMPLE_M / 2 / max(lengths_m[street], SAMPLE_M)
        share = float(followed.share[index])
        parts[street, bool(followed.forward[index])].append((max(share - half, 0.0), min(share + half, 1.0)))
    return [
        SeenPart(followed.streets[street].id, forward, start, end)
        for (street, forward), pieces in parts.items()
        for start, end in merged(pieces, slack=1.0 / max(lengths_m[street], SAMPLE_M))
    ]


def merged(pieces: list[tuple[float, float]], slack: float = 0.0) -> list[tuple[float, float]]:
    """Pieces in order, those that overlap or lie closer than the slack joined."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(pieces):
        if joined and start <= joined[-1][1] + slack:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _length_m(followed: Followed, street: int) -> float:
    line = followed.streets[street].line
    plane = LocalPlane(line[0][1], line[0][0])
    places = np.array([plane.east_north_m(lat, lon) for lon, lat in line])
    return float(np.hypot(*np.diff(places, axis=0).T).sum())
