"""The same spots of the road in two photographs, through the product's own matching."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from road_plane import PlaneCamera

from wegewart_edge.calibration.road_matches import (
    RoadPatch,
    RoadSpots,
    Window,
    agrees,
    alike,
    possible,
    road_spots,
    vote,
)

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

NEAR_M, FAR_M = 5.2, 18.0  # what is far in one frame is near in the next
LEFT_M, RIGHT_M = -1.85, 1.75  # the own lane: beyond the centre line the road falls the other way
MOVES = Window(advance_m=(1.8, 8.5), sideways_m=0.4)


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


def match_neighbours(
    images: Sequence[Image], cameras: Sequence[PlaneCamera], right_m: Sequence[float]
) -> list[FramePair]:
    """Matches between each frame and the next; `right_m` is where each camera was across the lane."""
    spots = [
        road_spots(
            image, camera.pixels_from_ground, RoadPatch(NEAR_M, FAR_M, LEFT_M - right, RIGHT_M - right)
        )
        for image, camera, right in zip(images, cameras, right_m, strict=True)
    ]
    return [
        _match(first, spots[first], spots[first + 1], right_m[first] - right_m[first + 1])
        for first in range(len(images) - 1)
    ]


def _match(first: int, one: RoadSpots, other: RoadSpots, shifted_m: float) -> FramePair:
    at_one, at_other = alike(one, other)
    moved_m = one.road_m[at_one] - other.road_m[at_other] + np.array([0.0, shifted_m])
    usable = possible(moved_m, MOVES)
    at_one, at_other, moved_m = at_one[usable], at_other[usable], moved_m[usable]
    won = vote(moved_m)
    if won is None:
        raise ValueError(f"nothing of frame {first} is found again in the next")
    keep = agrees(moved_m, won.move_m)
    return FramePair(
        first, first + 1, one.pixels[at_one[keep]], other.pixels[at_other[keep]], won.votes, won.runner_up
    )
