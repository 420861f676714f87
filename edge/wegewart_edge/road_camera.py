"""A mounted camera and the flat road: image points to road points and back, and how each error moves them.

Conventions, axes and signs: docs/frames.md. Every uncertainty is a column scaled by its sigma, so that a
covariance is the columns times their transpose, and what several looks share can be told apart.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.camera import Camera, CameraMount
from wegewart.drive import ViewingZone
from wegewart.errors import InvalidMount
from wegewart_edge.settings import LocateSettings

Array = npt.NDArray[np.float64]

HORIZON_EPSILON = 1e-9  # downward part of a ray; below it the ray never meets the road
UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 50, 1e-10)
PIXEL_STEPS = np.array([[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
STEEPEST_YAW_DEG = 80.0  # the viewing zone lies ahead of the vehicle

# Columns are the camera's axes (x right, y down, z forward) in the vehicle's (x forward, y right, z down).
VEHICLE_FROM_LEVEL_CAMERA = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Sights:
    """Where pixels look, as slopes that stay finite at the horizon and nearly linear in every error.

    In viewing axes (level, turned by the mount's yaw): `slopes` is (N, 2), how far a ray falls and how far it
    goes to the right per metre ahead, NaN where it leads backwards. `by_pixel` is (N, 2, 2), per pixel;
    `by_error` is (N, 2, 5): what an error of the mount or the heading adds to the slopes that a calibrated
    camera reads, per unit of relative height, and per radian of tilt, roll, yaw and heading.
    """

    slopes: Array
    by_pixel: Array
    by_error: Array


@dataclass(frozen=True)
class GroundPoints:
    """Points on the road and how they move with each error.

    `points_m` is (N, 2), forward and right of the reference point, NaN above the horizon. `common` is
    (N, 2, 4): height, tilt, roll, yaw, each times its sigma. `pixel` is (N, 2, 2): u and v, each times the
    pixel sigma. `pitch` is (N, 2): slope and pitching of this moment, times its sigma. `depression_rad` is
    the angle of the ray below the horizon.
    """

    points_m: Array
    common: Array
    pixel: Array
    pitch: Array
    depression_rad: Array


class RoadCamera:
    """One mounted camera that looks at the road.

    Raises:
        InvalidMount: If the lowest row of the image does not see the road within the usable range.
    """

    def __init__(self, camera: Camera, settings: LocateSettings) -> None:
        self.camera = camera
        self.settings = settings
        intrinsics = camera.intrinsics
        self._matrix = np.array(
            [
                [intrinsics.focal_x_px, 0.0, intrinsics.centre_x_px],
                [0.0, intrinsics.focal_y_px, intrinsics.centre_y_px],
                [0.0, 0.0, 1.0],
            ]
        )
        self._distortion = np.array(intrinsics.distortion or (0.0, 0.0, 0.0, 0.0))
        self._bends = bool(self._distortion.any())
        self._focal_px = np.diagonal(self._matrix)[:2]
        self._straight_steps = np.vstack([np.diag(1 / self._focal_px), np.zeros((1, 2))])
        self._rotation, self._turns = _rotation_and_turns(camera)
        # viewing axes: the vehicle's, turned by the mount's yaw, so that the image's middle lies ahead
        level_from_vehicle = _turn(2, -math.radians(camera.mount.yaw_right_deg))[0]
        self._viewing = level_from_vehicle @ self._rotation
        self._viewing_turns = np.stack([(level_from_vehicle @ turn).T for turn in self._turns])
        self._lever = level_from_vehicle[:2, :2] @ [camera.mount.forward_m, camera.mount.right_m]
        if abs(camera.mount.yaw_right_deg) > STEEPEST_YAW_DEG:
            raise InvalidMount(
                f"camera {camera.camera_id} looks {camera.mount.yaw_right_deg:.0f}° to the right: "
                f"more than {STEEPEST_YAW_DEG:.0f}° away from ahead is not supported"
            )
        if not self.near_m < settings.far_m:
            raise InvalidMount(
                f"camera {camera.camera_id}: the road begins {self.near_m:.1f} m ahead, beyond far_m "
                f"{settings.far_m:.1f} m: check tilt_down_deg and height_m of its mount"
            )

    @cached_property
    def near_m(self) -> float:
        """Nearest road seen whole, metres ahead of the reference point; infinite where none is seen."""
        size = self.camera.intrinsics
        bottom_px = size.height_px - self.settings.frame_edge_px
        nearest_m = float(self.ground(np.array([[size.width_px / 2, bottom_px]])).points_m[0, 0])
        return math.inf if math.isnan(nearest_m) else max(self.settings.near_m, nearest_m, 0.0)

    def distance_m(self, forward_m: float, right_m: float) -> float:
        """Distance on the road from the point below the camera."""
        mount = self.camera.mount
        return math.hypot(forward_m - mount.forward_m, right_m - mount.right_m)

    @cached_property
    def zone(self) -> ViewingZone:
        """Part of the road in which this camera finds damage."""
        size, edge_px = self.camera.intrinsics, self.settings.frame_edge_px
        bottom_px = size.height_px - edge_px
        corners = self.ground(np.array([[edge_px, bottom_px], [size.width_px - edge_px, bottom_px]])).points_m
        half_m = self.settings.half_width_m
        return ViewingZone(
            near_m=round(self.near_m, 2),
            far_m=round(self.settings.far_m, 2),
            left_m=round(float(max(corners[0, 1], -half_m)), 2),
            right_m=round(float(min(corners[1, 1], half_m)), 2),
        )

    @cached_property
    def horizon_row_px(self) -> float:
        """Lowest row that the horizon reaches between the image's left and right edge."""
        size = self.camera.intrinsics
        rows = np.arange(0.0, size.height_px + 1.0)
        lowest = 0.0
        for column_px in (0.0, size.width_px / 2, float(size.width_px)):
            pixels = np.stack([np.full_like(rows, column_px), rows], axis=1)
            above = rows[np.isnan(self.ground(pixels).points_m[:, 0])]
            lowest = max(lowest, float(above.max()) if above.size else 0.0)
        return lowest

    def sights(self, pixels: Array, others: Array) -> tuple[Sights, Array]:
        """Slopes of pixels (N, 2) with what moves them, and slopes (M, 2) alone of other pixels.

        An error of height scales the fall; of an angle, turns the ray; of the heading, also moves the camera
        by its lever arm around the reference point.
        """
        count = len(pixels)
        if self._bends:
            stepped = (pixels[None] + PIXEL_STEPS[:, None]).reshape(-1, 2)
            rays = self._rays(np.concatenate([stepped, others]))
            ray, other = rays[:count], rays[5 * count :]
            steps = rays[count : 5 * count].reshape(4, count, 3)
            by_pixel_of_ray = np.stack([steps[0] - steps[1], steps[2] - steps[3]], axis=2)
        else:
            rays = self._rays(np.concatenate([pixels, others]))
            ray, other = rays[:count], rays[count:]
            by_pixel_of_ray = self._straight_steps
        direction = ray @ self._viewing.T
        ahead = np.where(direction[:, 0] > HORIZON_EPSILON, direction[:, 0], np.nan)
        slopes = direction[:, 2:0:-1] / ahead[:, None]
        chain = np.zeros(
            (count, 2, 3)
        )  # d(fall) = (dz - fall dx) / ahead, d(right) = (dy - right dx) / ahead
        chain[:, :, 0] = -slopes / ahead[:, None]
        chain[:, 0, 2] = chain[:, 1, 1] = 1 / ahead
        turned = ray @ self._viewing_turns  # (3, N, 3): tilt, roll, yaw
        by_error = np.empty((count, 2, 5))
        by_error[:, 0, 0], by_error[:, 1, 0] = slopes[:, 0], 0.0
        np.matmul(chain, -turned.transpose(1, 2, 0), out=by_error[:, :, 1:4])
        by_error[:, :, 4] = by_error[:, :, 3] - _lever_slopes(slopes, self.camera.mount, self._lever)
        by_pixel = chain @ (self._viewing @ by_pixel_of_ray)
        return Sights(slopes, by_pixel, by_error), _slopes(other @ self._viewing.T)

    def ground(self, pixels: Array, tilt_more_rad: float = 0.0) -> GroundPoints:
        """Project image points onto the flat road.

        Args:
            pixels: (N, 2), origin top left, x right, y down.
            tilt_more_rad: How much further down the camera looked at this moment than its mount says.
        Source: docs/frames.md; Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 8.1.
        """
        rotation, turns = self._rotation, self._turns
        if tilt_more_rad:
            rotation, turns = _rotation_and_turns(self.camera, tilt_more_rad)
        ray, by_pixel_of_ray = self._rays_and_steps(pixels)
        down = ray @ rotation.T
        points_m, by_ray = self._meet_road(down)
        mount, settings = self.camera.mount, self.settings
        pixel = by_ray @ (rotation @ by_pixel_of_ray) * settings.pixel_sigma_px
        turned = np.stack([ray @ turn.T for turn in turns], axis=2)  # (N, 3, 3): tilt, roll, yaw
        by_angle = by_ray @ turned
        height = (points_m - [mount.forward_m, mount.right_m]) / mount.height_m
        sigmas = np.radians([mount.tilt_sigma_deg, mount.roll_sigma_deg, mount.yaw_sigma_deg])
        common = np.concatenate([height[:, :, None] * mount.height_sigma_m, by_angle * sigmas], axis=2)
        pitch = by_angle[:, :, 0] * math.radians(settings.slope_sigma_deg)
        depression_rad = np.arctan2(down[:, 2], np.hypot(down[:, 0], down[:, 1]))
        return GroundPoints(points_m, common, pixel, pitch, depression_rad)

    def pixels(self, points_m: Array) -> Array:
        """Image points of road points (N, 2), forward and right; NaN behind the camera."""
        if not len(points_m):
            return np.zeros((0, 2))
        mount = self.camera.mount
        from_camera = np.column_stack(
            [
                points_m[:, 0] - mount.forward_m,
                points_m[:, 1] - mount.right_m,
                np.full(len(points_m), mount.height_m),
            ]
        )
        in_camera = from_camera @ self._rotation
        pixels, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), self._matrix, self._distortion)
        return np.where(in_camera[:, 2:] > 0, pixels.reshape(-1, 2), np.nan)

    def _rays_and_steps(self, pixels: Array) -> tuple[Array, Array]:
        """Rays of pixels (N, 2), and how they move per pixel (N, 3, 2): central differences."""
        if self._bends:
            rays = self._rays((pixels[None] + PIXEL_STEPS[:, None]).reshape(-1, 2)).reshape(5, -1, 3)
            return rays[0], np.stack([rays[1] - rays[2], rays[3] - rays[4]], axis=2)
        return self._rays(pixels), np.repeat(self._straight_steps[None], len(pixels), axis=0)

    def _rays(self, pixels: Array) -> Array:
        """Directions (N, 3) in the camera's frame, undistorted, with z = 1."""
        if not self._bends:
            rays = np.ones((len(pixels), 3))
            rays[:, :2] = (pixels - self._matrix[:2, 2]) / self._focal_px
            return rays
        flat = cv2.undistortPointsIter(
            np.ascontiguousarray(pixels)[:, None],
            self._matrix,
            self._distortion,
            np.eye(3),
            np.eye(3),
            UNDISTORT_UNTIL,
        )
        rays = np.ones((len(pixels), 3))
        rays[:, :2] = flat[:, 0]
        return rays

    def _meet_road(self, direction: Array) -> tuple[Array, Array]:
        """Where rays (N, 3) in the vehicle's frame meet the road, and the derivative by the ray (N, 2, 3)."""
        mount = self.camera.mount
        down = np.where(direction[:, 2] > HORIZON_EPSILON, direction[:, 2], np.nan)
        reach = mount.height_m / down
        offset = direction[:, :2] * reach[:, None]
        points_m = offset + np.array([mount.forward_m, mount.right_m])
        by_ray = np.zeros((len(direction), 2, 3))
        by_ray[:, 0, 0] = by_ray[:, 1, 1] = reach
        by_ray[:, :, 2] = -offset / down[:, None]
        return points_m, by_ray


def _slopes(direction: Array) -> Array:
    """Fall and way to the right per metre ahead, (N, 2), of directions (N, 3); NaN where they lead back."""
    ahead = np.where(direction[:, 0] > HORIZON_EPSILON, direction[:, 0], np.nan)
    slopes: Array = direction[:, 2:0:-1] / ahead[:, None]
    return slopes


def _lever_slopes(slopes: Array, mount: CameraMount, lever: Array) -> Array:
    """How slopes (N, 2) move when the camera's foot swings around the reference point, per radian."""
    fall, right = slopes.T
    ahead_m, right_m = (
        -lever[1],
        lever[0],
    )  # a turn to the right swings a foot ahead of the point to the right
    per_metre = fall / mount.height_m
    return np.stack([-fall * per_metre * ahead_m, per_metre * (right_m - right * ahead_m)], axis=1)


def _rotation_and_turns(camera: Camera, tilt_more_rad: float = 0.0) -> tuple[Array, list[Array]]:
    """Vehicle-from-camera rotation, and its derivatives by tilt, roll and yaw (per rad).

    Applied from right to left: level camera, roll about the forward axis, tilt about the right axis, yaw
    about the down axis. Looking down turns forward towards +z, which is a negative turn about y.
    """
    mount = camera.mount
    yaw, d_yaw = _turn(2, math.radians(mount.yaw_right_deg))
    tilt, d_tilt = _turn(1, -math.radians(mount.tilt_down_deg) - tilt_more_rad)
    roll, d_roll = _turn(0, math.radians(mount.roll_right_deg))
    level = VEHICLE_FROM_LEVEL_CAMERA
    return yaw @ tilt @ roll @ level, [
        yaw @ -d_tilt @ roll @ level,
        yaw @ tilt @ d_roll @ level,
        d_yaw @ tilt @ roll @ level,
    ]


def _turn(axis: int, angle_rad: float) -> tuple[Array, Array]:
    """Right-handed rotation about x, y or z, and its derivative by the angle."""
    sin, cos = math.sin(angle_rad), math.cos(angle_rad)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn, derivative = np.eye(3), np.zeros((3, 3))
    turn[first, first] = turn[second, second] = cos
    turn[first, second], turn[second, first] = -sin, sin
    derivative[first, first] = derivative[second, second] = -sin
    derivative[first, second], derivative[second, first] = -cos, cos
    return turn, derivative
