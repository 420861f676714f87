"""From boxes in an image to places and sizes on the road, each with what makes it uncertain.

A flat road and a calibrated camera; docs/frames.md has the formulas. What all looks of a drive have in
common (mount, heading, clock) is kept apart from what is new with each look, so that the mean of many looks
does not claim more than it knows. The receiver's covariance is not part of it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from wegewart.camera import CameraMount
from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera, Sights
from wegewart_edge.size import Size, measured

Array = npt.NDArray[np.float64]

ERRORS = ("height", "tilt", "roll", "yaw", "heading", "middle")  # columns of Located.by_error
SHAPE_SIGMA = 0.15  # of a single damage's middle share: not all outlines are alike
SLANT_SIGMA = math.radians(
    3.0
)  # of a damage against the view: cracks wander, lanes bend away from the vehicle
LEAST_FAR_PART = 0.25  # a far end beyond four times the near one's distance is the horizon's neighbour
HEIGHT, TILT, ROLL, YAW, HEADING, MIDDLE = range(len(ERRORS))


class NoPlace(StrEnum):
    """Why a box has no place on the road."""

    NEAR_HORIZON = "near_horizon"
    TOO_FAR = "too_far"
    CUT_BELOW = "cut_below"
    CUT_ASIDE = "cut_aside"


@dataclass(frozen=True)
class Scene:
    """Who looked, from where: what the places of one frame refer to."""

    camera: RoadCamera
    pose: VehiclePose
    time_sigma_s: float

    @cached_property
    def viewing_deg(self) -> float:
        """Direction in which the middle of the image looks, clockwise from north."""
        return self.pose.heading_deg + self.camera.camera.mount.yaw_right_deg

    @cached_property
    def error_sigmas(self) -> Array:
        """Sigmas (6,) of the errors in `ERRORS`, before anything was learnt from the drive."""
        return error_sigmas(self.camera, self.pose.heading_sigma_deg)

    def east_north(self, slopes: Array) -> tuple[Array, Array]:
        """Metres east and north of the reference point where slopes meet the road, and the derivative."""
        mount = self.camera.camera.mount
        fall, right = slopes.tolist()
        ahead_m = mount.height_m / fall
        foot_east_m, foot_north_m = turned(self.pose.heading_deg, mount.forward_m, mount.right_m)
        east_m, north_m = turned(self.viewing_deg, ahead_m, ahead_m * right)
        aside_east_m, aside_north_m = turned(self.viewing_deg, 0.0, ahead_m)
        by_slopes = np.array([[-east_m / fall, aside_east_m], [-north_m / fall, aside_north_m]])
        return np.array([foot_east_m + east_m, foot_north_m + north_m]), by_slopes

    def clock_column(self) -> Array:
        """How the sigma of the frames' stamps moves a place, metres east and north."""
        column: Array = east_north_from(self.pose.heading_deg)[:, 0] * self.pose.speed_mps * self.time_sigma_s
        return column


@dataclass(frozen=True)
class Located:
    """One box on the road, relative to the vehicle.

    `slopes` (fall and way to the right per metre ahead, `Sights`) are what was read; the place follows from
    them. `noise` is their covariance (2, 2) from the pixel; `by_error` (2, 6) what the errors that looks
    share add to them, per unit: relative height, tilt, roll, yaw and heading in radians, and how far beyond
    the near end the box's middle lies (0: only the near edge bounds the box, 1: the whole outline does).
    """

    number: int
    class_code: str
    confidence: float
    box_px: tuple[float, float, float, float]
    scene: Scene
    slopes: Array
    noise: Array
    by_error: Array
    forward_m: float
    right_m: float
    distance_m: float
    width_m: float
    length_m: float
    edge_share: float
    cut_bottom: bool
    cut_side: bool

    @property
    def cut(self) -> bool:
        """Whether the frame's edge cuts the box: it has no place, it only goes on with a known one."""
        return self.cut_bottom or self.cut_side

    @property
    def no_place(self) -> NoPlace | None:
        """Why this box alone gives no place."""
        if self.cut_bottom:
            return NoPlace.CUT_BELOW
        return NoPlace.CUT_ASIDE if self.cut_side else None

    @cached_property
    def east_m(self) -> float:
        """Metres east of the vehicle's reference point."""
        return float(self.scene.east_north(self.slopes)[0][0])

    @cached_property
    def north_m(self) -> float:
        """Metres north of the vehicle's reference point."""
        return float(self.scene.east_north(self.slopes)[0][1])

    @property
    def own(self) -> Array:
        """Covariance (2, 2) of what is new with this look: pixel, slope and pitching; m², east and north."""
        turn = self._east_north_by_slopes
        slope = math.radians(self.scene.camera.settings.slope_sigma_deg) * self.by_error[:, TILT]
        own: Array = turn @ (self.noise + np.outer(slope, slope)) @ turn.T
        return own

    @property
    def shared(self) -> Array:
        """Columns (2, 7), metres east and north: the errors of `ERRORS` and the clock, times their sigmas."""
        columns = self._east_north_by_slopes @ -self.by_error * self.scene.error_sigmas
        return np.column_stack([columns, self.scene.clock_column()])

    @property
    def drawing(self) -> Array:
        """Covariance (2, 2) of how loosely the looker draws such a box, and of the shape in it.

        It repeats from look to look: it neither averages out nor widens the gate between frames.
        """
        x1, y1, x2, y2 = self.box_px
        pixel_sigma_px = self.scene.camera.settings.pixel_sigma_px
        by_pixel = self._east_north_by_slopes @ np.linalg.cholesky(self.noise) / pixel_sigma_px
        columns = by_pixel * (self.edge_share * np.array([x2 - x1, y2 - y1]))[::-1]
        shape = np.array([self.by_error[:, MIDDLE] * SHAPE_SIGMA, [0.0, self._far_lean * SLANT_SIGMA]])
        columns = np.hstack([columns, self._east_north_by_slopes @ shape.T])
        drawing: Array = columns @ columns.T
        return drawing

    @property
    def _far_lean(self) -> float:
        """How far the box's middle goes aside with its far end, in slopes per radian of slant."""
        ahead_m = self.scene.camera.camera.mount.height_m / float(self.slopes[0])
        far_part = LEAST_FAR_PART if math.isnan(self.length_m) else ahead_m / (ahead_m + self.length_m)
        return self.scene.camera.settings.middle_share * (1 - max(far_part, LEAST_FAR_PART)) / 2

    @property
    def covariance(self) -> Array:
        """Covariance (2, 2) of the place from this look alone, without the receiver's; m², east and north."""
        total: Array = self.own + self.shared @ self.shared.T
        return total

    @property
    def size(self) -> Size:
        """Extent on the road if the camera looks as its mount says."""
        mount, settings = self.scene.camera.camera.mount, self.scene.camera.settings
        tilt_sigma_deg = math.hypot(mount.tilt_sigma_deg, settings.slope_sigma_deg)
        return measured(self.box_px, self.edge_share, self.scene.camera, 0.0, math.radians(tilt_sigma_deg))

    @property
    def _east_north_by_slopes(self) -> Array:
        return self.scene.east_north(self.slopes)[1]


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
    """Places of boxes: the bottom middle of each, in metres east and north of the reference point.

    A box that the frame's edge cuts comes back too, marked as `cut`: where it goes on is not seen.
    """
    count = len(sightings.boxes_px)
    if not count:
        return []
    boxes_px = np.asarray(sightings.boxes_px, float)
    sights, corners = _sights(boxes_px, camera)
    noise = _pixel_noise(sights, camera)
    by_error, slopes = _with_middles(sights, corners, camera.settings.middle_share)
    scene = Scene(camera, pose, time_sigma_s)
    limits = _Limits.of(camera)
    rows = zip(boxes_px.tolist(), sights.slopes.tolist(), corners.transpose(1, 0, 2).tolist(), strict=True)
    places: list[Located | Unplaced] = []
    for number, (box_px, bottom, (top, left, right)) in enumerate(rows):
        forward_m, right_m, distance_m = _place_m(bottom, camera.camera.mount)
        reason = limits.no_place(bottom, distance_m)
        if reason is not None:
            places.append(Unplaced(number, reason))
            continue
        width_m, length_m = _extents_m(bottom, top, left, right, camera.camera.mount.height_m)
        cut_bottom, cut_side = limits.cuts(box_px)
        places.append(
            Located(
                number=number,
                class_code=sightings.class_codes[number],
                confidence=sightings.confidences[number],
                box_px=tuple(box_px),
                scene=scene,
                slopes=slopes[number],
                noise=noise[number],
                by_error=by_error[number],
                forward_m=forward_m,
                right_m=right_m,
                distance_m=distance_m,
                width_m=width_m,
                length_m=length_m,
                edge_share=sightings.edge_share,
                cut_bottom=cut_bottom,
                cut_side=cut_side,
            )
        )
    return places


def error_sigmas(camera: RoadCamera, heading_sigma_deg: float) -> Array:
    """Sigmas (6,) of the errors in `ERRORS`, as mount and settings state them."""
    mount = camera.camera.mount
    degrees = (mount.tilt_sigma_deg, mount.roll_sigma_deg, mount.yaw_sigma_deg, heading_sigma_deg)
    height = mount.height_sigma_m / mount.height_m
    return np.array([height, *np.radians(degrees), camera.settings.middle_share_sigma])


def east_north_from(heading_deg: float) -> Array:
    """Rotation (2, 2) from forward and right to east and north; it is its own inverse."""
    sin, cos = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    return np.array([[sin, cos], [cos, -sin]])


def turned(heading_deg: float, forward_m: float, right_m: float) -> tuple[float, float]:
    """Metres east and north of a way forward and right; or forward and right of one east and north."""
    sin, cos = math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))
    return sin * forward_m + cos * right_m, cos * forward_m - sin * right_m


def _sights(boxes_px: Array, camera: RoadCamera) -> tuple[Sights, Array]:
    """Sights of the bottom middles, and slopes (3, N, 2) of top middle, bottom left and bottom right."""
    count = len(boxes_px)
    pixels = np.empty((4, count, 2))
    pixels[0, :, 0] = pixels[1, :, 0] = (boxes_px[:, 0] + boxes_px[:, 2]) / 2
    pixels[2:, :, 0] = boxes_px[:, 0::2].T
    pixels[0, :, 1] = pixels[2, :, 1] = pixels[3, :, 1] = boxes_px[:, 3]
    pixels[1, :, 1] = boxes_px[:, 1]
    sights, corners = camera.sights(pixels[0], pixels[1:].reshape(-1, 2))
    return sights, corners.reshape(3, count, 2)


def _extents_m(
    bottom: list[float], top: list[float], left: list[float], right: list[float], height_m: float
) -> tuple[float, float]:
    """Width of the lower edge and length along the view; NaN where the far end is not on the road."""
    width_m = height_m * abs(right[1] - left[1]) / bottom[0]
    return width_m, height_m / top[0] - height_m / bottom[0] if top[0] > 0 else math.nan


def _place_m(bottom: list[float], mount: CameraMount) -> tuple[float, float, float]:
    """Forward and right of the reference point, and distance from the camera's foot; NaN above horizon."""
    fall, right = bottom
    ahead_m = mount.height_m / fall if fall > 0 else math.nan
    yaw = math.radians(mount.yaw_right_deg)
    return (
        mount.forward_m + ahead_m * (math.cos(yaw) - math.sin(yaw) * right),
        mount.right_m + ahead_m * (math.sin(yaw) + math.cos(yaw) * right),
        ahead_m * math.hypot(1.0, right),
    )


@dataclass(frozen=True, slots=True)
class _Limits:
    """Between what borders a box has a place: below the horizon, near enough, and within the frame."""

    depression_rad: float
    far_m: float
    left_px: float
    right_px: float
    below_px: float

    @classmethod
    @lru_cache(maxsize=16)  # once for a camera, not for every frame
    def of(cls, camera: RoadCamera) -> "_Limits":
        mount, settings, size = camera.camera.mount, camera.settings, camera.camera.intrinsics
        sigma_rad = math.radians(math.hypot(mount.tilt_sigma_deg, settings.slope_sigma_deg))
        edge_px = settings.frame_edge_px
        return cls(
            settings.horizon_sigmas * sigma_rad,
            settings.far_m,
            edge_px,
            size.width_px - edge_px,
            size.height_px - edge_px,
        )

    def no_place(self, bottom: list[float], distance_m: float) -> NoPlace | None:
        """Why a bottom middle has no place on the road; a slope that is no number lies behind the camera."""
        if not math.atan2(bottom[0], math.hypot(1.0, bottom[1])) > self.depression_rad:
            return NoPlace.NEAR_HORIZON
        return NoPlace.TOO_FAR if distance_m > self.far_m else None

    def cuts(self, box_px: list[float]) -> tuple[bool, bool]:
        """Whether the frame's lower edge cuts a box, and whether its left or right edge does."""
        x1, _, x2, y2 = box_px
        return y2 >= self.below_px, x1 <= self.left_px or x2 >= self.right_px


def _pixel_noise(sights: Sights, camera: RoadCamera) -> Array:
    """Covariance (N, 2, 2) of slopes from the pixel; the middle of two edges is as sure as an edge."""
    sigma_px = camera.settings.pixel_sigma_px
    noise: Array = sigma_px**2 * sights.by_pixel @ sights.by_pixel.transpose(0, 2, 1)
    return noise


def _with_middles(sights: Sights, corners: Array, share: float) -> tuple[Array, Array]:
    """All columns of `by_error` (N, 2, 6), and slopes that lead to the near end of the damage.

    The outline of a damage from near to far bounds its box. Seen from aside, its inner side (the one nearer
    to the image's middle) is drawn by the far end: followed along the road to the near end it lies farther
    out, by far / near. Half of that is how far the box's middle leans, times the share that is true of these
    boxes. Where the box reaches across the image's middle, the near end draws both sides.
    """
    far_part = np.minimum(np.maximum(corners[0, :, 0] / sights.slopes[:, 0], LEAST_FAR_PART), 1.0)
    left, right = corners[1, :, 1], corners[2, :, 1]
    inner = np.maximum(left, 0.0) + np.minimum(right, 0.0)
    column = np.zeros((len(inner), 2, 1))
    column[:, 1, 0] = -inner * (1 / far_part - 1) / 2
    slopes = sights.slopes - share * column[:, :, 0]
    return np.concatenate([sights.by_error, column], axis=2), slopes
