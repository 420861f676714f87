"""Scores of a detector against labelled images, after COCO's rules. Pure: no files, no model.

Average precision: detections of a class are ranked over all images; each takes the free box of its class
and image that it overlaps most, if by at least the required IoU; precision is made falling and read at 101
recalls. Every figure is computed for many weightings of the images at once: all images once is the score
itself, drawn images are its resamples, the images of one source are its part.
Source: Lin et al., Microsoft COCO, 2014, and the reference code pycocotools (cocoeval.py), with which the
figures agree to 1e-9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_training.judged import IOUS, BoolArray, FloatArray, IntArray, Judged, ScoredImage, judge

RECALLS = np.linspace(0.0, 1.0, 101)
SCORE_FLOOR = 0.001  # boxes below it are not asked for
DETECTIONS_PER_IMAGE = 300
CHALLENGE_BOXES = 5  # per image, the surest: rule of the road damage challenges (CRDDC 2022, ORDDC 2024)
WEIGHTED_CELLS = 4_000_000  # detections × resamples held at once, about 100 MB

Figures = Mapping[str, npt.NDArray[np.float64]]


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
    challenge_f1: float | None = None

    def flat(self) -> dict[str, float | int | None]:
        """The same under flat keys, classes as ap50_D00."""
        names = ("map50", "map50_95", "precision", "recall", "f1", "images", "images_with_false_box")
        figures: dict[str, float | int | None] = {name: getattr(self, name) for name in names}
        figures |= {f"ap50_{code}": value for code, value in self.ap50_by_class.items()}
        return figures | {"challenge_f1": self.challenge_f1}


def score(images: Sequence[ScoredImage], codes: Sequence[str], thresholds: Mapping[str, float]) -> Scores:
    """Scores of these images.

    Args:
        codes: Class codes in the order of the class indices.
        thresholds: Confidence by class from which a detection counts for precision, recall and F1.
    """
    return scores_of(figures(judge(images), codes, thresholds, np.ones((1, len(images)), np.int64)), codes)


def scores_of(found: Figures, codes: Sequence[str], row: int = 0) -> Scores:
    """Scores from one row of figures."""
    of = {name: None if np.isnan(values[row]) else float(values[row]) for name, values in found.items()}
    return Scores(
        map50=of["map50"],
        map50_95=of["map50_95"],
        precision=of["precision"],
        recall=of["recall"],
        f1=of["f1"],
        images=int(found["images"][row]),
        images_with_false_box=int(found["images_with_false_box"][row]),
        ap50_by_class={code: of[f"ap50_{code}"] for code in codes},
        challenge_f1=of["challenge_f1"],
    )


def figures(
    judged: Judged, codes: Sequence[str], thresholds: Mapping[str, float], weights: IntArray
) -> Figures:
    """All figures for each weighting of the images.

    Args:
        weights: Shape (B, images), how often each image counts.
    Returns:
        By name an array (B,), NaN where there is nothing to divide by.
    """
    by_class = [average_precisions(judged.of_class(index), weights) for index in range(len(codes))]
    aps = np.stack(by_class)  # classes, B, IoUs
    sure = judged.from_threshold(np.array([thresholds[code] for code in codes]))
    wrong = judged.per_image(sure & ~judged.hits[0]) > 0
    counted = _counted(judged, sure, weights)
    challenge = _counted(judged, sure & _among_the_surest(judged, sure), weights)
    return {
        "map50": _mean_over_classes(aps[:, :, 0]),
        "map50_95": _mean_over_classes(aps.mean(axis=2)),
        "precision": _ratio(counted[0], counted[1]),
        "recall": _ratio(counted[0], counted[2]),
        "f1": np.where(counted[2] > 0, _ratio(2 * counted[0], counted[1] + counted[2]), np.nan),
        "images": weights.sum(axis=1).astype(np.float64),
        "images_with_false_box": (weights @ wrong.astype(np.int64)).astype(np.float64),
        **{f"ap50_{code}": ap[:, 0] for code, ap in zip(codes, by_class, strict=True)},
        "challenge_f1": np.where(
            challenge[2] > 0, _ratio(2 * challenge[0], challenge[1] + challenge[2]), np.nan
        ),
    }


def _counted(judged: Judged, chosen: BoolArray, weights: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Right detections at IoU 0.5, all detections, and all boxes, each (B,)."""
    right = weights @ judged.per_image(chosen & judged.hits[0])
    return right, weights @ judged.per_image(chosen), weights @ judged.truths_per_image


def _among_the_surest(judged: Judged, sure: BoolArray) -> BoolArray:
    """(N,) whether fewer than `CHALLENGE_BOXES` surer detections of its image reach their thresholds."""
    chosen = np.zeros(len(sure), bool)
    positions = np.flatnonzero(sure)  # already the surest first
    by_image = positions[np.argsort(judged.images[positions], kind="stable")]
    owners = judged.images[by_image]
    rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
    chosen[by_image[rank < CHALLENGE_BOXES]] = True
    return chosen


def average_precisions(of_class: Judged, weights: IntArray) -> npt.NDArray[np.float64]:
    """Average precision of one class, shape (B, IoUs); NaN for a weighting without a box in the truth."""
    answers = np.full((len(weights), len(IOUS)), np.nan)
    truths = weights @ of_class.truths_per_image
    chunk = max(WEIGHTED_CELLS // max(len(of_class.images), 1), 1)
    for start in range(0, len(weights), chunk):
        rows = slice(start, start + chunk)
        drawn = weights[rows][:, of_class.images]
        ranks = np.cumsum(drawn, axis=1)
        for level, hit in enumerate(of_class.hits):
            hits = np.cumsum(drawn[:, hit], axis=1)
            answers[rows, level] = _read_at_recalls(hits, ranks[:, hit], truths[rows])
    answers[truths == 0] = np.nan
    return answers


def _read_at_recalls(hits: IntArray, ranks: IntArray, truths: IntArray) -> npt.NDArray[np.float64]:
    """Mean falling precision at 101 recalls, (B,); only hits raise recall, so only they are looked at."""
    precision = hits / np.maximum(ranks, 1)
    falling = np.zeros((len(hits), hits.shape[1] + 1))
    falling[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = hits / np.maximum(truths, 1)[:, None]
    read = [
        row[np.searchsorted(at, RECALLS, side="left")].mean() for row, at in zip(falling, recall, strict=True)
    ]
    return np.array(read)


def _mean_over_classes(aps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    known = ~np.isnan(aps)
    return _ratio(np.where(known, aps, 0.0).sum(axis=0), known.sum(axis=0))


def _ratio(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def recall_at_false_boxes(any_class: Judged, weights: IntArray, per_image: float) -> npt.NDArray[np.float64]:
    """Recall, (B,), as far down the ranking as there are at most so many false boxes per image.

    Args:
        any_class: Detections judged without regard to class.
    """
    hit, truths = any_class.hits[0], weights @ any_class.truths_per_image
    allowed, found = weights.sum(axis=1) * per_image, np.zeros(len(weights), np.int64)
    chunk = max(WEIGHTED_CELLS // max(len(hit), 1), 1)
    for start in range(0, len(weights), chunk):
        rows = slice(start, start + chunk)
        drawn = weights[rows][:, any_class.images]
        within = np.cumsum(drawn * ~hit, axis=1) <= allowed[rows, None]
        found[rows] = (drawn * (hit & within)).sum(axis=1)
    return _ratio(found, truths)
