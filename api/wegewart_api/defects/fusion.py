"""One damage from all its views: place in the map's frame, class and size, each with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wegewart_api.defects.gauss_markov import inverse_2x2
from wegewart_api.defects.sighting import FloatArray


@dataclass(frozen=True, slots=True)
class FusedPlace:
    """Mean place, shape (2,), and its covariance, shape (2, 2)."""

    place_m: FloatArray
    covariance_m2: FloatArray


def fuse_places(place_m: FloatArray, covariance_m2: FloatArray) -> FusedPlace:
    """Mean of v places by inverse covariance: near and sharp views decide.

    Args:
        place_m: Shape (v, 2), aligned to the map: the drive's offset is taken off.
        covariance_m2: Shape (v, 2, 2), what differs from damage to damage plus what remained of the offset;
            never the receiver's bias itself, which more looks of one drive do not reduce.
    """
    weights = inverse_2x2(covariance_m2)
    covariance = inverse_2x2(weights.sum(axis=0))
    mean = covariance @ np.einsum("vij,vj->i", weights, place_m)
    return FusedPlace(mean, covariance)


def fuse_classes(classes: FloatArray, class_flip: float) -> FloatArray:
    """Class distribution, shape (k,), from v views: naive Bayes over views that are wrong now and then.

    Args:
        classes: Shape (v, k), probabilities that sum to 1.
        class_flip: Share of views whose class is drawn anew; it keeps one view from deciding alone.
    """
    soft = (1 - class_flip) * classes + class_flip / classes.shape[1]
    score = np.log(soft).sum(axis=0)
    weight = np.exp(score - score.max())
    fused: FloatArray = weight / weight.sum()
    return fused


@dataclass(frozen=True, slots=True)
class FusedSize:
    """One measure with its sigma, in the unit of what went in."""

    size: float
    sigma: float


def fuse_sizes(views: Sequence[tuple[float, float]], scatter: float) -> FusedSize | None:
    """Mean of sizes by inverse variance, in logarithms, because their errors are factors; None without views.

    Args:
        views: Size and sigma of each view that knows it; sizes of 0 say nothing and are left out.
        scatter: Scatter of the logarithm beyond each view's own sigma.
    """
    known = [(size, sigma) for size, sigma in views if size > 0]
    if not known:
        return None
    size, sigma = np.array(known).T
    weight = 1 / ((sigma / size) ** 2 + scatter**2)
    log_size = float((weight * np.log(size)).sum() / weight.sum())
    mean = float(np.exp(log_size))
    return FusedSize(mean, mean * float(weight.sum() ** -0.5))
