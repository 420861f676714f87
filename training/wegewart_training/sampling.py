"""Which images a run shows, and how often: few of the undamaged ones, more of those with rare classes."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def some_empties(
    images: Sequence[Path], classes: Sequence[frozenset[int]], most: int, seed: int
) -> list[int]:
    """Indices of the images to take: all with a box, and at most `most` without one, drawn by the seed."""
    empty = [index for index, found in enumerate(classes) if not found]
    drawn = set(random.Random(seed).sample(empty, min(most, len(empty))))  # noqa: S311
    return [index for index in range(len(images)) if classes[index] or index in drawn]


def repeat_factors(classes: Sequence[frozenset[int]], rare_below: float) -> list[float]:
    """How often each image is to be shown, at least once: more when it holds a class that few images hold.

    Args:
        classes: Classes that occur in each image.
        rare_below: Share of images below which a class is rare.
    Source: Gupta, Dollár, Girshick, LVIS (CVPR 2019), repeat factor sampling: the factor of a class in a
        share f of the images is max(1, sqrt(rare_below / f)), that of an image the largest of its classes.
    """
    holding = Counter(index for found in classes for index in found)
    factor = {
        index: max(1.0, math.sqrt(rare_below * len(classes) / count)) for index, count in holding.items()
    }
    return [max((factor[index] for index in found), default=1.0) for found in classes]


def whole_repeats(factors: Sequence[float], seed: int) -> list[int]:
    """The factors as whole numbers: what is left over is drawn, so that the expected number is the factor."""
    draw = random.Random(seed)  # noqa: S311
    return [math.floor(factor) + (draw.random() < factor % 1) for factor in factors]
