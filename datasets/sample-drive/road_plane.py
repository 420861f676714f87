"""The road as a plane before the camera, both ways: pixels to metres and metres to pixels.

The sample drive's own projection, so that its truth does not depend on the code it is there to check.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PlaneCamera:
    """A pinhole camera with one radial term over a flat road; angles as in docs/frames.md, in degrees."""

    focal_px: float
    centre_x_px: float
    centre_y_px: float
    radial: float
    height_m: float
    tilt_down_deg: float
    roll_right_deg: float
    yaw_right_deg: float

    @property
    def camera_from_vehicle(self) -> FloatArray:
        """Rotation, shape (3, 3): rows are the camera's x, y, z in the vehicle's forward, right, down."""
        tilt, roll, yaw = (
            math.radians(angle) for angle in (self.tilt_down_deg, self.roll_right_deg, self.yaw_right_deg)
        )
        ahead = np.array(
            [math.cos(tilt) * math.cos(yaw), math.cos(tilt) * math.sin(yaw), math.sin(tilt)], np.float64
        )
        level = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
        down = np.cross(ahead, level)
        right = math.cos(roll) * level + math.sin(roll) * down
        return np.array([right, -math.sin(roll) * level + math.cos(roll) * down, ahead])

    @property
    def distortion(self) -> tuple[float, float, float, float]:
        """OpenCV's k1, k2, p1, p2; with k2 = k1² the bend stays monotonic out to the corners."""
        return self.radial, self.radial**2, 0.0, 0.0

    @property
    def matrix(self) -> FloatArray:
        """OpenCV's camera matrix, shape (3, 3)."""
        return np.array(
            [
                [self.focal_px, 0.0, self.centre_x_px],
                [0.0, self.focal_px, self.centre_y_px],
                [0.0, 0.0, 1.0],
            ]
        )

    def ground_from_pixels(self, pixels: FloatArray) -> FloatArray:
        """Road points in metres (forward, right) from below the camera, shape (N, 2).

        NaN where the pixel looks at or above the horizon.
        """
        distortion = np.array(self.distortion)
        until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
        rays = cv2.undistortPointsIter(
            pixels.reshape(-1, 1, 2).astype(np.float64), self.matrix, distortion, np.eye(3), np.eye(3), until
        )
        rays = np.c_[rays.reshape(-1, 2), np.ones(len(pixels))] @ self.camera_from_vehicle
        falling = np.where(rays[:, 2] > 0, rays[:, 2], np.nan)
        ground: FloatArray = rays[:, :2] * (self.height_m / falling)[:, None]
        return ground

    def pixels_from_ground(self, ground_m: FloatArray) -> FloatArray:
        """Pixels of road points (forward, right), shape (N, 2); only for points before the camera."""
        below = np.c_[ground_m, np.full(len(ground_m), self.height_m)] @ self.camera_from_vehicle.T
        x, y = below[:, 0] / below[:, 2], below[:, 1] / below[:, 2]
        bend = self.radial * (x * x + y * y)
        stretch = 1 + bend + bend * bend
        return np.column_stack(
            (self.centre_x_px + self.focal_px * x * stretch, self.centre_y_px + self.focal_px * y * stretch)
        )
