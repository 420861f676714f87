"""Intervals of 95 %: the bootstrap over places, paired for comparisons, and Wilson's for shares.

Photographs of one place show the same damage, so whole groups are drawn, with replacement, as many as there
are. Fewer than `LEAST_GROUPS` groups say too little about each other: then single images are drawn, and the
interval says nothing about other places. The draws depend on the images alone, so that two models scored on
the same images meet the same draws and their difference is paired.
Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval);
Wilson, Probable Inference, JASA 1927.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_training.judged import IntArray, ScoredImage

RESAMPLES = 1000
SEED = 20220930
LEAST_GROUPS = 10
LEVEL = 0.95
Z = 1.959964  # normal quantile of 0.975

Interval = tuple[float, float]


@dataclass(frozen=True)
class Draws:
    """How often each image counts in each resample, and what was drawn."""

    weights: IntArray
    """(resamples, images)"""
    unit: str
    """"groups" or "images"."""
    units: int


def draw(images: Sequence[ScoredImage], resamples: int = RESAMPLES, seed: int = SEED) -> Draws:
    """Resamples of these images; the same for every model that looked at them."""
    groups = [image.group or f"image {number}" for number, image in enumerate(images)]
    names, group_of = np.unique(groups, return_inverse=True)
    unit = "groups" if any(image.group for image in images) else "images"
    if len(names) < LEAST_GROUPS:
        names, group_of, unit = np.array(groups), np.arange(len(images)), "images"
    if not len(names):
        return Draws(np.zeros((resamples, 0), np.int64), unit, 0)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return Draws(counts[:, group_of].astype(np.int64), unit, len(names))


def percentile_interval(values: npt.NDArray[np.float64]) -> Interval | None:
    """Middle 95 % of the resampled values; None where more than half of them are undefined."""
    known = values[~np.isnan(values)]
    if len(known) * 2 < len(values) or not len(known):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def intervals_of(
    resampled: Mapping[str, npt.NDArray[np.float64]],
) -> dict[str, Interval]:
    """Interval of every figure that has one."""
    found = {name: percentile_interval(values) for name, values in resampled.items() if name != "images"}
    return {name: interval for name, interval in found.items() if interval is not None}


def wilson(count: int, total: int) -> Interval | None:
    """Wilson's interval of a share; None of nothing."""
    if total == 0:
        return None
    share, spread = count / total, Z * Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / total / 4) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
