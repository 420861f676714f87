"""The offset of a drive against the map: by hand, by simulation, and as properties."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.api.street_simulation import (
    CLASSES,
    Setting,
    Town,
    draw_damages,
    drive,
    empty_map,
)

from wegewart_api.defects.agreement import AgreementRules, log_ratio_of_pairs
from wegewart_api.defects.alignment import AlignmentRules, align_drive
from wegewart_api.defects.gauss_markov import inverse_2x2, log_gaussian_2d, smooth_bias
from wegewart_api.defects.matching import match_drive
from wegewart_api.defects.sighting import FloatArray, KnownDefects, Sightings

STREET = Setting(streets_m=(600.0,), spacing_m=20.0, passes=2, false_per_km=1.0)


def two_passes(setting: Setting, seed: int) -> tuple[KnownDefects, Sightings, FloatArray, FloatArray]:
    """A map made by one pass, a second pass, and the true biases of the two at its observations."""
    random = np.random.default_rng(seed)
    damages = draw_damages(setting, random)
    first, _, first_bias = drive(damages, setting, 0, random)
    second, _, second_bias = drive(damages, setting, 1, random)
    town = Town()
    town.take(first, match_drive(first, empty_map()))
    at_second = np.column_stack(
        [np.interp(second.station_m, first.station_m, first_bias[:, axis]) for axis in (0, 1)]
    )
    return town.known(), second, second_bias, at_second


def shifted(seen: Sightings, by_m: tuple[float, float]) -> Sightings:
    """The same drive with its receiver wrong by that much more."""
    return replace(seen, place_m=seen.place_m + np.array(by_m))


def test_the_smoother_is_the_gaussian_process_regression_of_its_covariance() -> None:
    random = np.random.default_rng(1)
    station = np.sort(random.uniform(0, 2000, 12))
    sigma, noise, length = 2.5, 0.4, 750.0
    measured = random.normal(0, 2, (12, 2))
    unmeasured = np.array([2, 5, 11])
    with_gaps = measured.copy()
    with_gaps[unmeasured] = np.nan
    bias = smooth_bias(
        station,
        np.tile(np.eye(2) * sigma, (12, 1, 1)),
        with_gaps,
        np.tile(np.eye(2) * noise**2, (12, 1, 1)),
        length,
    )
    known = np.setdiff1d(np.arange(12), unmeasured)
    kernel = sigma**2 * np.exp(-np.abs(station[:, None] - station) / length)
    inverse = np.linalg.inv(kernel[np.ix_(known, known)] + noise**2 * np.eye(len(known)))
    assert bias.offset_m == pytest.approx(kernel[:, known] @ inverse @ measured[known])
    expected_m2 = np.diag(kernel - kernel[:, known] @ inverse @ kernel[known])
    assert bias.covariance_m2[:, 0, 0] == pytest.approx(expected_m2)
    assert bias.covariance_m2[:, 0, 1] == pytest.approx(np.zeros(12))


def test_one_anchor_by_hand_pulls_its_own_place_and_fades_with_distance() -> None:
    """Variance 4, noise 1, offset 5: at the anchor 5·4/5 = 4, one length away 4/e, remaining 4 − 16/5."""
    station = np.array([0.0, 750.0])
    measured = np.array([[5.0, 0.0], [np.nan, np.nan]])
    noise = np.tile(np.eye(2), (2, 1, 1))
    bias = smooth_bias(station, np.tile(2.0 * np.eye(2), (2, 1, 1)), measured, noise, 750.0)
    assert bias.offset_m[:, 0] == pytest.approx([4.0, 4.0 / np.e])
    assert bias.covariance_m2[0, 0, 0] == pytest.approx(4.0 - 16.0 / 5.0)
    assert bias.covariance_m2[1, 0, 0] == pytest.approx(4.0 - 16.0 / 5.0 / np.e**2)


def test_two_by_two_routines_agree_with_the_general_ones() -> None:
    matrices = np.array([[[2.0, 0.5], [0.5, 1.0]], [[9.0, -2.0], [-2.0, 4.0]]])
    offsets = np.array([[1.0, 2.0], [-3.0, 0.5]])
    assert inverse_2x2(matrices) == pytest.approx(np.linalg.inv(matrices))
    for density, matrix, offset in zip(log_gaussian_2d(offsets, matrices), matrices, offsets, strict=True):
        plain = np.exp(-0.5 * offset @ np.linalg.inv(matrix) @ offset) / (
            2 * np.pi * np.sqrt(np.linalg.det(matrix))
        )
        assert density == pytest.approx(np.log(plain))


def test_a_second_drives_offset_is_found_to_decimetres() -> None:
    errors = []
    for seed in range(5):
        known, second, second_bias, first_bias = two_passes(STREET, seed)
        alignment = align_drive(second, known)
        assert alignment.aligned.all()
        errors.append(alignment.bias.offset_m - (second_bias - first_bias))
    assert (
        np.sqrt(np.mean(np.square(np.concatenate(errors)))) < 0.45
    )  # measured 0.29 m; the bias itself 3.5 m


def test_the_covariance_of_the_offset_is_neither_boastful_nor_timid() -> None:
    normalised = []
    for seed in range(12):
        known, second, second_bias, first_bias = two_passes(STREET, 100 + seed)
        alignment = align_drive(second, known)
        error = alignment.bias.offset_m - (second_bias - first_bias)
        inverse = inverse_2x2(alignment.bias.covariance_m2)
        normalised.append(np.einsum("ni,nij,nj->n", error, inverse, error))
    assert 1.0 < np.mean(np.concatenate(normalised)) < 4.0  # 2 for two axes


def test_an_empty_map_leaves_the_prior_and_is_not_aligned() -> None:
    _, second, _, _ = two_passes(STREET, 1)
    alignment = align_drive(second, empty_map())
    assert not alignment.aligned.any()
    assert np.all(alignment.bias.offset_m == 0)
    assert alignment.bias.covariance_m2 == pytest.approx(second.gnss_m2)


def test_a_stretch_without_anchors_keeps_its_variance_and_is_marked() -> None:
    known, second, _, _ = two_passes(replace(STREET, streets_m=(6000.0,)), 3)
    half = known.place_m[:, 0] < 2000.0
    known_half = KnownDefects(*[getattr(known, name)[half] for name in KnownDefects.__slots__])
    alignment = align_drive(second, known_half)
    at_m = second.station_m
    assert alignment.aligned[at_m < 1900].all()
    assert not alignment.aligned[at_m > 3500].any()
    prior_m2 = 2 * STREET.sigma_m**2
    assert np.all(alignment.bias.covariance_m2[at_m > 4500, 0, 0] > 0.9 * prior_m2)


def test_a_drive_without_observations_is_no_trouble() -> None:
    known, second, _, _ = two_passes(STREET, 1)
    nothing = Sightings(*[getattr(second, name)[:0] for name in Sightings.__slots__])
    assert len(align_drive(nothing, known).aligned) == 0
    assert len(match_drive(nothing, empty_map()).defect) == 0


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 50),
    by_m=st.tuples(st.floats(-400, 400), st.floats(-400, 400)),
)
def test_moving_drive_and_map_together_changes_no_offset(seed: int, by_m: tuple[float, float]) -> None:
    known, second, _, _ = two_passes(STREET, seed)
    before = align_drive(second, known)
    after = align_drive(shifted(second, by_m), replace(known, place_m=known.place_m + np.array(by_m)))
    assert after.bias.offset_m == pytest.approx(before.bias.offset_m, abs=1e-6)
    assert np.array_equal(after.anchors.defect, before.anchors.defect)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 50), by_m=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_a_drive_that_is_wrong_by_more_gets_the_larger_offset(seed: int, by_m: tuple[float, float]) -> None:
    """Equivariant up to the prior's pull, which is below a tenth where a dozen anchors speak."""
    known, second, _, _ = two_passes(replace(STREET, class_flip=0.0), seed)
    before = align_drive(second, known).bias.offset_m
    after = align_drive(shifted(second, by_m), known).bias.offset_m
    assert np.median(after - before, axis=0) == pytest.approx(by_m, abs=0.12)


def test_class_and_size_speak_for_and_against() -> None:
    def seen(class_index: int, length_m: float) -> tuple[FloatArray, FloatArray]:
        classes = np.full((1, CLASSES), 0.1)
        classes[0, class_index] = 0.7
        return classes, np.log([[length_m, length_m]])

    def ratio(a: tuple[FloatArray, FloatArray], b: tuple[FloatArray, FloatArray]) -> float:
        place, square = np.zeros((1, 2)), np.eye(2)[None]
        sigma = np.full((1, 2), 0.1)
        left = Sightings(np.zeros(1), place, square, square, a[0], a[1], sigma)
        right = KnownDefects(place, square, square, b[0], b[1], sigma)
        index = np.zeros(1, dtype=np.intp)
        return float(log_ratio_of_pairs(left, right, index, index, AgreementRules())[0])

    same, other_class, other_size = (
        ratio(seen(0, 0.5), each) for each in (seen(0, 0.5), seen(1, 0.5), seen(0, 3.0))
    )
    assert same > 1.0
    assert other_class < same - 0.5
    assert other_size < 0.0
    unknown = seen(0, 0.5)[0], np.full((1, 2), np.nan)
    assert 0.0 < ratio(seen(0, 0.5), unknown) < same


def test_two_thousand_observations_meet_twenty_thousand_defects_within_seconds() -> None:
    setting = Setting(streets_m=(20_000.0, 20_000.0), spacing_m=20.0, passes=2)
    known, second, _, _ = two_passes(setting, 1)
    random = np.random.default_rng(2)
    more = random.integers(0, len(known), 20_000 - len(known))
    beside = known.place_m[more] + [0.0, 30.0] + random.normal(0, 5, (len(more), 2))
    crowd = KnownDefects(
        np.vstack([known.place_m, beside]),
        *[
            np.concatenate([getattr(known, name), getattr(known, name)[more]])
            for name in KnownDefects.__slots__[1:]
        ],
    )
    started_s = time.process_time()
    match = match_drive(second, crowd)
    assert time.process_time() - started_s < 8.0  # measured 0.7 s
    assert np.mean(match.defect >= 0) > 0.8
    assert np.all(match.defect < len(known))


def test_a_receiver_of_centimetres_needs_no_chain() -> None:
    rtk = replace(STREET, sigma_m=0.02, along_m=0.05, across_m=0.05)
    known, second, second_bias, first_bias = two_passes(rtk, 4)
    alignment = align_drive(second, known, AlignmentRules())
    assert alignment.bias.offset_m == pytest.approx(second_bias - first_bias, abs=0.1)
