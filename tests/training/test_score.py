"""Scores against cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.scored_images import CODES, HALF, HERE, NOWHERE, THERE, image

from wegewart.errors import DatasetInvalid
from wegewart_training.judged import iou_matrix, judge, without_class
from wegewart_training.score import figures, recall_at_false_boxes, score
from wegewart_training.thresholds import best_f1_thresholds


def test_everything_found_and_nothing_else_scores_one():
    scores = score([image([(HERE, 0), (THERE, 1)], [(HERE, 0, 0.9), (THERE, 1, 0.8)])], CODES, HALF)

    assert scores.map50 == scores.map50_95 == scores.precision == scores.recall == scores.f1 == 1.0
    assert scores.images_with_false_box == 0


def test_average_precision_worked_by_hand():
    # Ranked: hit, miss, hit; 2 boxes. Recall 0.5, 0.5, 1; precision 1, 1/2, 2/3, made falling 1, 2/3, 2/3.
    # Recalls 0 to 0.5 (51 points) read 1, the other 50 read 2/3.
    scores = score(
        [image([(HERE, 0), (THERE, 0)], [(HERE, 0, 0.9), (NOWHERE, 0, 0.8), (THERE, 0, 0.7)])], CODES, HALF
    )

    assert scores.ap50_by_class["D00"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert scores.ap50_by_class["D40"] is None
    assert scores.map50 == scores.ap50_by_class["D00"]
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.recall == 1
    assert scores.f1 == pytest.approx(0.8)
    assert scores.images_with_false_box == 1


def test_map_over_ious_counts_the_levels_that_the_box_reaches():
    # A box 7 of 10 wide: IoU 0.7, a hit at 0.50, 0.55, 0.60, 0.65 and 0.70, thus 5 of 10 levels.
    scores = score([image([(HERE, 0)], [((0, 0, 7.0001, 10), 0, 0.9)])], CODES, HALF)

    assert scores.map50 == 1.0
    assert scores.map50_95 == pytest.approx(0.5)


def test_a_box_is_taken_once_and_by_the_surest():
    scores = score([image([(HERE, 0)], [(HERE, 0, 0.9), (HERE, 0, 0.8)])], CODES, HALF)

    assert (scores.precision, scores.recall) == (0.5, 1.0)
    assert scores.images_with_false_box == 1


def test_a_surer_detection_takes_the_box_even_if_a_later_one_fits_better():
    scores = score([image([(HERE, 0)], [((0, 0, 10, 6), 0, 0.9), (HERE, 0, 0.8)])], CODES, HALF)

    assert scores.map50_95 == pytest.approx((3 * 1.0 + 7 * 0.5) / 10)  # IoU 0.6: the first at 3 levels


def test_another_class_is_no_hit():
    scores = score([image([(HERE, 0)], [(HERE, 1, 0.9)])], CODES, HALF)

    assert (scores.map50, scores.precision, scores.recall, scores.f1) == (0.0, 0.0, 0.0, 0.0)


def test_classes_have_their_own_thresholds():
    found = [(HERE, 0, 0.4), (THERE, 1, 0.4)]
    scores = score([image([(HERE, 0), (THERE, 1)], found)], CODES, {"D00": 0.3, "D40": 0.5})

    assert (scores.precision, scores.recall) == (1.0, 0.5)
    assert scores.map50 == 1.0  # average precision knows no threshold


def test_without_truth_figures_are_none_and_false_boxes_still_count():
    scores = score([image([], [(HERE, 0, 0.9)]), image([], [])], CODES, HALF)

    assert (scores.map50, scores.map50_95, scores.recall, scores.f1) == (None, None, None, None)
    assert scores.precision == 0.0
    assert (scores.images, scores.images_with_false_box) == (2, 1)


def test_nothing_found_is_zero_not_none():
    scores = score([image([(HERE, 0)], [])], CODES, HALF)

    assert (scores.map50, scores.recall, scores.f1) == (0.0, 0.0, 0.0)
    assert scores.precision is None


def test_ranking_goes_over_all_images():
    # The false box is surer than both hits: precision never passes 2/3.
    images = [image([(HERE, 0)], [(HERE, 0, 0.6)]), image([(HERE, 0)], [(HERE, 0, 0.7), (NOWHERE, 0, 0.9)])]

    assert score(images, CODES, HALF).map50 == pytest.approx(2 / 3)


def test_the_challenge_counts_the_five_surest_boxes_of_an_image_over_all_classes():
    # Above 0.5 in order: D00 hit, four wrong, D40 hit. The sixth is not looked at: 1 of 5 right, 2 boxes.
    wrong = [((50 + 20 * n, 50, 60 + 20 * n, 60), 1, 0.8) for n in range(4)]
    scores = score([image([(HERE, 0), (THERE, 1)], [(HERE, 0, 0.9), *wrong, (THERE, 1, 0.7)])], CODES, HALF)

    assert scores.challenge_f1 == pytest.approx(2 * 1 / (5 + 2))
    assert scores.f1 == pytest.approx(2 * 2 / (6 + 2))


def test_the_challenge_counts_every_image_for_itself_and_boxes_below_the_threshold_not_at_all():
    low = [(NOWHERE, 0, 0.4)] * 9
    images = [image([(HERE, 0)], [(HERE, 0, 0.9), *low]), image([(THERE, 1)], [(THERE, 0, 0.9)])]

    # Two boxes submitted, one with the wrong label; two boxes in the truth.
    assert score(images, CODES, HALF).challenge_f1 == pytest.approx(2 * 1 / (2 + 2))


def test_the_challenge_asks_for_an_overlap_of_half():
    half, less = (0, 0, 10, 5), (0, 0, 10, 4.99)

    assert score([image([(HERE, 0)], [(half, 0, 0.9)])], CODES, HALF).challenge_f1 == 1.0
    assert score([image([(HERE, 0)], [(less, 0, 0.9)])], CODES, HALF).challenge_f1 == 0.0


def test_the_challenge_takes_a_box_once_and_has_no_score_without_truth():
    twice = [(HERE, 0, 0.9), (HERE, 0, 0.8)]

    assert score([image([(HERE, 0)], twice)], CODES, HALF).challenge_f1 == pytest.approx(2 / 3)
    assert score([image([], twice)], CODES, HALF).challenge_f1 is None
    assert score([image([(HERE, 0)], [])], CODES, HALF).challenge_f1 == 0.0


def test_recall_without_class_stops_where_false_boxes_become_more_than_one_an_image():
    # Without class: hit, false, false, hit. One image: only what stands before the second false box.
    found = [(HERE, 1, 0.9), (NOWHERE, 0, 0.8), ((70, 0, 80, 9), 0, 0.7), (THERE, 1, 0.6)]
    judged = without_class([image([(HERE, 0), (THERE, 1)], found)])

    assert recall_at_false_boxes(judged, np.array([[1]]), 1.0) == pytest.approx(0.5)
    assert recall_at_false_boxes(judged, np.array([[1]]), 2.0) == pytest.approx(1.0)


def test_without_class_two_classes_at_one_place_are_one_claim():
    judged = without_class([image([(HERE, 0)], [(HERE, 0, 0.9), ((0, 0, 10, 9), 1, 0.8), (THERE, 1, 0.7)])])

    np.testing.assert_array_equal(judged.hits[0], [True, False])


def test_an_image_that_counts_twice_scores_like_two_of_its_kind():
    one = image([(HERE, 0), (THERE, 1)], [(HERE, 0, 0.9), (NOWHERE, 0, 0.85), (THERE, 1, 0.7)])
    other = image([(HERE, 0)], [(NOWHERE, 0, 0.8), (HERE, 0, 0.6)])

    weighted = figures(judge([one, other]), CODES, HALF, np.array([[1, 2], [0, 1]]))
    repeated = [score([one, other, other], CODES, HALF), score([other], CODES, HALF)]

    for row, scores in enumerate(repeated):
        for name, value in scores.flat().items():
            if not name.startswith(("map", "ap")):  # ranks inside one image's copies interleave
                np.testing.assert_allclose(weighted[name][row], np.nan if value is None else value)
    assert weighted["map50"][1] == pytest.approx(repeated[1].map50)


def test_iou_worked_by_hand():
    boxes = np.array([[0.0, 0, 10, 10]])
    others = np.array([[5.0, 0, 15, 10], [10, 10, 20, 20], [2, 2, 4, 4]])
    np.testing.assert_allclose(iou_matrix(boxes, others), [[50 / 150, 0, 4 / 100]])


BOXES = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(
    st.lists(st.tuples(BOXES, st.integers(0, 1)), max_size=6),
    st.lists(st.tuples(BOXES, st.integers(0, 1), st.floats(0.125, 1, width=32)), max_size=8),
)
def test_figures_stay_within_bounds_and_are_never_nan(truth, found):
    flat = score([image(truth, found)], CODES, HALF).flat()

    for name, value in flat.items():
        if value is not None and not name.startswith("images"):
            assert 0 <= value <= 1
    assert (flat["map50"] is None) == (not truth)


def test_the_threshold_with_the_best_f1_is_chosen_per_class():
    # D00: at 0.8 F1 = 2·1/(1+2), at 0.4 2·2/(3+2), at 0.3 2·2/(4+2): the second is best, cut to 0.4.
    images = [
        image(
            [(HERE, 0), (THERE, 0), (HERE, 1)],
            [(HERE, 0, 0.8), (NOWHERE, 0, 0.6), (THERE, 0, 0.4004), (NOWHERE, 0, 0.3), (HERE, 1, 0.9004)],
        )
    ]

    assert best_f1_thresholds(images, CODES) == {"D00": 0.4, "D40": 0.9}


def test_a_class_without_truth_gets_no_threshold():
    with pytest.raises(DatasetInvalid, match="no image with D40"):
        best_f1_thresholds([image([(HERE, 0)], [])], CODES)
