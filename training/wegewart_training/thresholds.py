"""Thresholds for a card: per class the confidence with the best F1 on val, with few alarms on sound road.

The F1 of a class is flat around its best, so where exactly it peaks is chance: between a graph and its INT8
sister one threshold moved from 0.139 to 0.091 at the same F1 and doubled the false alarms. That is why sound
road has a say of its own (docs/releases.md has the figures).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from wegewart.errors import DatasetInvalid
from wegewart_training.judged import BoolArray, Judged, ScoredImage, judge

LEAST, MOST = 0.05, 0.95  # outside, a threshold says more about too few images than about the detector
STEPS = np.round(np.arange(LEAST, MOST + 1e-9, 0.001), 3)
COMBINATIONS = 20_000  # of the classes' candidates that are tried at most

Curves = npt.NDArray[np.float64]
"""F1 at each of `STEPS`."""
Weigh = Literal["images", "sources"]


@dataclass(frozen=True)
class ThresholdRule:
    """How thresholds are chosen; the card repeats it."""

    weigh: Weigh = "images"
    """F1 over the images of all validation sources together, or the mean of each source's F1."""
    most_alarms: float = 0.05
    """Share of the undamaged photographs that may have a box."""


@dataclass(frozen=True)
class ThresholdChoice:
    """Thresholds, and what they cost on sound road."""

    thresholds: dict[str, float]
    chosen_on: str
    """The rule and its images, for the card."""
    undamaged: int = 0
    alarms: int = 0


def best_f1_thresholds(images: Sequence[ScoredImage], codes: Sequence[str]) -> dict[str, float]:
    """Threshold with the best F1 by class code, in thousandths.

    Raises:
        DatasetInvalid: If a class has no box in these images.
    """
    return choose_thresholds({"val": images}, {}, codes, ThresholdRule()).thresholds


def choose_thresholds(
    validation: Mapping[str, Sequence[ScoredImage]],
    undamaged: Mapping[str, Sequence[ScoredImage]],
    codes: Sequence[str],
    rule: ThresholdRule,
) -> ThresholdChoice:
    """Thresholds with the highest mean F1 of the classes among those that the rule allows.

    Args:
        validation: Images by source, looked at with the card's temperature.
        undamaged: Photographs of sound road by source, no test images; without any, nothing limits alarms.
    Raises:
        DatasetInvalid: If a class has no box, or even the highest thresholds alarm too often.
    """
    curves = [_curve(code, index, validation, rule.weigh) for index, code in enumerate(codes)]
    sound = [image for images in undamaged.values() for image in images]
    allowed = int(rule.most_alarms * len(sound) + 1e-9)  # 0.07 of 100 is 7.000…1 in floating point, or 6.999…
    steps = _best_steps(curves, _surest(sound, len(codes)), allowed)
    if steps is None:
        raise DatasetInvalid(
            f"even at {MOST} more than {allowed} of {len(sound)} undamaged photographs have a box: look at "
            "them, or allow more with --most-alarms"
        )
    thresholds = {code: float(STEPS[step]) for code, step in zip(codes, steps, strict=True)}
    alarms = int((_surest(sound, len(codes)) >= _floors(steps)).any(axis=1).sum())
    return ThresholdChoice(thresholds, _words(validation, undamaged, rule, alarms), len(sound), alarms)


def _curve(code: str, index: int, validation: Mapping[str, Sequence[ScoredImage]], weigh: Weigh) -> Curves:
    """F1 of one class; of several sources the mean, without those that have no box of it."""
    sets = [*validation.values()]
    if weigh == "images":
        sets = [[image for images in sets for image in images]]
    judged = [judge(images).of_class(index) for images in sets]
    curves = [_f1_at_steps(of_class) for of_class in judged if len(of_class.truth_images)]
    if not curves:
        raise DatasetInvalid(f"no image with {code} to choose a threshold on: add a data set that has it")
    mean: Curves = np.mean(curves, axis=0)
    return mean


def _f1_at_steps(of_class: Judged) -> Curves:
    right = np.concatenate([[0], np.cumsum(of_class.hits[0])])
    found = np.searchsorted(-of_class.confidences, -STEPS.astype(np.float32), side="right")
    curve: Curves = 2 * right[found] / (found + len(of_class.truth_images))
    return curve


def _surest(images: Sequence[ScoredImage], class_count: int) -> npt.NDArray[np.float32]:
    """(images, classes) highest confidence of each class in each image; 0 where there is no box."""
    surest = np.zeros((len(images), class_count), np.float32)
    for row, image in zip(surest, images, strict=True):
        np.maximum.at(row, image.found.classes, image.found.confidences)
    return surest


def _floors(steps: Sequence[int]) -> npt.NDArray[np.float32]:
    return STEPS[list(steps)].astype(np.float32)


def _best_steps(
    curves: Sequence[Curves], surest: npt.NDArray[np.float32], allowed: int
) -> tuple[int, ...] | None:
    """Best step of every class together; None if none of the combinations alarms seldom enough.

    Each class offers its best step for every number of photographs that it alone may alarm on.
    """
    offers = _offers(curves, surest, allowed)
    alarms = [
        {step: surest[:, index] >= np.float32(STEPS[step]) for step in steps}
        for index, steps in enumerate(offers)
    ]
    best: tuple[float, tuple[int, ...]] | None = None
    for steps in itertools.product(*offers):
        worth = sum(float(curve[step]) for curve, step in zip(curves, steps, strict=True))
        if best is not None and worth <= best[0]:
            continue
        if _alarmed([of[step] for of, step in zip(alarms, steps, strict=True)]) <= allowed:
            best = worth, steps
    return None if best is None else best[1]


def _alarmed(by_class: Sequence[BoolArray]) -> int:
    return int(np.logical_or.reduce(by_class).sum())


def _offers(curves: Sequence[Curves], surest: npt.NDArray[np.float32], allowed: int) -> list[list[int]]:
    """For each class the steps worth trying, the lowest first."""
    levels = max(int(COMBINATIONS ** (1 / len(curves))), 2)
    counts = np.unique(np.linspace(0, allowed, min(allowed + 1, levels)).astype(int))
    offers = []
    for index, curve in enumerate(curves):
        alarms = (surest[:, index, None] >= STEPS.astype(np.float32)).sum(axis=0)
        offers.append(sorted({_highest_best(np.where(alarms <= count, curve, -1.0)) for count in counts}))
    return offers


def _highest_best(curve: Curves) -> int:
    """Of equally good steps the highest; it has fewer boxes."""
    return int(np.flatnonzero(curve == curve.max())[-1])


def _words(
    validation: Mapping[str, Sequence[ScoredImage]],
    undamaged: Mapping[str, Sequence[ScoredImage]],
    rule: ThresholdRule,
    alarms: int,
) -> str:
    count = sum(len(images) for images in validation.values())
    how = "pooled" if rule.weigh == "images" else "each source weighing the same"
    words = f"best F1 per class on {' and '.join(validation)}, {count} images {how}"
    sound = sum(len(images) for images in undamaged.values())
    if not sound:
        return words
    return (
        f"{words}, with a box on at most {100 * rule.most_alarms:g} % of {sound} undamaged photographs of "
        f"{' and '.join(undamaged)} ({alarms} have one)"
    )
