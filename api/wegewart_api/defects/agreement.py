"""How much class and size speak for two views being of one damage: log likelihood ratios."""

from dataclasses import dataclass

import numpy as np

from wegewart_api.defects.sighting import FloatArray, IndexArray, KnownDefects, Sightings


@dataclass(frozen=True, slots=True)
class AgreementRules:
    """How far class and size of one damage differ from drive to drive."""

    class_flip: float = 0.15
    """Share of views whose class is drawn anew: between the 8 % of the prototype (FORMULAS section 4) and
    the 20 % that a first, weakly trained model shows."""
    size_sigma_log: float = 0.15
    """Scatter of a measured size beyond its own sigma: the 15 % of the prototype."""
    size_spread_log: float = 0.7
    """Spread of sizes over different damages: a factor of 2 either way, one sigma."""
    worst_log_ratio: float = -3.0
    """Least that a size may say: a box cut by the frame's border is grossly wrong in one case of 20."""


def log_ratio_of_pairs(
    seen: Sightings, known: KnownDefects, sighting: IndexArray, defect: IndexArray, rules: AgreementRules
) -> FloatArray:
    """Log likelihood ratio of class and size for each pair: the same damage against another one.

    Args:
        sighting: Shape (p,), indices into `seen`.
        defect: Shape (p,), indices into `known`.
    Returns:
        Shape (p,), natural logarithm; 0 says nothing either way.
    """
    return _class_log_ratio(seen.classes, known.classes, sighting, defect, rules) + _size_log_ratio(
        seen, known, sighting, defect, rules
    )


def _class_log_ratio(
    seen: FloatArray, known: FloatArray, sighting: IndexArray, defect: IndexArray, rules: AgreementRules
) -> FloatArray:
    """A common class speaks for less than a rare one: agreement is measured against the class shares."""
    class_count = seen.shape[1]
    everything = np.vstack([seen, known])
    share = (everything.sum(axis=0) + 1.0) / (len(everything) + class_count)
    flip = rules.class_flip
    seen_soft = (1 - flip) * seen + flip * share
    known_soft = (1 - flip) * known + flip * share
    ratio: FloatArray = np.log(np.einsum("pk,pk,k->p", seen_soft[sighting], known_soft[defect], 1 / share))
    return ratio


def _size_log_ratio(
    seen: Sightings, known: KnownDefects, sighting: IndexArray, defect: IndexArray, rules: AgreementRules
) -> FloatArray:
    """Log N(difference; own scatter) − log N(size; spread of all sizes), length and width added up."""
    own = rules.size_sigma_log**2
    variance_seen = seen.log_size_sigma[sighting] ** 2 + own
    variance_known = known.log_size_sigma[defect] ** 2 + own
    mean = _mean_log_size(seen, known)
    size = seen.log_size[sighting]
    same = _log_normal(size - known.log_size[defect], variance_seen + variance_known)
    other = _log_normal(size - mean, rules.size_spread_log**2 + variance_seen)
    ratio = np.nan_to_num(same - other, nan=0.0)
    total: FloatArray = np.maximum(ratio, rules.worst_log_ratio / 2).sum(axis=1)
    return total


def _mean_log_size(seen: Sightings, known: KnownDefects) -> FloatArray:
    sizes = np.vstack([seen.log_size, known.log_size])
    count = np.sum(~np.isnan(sizes), axis=0)
    mean: FloatArray = np.nansum(sizes, axis=0) / np.maximum(count, 1)
    return mean


def _log_normal(difference: FloatArray, variance: FloatArray) -> FloatArray:
    density: FloatArray = -0.5 * (np.log(2 * np.pi * variance) + difference**2 / variance)
    return density
