"""The common offset of one drive against the map, from the sequence of its observations.

Plain GNSS is wrong by metres, but it is wrong alike for neighbours: the pattern of damages along a stretch
fits the map at one offset only. The likeliest chain of pairs (observation, known defect) in driving order
is found by dynamic programming, and its offsets are smoothed by the process that GNSS errors follow
(FORMULAS section 4, "Aligning a drive as a sequence"). Each survivor of the dynamic programming carries a
Kalman filter of the offset, so that a pair is judged against all pairs of its chain, not only its last one.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from wegewart_api.defects.agreement import AgreementRules, log_ratio_of_pairs
from wegewart_api.defects.gauss_markov import Bias, inverse_2x2, log_gaussian_2d, smooth_bias, updated
from wegewart_api.defects.sighting import FloatArray, IndexArray, KnownDefects, Pairs, Sightings


@dataclass(frozen=True, slots=True)
class AlignmentRules:
    """What alignment assumes about receivers, streets and the detector."""

    correlation_m: float = 750.0
    """Driven length after which GNSS errors agree to 1/e (FORMULAS section 4)."""
    gate_sigmas: float = 4.0
    """Reach of candidate pairs: 99.97 % of a two-axis normal, 14 m between two single passes at 2.5 m each.
    The prototype's 9 m (FORMULAS section 4) was against a map averaged over nine passes; at 3 sigmas one
    simulated pair of passes in a hundred lay outside and merged all wrong."""
    gate_least_m: float = 1.5
    """Reach with a receiver that claims centimetres: its claim is not always true."""
    seen_again: float = 0.7
    """Probability that a pass sees a known damage again: below the 0.85 of the prototype (FORMULAS section
    4), because damage is repaired and first models miss more."""
    street_width_m: float = 6.0
    """Width of the strip in which damages lie, to turn their number per metre into a density."""
    new_density_least_m2: float = 1 / 7000
    """Least density of new damages and false detections: about one per km of a 6 m street."""
    survivors: int = 96
    """Chains that stay alive from one observation to the next; more changed nothing in simulation."""
    aligned_share: float = 0.5
    """Share of its prior variance that may remain of an offset where a stretch counts as aligned: there the
    anchors say more than the receiver does. At 2.5 m and 750 m that is within some 150 m of the nearest."""
    outlier_chi2: float = 13.8
    """Squared Mahalanobis distance at which an anchor is dropped: 99.9 % with 2 degrees of freedom."""
    agreement: AgreementRules = field(default_factory=AgreementRules)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Offset of a drive against the map at each of its n observations.

    Attributes:
        bias: Offset, and what remains unknown of it.
        aligned: Shape (n,), True where enough anchors fix the offset.
        anchors: The pairs of the likeliest chain that fixed it.
        new_density_m2: Density of damages that the map does not know, as matching needs it.
    """

    bias: Bias
    aligned: np.ndarray[tuple[int], np.dtype[np.bool_]]
    anchors: Pairs
    new_density_m2: float


def align_drive(seen: Sightings, known: KnownDefects, rules: AlignmentRules | None = None) -> Alignment:
    """Offset of one drive against what is known, with its covariance at every observation.

    Where the map is empty, or too little of it was seen again, the covariance stays near its prior and
    `aligned` is False.
    """
    rules = rules or AlignmentRules()
    pairs = candidate_pairs(seen, known, rules)
    root_m = offset_root_m(seen, known, pairs)
    density_m2 = new_density_m2(seen, known, pairs, rules)
    chain = _likeliest_chain(seen, known, pairs, root_m, density_m2, rules)
    return aligned_by(seen, known, chain, root_m, density_m2, rules)


def candidate_pairs(seen: Sightings, known: KnownDefects, rules: AlignmentRules) -> Pairs:
    """Pairs that lie within the gate: as many sigmas apart as offset and scatter allow."""
    if not len(seen) or not len(known):
        none = np.zeros(0, dtype=np.intp)
        return Pairs(none, none, np.zeros(0))
    variance = _largest_variance(seen.gnss_m2 + seen.relative_m2) + float(
        _largest_variance(known.frame_m2 + known.relative_m2).max()
    )
    reach_m = np.maximum(rules.gate_sigmas * np.sqrt(variance), rules.gate_least_m)
    near = cKDTree(known.place_m).query_ball_point(seen.place_m, reach_m)
    counts = np.array([len(found) for found in near], dtype=np.intp)
    sighting = np.repeat(np.arange(len(seen), dtype=np.intp), counts)
    defect = np.array([index for found in near for index in sorted(found)], dtype=np.intp)
    return Pairs(sighting, defect, log_ratio_of_pairs(seen, known, sighting, defect, rules.agreement))


def offset_root_m(seen: Sightings, known: KnownDefects, pairs: Pairs) -> FloatArray:
    """Cholesky root, shape (n, 2, 2), of the variance of the offset between drive and map."""
    frame = np.broadcast_to(
        known.frame_m2.mean(axis=0) if len(known) else np.zeros((2, 2)), seen.gnss_m2.shape
    ).copy()
    if len(pairs):
        counts = np.bincount(pairs.sighting, minlength=len(seen))
        sums = np.zeros_like(frame)
        np.add.at(sums, pairs.sighting, known.frame_m2[pairs.defect])
        near = counts > 0
        frame[near] = sums[near] / counts[near, None, None]
    root: FloatArray = np.linalg.cholesky(seen.gnss_m2 + frame)
    return root


def new_density_m2(seen: Sightings, known: KnownDefects, pairs: Pairs, rules: AlignmentRules) -> float:
    """Density per m² at which observations of damages unknown to the map are to be expected.

    Half of what an equally blind earlier pass missed is seen by this one, and the least density covers
    new damage and false detections.
    """
    if not len(pairs):
        return rules.new_density_least_m2
    gaps_m = np.linalg.norm(seen.place_m[pairs.sighting] - known.place_m[pairs.defect], axis=1)
    reach_m = max(rules.gate_least_m, float(gaps_m.max()))  # a pass compared with itself has no gaps
    per_metre = len(pairs) / len(np.unique(pairs.sighting)) / (2 * reach_m)
    return max(rules.new_density_least_m2, per_metre / rules.street_width_m * (1 - rules.seen_again))


def aligned_by(
    seen: Sightings,
    known: KnownDefects,
    anchors: Pairs,
    root_m: FloatArray,
    density_m2: float,
    rules: AlignmentRules,
) -> Alignment:
    """Alignment that given pairs fix, without those that contradict the rest."""
    bias = _smoothed(seen, known, anchors, root_m, rules)
    left = seen.place_m[anchors.sighting] - known.place_m[anchors.defect] - bias.offset_m[anchors.sighting]
    noise = seen.relative_m2[anchors.sighting] + known.relative_m2[anchors.defect]
    far = np.einsum("ni,nij,nj->n", left, inverse_2x2(noise), left) > rules.outlier_chi2
    if far.any():
        kept = ~far
        anchors = Pairs(anchors.sighting[kept], anchors.defect[kept], anchors.log_ratio[kept])
        bias = _smoothed(seen, known, anchors, root_m, rules)
    prior_m2 = np.sum(root_m**2, axis=(1, 2))  # the trace of A·Aᵀ
    remaining_m2 = np.trace(bias.covariance_m2, axis1=1, axis2=2)
    fixed = remaining_m2 <= rules.aligned_share * prior_m2
    return Alignment(bias, fixed & _anchored(seen, anchors, rules), anchors, density_m2)


def _anchored(
    seen: Sightings, anchors: Pairs, rules: AlignmentRules
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where two anchors lie within the correlation length: a single pair may always be chance."""
    if len(anchors) < 2:
        return np.zeros(len(seen), dtype=np.bool_)
    at_m = np.sort(seen.station_m[anchors.sighting])
    low = np.searchsorted(at_m, seen.station_m - rules.correlation_m / 2)
    high = np.searchsorted(at_m, seen.station_m + rules.correlation_m / 2, side="right")
    enough: np.ndarray[tuple[int], np.dtype[np.bool_]] = (high - low) >= 2
    return enough


def _smoothed(
    seen: Sightings, known: KnownDefects, anchors: Pairs, root_m: FloatArray, rules: AlignmentRules
) -> Bias:
    measured_m = np.full((len(seen), 2), np.nan)
    noise_m2 = np.tile(np.eye(2), (len(seen), 1, 1))
    measured_m[anchors.sighting] = seen.place_m[anchors.sighting] - known.place_m[anchors.defect]
    noise_m2[anchors.sighting] = seen.relative_m2[anchors.sighting] + known.relative_m2[anchors.defect]
    return smooth_bias(seen.station_m, root_m, measured_m, noise_m2, rules.correlation_m)


@dataclass(slots=True)
class _Survivors:
    """Chains still alive, s of them; index 0 of `node` −1 is the chain without pairs."""

    score: FloatArray
    mean: FloatArray
    covariance: FloatArray
    node: IndexArray
    used: IndexArray


_REMEMBERED = 16  # defects that a chain may not use again: more than stand within one gate in a row


def _likeliest_chain(
    seen: Sightings,
    known: KnownDefects,
    pairs: Pairs,
    root_m: FloatArray,
    density_m2: float,
    rules: AlignmentRules,
) -> Pairs:
    alive = _Survivors(
        np.zeros(1),
        np.zeros((1, 2)),
        np.eye(2)[None],
        np.full(1, -1, dtype=np.intp),
        np.full((1, _REMEMBERED), -1, dtype=np.intp),
    )
    parent = np.full(len(pairs), -1, dtype=np.intp)
    gain = pairs.log_ratio + np.log(rules.seen_again / (1 - rules.seen_again)) - np.log(density_m2)
    offset_m = seen.place_m[pairs.sighting] - known.place_m[pairs.defect]
    noise_m2 = seen.relative_m2[pairs.sighting] + known.relative_m2[pairs.defect]
    borders = np.searchsorted(pairs.sighting, np.arange(len(seen) + 1))
    last_m = seen.station_m[0] if len(seen) else 0.0
    for index in np.flatnonzero(np.diff(borders)):
        here = slice(borders[index], borders[index + 1])
        _drift(alive, float(seen.station_m[index] - last_m), rules)
        last_m = seen.station_m[index]
        root = root_m[index]
        alive = _extended(
            alive, here, parent, gain[here], offset_m[here], noise_m2[here], pairs.defect[here], root, rules
        )
    return _traced_back(alive, parent, pairs)


def _drift(alive: _Survivors, driven_m: float, rules: AlignmentRules) -> None:
    rho = np.exp(-driven_m / rules.correlation_m)
    alive.mean = rho * alive.mean
    alive.covariance = rho**2 * alive.covariance + (1 - rho**2) * np.eye(2)


def _extended(
    alive: _Survivors,
    here: slice,
    parent: IndexArray,
    gain: FloatArray,
    offset_m: FloatArray,
    noise_m2: FloatArray,
    defect: IndexArray,
    root_m: FloatArray,
    rules: AlignmentRules,
) -> _Survivors:
    """Survivors after one more observation: it is skipped, or paired with one of its candidates."""
    predicted_m = alive.mean @ root_m.T
    spread_m2 = root_m @ alive.covariance @ root_m.T
    score = (
        alive.score[:, None]
        + gain
        + log_gaussian_2d(offset_m[None] - predicted_m[:, None], spread_m2[:, None] + noise_m2[None])
    )
    score[(alive.used[:, :, None] == defect).any(axis=1)] = -np.inf
    best = np.argmax(score, axis=0)
    mean, covariance = updated(alive.mean[best], alive.covariance[best], root_m, offset_m, noise_m2)
    nodes = np.arange(here.start, here.stop, dtype=np.intp)
    parent[here] = alive.node[best]
    used = np.concatenate([defect[:, None], alive.used[best, :-1]], axis=1)
    merged = _Survivors(
        np.concatenate([alive.score, score[best, np.arange(len(best))]]),
        np.concatenate([alive.mean, mean]),
        np.concatenate([alive.covariance, covariance]),
        np.concatenate([alive.node, nodes]),
        np.concatenate([alive.used, used]),
    )
    return _fittest(merged, rules.survivors)


def _fittest(alive: _Survivors, most: int) -> _Survivors:
    if len(alive.score) <= most:
        return alive
    kept = np.argpartition(-alive.score, most)[:most]
    return _Survivors(
        alive.score[kept], alive.mean[kept], alive.covariance[kept], alive.node[kept], alive.used[kept]
    )


def _traced_back(alive: _Survivors, parent: IndexArray, pairs: Pairs) -> Pairs:
    node = int(alive.node[np.argmax(alive.score)])
    chain: list[int] = []
    while node >= 0:
        chain.append(node)
        node = int(parent[node])
    kept = np.array(chain[::-1], dtype=np.intp)
    return Pairs(pairs.sighting[kept], pairs.defect[kept], pairs.log_ratio[kept])


def _largest_variance(covariance_m2: FloatArray) -> FloatArray:
    largest: FloatArray = np.asarray(np.linalg.eigvalsh(covariance_m2)[..., -1], dtype=np.float64)
    return largest
