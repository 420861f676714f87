"""Scores of a detector against labelled images, after COCO's rules. Pure: no files, no model.

Average precision: detections of a class are ranked over all images; each takes the free box of its class
and image that it overlaps most, if by at least the required IoU; precision is made falling and read at 101
recalls.
Source: Lin et al., Microsoft COCO, 2014, and the reference code pycocotools (cocoeval.py), with which the
figures agree to 1e-9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_inference.detections import Detections

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
SCORE_FLOOR = 0.001  # boxes below it are not asked for
DETECTIONS_PER_IMAGE = 300

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredImage:
    """One image: what is there, and what was found from `SCORE_FLOOR` on."""

    truth_boxes_px: npt.NDArray[np.float64]
    truth_classes: npt.NDArray[np.int64]
    found: Detections


@dataclass(frozen=True)
class Scores:
    """Figures of one source; None where there is nothing to divide by."""

    map50: float | None
    map50_95: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    images: int
    images_with_false_box: int
    ap50_by_class: Mapping[str, float | None]

    def flat(self) -> dict[str, float | int | None]:
        """The same under flat keys, classes as ap50_D00."""
        figures: dict[str, float | int | None] = {
            name: getattr(self, name)
            for name in ("map50", "map50_95", "precision", "recall", "f1", "images", "images_with_false_box")
        }
        return figures | {f"ap50_{code}": value for code, value in self.ap50_by_class.items()}


@dataclass(frozen=True)
class RankedClass:
    """All detections of one class over all images, the surest first."""

    confidences: npt.NDArray[np.float32]
    hits: BoolArray
    """(IoUs, N): whether the detection took a box at that IoU."""
    truths: int


def score(images: Sequence[ScoredImage], codes: Sequence[str], thresholds: Mapping[str, float]) -> Scores:
    """Scores of these images.

    Args:
        codes: Class codes in the order of the class indices.
        thresholds: Confidence by class from which a detection counts for precision, recall and F1.
    """
    ranked = [ranked_class(images, index) for index in range(len(codes))]
    aps = [average_precisions(one) for one in ranked]
    known = [ap for ap in aps if ap is not None]
    hits, reported, truths = _totals(ranked, [thresholds[code] for code in codes])
    return Scores(
        map50=float(np.mean([ap[0] for ap in known])) if known else None,
        map50_95=float(np.mean(known)) if known else None,
        precision=hits / reported if reported else None,
        recall=hits / truths if truths else None,
        f1=2 * hits / (reported + truths) if truths else None,
        images=len(images),
        images_with_false_box=sum(has_false_box(image, codes, thresholds) for image in images),
        ap50_by_class={
            code: None if ap is None else float(ap[0]) for code, ap in zip(codes, aps, strict=True)
        },
    )


def ranked_class(images: Sequence[ScoredImage], class_index: int) -> RankedClass:
    """Every detection of a class, each marked with the IoUs at which it took a box."""
    confidences, hits, truths = [np.zeros(0, np.float32)], [np.zeros((len(IOUS), 0), bool)], 0
    for image in images:
        of_class = image.found.classes == class_index
        boxes = image.truth_boxes_px[image.truth_classes == class_index]
        truths += len(boxes)
        confidences.append(image.found.confidences[of_class])
        hits.append(taken(image.found.boxes_px[of_class], boxes))
    all_confidences = np.concatenate(confidences)
    order = np.argsort(-all_confidences, kind="stable")
    return RankedClass(all_confidences[order], np.concatenate(hits, axis=1)[:, order], truths)


def taken(found_px: FloatArray, truth_px: FloatArray, ious: FloatArray = IOUS) -> BoolArray:
    """Whether each detection of one image and class takes a free box, greedily in the given order.

    Returns:
        Shape (IoUs, N).
    """
    hits = np.zeros((len(ious), len(found_px)), bool)
    if not len(found_px) or not len(truth_px):
        return hits
    overlaps = iou_matrix(found_px, truth_px)
    for level, least in enumerate(ious):
        free = overlaps.copy()
        for index in range(len(found_px)):
            best = int(np.argmax(free[index]))
            if free[index, best] >= least:
                hits[level, index] = True
                free[:, best] = -1.0
    return hits


def iou_matrix(first_px: FloatArray, second_px: FloatArray) -> npt.NDArray[np.float64]:
    """Intersection over union of every pair, shape (N, M); boxes as x1, y1, x2, y2."""
    first, second = first_px.astype(np.float64)[:, None], second_px.astype(np.float64)[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=-1)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (first, second)]
    ious: npt.NDArray[np.float64] = shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
    return ious


def average_precisions(ranked: RankedClass) -> npt.NDArray[np.float64] | None:
    """Average precision at each IoU; None for a class without a box in the truth."""
    if ranked.truths == 0:
        return None
    hits = np.cumsum(ranked.hits, axis=1)
    precision = hits / np.arange(1, hits.shape[1] + 1)
    recall = hits / ranked.truths
    return np.array([_read_at_recalls(p, r) for p, r in zip(precision, recall, strict=True)])


def _read_at_recalls(precision: FloatArray, recall: FloatArray) -> float:
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(falling[np.searchsorted(recall, RECALLS, side="left")].mean())


def _totals(ranked: Sequence[RankedClass], thresholds: Sequence[float]) -> tuple[int, int, int]:
    """Right detections, all detections, and all boxes, at the thresholds and IoU 0.5."""
    hits = reported = truths = 0
    for one, threshold in zip(ranked, thresholds, strict=True):
        sure = one.confidences >= np.float32(threshold)
        hits += int(one.hits[0, sure].sum())
        reported += int(sure.sum())
        truths += one.truths
    return hits, reported, truths


def has_false_box(image: ScoredImage, codes: Sequence[str], thresholds: Mapping[str, float]) -> bool:
    """Whether a detection at its class's threshold takes no box."""
    floors = np.array([thresholds[code] for code in codes], np.float32)
    sure = image.found.only(image.found.confidences >= floors[image.found.classes])
    for class_index in np.unique(sure.classes):
        of_class = sure.classes == class_index
        boxes = image.truth_boxes_px[image.truth_classes == class_index]
        if not taken(sure.boxes_px[of_class], boxes, IOUS[:1]).all():
            return True
    return False
