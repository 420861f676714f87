"""How large the box of a damage is on the road: across and along the driving direction."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_edge.road_camera import GroundPoints, RoadCamera

Array = npt.NDArray[np.float64]

UNKNOWN_LENGTH_FROM = 3.0  # times far_m: a far end seen beyond it has a sigma larger than the damage
SHAPE_SHARE = 0.29  # sigma of a share that is anything from 0 to 1
LEAST_SIGMA_M = 0.001  # an extent is never known exactly, and the message has three decimals
LEAST_SIGMA_M2 = 0.001


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


def measured(
    box_px: tuple[float, float, float, float],
    edge_share: float,
    camera: RoadCamera,
    tilt_more_rad: float,
    tilt_sigma_rad: float,
) -> Size:
    """Size of a box: the length of its lower edge on the road, and the way from bottom to top middle.

    Args:
        edge_share: How loosely the box is drawn, as a share of its own size.
        tilt_more_rad: How much further down the camera looked at this moment than its mount says, …
        tilt_sigma_rad: … and the sigma of that.
    """
    x1, y1, x2, y2 = box_px
    middle_px = (x1 + x2) / 2
    corners = np.array([[middle_px, y2], [middle_px, y1], [x1, y2], [x2, y2]])
    ground = camera.ground(corners, tilt_more_rad)
    scale = _looseness(box_px, edge_share, camera)
    width_m, width_sigma_m = _between(ground, 2, 3, 1, tilt_sigma_rad, scale[0], camera)
    far_end_m = camera.distance_m(*ground.points_m[1])
    if not far_end_m <= UNKNOWN_LENGTH_FROM * camera.settings.far_m:
        return Size(width_m, max(width_sigma_m, LEAST_SIGMA_M))
    length_m, length_sigma_m = _between(ground, 0, 1, 0, tilt_sigma_rad, scale[1], camera)
    # Seen from aside, part of the box's width is the damage's length: all of it for a rectangle along the
    # road, none for an outline across it.
    aside = abs(float(ground.points_m[0, 1]) - camera.camera.mount.right_m) / max(far_end_m, 1e-6)
    width_sigma_m = math.hypot(width_sigma_m, SHAPE_SHARE * aside * length_m)
    # Both sides grow with the range error, so their errors add up (FORMULAS: about 3 sigma_Z / Z).
    area_sigma_m2 = length_m * width_sigma_m + width_m * length_sigma_m
    return Size(
        width_m,
        max(width_sigma_m, LEAST_SIGMA_M),
        length_m,
        max(length_sigma_m, LEAST_SIGMA_M),
        length_m * width_m,
        max(area_sigma_m2, LEAST_SIGMA_M2),
    )


def _looseness(box_px: tuple[float, ...], edge_share: float, camera: RoadCamera) -> tuple[float, float]:
    """Sigma of a vertical and of a horizontal edge, in pixel sigmas."""
    x1, y1, x2, y2 = box_px
    pixel_sigma_px = camera.settings.pixel_sigma_px
    return (
        math.hypot(1.0, edge_share * (x2 - x1) / pixel_sigma_px),
        math.hypot(1.0, edge_share * (y2 - y1) / pixel_sigma_px),
    )


def _between(
    ground: GroundPoints,
    start: int,
    end: int,
    axis: int,
    tilt_sigma_rad: float,
    edge_scale: float,
    camera: RoadCamera,
) -> tuple[float, float]:
    """Distance along one axis from start to end, and its sigma: what both ends share moves both."""
    size_m = abs(float(ground.points_m[end, axis] - ground.points_m[start, axis]))
    shared = ground.common[end, axis] - ground.common[start, axis]
    pitch = ground.pitch[end, axis] - ground.pitch[start, axis]
    tilt_m = pitch / math.radians(camera.settings.slope_sigma_deg) * tilt_sigma_rad
    shared_m2 = float((shared**2).sum()) - float(shared[1] ** 2)  # the mount's tilt is part of tilt_sigma_rad
    pixel_m2 = (ground.pixel[end, axis] ** 2).sum() + (ground.pixel[start, axis] ** 2).sum()
    return size_m, math.sqrt(max(shared_m2, 0.0) + float(tilt_m) ** 2 + float(pixel_m2) * edge_scale**2)
