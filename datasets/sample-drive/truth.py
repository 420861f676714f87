"""Which labelled boxes show the same damage: proposed by overlap on the road, corrected by eye.

The labels are per photograph: whoever drew them marked what could be seen there, so one damage may be
marked in one frame, missed in the next, and cut in two in a third.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from source import Box, CameraEstimate

FloatArray = npt.NDArray[np.float64]

MIN_SHARED = 0.5  # of the smaller of two crack boxes on the road: it shows the same cracked spot
NEAR_M = 0.8  # between two looks at one pothole: five times the median error along the road
LOOK_AHEAD = 2  # frames: a damage may be left unlabelled in one frame between
OVERRIDES = Path(__file__).resolve().parent / "truth-overrides.csv"


@dataclass(frozen=True)
class Damage:
    """One physical damage: its id, its majority class, and the boxes that show it, in driving order."""

    damage_id: str
    code: str
    boxes: tuple[Box, ...]


def on_the_road(box: Box, estimate: CameraEstimate) -> FloatArray:
    """Corners of a box on the road, shape (4, 2): station and metres right of the middle of the lane."""
    corners = np.array([[box.x1, box.y2], [box.x2, box.y2], [box.x2, box.y1], [box.x1, box.y1]])
    return road_points(corners, box.sequence, estimate)


def foot_on_the_road(box: Box, estimate: CameraEstimate) -> FloatArray:
    """Bottom middle of a box on the road, shape (2,): station and metres right of the middle of the lane."""
    foot = np.array([[(box.x1 + box.x2) / 2, box.y2]])
    point: FloatArray = road_points(foot, box.sequence, estimate)[0]
    return point


def road_points(pixels: FloatArray, sequence: int, estimate: CameraEstimate) -> FloatArray:
    """Pixels of one frame as station and metres right of the middle of the lane, shape (N, 2)."""
    turn = np.radians(estimate.heading_right_deg[sequence])
    forward, right = estimate.camera.ground_from_pixels(pixels).T
    return np.column_stack(
        (
            estimate.station_m[sequence] + forward * np.cos(turn) - right * np.sin(turn),
            estimate.right_of_lane_axis_m[sequence] + forward * np.sin(turn) + right * np.cos(turn),
        )
    )


def link(boxes: Sequence[Box], estimate: CameraEstimate) -> list[Damage]:
    """Damages, each with the boxes that show it.

    Cracks: one box may be cut in two in the next frame, so a damage may have several boxes in a frame.
    Potholes: at most one box per frame. Overrides go before everything else.
    """
    together, apart = read_overrides(OVERRIDES)
    by_key = {_key(box): box for box in boxes}
    group = {key: {key} for key in by_key}
    for one, other in together:
        _merge(group, one, other)
    for _, one, other in sorted(_candidates(boxes, estimate), key=lambda pair: (-pair[0], pair[1:])):
        merged = group[one] | group[other]
        divided = any({a, b} <= merged for a, b in apart)
        if not divided and not _doubled([by_key[key] for key in merged]):
            _merge(group, one, other)
    groups = sorted({tuple(sorted(keys)) for keys in group.values()})
    return [_damage(number, [by_key[key] for key in keys]) for number, keys in enumerate(groups, start=1)]


def read_overrides(path: Path) -> tuple[list[tuple[tuple[int, int], ...]], list[tuple[tuple[int, int], ...]]]:
    """Pairs of (sequence, number) that are the same damage, and pairs that are not, as judged by eye."""
    same: list[tuple[tuple[int, int], ...]] = []
    different: list[tuple[tuple[int, int], ...]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pair = (
                (int(row["sequence_a"]), int(row["number_a"])),
                (int(row["sequence_b"]), int(row["number_b"])),
            )
            {"same": same, "different": different}[row["verdict"]].append(pair)
    return same, different


def _candidates(
    boxes: Sequence[Box], estimate: CameraEstimate
) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
    outlines = {_key(box): on_the_road(box, estimate).astype(np.float32) for box in boxes}
    feet = {_key(box): foot_on_the_road(box, estimate) for box in boxes}
    found = []
    for one in boxes:
        for other in boxes:
            if not 0 < other.sequence - one.sequence <= LOOK_AHEAD or _kind(one) != _kind(other):
                continue
            if _kind(one) == "pothole":
                gap_m = float(np.linalg.norm(feet[_key(one)] - feet[_key(other)]))
                score, enough = 1 - gap_m / NEAR_M, 0.0
            else:
                score, enough = _shared(outlines[_key(one)], outlines[_key(other)]), MIN_SHARED
            if score > enough:
                found.append((score, _key(one), _key(other)))
    return found


def _shared(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Part of the smaller outline that lies in the other."""
    shared_m2, _ = cv2.intersectConvexConvex(one, other)
    return float(shared_m2 / min(cv2.contourArea(one), cv2.contourArea(other)))


def _doubled(boxes: Sequence[Box]) -> bool:
    """Whether one frame has two potholes among these boxes."""
    sequences = Counter(box.sequence for box in boxes if _kind(box) == "pothole")
    return any(count > 1 for count in sequences.values())


def _kind(box: Box) -> str:
    """Cracks turn into one another by the labelling rule (D00, D10, D20), potholes do not."""
    return "pothole" if box.code == "D40" else "crack"


def _key(box: Box) -> tuple[int, int]:
    return box.sequence, box.number


def _merge(group: dict[tuple[int, int], set[tuple[int, int]]], *keys: tuple[int, int]) -> None:
    merged: set[tuple[int, int]] = set().union(*(group[key] for key in keys))
    for key in merged:
        group[key] = merged


def _damage(number: int, boxes: Sequence[Box]) -> Damage:
    counted = Counter(box.code for box in boxes)
    code = max(sorted(counted, reverse=True), key=lambda code: counted[code])  # of equals the graver
    return Damage(f"damage-{number:03d}", code, tuple(boxes))
