"""Which look belongs to which damage: one look per damage and frame, the likeliest of all ways at once."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Array = npt.NDArray[np.float64]

ALONE_GATES = 3.0  # so many gates away another damage is surely another one
SEEN_AGAIN = 0.75  # of the damages in view are seen in the next frame too
OTHERS_PER_M2 = (
    0.02  # looks at something else per frame and m² of road: a damage every 20 m of lane, flickers
)
TRIED_TILTS = np.linspace(-2.5, 2.5, 11)  # sigmas of a frame's own tilt: 99 % of it, half a sigma apart


def match(
    differences: Array,
    covariances: Array,
    frame_tilt: Array,
    class_costs: Array,
    gate: float,
    gate_alone: float,
) -> tuple[list[tuple[int, int]], set[int]]:
    """Pairs of damage and look, and the looks for which no other damage, nor damages another look, is near.

    A pair is possible where the squared Mahalanobis distance plus the price of another class is within the
    gate. The tilt of the frame moves all its looks together. Where a look could belong to several damages
    or a damage have several looks, that decides: of tilts tried, the one is taken under which tilt and
    pairs together are the likeliest.

    Args:
        differences: (damages, looks, 2), looks less predictions.
        covariances: (damages, looks, 2, 2), of the differences.
        frame_tilt: (looks, 2), how one sigma of the frame's own tilt moves each look.
        class_costs: (damages, looks).
        gate: Largest cost of a pair; so much also costs a look that is left over.
        gate_alone: Largest cost where no other damage is near the look, and no other look near the damage.
    """
    costs = _distances2(differences, covariances) + class_costs
    single = _single(costs <= ALONE_GATES * gate)
    alone = set(single.nonzero()[1].tolist())
    possible = (costs <= gate) | (single & (costs <= gate_alone))
    damages, looks = (each.tolist() for each in possible.nonzero())
    one_to_one = len(set(damages)) == len(damages) and len(set(looks)) == len(looks)
    if one_to_one and (costs[possible] < gate).all():
        return list(zip(damages, looks, strict=True)), alone
    if one_to_one or len(frame_tilt) < 2:
        return _assigned(np.where(possible, np.minimum(costs, gate), gate), possible)[1], alone
    given_tilt = covariances - np.einsum("mi,mj->mij", frame_tilt, frame_tilt)[None]
    shifted = differences - TRIED_TILTS[:, None, None, None] * frame_tilt
    tried = np.minimum(_distances2(shifted, given_tilt) + class_costs, gate)
    ways = []
    for sigmas, costs in zip(TRIED_TILTS, tried, strict=True):
        total, pairs = _assigned(np.where(possible, costs, gate), possible & ((costs < gate) | single))
        ways.append((total + sigmas**2, pairs))
    return min(ways, key=lambda way: way[0])[1], alone


def doubts(covariances: Array, m2_per_unit: Array) -> Array:
    """What a pair costs beside its distance (damages, looks): the less is known, the more others fit too.

    Twice the logarithm of how likely a look at something else is where the damage was expected, against the
    best that a look at the damage itself can reach. Equal odds are a cost of 0; a sure damage has less.

    Args:
        covariances: (damages, looks, 2, 2), of looks less predictions.
        m2_per_unit: (looks,), road area per unit of what the covariances are in.
    """
    spread_m2 = np.sqrt(np.linalg.det(covariances)) * m2_per_unit
    costs: Array = 2 * np.log((1 - SEEN_AGAIN) / SEEN_AGAIN * OTHERS_PER_M2 * 2 * np.pi * spread_m2)
    return costs


def chances_of_others(differences: Array, covariances: Array, doubt: Array) -> Array:
    """Probability (pairs,) that a look was at something else than the damage it was given to."""
    odds = np.exp(-(_distances2(differences, covariances) + doubt) / 2)
    chances: Array = 1 / (1 + odds)
    return chances


def _single(near: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of pairs that are near, those of a look near one damage only, which is near no other look."""
    single: npt.NDArray[np.bool_] = near & (near.sum(axis=0) == 1)[None] & (near.sum(axis=1) == 1)[:, None]
    return single


def _assigned(costs: Array, possible: npt.NDArray[np.bool_]) -> tuple[float, list[tuple[int, int]]]:
    """Cheapest total of one-to-one pairs, and those of them that are possible."""
    rows, columns = linear_sum_assignment(costs)
    chosen = possible[rows, columns]
    pairs = list(zip(rows[chosen].tolist(), columns[chosen].tolist(), strict=True))
    return float(costs[rows, columns].sum()), pairs


def _distances2(differences: Array, covariances: Array) -> Array:
    """Squared Mahalanobis lengths; the 2×2 inverses are written out."""
    first, second = differences[..., 0], differences[..., 1]
    ee, en, nn = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
    lengths2: Array = (nn * first**2 - 2 * en * first * second + ee * second**2) / (ee * nn - en**2)
    return lengths2
