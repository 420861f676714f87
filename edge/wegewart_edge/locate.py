"""From boxes in an image to places and sizes on the road, each with its covariance.

A flat road and a calibrated camera; docs/frames.md has the formulas. What all looks of a drive have in
common (mount, heading, clock) is kept apart from what is new with each look, so that the mean of many looks
does not claim more than it knows. The receiver's covariance is not part of it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import GroundPoints, RoadCamera

Array = npt.NDArray[np.float64]

UNKNOWN_LENGTH_FROM = 3.0  # times far_m: a far end seen beyond it has a sigma larger than the damage


class NoPlace(StrEnum):
    """Why a box has no place on the road."""

    NEAR_HORIZON = "near_horizon"
    TOO_FAR = "too_far"


@dataclass(frozen=True, slots=True)
class Size:
    """Extent on the road, each with its sigma: across and along the driving direction, and the box's area.

    `length_m` is None where the far end cannot be placed.
    """

    width_m: float
    width_sigma_m: float
    length_m: float | None = None
    length_sigma_m: float | None = None
    area_m2: float | None = None
    area_sigma_m2: float | None = None


@dataclass(frozen=True)
class Located:
    """One box on the road, relative to the vehicle and in metres east and north of it.

    `own` and `shared` belong to the position: `own` is the 2×2 covariance of what is new with each look
    (pixel, pitch, cut edges), `shared` the (2, 6) columns of what all looks have in common: height, tilt,
    roll, yaw, heading, clock. `drawing` (2, 2) is how loosely the looker draws the edges of such a box; it
    repeats from look to look, so it neither averages out nor widens the gate between frames.
    """

    number: int
    class_code: str
    confidence: float
    box_px: tuple[float, float, float, float]
    forward_m: float
    right_m: float
    distance_m: float
    east_m: float
    north_m: float
    own: Array
    shared: Array
    drawing: Array
    cut_bottom: bool
    cut_side: bool
    size: Size

    @property
    def cut(self) -> bool:
        """Whether the frame's edge cuts the box: its place is a mere bound."""
        return self.cut_bottom or self.cut_side

    @property
    def covariance(self) -> Array:
        """Covariance of the position, (2, 2), east and north, without the receiver's."""
        total: Array = self.own + self.shared @ self.shared.T
        return total


@dataclass(frozen=True, slots=True)
class Unplaced:
    """One box without a place, and why."""

    number: int
    reason: NoPlace


@dataclass(frozen=True)
class Sightings:
    """Boxes of one frame in whole-frame pixels: (N, 4), with class codes and confidences.

    `edge_share` is the sigma of a box's edges as a share of the box's own size, beside the pixel sigma: 0
    for boxes drawn exactly, more for those of a model.
    """

    boxes_px: Array
    class_codes: tuple[str, ...]
    confidences: tuple[float, ...]
    edge_share: float = 0.0


def locate(
    sightings: Sightings, camera: RoadCamera, pose: VehiclePose, time_sigma_s: float
) -> list[Located | Unplaced]:
    """Places of boxes: the bottom middle of each, in metres east and north of the reference point."""
    if not len(sightings.boxes_px):
        return []
    corners = _Corners.of(sightings.boxes_px, camera)
    return [
        _located(number, sightings, camera, pose, time_sigma_s, corners)
        for number in range(len(sightings.boxes_px))
    ]


@dataclass(frozen=True)
class _Corners:
    """Road points of the box's bottom middle, top middle, bottom left and bottom right, each (N, 2)."""

    bottom: GroundPoints
    top: GroundPoints
    left: GroundPoints
    right: GroundPoints

    @classmethod
    def of(cls, boxes_px: Array, camera: RoadCamera) -> "_Corners":
        x1, y1, x2, y2 = boxes_px.T
        middle = (x1 + x2) / 2
        points = ((middle, y2), (middle, y1), (x1, y2), (x2, y2))
        return cls(*(camera.ground(np.column_stack(point)) for point in points))


def _located(
    number: int,
    sightings: Sightings,
    camera: RoadCamera,
    pose: VehiclePose,
    time_sigma_s: float,
    corners: _Corners,
) -> Located | Unplaced:
    bottom = corners.bottom
    reason = _no_place(number, camera, bottom)
    if reason is not None:
        return Unplaced(number, reason)
    x1, y1, x2, y2 = (float(value) for value in sightings.boxes_px[number])
    size = _size(number, camera, corners)
    own, shared = _position_errors(number, bottom, pose, time_sigma_s)
    cut_bottom, cut_side = _cut((x1, y1, x2, y2), camera)
    if cut_bottom:  # the near end lies somewhere below the frame's edge
        own[0, 0] += camera.settings.cut_sigma_m**2
    if cut_side:  # the middle lies somewhere beyond it
        own[1, 1] += (size.width_m / 2) ** 2
    turn = _east_north_from_vehicle(pose.heading_deg)
    east_m, north_m = turn @ bottom.points_m[number]
    return Located(
        number=number,
        class_code=sightings.class_codes[number],
        confidence=sightings.confidences[number],
        box_px=(x1, y1, x2, y2),
        forward_m=float(bottom.points_m[number, 0]),
        right_m=float(bottom.points_m[number, 1]),
        distance_m=camera.distance_m(*bottom.points_m[number]),
        east_m=float(east_m),
        north_m=float(north_m),
        own=turn @ own @ turn.T,
        shared=turn @ shared,
        drawing=turn @ _drawing_error(number, sightings, bottom, camera) @ turn.T,
        cut_bottom=cut_bottom,
        cut_side=cut_side,
        size=size,
    )


def _size(number: int, camera: RoadCamera, corners: _Corners) -> Size:
    width_m, width_sigma_m = _between(number, corners.left, corners.right, axis=1)
    length_m, length_sigma_m = _length(number, camera, corners.bottom, corners.top)
    if length_m is None or length_sigma_m is None:
        return Size(width_m, width_sigma_m)
    # Both sides grow with the range error, so their errors add up (FORMULAS: about 3 sigma_Z / Z).
    area_sigma_m2 = length_m * width_sigma_m + width_m * length_sigma_m
    return Size(width_m, width_sigma_m, length_m, length_sigma_m, length_m * width_m, area_sigma_m2)


def _no_place(number: int, camera: RoadCamera, bottom: GroundPoints) -> NoPlace | None:
    mount, settings = camera.camera.mount, camera.settings
    tilt_sigma_rad = math.radians(math.hypot(mount.tilt_sigma_deg, settings.slope_sigma_deg))
    if not bottom.depression_rad[number] > settings.horizon_sigmas * tilt_sigma_rad:
        return NoPlace.NEAR_HORIZON
    if camera.distance_m(*bottom.points_m[number]) > settings.far_m:
        return NoPlace.TOO_FAR
    return None


def _cut(box_px: tuple[float, ...], camera: RoadCamera) -> tuple[bool, bool]:
    """Whether the frame's lower edge cuts a box, and whether its left or right edge does."""
    size, edge_px = camera.camera.intrinsics, camera.settings.frame_edge_px
    x1, _, x2, y2 = box_px
    return y2 >= size.height_px - edge_px, x1 <= edge_px or x2 >= size.width_px - edge_px


def _drawing_error(number: int, sightings: Sightings, bottom: GroundPoints, camera: RoadCamera) -> Array:
    """Covariance (2, 2), forward and right, of where the looker draws the edges of this box."""
    x1, y1, x2, y2 = sightings.boxes_px[number]
    sigmas_px = sightings.edge_share * np.array([x2 - x1, y2 - y1])
    columns = bottom.pixel[number] / camera.settings.pixel_sigma_px * sigmas_px
    error: Array = columns @ columns.T
    return error


def _position_errors(
    number: int, bottom: GroundPoints, pose: VehiclePose, time_sigma_s: float
) -> tuple[Array, Array]:
    """Covariance (2, 2) of what is new with each look and columns (2, 6) of what all share."""
    forward_m, right_m = bottom.points_m[number]
    pixel, pitch = bottom.pixel[number], bottom.pitch[number]
    heading = np.array([-right_m, forward_m]) * math.radians(pose.heading_sigma_deg)
    clock = np.array([pose.speed_mps * time_sigma_s, 0.0])
    shared = np.column_stack([bottom.common[number], heading, clock])
    return pixel @ pixel.T + np.outer(pitch, pitch), shared


def _between(number: int, start: GroundPoints, end: GroundPoints, axis: int) -> tuple[float, float]:
    """Distance along one axis from start to end, and its sigma: what both share moves both."""
    size_m = abs(float(end.points_m[number, axis] - start.points_m[number, axis]))
    shared = end.common[number, axis] - start.common[number, axis]
    pitch = end.pitch[number, axis] - start.pitch[number, axis]
    pixel2 = (end.pixel[number, axis] ** 2).sum() + (start.pixel[number, axis] ** 2).sum()
    return size_m, math.sqrt(float((shared**2).sum() + pitch**2 + pixel2))


def _length(
    number: int, camera: RoadCamera, bottom: GroundPoints, top: GroundPoints
) -> tuple[float | None, float | None]:
    """Length along the driving direction; not known where the far end is near or above the horizon."""
    far_end_m = camera.distance_m(*top.points_m[number])
    if not far_end_m <= UNKNOWN_LENGTH_FROM * camera.settings.far_m:
        return None, None
    return _between(number, bottom, top, axis=0)


def _east_north_from_vehicle(heading_deg: float) -> Array:
    """Rotation (2, 2) from forward and right to east and north."""
    sin, cos = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    return np.array([[sin, cos], [cos, -sin]])
