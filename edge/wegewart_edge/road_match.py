"""Which look belongs to which damage: one look per damage and frame, the likeliest of all ways at once."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Array = npt.NDArray[np.float64]

TRIED_TILTS = np.linspace(-2.5, 2.5, 11)  # sigmas of a frame's own tilt: 99 % of it, half a sigma apart


def match(
    differences: Array,
    covariances: Array,
    frame_tilt: Array,
    class_costs: Array,
    gate: float,
) -> list[tuple[int, int]]:
    """Pairs of damage and look.

    A pair is possible where the squared Mahalanobis distance plus the price of another class is within the
    gate. The tilt of the frame moves all its looks together. Where a look could belong to several damages
    or a damage have several looks, that decides: of tilts tried, the one is taken under which tilt and
    pairs together are the likeliest.

    Args:
        differences: (damages, looks, 2), looks less predictions.
        covariances: (damages, looks, 2, 2), of the differences.
        frame_tilt: (looks, 2), how one sigma of the frame's own tilt moves each look.
        class_costs: (damages, looks).
        gate: Largest cost of a pair; so much also costs a look that is left alone.
    """
    costs = _distances2(differences, covariances) + class_costs
    possible = costs <= gate
    if not possible.any():
        return []
    if len(frame_tilt) < 2 or not _ambiguous(possible):
        return _assigned(np.where(possible, costs, gate), possible)[1]
    given_tilt = covariances - np.einsum("mi,mj->mij", frame_tilt, frame_tilt)[None]
    ways = []
    for sigmas in TRIED_TILTS:
        shifted = differences - sigmas * frame_tilt[None]
        costs = np.minimum(_distances2(shifted, given_tilt) + class_costs, gate)
        total, pairs = _assigned(np.where(possible, costs, gate), possible & (costs < gate))
        ways.append((total + sigmas**2, pairs))
    return min(ways, key=lambda way: way[0])[1]


def _ambiguous(possible: npt.NDArray[np.bool_]) -> bool:
    return bool((possible.sum(axis=0) > 1).any() or (possible.sum(axis=1) > 1).any())


def _assigned(costs: Array, possible: npt.NDArray[np.bool_]) -> tuple[float, list[tuple[int, int]]]:
    """Cheapest total of one-to-one pairs, and those of them that are possible."""
    rows, columns = linear_sum_assignment(costs)
    pairs = [
        (int(row), int(column)) for row, column in zip(rows, columns, strict=True) if possible[row, column]
    ]
    return float(costs[rows, columns].sum()), pairs


def _distances2(differences: Array, covariances: Array) -> Array:
    """Squared Mahalanobis lengths; the 2×2 inverses are written out."""
    first, second = differences[..., 0], differences[..., 1]
    ee, en, nn = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
    lengths2: Array = (nn * first**2 - 2 * en * first * second + ee * second**2) / (ee * nn - en**2)
    return lengths2
