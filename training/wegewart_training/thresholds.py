"""Thresholds for a card: per class the confidence with the best F1 on the validation images."""

from collections.abc import Sequence

import numpy as np

from wegewart.errors import DatasetInvalid
from wegewart_training.score import RankedClass, ScoredImage, ranked_class

LEAST, MOST = 0.05, 0.95  # outside, a threshold says more about too few images than about the detector


def best_f1_thresholds(images: Sequence[ScoredImage], codes: Sequence[str]) -> dict[str, float]:
    """Threshold by class code, rounded down to thousandths.

    Raises:
        DatasetInvalid: If a class has no box in these images.
    """
    return {code: _best_f1_threshold(code, ranked_class(images, index)) for index, code in enumerate(codes)}


def _best_f1_threshold(code: str, ranked: RankedClass) -> float:
    if ranked.truths == 0:
        raise DatasetInvalid(f"no image with {code} to choose a threshold on: add a data set that has it")
    allowed = (ranked.confidences >= LEAST) & (ranked.confidences <= MOST)
    if not allowed.any():
        return MOST
    hits = np.cumsum(ranked.hits[0])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + ranked.truths)
    best = int(np.argmax(np.where(allowed, f1, -1.0)))
    return max(float(np.floor(float(ranked.confidences[best]) * 1000) / 1000), LEAST)
