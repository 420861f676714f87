"""Scored images and evaluations made by hand, for tests of scores, intervals, curves and reports."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wegewart_inference.detections import Detections
from wegewart_training.evaluation import Evaluation, evaluate_images
from wegewart_training.judged import ScoredImage

CODES = ("D00", "D40")
HALF = dict.fromkeys(CODES, 0.5)
HERE, THERE, NOWHERE = (0, 0, 10, 10), (20, 0, 30, 10), (50, 50, 60, 60)

Box = tuple[float, float, float, float]


def image(
    truth: Sequence[tuple[Box, int]], found: Sequence[tuple[Box, int, float]], name: str = "", group: str = ""
) -> ScoredImage:
    """Truth as (box, class), found as (box, class, confidence)."""
    ranked = sorted(found, key=lambda row: -row[2])
    return ScoredImage(
        np.array([box for box, _ in truth], float).reshape(-1, 4),
        np.array([class_index for _, class_index in truth], np.int64),
        Detections(
            np.array([box for box, _, _ in ranked], np.float32).reshape(-1, 4),
            np.array([class_index for _, class_index, _ in ranked], np.int64),
            np.array([confidence for _, _, confidence in ranked], np.float32),
        ),
        path=Path(name) if name else None,
        source=name.partition("_")[0],
        group=group,
    )


def evaluation(images: Sequence[ScoredImage], name: str = "roads test", model: str = "ours") -> Evaluation:
    """Evaluation at a threshold of 0.5 for both classes."""
    return evaluate_images(name, model, images, CODES, HALF)
