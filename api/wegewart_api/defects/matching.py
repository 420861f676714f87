"""Which known defect each observation of a drive is, if any: one assignment for the whole drive."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wegewart_api.defects.alignment import (
    Alignment,
    AlignmentRules,
    align_drive,
    aligned_by,
    candidate_pairs,
    offset_root_m,
)
from wegewart_api.defects.gauss_markov import inverse_2x2, log_gaussian_2d
from wegewart_api.defects.sighting import FloatArray, IndexArray, KnownDefects, Pairs, Sightings


@dataclass(frozen=True, slots=True)
class MatchingRules:
    """When two views are one damage."""

    gate_chi2: float = 9.21
    """Squared Mahalanobis distance: 99 % with 2 degrees of freedom (FORMULAS section 4)."""
    least_probability: float = 0.5
    """Least probability of a pair against "new" and against all rivals: the side of the smaller error."""
    sweeps: int = 3
    """Times that matches anchor the offset anew (FORMULAS section 4: three or four)."""
    alignment: AlignmentRules = field(default_factory=AlignmentRules)


@dataclass(frozen=True, slots=True)
class DriveMatch:
    """What one drive saw again.

    Attributes:
        defect: Shape (n,), index of the known defect for each observation, −1 where it is new.
        probability: Shape (n,), of that decision against its rivals.
        alignment: Offset of the drive, after the last sweep.
    """

    defect: IndexArray
    probability: FloatArray
    alignment: Alignment


def match_drive(seen: Sightings, known: KnownDefects, rules: MatchingRules | None = None) -> DriveMatch:
    """Known defect or none for every observation of one drive; no defect is given twice.

    The offset comes from the likeliest chain first, then from the matches themselves.
    """
    rules = rules or MatchingRules()
    alignment = align_drive(seen, known, rules.alignment)
    pairs = candidate_pairs(seen, known, rules.alignment)
    root_m = offset_root_m(seen, known, pairs)
    defect, probability = assign(seen, known, pairs, alignment, rules)
    for _ in range(rules.sweeps - 1):
        matched = np.flatnonzero(defect >= 0)
        anchors = Pairs(matched, defect[matched], np.zeros(len(matched)))
        alignment = aligned_by(seen, known, anchors, root_m, alignment.new_density_m2, rules.alignment)
        earlier = defect
        defect, probability = assign(seen, known, pairs, alignment, rules)
        if np.array_equal(earlier, defect):
            break
    return DriveMatch(defect, probability, alignment)


def assign(
    seen: Sightings, known: KnownDefects, pairs: Pairs, alignment: Alignment, rules: MatchingRules
) -> tuple[IndexArray, FloatArray]:
    """Best one-to-one assignment at a given offset, and the probability of each decision.

    Returns:
        Defect of each observation, −1 for a new one, and its probability; both of shape (n,).
    """
    gated, log_ratio = _gated(seen, known, pairs, alignment, rules)
    defect = np.full(len(seen), -1, dtype=np.intp)
    probability = np.ones(len(seen))
    share = _probability(gated, log_ratio, len(seen), len(known))
    for block in _blocks(gated, len(seen), len(known)):
        for pair in block[_assigned(gated, log_ratio, block)]:
            if share[pair] >= rules.least_probability:
                defect[gated.sighting[pair]] = gated.defect[pair]
                probability[gated.sighting[pair]] = share[pair]
    return defect, probability


def _gated(
    seen: Sightings, known: KnownDefects, pairs: Pairs, alignment: Alignment, rules: MatchingRules
) -> tuple[Pairs, FloatArray]:
    left_m = (
        seen.place_m[pairs.sighting] - alignment.bias.offset_m[pairs.sighting] - known.place_m[pairs.defect]
    )
    covariance_m2 = (
        seen.relative_m2[pairs.sighting]
        + alignment.bias.covariance_m2[pairs.sighting]
        + known.relative_m2[pairs.defect]
    )
    apart = np.einsum("ni,nij,nj->n", left_m, inverse_2x2(covariance_m2), left_m)
    near = apart <= rules.gate_chi2
    again = rules.alignment.seen_again
    log_ratio = (
        pairs.log_ratio
        + log_gaussian_2d(left_m, covariance_m2)
        + np.log(again / (1 - again))
        - np.log(alignment.new_density_m2)
    )
    return Pairs(pairs.sighting[near], pairs.defect[near], pairs.log_ratio[near]), log_ratio[near]


def _probability(gated: Pairs, log_ratio: FloatArray, sightings: int, defects: int) -> FloatArray:
    """Share of each pair among what else its observation, and its defect, could be; the smaller counts."""
    weight = np.exp(np.minimum(log_ratio, 60.0))
    by_sighting = 1.0 + np.bincount(gated.sighting, weight, minlength=sightings)
    by_defect = 1.0 + np.bincount(gated.defect, weight, minlength=defects)
    share: FloatArray = weight / np.maximum(by_sighting[gated.sighting], by_defect[gated.defect])
    return share


def _blocks(gated: Pairs, sightings: int, defects: int) -> list[IndexArray]:
    """Pairs by connected component: what shares no observation and no defect is solved apart."""
    if not len(gated):
        return []
    size = sightings + defects
    graph = coo_array((np.ones(len(gated)), (gated.sighting, sightings + gated.defect)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    of_pair = label[gated.sighting]
    order = np.argsort(of_pair, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(of_pair[order])) + 1)


def _assigned(gated: Pairs, log_ratio: FloatArray, block: IndexArray) -> IndexArray:
    """Positions within the block of the pairs in the assignment of greatest likelihood."""
    rows, row = np.unique(gated.sighting[block], return_inverse=True)
    columns, column = np.unique(gated.defect[block], return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))  # 0: better left as new
    position = np.full(gain.shape, -1, dtype=np.intp)
    gain[row, column] = np.maximum(log_ratio[block], 0.0)
    position[row, column] = np.arange(len(block))
    chosen_row, chosen_column = linear_sum_assignment(gain, maximize=True)
    chosen = position[chosen_row, chosen_column]
    kept: IndexArray = chosen[(chosen >= 0) & (gain[chosen_row, chosen_column] > 0)]
    return kept
