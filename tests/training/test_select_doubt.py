"""Doubt in bits: by hand, and in its order."""

import math

import numpy as np
import pytest

from wegewart_inference.detections import Detections
from wegewart_training.select_doubt import FLOOR, binary_entropy, doubt_of, moved

CODES = ("D00", "D10", "D20", "D40")
THRESHOLDS = {"D00": 0.2, "D10": 0.2, "D20": 0.2, "D40": 0.1}
HERE, NEAR, THERE = (0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)


def found(*rows):
    ranked = sorted(rows, key=lambda row: -row[2])
    return Detections(
        np.array([box for box, _, _ in ranked], np.float32).reshape(-1, 4),
        np.array([CODES.index(code) for _, code, _ in ranked], np.int64),
        np.array([confidence for _, _, confidence in ranked], np.float32),
    )


def bits(*rows):
    return doubt_of(found(*rows), CODES, THRESHOLDS).bits


def test_at_the_threshold_there_is_one_bit_of_doubt_and_less_on_both_sides():
    assert bits((HERE, "D00", 0.2)) == pytest.approx(1.0)
    assert bits((HERE, "D40", 0.1)) == pytest.approx(1.0)
    assert bits((HERE, "D00", 0.9)) < bits((HERE, "D00", 0.4)) < 1
    assert bits((HERE, "D00", 0.03)) < bits((HERE, "D00", 0.1)) < 1


def test_one_place_by_hand():
    assert moved(0.5, 0.2) == pytest.approx(0.8)  # odds 1 over odds 1/4 are 4 to 1
    assert binary_entropy(0.8) == pytest.approx(0.7219, abs=1e-4)
    assert bits((HERE, "D00", 0.5)) == pytest.approx(0.7219, abs=1e-4)


def test_rival_classes_in_one_place_add_the_doubt_which_it_is():
    rivals = bits((HERE, "D00", 0.4), (NEAR, "D20", 0.4))
    whether = binary_entropy(moved(0.4, 0.2))

    assert rivals == pytest.approx(whether + 1 / 2)  # two equal classes: 1 bit of the 2 bits of four
    assert bits((HERE, "D00", 0.4), (NEAR, "D00", 0.3)) == pytest.approx(whether)


def test_places_add_up():
    assert bits((HERE, "D00", 0.2), (THERE, "D10", 0.2)) == pytest.approx(2.0)


def test_nothing_and_noise_are_no_doubt():
    assert doubt_of(found(), CODES, THRESHOLDS).bits == 0
    assert bits((HERE, "D00", FLOOR / 2)) == 0


def test_a_class_that_is_never_reported_does_not_count():
    only = {"D40": 0.1}
    assert doubt_of(found((HERE, "D00", 0.2)), CODES, only).bits == 0
    assert doubt_of(found((HERE, "D40", 0.1)), CODES, only).bits == pytest.approx(1)


def test_the_words_name_the_most_doubtful_places_first():
    doubt = doubt_of(found((HERE, "D00", 0.95), (THERE, "D10", 0.2), (NEAR, "D20", 0.6)), CODES, THRESHOLDS)

    assert doubt.words.startswith("D10 0.20")
    assert doubt.places >= 1
    assert math.isfinite(doubt.bits)


def test_certainty_is_finite():
    assert bits((HERE, "D00", 1.0)) == pytest.approx(0, abs=0.01)
