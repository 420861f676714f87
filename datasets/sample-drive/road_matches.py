"""The same spots of the road in two photographs, found in views from above."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from road_plane import PlaneCamera

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

AHEAD_STEP_M, RIGHT_STEP_M = 0.02, 0.015
NEAR_M, FAR_M = 5.2, 18.0  # what is far in one frame is near in the next
LEFT_M, RIGHT_M = -1.85, 1.75  # the own lane: beyond the centre line the road falls the other way
ADVANCE_M = (1.8, 8.5)
MAX_SIDEWAYS_M = 0.4
RATIO = 0.88  # Lowe's test; most spots of an asphalt surface look like others, the vote below sorts them
VOTE_M = (0.12, 0.08)  # half axes of the ellipse in which matches agree on an advance
KEEP_M = (0.3, 0.12)


@dataclass(frozen=True)
class FramePair:
    """Matches of two neighbouring frames: pixels (N, 2) in each, and how clear the vote was."""

    first: int
    second: int
    first_px: FloatArray
    second_px: FloatArray
    votes: int
    runner_up: int
    """Votes of the best advance that differs by more than 0.6 m."""


@dataclass(frozen=True)
class _Spots:
    road_m: FloatArray
    descriptors: npt.NDArray[np.float32]


def match_neighbours(
    images: Sequence[Image], cameras: Sequence[PlaneCamera], right_m: Sequence[float]
) -> list[FramePair]:
    """Matches between each frame and the next; `right_m` is where each camera was across the lane."""
    spots = [
        _spots(image, camera, right) for image, camera, right in zip(images, cameras, right_m, strict=True)
    ]
    return [_match(first, spots, cameras, right_m) for first in range(len(images) - 1)]


def _spots(image: Image, camera: PlaneCamera, right_m: float) -> _Spots:
    """SIFT on the road seen from above, where a spot keeps its size from frame to frame."""
    ahead = np.arange(NEAR_M, FAR_M, AHEAD_STEP_M)[::-1]
    right = np.arange(LEFT_M, RIGHT_M, RIGHT_STEP_M)
    grid = np.stack(np.meshgrid(ahead, right - right_m, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = camera.pixels_from_ground(grid).astype(np.float32).reshape(len(ahead), len(right), 2)
    above = cv2.remap(image, pixels[..., 0] - 0.5, pixels[..., 1] - 0.5, cv2.INTER_CUBIC)
    grey = cv2.createCLAHE(3.0, (8, 8)).apply(cv2.cvtColor(above, cv2.COLOR_BGR2GRAY))
    height_px, width_px = image.shape[:2]
    inside = (pixels > 5).all(-1) & (pixels[..., 0] < width_px - 5) & (pixels[..., 1] < height_px - 5)
    mask = cv2.erode(inside.astype(np.uint8) * 255, np.ones((25, 25), np.uint8))
    keypoints, descriptors = cv2.SIFT.create(8000, contrastThreshold=0.008).detectAndCompute(grey, mask)
    places = np.array([keypoint.pt for keypoint in keypoints])
    road_m = np.c_[ahead[0] - places[:, 1] * AHEAD_STEP_M, right[0] + places[:, 0] * RIGHT_STEP_M]
    return _Spots(road_m, np.asarray(descriptors, np.float32))


def _match(
    first: int, spots: Sequence[_Spots], cameras: Sequence[PlaneCamera], right_m: Sequence[float]
) -> FramePair:
    one, other = spots[first], spots[first + 1]
    pairs = cv2.BFMatcher().knnMatch(one.descriptors, other.descriptors, 2)
    clear = [best for best, second in pairs if best.distance < RATIO * second.distance]
    one_m = one.road_m[[match.queryIdx for match in clear]]
    other_m = other.road_m[[match.trainIdx for match in clear]]
    moved_m = one_m - other_m
    possible = (np.abs(moved_m[:, 1]) < MAX_SIDEWAYS_M) & (moved_m[:, 0] > ADVANCE_M[0])
    possible &= moved_m[:, 0] < ADVANCE_M[1]
    one_m, other_m, moved_m = one_m[possible], other_m[possible], moved_m[possible]
    votes = np.array([np.sum(_inside(moved_m - centre, VOTE_M)) for centre in moved_m])
    best = int(votes.argmax())
    elsewhere = np.abs(moved_m[:, 0] - moved_m[best, 0]) > 0.6
    keep = _inside(moved_m - moved_m[best], KEEP_M)
    return FramePair(
        first,
        first + 1,
        cameras[first].pixels_from_ground(one_m[keep] - [0.0, right_m[first]]),
        cameras[first + 1].pixels_from_ground(other_m[keep] - [0.0, right_m[first + 1]]),
        int(votes[best]),
        int(votes[elsewhere].max()) if elsewhere.any() else 0,
    )


def _inside(moved_m: FloatArray, half_axes_m: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.hypot(*(moved_m / half_axes_m).T) < 1.0)
