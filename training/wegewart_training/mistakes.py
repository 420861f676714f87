"""What a detector got wrong at its thresholds: classes confused, the worst false boxes, the worst misses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_training.evaluation import Evaluation
from wegewart_training.judged import IOUS, IntArray, ScoredImage, box_areas, taken_boxes

SHOWN = 12
SHOWN_PER_IMAGE = 2


@dataclass(frozen=True)
class Mistake:
    """One box in one image that should not be there, or one that was not found."""

    image: ScoredImage
    box_px: npt.NDArray[np.float64]
    class_index: int
    confidence: float | None
    """None for damage that was missed."""


def sure_detections(evaluation: Evaluation, image: ScoredImage) -> IntArray:
    """Indices of the image's detections that reach the threshold of their class."""
    floors = np.array([evaluation.thresholds[code] for code in evaluation.codes], np.float32)
    return np.flatnonzero(image.found.confidences >= floors[image.found.classes])


def confusion(evaluation: Evaluation) -> IntArray:
    """Boxes by true class (row) and found class (column), matched without regard to class.

    Returns:
        Shape (classes + 1, classes + 1); the last row is boxes where nothing is, the last column misses.
    """
    nothing = len(evaluation.codes)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for image in evaluation.images:
        sure = image.found.only(sure_detections(evaluation, image))
        taken = taken_boxes(sure.boxes_px, image.truth_boxes_px, IOUS[:1])[0]
        for found_class, box in zip(sure.classes, taken, strict=True):
            counts[image.truth_classes[box] if box >= 0 else nothing, found_class] += 1
        for box in np.setdiff1d(np.arange(len(image.truth_classes)), taken):
            counts[image.truth_classes[box], nothing] += 1
    return counts


def worst_false_boxes(evaluation: Evaluation) -> list[Mistake]:
    """The surest boxes that took no damage of their class."""
    judged = evaluation.judged
    sure = judged.from_threshold(np.array([evaluation.thresholds[code] for code in evaluation.codes]))
    wrong = np.flatnonzero(sure & ~judged.hits[0])
    return _few_per_image(_false_box(evaluation, int(position)) for position in wrong)


def _false_box(evaluation: Evaluation, position: int) -> Mistake:
    judged = evaluation.judged
    image = evaluation.images[judged.images[position]]
    box_px = image.found.boxes_px[judged.indices[position]].astype(np.float64)
    return Mistake(image, box_px, int(judged.classes[position]), float(judged.confidences[position]))


def worst_misses(evaluation: Evaluation) -> list[Mistake]:
    """The largest damage for which there is no box of its class at the threshold."""
    missed = [mistake for image in evaluation.images for mistake in _missed(evaluation, image)]
    missed.sort(key=lambda mistake: -float(box_areas(mistake.box_px[None])[0]))
    return _few_per_image(missed)


def _missed(evaluation: Evaluation, image: ScoredImage) -> Iterator[Mistake]:
    sure = image.found.only(sure_detections(evaluation, image))
    for class_index in np.unique(image.truth_classes):
        there = image.truth_boxes_px[image.truth_classes == class_index]
        taken = taken_boxes(sure.boxes_px[sure.classes == class_index], there, IOUS[:1])[0]
        for box in np.setdiff1d(np.arange(len(there)), taken):
            yield Mistake(image, there[box], int(class_index), None)


def _few_per_image(mistakes: "Iterator[Mistake] | Sequence[Mistake]") -> list[Mistake]:
    """The first mistakes, but no image more than twice: one bad photograph must not fill the sheet."""
    shown: list[Mistake] = []
    seen: dict[int, int] = {}
    for mistake in mistakes:
        key = id(mistake.image)
        if seen.get(key, 0) < SHOWN_PER_IMAGE:
            seen[key] = seen.get(key, 0) + 1
            shown.append(mistake)
        if len(shown) == SHOWN:
            break
    return shown
