"""How road points move in the picture while the vehicle moves, and what an adjustment of that finds."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.camera import CameraIntrinsics

Array = npt.NDArray[np.float64]

TILT, ROLL, YAW, LOG_HEIGHT = range(4)
UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 50, 1e-10)


@dataclass(frozen=True)
class Pair:
    """Two frames, by their place in the list of frames, and how the vehicle moved between them.

    `advance_m` and `sideways_m` are the way of the point below the camera, `turn_rad` is clockwise.
    """

    first: int
    second: int
    advance_m: float
    advance_sigma_m: float
    sideways_m: float
    sideways_sigma_m: float
    turn_rad: float
    heading_sigma_rad: float


@dataclass(frozen=True)
class RoadPoints:
    """Road points seen in both frames of a pair: undistorted rays with z = 1, each (N, 3)."""

    pair: int
    first: Array
    second: Array


@dataclass(frozen=True)
class Motion:
    """What the adjustment found, in radians and metres.

    `frames` is (F, 3): pitch, roll and yaw of each frame beside the mount's. `moves` is (P, 2): advance and
    sideways way of each pair. `covariance` (4, 4) and `jackknife` (4,) speak of tilt, roll, yaw and the
    logarithm of the height: the first as the adjustment states it, the second from leaving out stretches.
    """

    mount: Array
    frames: Array
    moves: Array
    covariance: Array
    jackknife: Array
    sigma_px: float

    @property
    def height_m(self) -> float:
        """Height of the camera above the road."""
        return math.exp(self.mount[LOG_HEIGHT])

    @property
    def sigmas(self) -> Array:
        """Of tilt, roll, yaw (rad) and log height: the larger estimate, and the frames' own share."""
        own = np.append(self.frames.std(axis=0) / math.sqrt(len(self.frames)), 0.0)
        larger = np.maximum(np.sqrt(np.diag(self.covariance)), self.jackknife)
        return np.asarray(np.hypot(larger, own))


def directions(rays: Array, tilt: Array, roll: Array, yaw: Array) -> Array:
    """Rays (N, 3) of the camera's frame in the vehicle's; angles (N,) in radians, as in docs/frames.md."""
    x, y, z = rays.T
    right = x * np.cos(roll) - y * np.sin(roll)
    down = x * np.sin(roll) + y * np.cos(roll)
    forward = z * np.cos(tilt) - down * np.sin(tilt)
    down = z * np.sin(tilt) + down * np.cos(tilt)
    return np.column_stack(
        [
            forward * np.cos(yaw) - right * np.sin(yaw),
            forward * np.sin(yaw) + right * np.cos(yaw),
            down,
        ]
    )


def back_to_rays(vectors: Array, tilt: Array, roll: Array, yaw: Array) -> Array:
    """The way back: vectors (N, 3) of the vehicle's frame as rays (N, 3) with z = 1."""
    ahead, side, below = vectors.T
    forward = ahead * np.cos(yaw) + side * np.sin(yaw)
    right = -ahead * np.sin(yaw) + side * np.cos(yaw)
    z = forward * np.cos(tilt) + below * np.sin(tilt)
    down = -forward * np.sin(tilt) + below * np.cos(tilt)
    x = right * np.cos(roll) + down * np.sin(roll)
    y = -right * np.sin(roll) + down * np.cos(roll)
    return np.column_stack([x / z, y / z, np.ones(len(z))])


def on_road(rays: Array, angles: Array, height_m: Array) -> Array:
    """Where rays (N, 3) meet the road, metres (N, 2) forward and right of the point below the camera.

    `angles` is (N, 3): tilt, roll and yaw of each ray's frame. NaN for rays that never meet it.
    """
    vectors = directions(rays, *angles.T)
    falling = np.where(vectors[:, 2] > 0, vectors[:, 2], np.nan)
    return np.asarray(vectors[:, :2] * (height_m / falling)[:, None])


def turned(points_m: Array, turn_rad: Array) -> Array:
    """Points (N, 2), forward and right, as a vehicle sees them that has turned clockwise."""
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    ahead, right = points_m.T
    return np.column_stack([cos * ahead + sin * right, cos * right - sin * ahead])


def undistorted_rays(pixels: Array, intrinsics: CameraIntrinsics) -> Array:
    """Rays (N, 3) of the camera's frame through pixels (N, 2), with z = 1."""
    if not len(pixels):
        return np.empty((0, 3))
    matrix = np.array(
        [
            [intrinsics.focal_x_px, 0.0, intrinsics.centre_x_px],
            [0.0, intrinsics.focal_y_px, intrinsics.centre_y_px],
            [0.0, 0.0, 1.0],
        ]
    )
    distortion = np.array(intrinsics.distortion or (0.0, 0.0, 0.0, 0.0))
    points = np.ascontiguousarray(pixels, np.float64)[:, None]
    flat = cv2.undistortPointsIter(points, matrix, distortion, np.eye(3), np.eye(3), UNDISTORT_UNTIL)
    return np.column_stack([flat.reshape(-1, 2).astype(np.float64), np.ones(len(pixels))])
