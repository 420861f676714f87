"""Intervals: draws of whole groups, the same for every model, and Wilson's figures from the literature."""

import numpy as np
import pytest
from tests.training.scored_images import HERE, NOWHERE, evaluation, image

from wegewart_training.intervals import draw, percentile_interval, wilson

HIT, MISS = [(HERE, 0, 0.9)], [(NOWHERE, 0, 0.9)]


def test_whole_groups_are_drawn_together():
    images = [image([], [], group=f"place {number // 3}") for number in range(36)]

    draws = draw(images)

    assert (draws.unit, draws.units) == ("groups", 12)
    by_group = draws.weights.reshape(-1, 12, 3)
    assert (by_group == by_group[:, :, :1]).all()
    assert (by_group[:, :, 0].sum(axis=1) == 12).all()


def test_few_groups_say_too_little_and_images_are_drawn():
    images = [image([], [], group=f"place {number % 9}") for number in range(18)]

    draws = draw(images)

    assert (draws.unit, draws.units) == ("images", 18)


def test_images_without_a_group_stand_for_themselves():
    draws = draw([image([], []) for _ in range(15)])

    assert (draws.unit, draws.units) == ("images", 15)


def test_the_draws_depend_on_the_images_and_the_seed_alone():
    ours = [image([(HERE, 0)], HIT) for _ in range(12)]
    other = [image([(HERE, 0)], MISS) for _ in range(12)]

    np.testing.assert_array_equal(draw(ours).weights, draw(other).weights)
    assert (draw(ours).weights != draw(ours, seed=1).weights).any()


def test_the_interval_of_a_share_is_that_of_the_binomial():
    # 20 of 40 images found: the bootstrap of a share has σ = √(0.5 · 0.5 / 40) = 0.079.
    low, high = evaluation([image([(HERE, 0)], HIT if n % 2 else MISS) for n in range(40)]).intervals[
        "recall"
    ]

    assert low == pytest.approx(0.5 - 1.96 * 0.079, abs=0.03)
    assert high == pytest.approx(0.5 + 1.96 * 0.079, abs=0.03)


def test_images_of_one_place_widen_the_interval():
    def width(group_size):
        images = [
            image([(HERE, 0)], HIT if (n // 6) % 2 else MISS, group=f"{n // group_size}") for n in range(120)
        ]
        low, high = evaluation(images).intervals["recall"]
        return high - low

    assert width(6) > 2 * width(1)  # 20 places of 6: √6 wider


def test_false_images_are_counted_for_the_whole_set():
    images = [image([], MISS if n < 10 else [], group=f"{n // 2}") for n in range(40)]

    low, high = evaluation(images).intervals["images_with_false_box"]
    assert 1 <= low < 10 < high <= 22


def test_no_interval_where_most_resamples_say_nothing():
    assert percentile_interval(np.array([1.0, np.nan, np.nan])) is None
    assert percentile_interval(np.array([])) is None
    assert percentile_interval(np.array([1.0, 1.0, np.nan])) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 72, 0.0, 0.0507), (3, 72, 0.0143, 0.1155), (11, 72, 0.0876, 0.2532), (10, 10, 0.7225, 1.0)],
)
def test_wilson_against_worked_figures(count, total, low, high):
    assert wilson(count, total) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))
    assert wilson(0, 0) is None
