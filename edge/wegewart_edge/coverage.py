"""What the drive looked at and what not: stretches of the driven path, and the DriveTrack that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass

from wegewart.drive import DriveState, DriveTrack, InvalidReason, Pose, Stretch, ViewingZone
from wegewart.wire import BundleRef
from wegewart_edge.drive_reader import RecordedDrive
from wegewart_edge.pose import VehiclePose

POSE_SPACING_M = 5.0  # DriveTrack v1: poses every 5 m
LAST_FRAME_M = 0.1  # the last frame of a camera was taken at a point, a stretch needs a length


@dataclass(frozen=True, slots=True)
class Glance:
    """One frame as the inspection log sees it: where the vehicle was, and why the frame does not count."""

    station_m: float
    invalid: InvalidReason | None


def stretches(camera_id: str, zone: ViewingZone, glances: Iterable[Glance]) -> tuple[Stretch, ...]:
    """Stretches of one camera, in order; each frame speaks for the path up to the next one.

    A valid frame shows `zone` ahead of its own station. Where the next frame is further away than the zone
    is long, the rest of the gap was seen by no frame.
    """
    in_order = list(glances)
    pieces: list[tuple[float, float, InvalidReason | None]] = []
    for glance, after in zip(in_order, [*in_order[1:], None], strict=True):
        start_m = round(glance.station_m, 2)
        end_m = round(after.station_m if after else glance.station_m + LAST_FRAME_M, 2)
        seen_until_m = end_m if glance.invalid else min(end_m, round(start_m + zone.far_m - zone.near_m, 2))
        pieces.append((start_m, seen_until_m, glance.invalid))
        pieces.append((seen_until_m, end_m, InvalidReason.NO_FRAME))
    return tuple(
        Stretch(
            camera_id=camera_id,
            from_station_m=start_m,
            to_station_m=end_m,
            zone=zone,
            valid=invalid is None,
            invalid_reason=invalid,
        )
        for start_m, end_m, invalid in _merged(pieces)
    )


def _merged(
    pieces: Iterable[tuple[float, float, InvalidReason | None]],
) -> list[tuple[float, float, InvalidReason | None]]:
    """Pieces with a length, equal neighbours joined."""
    merged: list[tuple[float, float, InvalidReason | None]] = []
    for start_m, end_m, invalid in pieces:
        if end_m <= start_m:
            continue
        if merged and merged[-1][2] is invalid and merged[-1][1] == start_m:
            merged[-1] = (merged[-1][0], end_m, invalid)
        else:
            merged.append((start_m, end_m, invalid))
    return merged


def thinned(poses: Iterable[VehiclePose]) -> tuple[Pose, ...]:
    """Poses at least 5 m of driving apart, and always the first and the last."""
    kept: list[VehiclePose] = []
    last: VehiclePose | None = None
    for pose in poses:
        last = pose
        if not kept or pose.station_m - kept[-1].station_m >= POSE_SPACING_M:
            kept.append(pose)
    if last is not None and kept[-1] is not last:
        kept.append(last)
    return tuple(pose.on_wire() for pose in kept)


def closed_track(
    drive: RecordedDrive,
    bundle: BundleRef,
    poses: tuple[Pose, ...],
    looked_at: tuple[Stretch, ...],
    observations: int,
) -> DriveTrack:
    """The drive's message once every frame was looked at."""
    return DriveTrack(
        drive_id=drive.about.drive_id,
        device_id=drive.about.device_id,
        bundle=bundle,
        revision=1,
        state=DriveState.CLOSED,
        started_at=drive.started_at,
        ended_at=drive.frames[-1].captured_at,
        datum=drive.about.datum,
        cameras=drive.about.camera,
        poses=poses,
        stretches=looked_at,
        observations=observations,
    )
