"""Detections of many images laid end to end, each marked with the damage that it took.

A detection is judged once; scores, curves, resamples and parts of a data set all read from here. Matching is
greedy, the surest first, so what comes later never changes what came before: any threshold is a prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wegewart_inference.detections import Detections

IOUS = np.linspace(0.5, 0.95, 10)
SAME_PLACE_IOU = 0.5  # without regard to class, two boxes that would match each other are one claim

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ScoredImage:
    """One image: what is there, and what was found from the score floor on."""

    truth_boxes_px: npt.NDArray[np.float64]
    truth_classes: IntArray
    found: Detections
    path: Path | None = None
    source: str = ""
    group: str = ""
    """Place or drive; images of one group are not independent. "" when it is not known."""


@dataclass(frozen=True)
class Judged:
    """All detections over all images, the surest first, and all boxes of the truth."""

    image_count: int
    images: IntArray
    """(N,) index of each detection's image."""
    indices: IntArray
    """(N,) index of each detection in its image's `found`."""
    classes: IntArray
    confidences: npt.NDArray[np.float32]
    hits: BoolArray
    """(IoUs, N) whether the detection took a box of its class at that IoU."""
    areas_px: npt.NDArray[np.float64]
    """(N,) area of the box that it took at IoU 0.5, else its own."""
    truth_images: IntArray
    truth_classes: IntArray
    truth_areas_px: npt.NDArray[np.float64]

    def of_class(self, class_index: int) -> "Judged":
        """Detections and truth of one class."""
        return self.only(self.classes == class_index, self.truth_classes == class_index)

    def only(self, found: BoolArray, truth: BoolArray) -> "Judged":
        """The chosen detections and truth; the images stay."""
        return replace(
            self,
            images=self.images[found],
            indices=self.indices[found],
            classes=self.classes[found],
            confidences=self.confidences[found],
            hits=self.hits[:, found],
            areas_px=self.areas_px[found],
            truth_images=self.truth_images[truth],
            truth_classes=self.truth_classes[truth],
            truth_areas_px=self.truth_areas_px[truth],
        )

    def from_threshold(self, floors: FloatArray) -> BoolArray:
        """(N,) whether each detection reaches the threshold of its class."""
        reached: BoolArray = self.confidences >= floors.astype(np.float32)[self.classes]
        return reached

    def per_image(self, chosen: BoolArray) -> IntArray:
        """(images,) how many of the chosen detections each image has."""
        return np.bincount(self.images[chosen], minlength=self.image_count).astype(np.int64)

    @property
    def truths_per_image(self) -> IntArray:
        """(images,) how many boxes of the truth each image has."""
        return np.bincount(self.truth_images, minlength=self.image_count).astype(np.int64)


@dataclass
class _Parts:
    """Columns of `Judged` as they grow, image by image."""

    found: list[npt.NDArray[np.float64]] = field(default_factory=list)  # image, index, class, score, area
    hits: list[BoolArray] = field(default_factory=list)
    truth: list[npt.NDArray[np.float64]] = field(default_factory=list)  # image, class, area

    def add(self, number: int, image: ScoredImage) -> None:
        found, truth_px = image.found, image.truth_boxes_px
        taken = np.full((len(IOUS), len(found)), -1, np.int64)
        for class_index in np.unique(found.classes):
            of_class = np.flatnonzero(found.classes == class_index)
            there = np.flatnonzero(image.truth_classes == class_index)
            answer = taken_boxes(found.boxes_px[of_class], truth_px[there])
            taken[:, of_class] = np.where(answer >= 0, there[answer] if len(there) else -1, -1)
        areas, truth_areas = box_areas(found.boxes_px), box_areas(truth_px)
        if len(truth_px):
            areas = np.where(taken[0] >= 0, truth_areas[taken[0]], areas)
        ones, numbers = np.ones(len(found)), np.arange(len(found))
        self.found.append(np.stack([ones * number, numbers, found.classes, found.confidences, areas]))
        self.hits.append(taken >= 0)
        self.truth.append(np.stack([np.full(len(truth_px), number), image.truth_classes, truth_areas]))


def judge(images: Sequence[ScoredImage]) -> Judged:
    """Every detection of these images against the boxes of its own class."""
    parts = _Parts([np.zeros((5, 0))], [np.zeros((len(IOUS), 0), bool)], [np.zeros((3, 0))])
    for number, image in enumerate(images):
        parts.add(number, image)
    found, hits = np.concatenate(parts.found, axis=1), np.concatenate(parts.hits, axis=1)
    truth = np.concatenate(parts.truth, axis=1)
    order = np.argsort(-found[3], kind="stable")
    found, hits = found[:, order], hits[:, order]
    return Judged(
        image_count=len(images),
        images=found[0].astype(np.int64),
        indices=found[1].astype(np.int64),
        classes=found[2].astype(np.int64),
        confidences=found[3].astype(np.float32),
        hits=hits,
        areas_px=found[4],
        truth_images=truth[0].astype(np.int64),
        truth_classes=truth[1].astype(np.int64),
        truth_areas_px=truth[2],
    )


def without_class(images: Sequence[ScoredImage]) -> Judged:
    """Every claim of damage against the boxes of any class.

    A box over a surer one of another class is the same claim twice and counts once.
    """
    return judge([_without_class(image) for image in images])


def _without_class(image: ScoredImage) -> ScoredImage:
    found = image.found
    claims = found.only(_first_claims(found.boxes_px))
    return replace(
        image,
        truth_classes=np.zeros_like(image.truth_classes),
        found=Detections(claims.boxes_px, np.zeros_like(claims.classes), claims.confidences),
    )


def _first_claims(boxes_px: FloatArray) -> IntArray:
    overlaps = iou_matrix(boxes_px, boxes_px) >= SAME_PLACE_IOU
    kept = np.ones(len(boxes_px), bool)
    for index in range(len(boxes_px)):
        if kept[index]:
            kept[index + 1 :] &= ~overlaps[index, index + 1 :]
    return np.flatnonzero(kept)


def taken_boxes(found_px: FloatArray, truth_px: FloatArray, ious: FloatArray = IOUS) -> IntArray:
    """Which free box each detection of one image and class takes, greedily in the given order.

    Returns:
        Shape (IoUs, N), index of the box; -1 where none overlaps by at least that IoU.
    """
    taken = np.full((len(ious), len(found_px)), -1, np.int64)
    if not len(found_px) or not len(truth_px):
        return taken
    overlaps = iou_matrix(found_px, truth_px)
    for level, least in enumerate(ious):
        near = np.flatnonzero(overlaps.max(axis=1) >= least)
        free = overlaps[near]
        for row, index in enumerate(near):
            best = int(np.argmax(free[row]))
            if free[row, best] >= least:
                taken[level, index] = best
                free[:, best] = -1.0
    return taken


def box_areas(boxes_px: FloatArray) -> npt.NDArray[np.float64]:
    """(N,) areas of boxes given as x1, y1, x2, y2."""
    boxes = boxes_px.astype(np.float64)
    areas: npt.NDArray[np.float64] = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return areas


def iou_matrix(first_px: FloatArray, second_px: FloatArray) -> npt.NDArray[np.float64]:
    """Intersection over union of every pair, shape (N, M); boxes as x1, y1, x2, y2."""
    first, second = first_px.astype(np.float64)[:, None], second_px.astype(np.float64)[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=-1)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (first, second)]
    ious: npt.NDArray[np.float64] = shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
    return ious
