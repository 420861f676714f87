"""The camera's height from the lane's known width: both markings of the own lane, seen from above."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.mount import (
    ANYWHERE,
    HeightBy,
    Images,
    MountEstimate,
    camera_in_frame,
    road_patch,
)
from wegewart_edge.calibration.road_matches import RoadPatch, view_from_above
from wegewart_edge.calibration.texts import Text, listed
from wegewart_edge.road_camera import RoadCamera
from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]

REACH_M = (0.7, 3.2)  # of a marking's axis from the camera, to each side
LENGTH_M = 8.0  # looked at ahead of the nearest road
STRIPE_M, BESIDE_M = 0.10, 0.22  # a stripe is 0.12 to 0.25 m wide; the road beside it begins here
CONTRAST = 18.0  # of 255: a worn stripe against the asphalt on both sides
LEAST_PAINTED = 0.3  # of the length: broken lines are painted on a third
SLANTS_DEG = np.arange(-1.5, 1.51, 0.1)
AROUND_PEAK_M = 0.15
FEWEST_FRAMES = 5
AXIS_SIGMA_M = 0.02  # of where a marking's axis is, the same in every frame


@dataclass(frozen=True)
class LaneWidth:
    """Width of a lane between the axes of its markings."""

    width_m: float
    sigma_m: float


def height_from_lane(images: Images, frame_count: int, estimate: MountEstimate, lane: LaneWidth) -> HeightBy:
    """Height under which the lane is as wide as it is known to be.

    Raises:
        CalibrationRefused: If both markings are seen in too few frames.
    """
    widths_m = []
    for frame in range(frame_count):
        image = images(frame)
        camera = RoadCamera(camera_in_frame(estimate, frame), ANYWHERE)
        found = None if image is None else lane_width_m(image, camera)
        if found is not None:
            widths_m.append(found)
    if len(widths_m) < FEWEST_FRAMES:
        reason = Text.NO_LANE.say(found=len(widths_m), needed=FEWEST_FRAMES)
        raise CalibrationRefused(listed([reason]))
    seen_m = float(np.median(widths_m))
    scatter_m = 1.4826 * float(np.median(np.abs(np.array(widths_m) - seen_m)))
    share = math.hypot(
        lane.sigma_m / lane.width_m, scatter_m / math.sqrt(len(widths_m)) / seen_m, AXIS_SIGMA_M / seen_m
    )
    height_m = estimate.camera.mount.height_m * lane.width_m / seen_m
    return HeightBy("Fahrstreifen/lane", height_m, height_m * share)


def lane_width_m(image: ImageU8, camera: RoadCamera) -> float | None:
    """Distance between the axes of the own lane's markings, as this camera has it; None if not both seen."""
    texture = road_patch(camera)
    middle_m = camera.camera.mount.right_m
    patch = replace(
        texture,
        far_m=min(texture.near_m + LENGTH_M, texture.far_m),
        left_m=middle_m - REACH_M[1] - BESIDE_M,
        right_m=middle_m + REACH_M[1] + BESIDE_M,
    )
    painted, inside = _painted(image, camera, patch)
    best, found = 2 * LEAST_PAINTED, None
    for slant_deg in SLANTS_DEG:
        share = _share_per_column(painted, inside, math.tan(math.radians(slant_deg)), patch)
        columns_m = np.asarray(patch.left_m - middle_m + np.arange(len(share)) * patch.right_step_m, float)
        left, right = (_axis(share, columns_m, side) for side in (-1.0, 1.0))
        if left is None or right is None or left[1] + right[1] <= best:
            continue
        best, found = left[1] + right[1], (right[0] - left[0]) * math.cos(math.radians(slant_deg))
    return found


def _painted(image: ImageU8, camera: RoadCamera, patch: RoadPatch) -> tuple[Array, Array]:
    """Where the road is lighter than on both sides of a stripe's width (0 or 1), and where it is in view."""
    above, inside = view_from_above(image, camera.pixels, patch)
    light = cv2.cvtColor(above, cv2.COLOR_BGR2GRAY).astype(np.float64)
    width_px, beside_px = (round(metres / patch.right_step_m) for metres in (STRIPE_M, BESIDE_M))
    mean = cv2.blur(light, (width_px | 1, 5))
    left, right = np.roll(mean, beside_px, axis=1), np.roll(mean, -beside_px, axis=1)
    painted = (mean - np.maximum(left, right) > CONTRAST) & inside
    return painted.astype(np.float64), inside.astype(np.float64)


def _share_per_column(painted: Array, inside: Array, slant: float, patch: RoadPatch) -> Array:
    """Share of each column that is painted, after undoing a slant of the lane."""
    per_row = slant * patch.ahead_step_m / patch.right_step_m
    shear = np.array([[1.0, -per_row, per_row * len(painted) / 2], [0.0, 1.0, 0.0]])
    size = painted.shape[::-1]
    rows = cv2.warpAffine(inside, shear, size).sum(axis=0)
    share = cv2.warpAffine(painted, shear, size).sum(axis=0) / np.maximum(rows, 1.0)
    return np.asarray(np.where(rows > 0.25 * len(painted), share, 0.0))


def _axis(share: Array, columns_m: Array, side: float) -> tuple[float, float] | None:
    """Place of the most painted column on one side, and its share; None where nothing is painted enough."""
    reach = (columns_m * side > REACH_M[0]) & (columns_m * side < REACH_M[1])
    candidates = np.where(reach, share, 0.0)
    peak = int(candidates.argmax())
    if candidates[peak] < LEAST_PAINTED:
        return None
    around = np.abs(columns_m - columns_m[peak]) < AROUND_PEAK_M
    return float(np.average(columns_m[around], weights=share[around])), float(candidates[peak])
