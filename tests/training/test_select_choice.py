"""The choice among frames whose doubt, likeness and place are known."""

from pathlib import Path

import numpy as np
import pytest

from wegewart.errors import CalledWrongly
from wegewart_datasets.feedback_guarding import Reserved
from wegewart_training.select_choice import ChoiceOptions, Skipped, Why, choose, fair_share, weights_of
from wegewart_training.select_frames import Candidate
from wegewart_training.select_likeness import directions
from wegewart_training.select_scan import Pool

RNG = np.random.default_rng(5)
NOTHING = Reserved({}, np.zeros((0, 4), np.uint64), (), frozenset(), ())
HASHES = RNG.integers(0, 2**63, (64, 4)).astype(np.uint64)


def pool(bits, described=None, groups=None, hashes=None):
    count = len(bits)
    described = RNG.normal(size=(count, 16)) if described is None else np.array(described, float)
    groups = [f"g{number}" for number in range(count)] if groups is None else groups
    return Pool(
        tuple(Candidate(Path(f"{number}.jpg"), group) for number, group in enumerate(groups)),
        np.array(bits, np.float64),
        described.astype(np.float32),
        HASHES[:count] if hashes is None else hashes,
        np.ones(count, bool),
        (),
    )


def numbers(choice):
    return [pick.number for pick in choice.picks]


def test_the_most_doubtful_frame_comes_first_and_none_twice():
    choice = choose(pool([0.1, 5.0, 1.0]), None, NOTHING, ChoiceOptions(3, explore=0))

    assert numbers(choice)[0] == 1
    assert sorted(numbers(choice)) == [0, 1, 2]


def test_a_frame_that_looks_like_a_chosen_one_waits_behind_a_less_doubtful_other_one():
    one, other = np.eye(8)[0], np.eye(8)[1]
    described = [one, one + 0.01, other, *np.eye(8)[2:]]
    choice = choose(
        pool([9, 8, 5, 0, 0, 0, 0, 0, 0], described), None, NOTHING, ChoiceOptions(3, 9, explore=0)
    )

    assert numbers(choice)[:2] == [0, 2]


def test_what_looks_like_a_labelled_frame_waits():
    described = np.eye(6)
    labelled = pool([0.0], described[:1], hashes=HASHES[40:41])
    choice = choose(pool([9, 5, 1, 1, 1, 1], described), labelled, NOTHING, ChoiceOptions(1, explore=0))

    assert numbers(choice) == [1]


def test_near_duplicates_of_chosen_and_labelled_frames_are_out():
    hashes = HASHES[:4].copy()
    hashes[1] = hashes[0] ^ np.uint64(0b111)  # 12 of 256 bits
    labelled = pool([0.0], hashes=hashes[3:] ^ np.uint64(1))
    choice = choose(pool([9, 8, 7, 6], hashes=hashes), labelled, NOTHING, ChoiceOptions(4, 4, explore=0))

    assert numbers(choice) == [0, 2]
    assert choice.skipped[Skipped.NEAR_DUPLICATE] == 2


def test_a_frame_that_is_nearly_a_test_image_is_never_chosen():
    reserved = Reserved({}, HASHES[1:2] ^ np.uint64(1), ("tests",), frozenset(), ("tests",))
    choice = choose(pool([1, 9, 2]), None, reserved, ChoiceOptions(3, explore=0))

    assert sorted(numbers(choice)) == [0, 2]
    assert choice.skipped[Skipped.RESERVED] == 1


def test_a_place_gets_no_more_than_its_cap_and_the_rest_is_counted():
    choice = choose(
        pool([9, 8, 7, 6, 5], groups=["a", "a", "a", "b", "c"]), None, NOTHING, ChoiceOptions(5, 2, 0)
    )

    assert [choice.per_group, len(choice.picks), choice.skipped[Skipped.GROUP_FULL]] == [2, 4, 1]


def test_every_tenth_pick_goes_by_unlikeness_alone():
    choice = choose(pool(np.linspace(0, 5, 40)), None, NOTHING, ChoiceOptions(20, explore=0.1))

    assert [rank for rank, pick in enumerate(choice.picks, start=1) if pick.why is Why.NOVEL] == [10, 20]


def test_weights_rise_with_doubt_and_equals_are_equal():
    weights = weights_of(np.array([0.0, 0.0, 3.0, 1.0]))

    assert weights[0] == weights[1] < weights[3] < weights[2] <= 1
    assert weights[0] > 0


def test_directions_are_unit_vectors_free_of_scale():
    described = RNG.normal(size=(30, 6)).astype(np.float32)
    unit = directions(described)

    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    assert directions(described * 1000 + 7) == pytest.approx(unit, abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [{"count": 0}, {"count": 3, "per_group": 0}, {"count": 3, "explore": 1.5}],
    ids=["none", "no place", "more than all"],
)
def test_options_that_ask_for_nothing_sensible_are_refused(options):
    with pytest.raises(CalledWrongly):
        ChoiceOptions(**options)


def test_the_same_pool_gives_the_same_choice():
    made = pool(RNG.uniform(0, 5, 40))
    first, again = (choose(made, None, NOTHING, ChoiceOptions(15)) for _ in range(2))

    assert first == again


@pytest.mark.parametrize(
    ("groups", "count", "most"),
    [(1, 50, 100), (4, 100, 50), (200, 100, 10), (200, 5, 3)],
    ids=["one drive", "few drives", "many places", "few picks"],
)
def test_no_place_takes_the_whole_task(groups, count, most):
    assert fair_share([f"g{number}" for number in range(groups)], count) == most
