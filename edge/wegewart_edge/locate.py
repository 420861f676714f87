"""From boxes in an image to places and sizes on the road, each with what makes it uncertain.

A flat road and a calibrated camera; docs/frames.md has the formulas. What all looks of a drive have in
common (mount, heading, clock) is kept apart from what is new with each look, so that the mean of many looks
does not claim more than it knows. The receiver's covariance is not part of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera, Sights
from wegewart_edge.size import Size, measured

Array = npt.NDArray[np.float64]

ERRORS = ("height", "tilt", "roll", "yaw", "heading", "middle")  # columns of Located.by_error
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
        fall, right = slopes
        ahead_m = mount.height_m / fall
        by_slopes = np.array([[-ahead_m / fall, 0.0], [-ahead_m * right / fall, ahead_m]])
        foot = east_north_from(self.pose.heading_deg) @ [mount.forward_m, mount.right_m]
        turn = east_north_from(self.viewing_deg)
        return foot + turn @ [ahead_m, ahead_m * right], turn @ by_slopes

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
        """Covariance (2, 2) of how loosely the looker draws such a box.

        It repeats from look to look: it neither averages out nor widens the gate between frames.
        """
        x1, y1, x2, y2 = self.box_px
        pixel_sigma_px = self.scene.camera.settings.pixel_sigma_px
        by_pixel = self._east_north_by_slopes @ np.linalg.cholesky(self.noise) / pixel_sigma_px
        columns = by_pixel * (self.edge_share * np.array([x2 - x1, y2 - y1]))[::-1]
        drawing: Array = columns @ columns.T
        return drawing

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
    extents_m = _extents_m(sights.slopes, corners, camera)
    places_m = _places_m(sights.slopes, camera)
    unplaced = _without_a_place(sights.slopes, places_m, camera)
    cuts = _cuts(boxes_px, camera)
    noise = _pixel_noise(sights, camera)
    by_error, slopes = _with_middles(sights, corners, camera.settings.middle_share)
    scene = Scene(camera, pose, time_sigma_s)
    rows = zip(boxes_px.tolist(), places_m.tolist(), extents_m.tolist(), cuts.tolist(), strict=True)
    return [
        Unplaced(number, reason)
        if (reason := unplaced[number]) is not None
        else Located(
            number=number,
            class_code=sightings.class_codes[number],
            confidence=sightings.confidences[number],
            box_px=tuple(box_px),
            scene=scene,
            slopes=slopes[number],
            noise=noise[number],
            by_error=by_error[number],
            forward_m=place_m[0],
            right_m=place_m[1],
            distance_m=place_m[2],
            width_m=extent_m[0],
            length_m=extent_m[1],
            edge_share=sightings.edge_share,
            cut_bottom=cut[0],
            cut_side=cut[1],
        )
        for number, (box_px, place_m, extent_m, cut) in enumerate(rows)
    ]


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


def _sights(boxes_px: Array, camera: RoadCamera) -> tuple[Sights, Array]:
    """Sights of the bottom middles, and slopes (3, N, 2) of top middle, bottom left and bottom right."""
    x1, y1, x2, y2 = boxes_px.T
    middle = (x1 + x2) / 2
    others = np.array([[middle, y1], [x1, y2], [x2, y2]]).transpose(0, 2, 1).reshape(-1, 2)
    return camera.sights(np.stack([middle, y2], axis=1)), camera.slopes(others).reshape(3, -1, 2)


def _extents_m(bottom: Array, corners: Array, camera: RoadCamera) -> Array:
    """Width of the lower edge and length along the view, (N, 2); NaN where an end is not on the road."""
    height_m = camera.camera.mount.height_m
    fall = np.where(bottom[:, 0] > 0, bottom[:, 0], np.nan)
    top_fall = np.where(corners[0, :, 0] > 0, corners[0, :, 0], np.nan)
    width_m = height_m * np.abs(corners[2, :, 1] - corners[1, :, 1]) / fall
    return np.stack([width_m, height_m / top_fall - height_m / fall], axis=1)


def _places_m(bottom: Array, camera: RoadCamera) -> Array:
    """Forward, right and distance of bottom middles, (N, 3); NaN above the horizon."""
    mount = camera.camera.mount
    fall = np.where(bottom[:, 0] > 0, bottom[:, 0], np.nan)
    ahead_m = mount.height_m / fall
    right_m = ahead_m * bottom[:, 1]
    yaw = math.radians(mount.yaw_right_deg)
    return np.stack(
        [
            mount.forward_m + math.cos(yaw) * ahead_m - math.sin(yaw) * right_m,
            mount.right_m + math.sin(yaw) * ahead_m + math.cos(yaw) * right_m,
            np.hypot(ahead_m, right_m),
        ],
        axis=1,
    )


def _without_a_place(bottom: Array, places_m: Array, camera: RoadCamera) -> Sequence[NoPlace | None]:
    """Why a bottom middle has no place on the road, one per box."""
    mount, settings = camera.camera.mount, camera.settings
    sigma_rad = math.radians(math.hypot(mount.tilt_sigma_deg, settings.slope_sigma_deg))
    depression_rad = np.arctan2(bottom[:, 0], np.hypot(1.0, bottom[:, 1]))
    near_horizon = ~(depression_rad > max(settings.horizon_sigmas * sigma_rad, 0.0))
    too_far = places_m[:, 2] > settings.far_m
    return [
        NoPlace.NEAR_HORIZON if horizon else NoPlace.TOO_FAR if far else None
        for horizon, far in zip(near_horizon.tolist(), too_far.tolist(), strict=True)
    ]


def _cuts(boxes_px: Array, camera: RoadCamera) -> npt.NDArray[np.bool_]:
    """Whether the frame's lower edge cuts a box, and whether its left or right edge does, (N, 2)."""
    size, edge_px = camera.camera.intrinsics, camera.settings.frame_edge_px
    below = boxes_px[:, 3] >= size.height_px - edge_px
    aside = (boxes_px[:, 0] <= edge_px) | (boxes_px[:, 2] >= size.width_px - edge_px)
    return np.stack([below, aside], axis=1)


def _pixel_noise(sights: Sights, camera: RoadCamera) -> Array:
    """Covariance (N, 2, 2) of slopes from the pixel; the middle of two edges is as sure as an edge."""
    sigma_px = camera.settings.pixel_sigma_px
    noise: Array = sigma_px**2 * sights.by_pixel @ sights.by_pixel.transpose(0, 2, 1)
    return noise


def _with_middles(sights: Sights, corners: Array, share: float) -> tuple[Array, Array]:
    """All columns of `by_error` (N, 2, 6), and slopes that lead to the near end of the damage.

    The outline of a damage from near to far bounds its box. Seen from aside, its middle lies about half a
    length further away than its near end and thus nearer to the image's middle; the slope to the right of
    the near end is larger by (far − near) / (far + near), times the share that is true of these boxes.
    """
    near, far = sights.slopes[:, 0], np.maximum(corners[0, :, 0], 0.0)
    column = np.zeros((len(near), 2, 1))
    column[:, 1, 0] = -sights.slopes[:, 1] * (near - far) / (near + far)
    slopes = sights.slopes - share * column[:, :, 0]
    return np.concatenate([sights.by_error, column], axis=2), slopes
