"""From outputs made by hand to boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inference.tiny_models import end2end_answer, raw_answer

from wegewart.errors import ModelMismatch
from wegewart_inference.model_bundle import HeadKind, Preprocess, Suppression
from wegewart_inference.postprocess import candidates_of, head_kind_of, in_frame, suppressed
from wegewart_inference.preprocess import letterbox_for

FLOORS = np.full(4, 0.25, np.float32)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, 300, 6), HeadKind.END2END), ((1, 8, 3549), HeadKind.RAW)],
    ids=["end-to-end", "raw"],
)
def test_the_shape_of_the_output_says_which_head_it_is(shape, kind):
    assert head_kind_of(shape, 4) is kind


@pytest.mark.parametrize("shape", [(1, 84, 8400), (8, 3549), (2, 300, 6), (1, "boxes", "columns")], ids=str)
def test_an_output_of_other_classes_or_batches_is_refused(shape):
    with pytest.raises(ModelMismatch, match="export it again"):
        head_kind_of(shape, 4)


def test_end_to_end_rows_below_the_floor_of_their_class_are_left_out():
    answer = end2end_answer((1, 2, 3, 4, 0.9, 0), (5, 6, 7, 8, 0.2, 1), (9, 9, 12, 12, 0.25, 3))

    found = candidates_of(answer, 4, FLOORS)

    assert found.classes.tolist() == [0, 3]
    np.testing.assert_allclose(found.boxes_input_px, [[1, 2, 3, 4], [9, 9, 12, 12]])


def test_a_class_that_the_card_does_not_have_is_a_mismatch():
    with pytest.raises(ModelMismatch, match="class 7, its card has 4"):
        candidates_of(end2end_answer((1, 2, 3, 4, 0.9, 7)), 4, FLOORS)


def test_a_raw_column_speaks_for_every_class_that_reaches_its_floor():
    answer = raw_answer((10, 20, 4, 8, 0.9, 0.1, 0.5, 0.0))

    found = candidates_of(answer, 4, FLOORS)

    assert found.classes.tolist() == [0, 2]
    np.testing.assert_allclose(found.scores, [0.9, 0.5])
    np.testing.assert_allclose(found.boxes_input_px, [[8, 16, 12, 24]] * 2)


def test_suppression_keeps_the_surer_of_two_boxes_of_one_class_and_both_of_two_classes():
    answer = raw_answer(
        (20, 20, 10, 10, 0.8, 0, 0, 0), (20.5, 20, 10, 10, 0.9, 0, 0, 0), (20, 20, 10, 10, 0, 0.7, 0, 0)
    )

    kept = suppressed(candidates_of(answer, 4, FLOORS), Suppression(iou=0.7))

    assert kept.classes.tolist() == [0, 1]
    np.testing.assert_allclose(kept.scores, [0.9, 0.7])


@pytest.mark.parametrize(("iou", "count"), [(0.32, 1), (0.34, 2)], ids=["above-limit", "below-limit"])
def test_suppression_compares_with_the_iou_of_the_card(iou, count):
    # Two 10 × 10 boxes, 5 apart: intersection 50, union 150, IoU 1/3.
    answer = raw_answer((20, 20, 10, 10, 0.8, 0, 0, 0), (25, 20, 10, 10, 0.9, 0, 0, 0))

    assert len(suppressed(candidates_of(answer, 4, FLOORS), Suppression(iou=iou)).scores) == count


def test_suppression_stops_at_the_limit_of_detections_and_keeps_the_surest():
    columns = [(30 * index, 20, 10, 10, 0.3 + 0.03 * index, 0, 0, 0) for index in range(20)]

    kept = suppressed(candidates_of(raw_answer(*columns), 4, FLOORS), Suppression(max_detections=3))

    np.testing.assert_allclose(kept.scores, [0.87, 0.84, 0.81], rtol=1e-6)


def test_boxes_come_back_in_frame_pixels_clipped_and_the_surest_first():
    letterbox = letterbox_for((32, 64), (64, 64), Preprocess())  # scale 1, 16 rows of padding above
    answer = end2end_answer((10, 20, 30, 40, 0.5, 1), (-5, 0, 70, 64, 0.9, 0), (1, 1, 9, 9, 0.6, 2))

    detections = in_frame(candidates_of(answer, 4, FLOORS), letterbox)

    np.testing.assert_allclose(detections.boxes_px, [[0, 0, 64, 32], [10, 4, 30, 24]])
    assert detections.classes.tolist() == [0, 1]  # the third lies in the padding, thus outside the frame


@given(
    st.lists(
        st.tuples(
            st.floats(0, 64),
            st.floats(0, 64),
            st.floats(1, 30),
            st.floats(1, 30),
            st.floats(0.25, 1, width=32),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_no_two_kept_boxes_of_a_class_overlap_more_than_allowed(boxes):
    answer = raw_answer(*[(*box, 0, 0, 0) for box in boxes])

    kept = suppressed(candidates_of(answer, 4, FLOORS), Suppression(iou=0.5)).boxes_input_px.astype(float)

    areas = (kept[:, 2] - kept[:, 0]) * (kept[:, 3] - kept[:, 1])
    for first in range(len(kept)):
        for second in range(first + 1, len(kept)):
            low, high = (
                np.maximum(kept[first, :2], kept[second, :2]),
                np.minimum(kept[first, 2:], kept[second, 2:]),
            )
            shared = np.prod(np.maximum(high - low, 0))
            assert shared / (areas[first] + areas[second] - shared) <= 0.5 + 1e-5
