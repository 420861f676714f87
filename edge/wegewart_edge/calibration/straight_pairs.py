"""Pairs of frames of a recorded drive between which the vehicle drove straight ahead."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.road_motion import Pair
from wegewart_edge.calibration.texts import Text, listed
from wegewart_edge.drive_reader import FrameEntry, RecordedDrive
from wegewart_edge.pose import Trajectory, VehiclePose


@dataclass(frozen=True)
class PairLimits:
    """Which frames make a pair, and how many are wanted."""

    nearest_m: float = 1.5  # less, and the road hardly moves in the picture
    farthest_m: float = 7.5  # more, and what is far in one frame has passed below the other
    slowest_mps: float = 2.0
    most_turn_deg: float = 1.5  # between the frames of a pair; 2 m ahead of the rear axle this is 5 cm
    most_pairs: int = 60
    fewest_pairs: int = 10
    shortest_drive_m: float = 20.0
    crab_deg: float = 0.3  # between heading and course on a straight: crossfall, wind, tyres


@dataclass(frozen=True)
class StraightDrive:
    """Frames that are used, and pairs by their place among them."""

    frames: tuple[FrameEntry, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class _Stop:
    entry: FrameEntry
    pose: VehiclePose


def straight_pairs(
    drive: RecordedDrive, trajectory: Trajectory, camera_id: str, limits: PairLimits | None = None
) -> StraightDrive:
    """Pairs of one camera's frames, spread over the whole drive.

    Raises:
        CalibrationRefused: If the vehicle stood, drove in curves only, or frames are too far apart.
    """
    limits = limits or PairLimits()
    stops = _moving_stops(drive, trajectory, camera_id, limits)
    driven_m = stops[-1].pose.station_m - stops[0].pose.station_m if stops else 0.0
    if driven_m < limits.shortest_drive_m:
        reason = Text.STANDING.say(
            driven_m=driven_m, slowest_mps=limits.slowest_mps, needed_m=limits.shortest_drive_m
        )
        raise CalibrationRefused(listed([reason]))
    lever = drive.cameras[camera_id].mount.forward_m
    near = [
        (one, other, _pair(number, one.pose, other.pose, lever, trajectory, limits))
        for number, (one, other) in enumerate(pairwise(_thinned(stops, limits.nearest_m)))
        if other.pose.station_m - one.pose.station_m <= limits.farthest_m
    ]
    if len(near) < limits.fewest_pairs:
        reason = Text.FRAMES_TOO_FAR_APART.say(
            found=len(near),
            needed=limits.fewest_pairs,
            nearest_m=limits.nearest_m,
            farthest_m=limits.farthest_m,
        )
        raise CalibrationRefused(listed([reason]))
    straight = [each for each in near if abs(math.degrees(each[2].turn_rad)) <= limits.most_turn_deg]
    if len(straight) < limits.fewest_pairs:
        reason = Text.ONLY_CURVES.say(found=len(straight), needed=limits.fewest_pairs)
        raise CalibrationRefused(listed([reason]))
    return _numbered(_spread(straight, limits.most_pairs))


def _moving_stops(
    drive: RecordedDrive, trajectory: Trajectory, camera_id: str, limits: PairLimits
) -> list[_Stop]:
    stops = []
    for entry in drive.frames:
        pose = trajectory.at(entry.captured_at) if entry.camera_id == camera_id else None
        if pose is not None and pose.speed_mps >= limits.slowest_mps:
            stops.append(_Stop(entry, pose))
    return stops


def _thinned(stops: Sequence[_Stop], nearest_m: float) -> list[_Stop]:
    kept = [stops[0]]
    for stop in stops[1:]:
        if stop.pose.station_m - kept[-1].pose.station_m >= nearest_m:
            kept.append(stop)
    return kept


def _pair(
    number: int,
    one: VehiclePose,
    other: VehiclePose,
    lever_m: float,
    trajectory: Trajectory,
    limits: PairLimits,
) -> Pair:
    """How the point below the camera moved; on a gentle arc the chord points half the turn to the side."""
    advance_m = other.station_m - one.station_m
    turn_rad = math.radians((other.heading_deg - one.heading_deg + 180.0) % 360.0 - 180.0)
    heading_sigma_rad = math.radians(max(one.heading_sigma_deg, other.heading_sigma_deg, limits.crab_deg))
    return Pair(
        first=number,
        second=number + 1,
        advance_m=advance_m,
        advance_sigma_m=math.sqrt(trajectory.drift_variance_m2(one.cov_gnss, advance_m)),
        sideways_m=advance_m * turn_rad / 2 + lever_m * turn_rad,
        sideways_sigma_m=advance_m * heading_sigma_rad,
        turn_rad=turn_rad,
        heading_sigma_rad=heading_sigma_rad,
    )


def _spread(pairs: list[tuple[_Stop, _Stop, Pair]], most: int) -> list[tuple[_Stop, _Stop, Pair]]:
    """At most so many, in runs of neighbours that share frames, spread over the whole."""
    if len(pairs) <= most:
        return pairs
    runs, run_length = 6, most // 6
    starts = [round(number * (len(pairs) - run_length) / (runs - 1)) for number in range(runs)]
    chosen = sorted({start + step for start in starts for step in range(run_length)})
    return [pairs[number] for number in chosen]


def _numbered(pairs: Sequence[tuple[_Stop, _Stop, Pair]]) -> StraightDrive:
    """Frames in use, numbered anew."""
    entries = {entry.sequence: entry for one, other, _ in pairs for entry in (one.entry, other.entry)}
    frames = tuple(entries[sequence] for sequence in sorted(entries))
    place = {entry.sequence: number for number, entry in enumerate(frames)}
    renumbered = tuple(
        Pair(
            first=place[one.entry.sequence],
            second=place[other.entry.sequence],
            advance_m=pair.advance_m,
            advance_sigma_m=pair.advance_sigma_m,
            sideways_m=pair.sideways_m,
            sideways_sigma_m=pair.sideways_sigma_m,
            turn_rad=pair.turn_rad,
            heading_sigma_rad=pair.heading_sigma_rad,
        )
        for one, other, pair in pairs
    )
    return StraightDrive(frames, renumbered)
