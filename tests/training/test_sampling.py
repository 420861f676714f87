"""Which images are shown, and how often."""

import math
from pathlib import Path

import pytest

from wegewart_training.sampling import repeat_factors, some_empties, whole_repeats


def test_the_factor_is_the_square_root_of_how_much_rarer_a_class_is_than_asked():
    classes = [frozenset({0})] * 96 + [frozenset({3})] * 4

    factors = repeat_factors(classes, 0.36)

    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(math.sqrt(0.36 / 0.04))


def test_an_image_counts_by_its_rarest_class_and_an_empty_one_once():
    classes = [frozenset({0})] * 97 + [frozenset({0, 3}), frozenset({3}), frozenset()]

    factors = repeat_factors(classes, 0.32)

    assert factors[97] == factors[98] == pytest.approx(4.0)
    assert factors[99] == 1.0


def test_what_is_left_of_a_factor_is_drawn_so_that_the_mean_is_the_factor():
    repeats = whole_repeats([2.25] * 10_000, seed=1)

    assert set(repeats) == {2, 3}
    assert sum(repeats) / len(repeats) == pytest.approx(2.25, abs=0.02)
    assert repeats == whole_repeats([2.25] * 10_000, seed=1)


def test_all_damaged_images_are_taken_and_only_some_undamaged_ones():
    images = [Path(f"{number}.jpg") for number in range(50)]
    classes = [frozenset({1}) if number % 5 == 0 else frozenset() for number in range(50)]

    taken = some_empties(images, classes, 8, seed=0)

    assert {number for number in taken if classes[number]} == set(range(0, 50, 5))
    assert len(taken) == 18
    assert taken != some_empties(images, classes, 8, seed=1)
