"""Thresholds for a card: per class the confidence with the best F1 on the validation images."""

from collections.abc import Sequence

import numpy as np

from wegewart.errors import DatasetInvalid
from wegewart_training.judged import Judged, ScoredImage, judge

LEAST, MOST = 0.05, 0.95  # outside, a threshold says more about too few images than about the detector


def best_f1_thresholds(images: Sequence[ScoredImage], codes: Sequence[str]) -> dict[str, float]:
    """Threshold by class code, rounded down to thousandths.

    Raises:
        DatasetInvalid: If a class has no box in these images.
    """
    judged = judge(images)
    return {code: _best_f1_threshold(code, judged.of_class(index)) for index, code in enumerate(codes)}


def _best_f1_threshold(code: str, of_class: Judged) -> float:
    truths = len(of_class.truth_images)
    if truths == 0:
        raise DatasetInvalid(f"no image with {code} to choose a threshold on: add a data set that has it")
    allowed = (of_class.confidences >= LEAST) & (of_class.confidences <= MOST)
    if not allowed.any():
        return MOST
    hits = np.cumsum(of_class.hits[0])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + truths)
    best = int(np.argmax(np.where(allowed, f1, -1.0)))
    return max(float(np.floor(float(of_class.confidences[best]) * 1000) / 1000), LEAST)
