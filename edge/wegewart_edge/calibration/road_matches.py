"""The same spots of the road in two frames, found in views from above and sorted by a vote for one move."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]
PixelsOf = Callable[[Array], Array]
"""Pixels (N, 2) of road points (N, 2), forward and right in metres."""

EDGE_PX = 5  # remapping and SIFT blur the picture's edge
SPOT_REACH_PX = 25  # a spot's descriptor must not see beyond the picture
MOST_SPOTS, LEAST_CONTRAST = 8000, 0.008
RATIO = 0.88  # Lowe's test; most spots of an asphalt surface look like others, the vote sorts them
VOTE_M = (0.12, 0.08)  # half axes, along and across, of the ellipse in which matches agree on a move
KEEP_M = (0.3, 0.12)
ANOTHER_MOVE_M = 0.6  # along; a runner-up nearer than this is the same move


@dataclass(frozen=True)
class RoadPatch:
    """Part of the road, metres forward and right of the reference point, and the grain of its view."""

    near_m: float
    far_m: float
    left_m: float
    right_m: float
    ahead_step_m: float = 0.02
    right_step_m: float = 0.015


@dataclass(frozen=True)
class RoadSpots:
    """Spots of one frame: places on the road and pixels, each (N, 2), and SIFT descriptors (N, 128)."""

    road_m: Array
    pixels: Array
    descriptors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """Moves that are possible between two frames: (shortest, longest) forward, and sideways at most."""

    advance_m: tuple[float, float]
    sideways_m: float


@dataclass(frozen=True)
class Vote:
    """The move most matches agree on, (2,) forward and right, how many do, and the next move's votes."""

    move_m: Array
    votes: int
    runner_up: int

    @property
    def clearness(self) -> float:
        """Votes over those of the best other move."""
        return self.votes / max(self.runner_up, 1)


def view_from_above(
    image: ImageU8, pixels_of: PixelsOf, patch: RoadPatch
) -> tuple[ImageU8, npt.NDArray[np.bool_]]:
    """BGR view of the road, farthest row first, and where it lies inside the picture."""
    ahead = np.arange(patch.near_m, patch.far_m, patch.ahead_step_m)[::-1]
    right = np.arange(patch.left_m, patch.right_m, patch.right_step_m)
    grid = np.stack(np.meshgrid(ahead, right, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = pixels_of(grid).astype(np.float32).reshape(len(ahead), len(right), 2)
    above = cv2.remap(image, pixels[..., 0] - 0.5, pixels[..., 1] - 0.5, cv2.INTER_CUBIC)
    size_px = np.array(image.shape[1::-1])
    inside = ((pixels > EDGE_PX) & (pixels < size_px - EDGE_PX)).all(-1)
    return np.asarray(above, np.uint8), np.asarray(inside, np.bool_)


def road_spots(image: ImageU8, pixels_of: PixelsOf, patch: RoadPatch) -> RoadSpots:
    """SIFT on the road seen from above, where a spot keeps its size from frame to frame."""
    above, inside = view_from_above(image, pixels_of, patch)
    grey = cv2.createCLAHE(3.0, (8, 8)).apply(cv2.cvtColor(above, cv2.COLOR_BGR2GRAY))
    mask = cv2.erode(inside.astype(np.uint8) * 255, np.ones((SPOT_REACH_PX, SPOT_REACH_PX), np.uint8))
    sift = cv2.SIFT.create(MOST_SPOTS, contrastThreshold=LEAST_CONTRAST)
    keypoints, descriptors = sift.detectAndCompute(grey, mask)
    if descriptors is None:
        return RoadSpots(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 128), np.float32))
    places = np.array([keypoint.pt for keypoint in keypoints])
    farthest_m = patch.near_m + (above.shape[0] - 1) * patch.ahead_step_m
    road_m = np.column_stack(
        [farthest_m - places[:, 1] * patch.ahead_step_m, patch.left_m + places[:, 0] * patch.right_step_m]
    )
    return RoadSpots(road_m, pixels_of(road_m), np.asarray(descriptors, np.float32))


def alike(one: RoadSpots, other: RoadSpots) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of spots in both frames that look alike, and unlike all others; most of them are wrong."""
    if len(one.descriptors) < 2 or len(other.descriptors) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    pairs = cv2.BFMatcher().knnMatch(one.descriptors, other.descriptors, 2)
    clear = [best for best, second in pairs if best.distance < RATIO * second.distance]
    return (
        np.array([match.queryIdx for match in clear], np.int64),
        np.array([match.trainIdx for match in clear], np.int64),
    )


def possible(moved_m: Array, window: Window) -> npt.NDArray[np.bool_]:
    """Which moves (N, 2) lie within a window; NaN never does."""
    inside = (moved_m[:, 0] > window.advance_m[0]) & (moved_m[:, 0] < window.advance_m[1])
    return np.asarray(inside & (np.abs(moved_m[:, 1]) < window.sideways_m))


def vote(moved_m: Array) -> Vote | None:
    """The move that most of the given ones, (N, 2), agree on; None where there are none."""
    if not len(moved_m):
        return None
    scaled = moved_m / VOTE_M
    votes = np.asarray(cKDTree(scaled).query_ball_point(scaled, 1.0, return_length=True))
    best = int(votes.argmax())
    elsewhere = np.abs(moved_m[:, 0] - moved_m[best, 0]) > ANOTHER_MOVE_M
    return Vote(moved_m[best], int(votes[best]), int(votes[elsewhere].max()) if elsewhere.any() else 0)


def agrees(moved_m: Array, move_m: Array) -> npt.NDArray[np.bool_]:
    """Which moves (N, 2) are that one, give or take what the road's bumps do."""
    return np.asarray(np.hypot(*((moved_m - move_m) / KEEP_M).T) < 1.0)
