"""Detections refuse what no detector may give."""

import numpy as np
import pytest

from wegewart_inference.detections import Detections

BOX = np.array([[1, 2, 3, 4]], np.float32)
CLASS = np.array([0])
SURE = np.array([0.5], np.float32)


def test_none_is_empty_and_choosing_keeps_rows_together():
    both = Detections(np.vstack([BOX, BOX + 10]), np.array([0, 1]), np.array([0.5, 0.4], np.float32))

    assert len(Detections.none()) == 0
    chosen = both.only(both.confidences < 0.45)
    assert chosen.classes.tolist() == [1]
    assert chosen.boxes_px.tolist() == [[11, 12, 13, 14]]


@pytest.mark.parametrize(
    ("boxes", "classes", "confidences"),
    [
        (BOX.astype(np.float64), CLASS, SURE),
        (BOX[0], CLASS, SURE),
        (BOX[:, [2, 1, 0, 3]], CLASS, SURE),
        (BOX * np.nan, CLASS, SURE),
        (BOX, np.array([0.0]), SURE),
        (BOX, np.array([-1]), SURE),
        (BOX, CLASS, np.array([1.5], np.float32)),
        (BOX, CLASS, np.array([np.nan], np.float32)),
        (BOX, CLASS, np.zeros(2, np.float32)),
    ],
    ids=["double", "flat", "inside-out", "nan", "float-class", "negative", "above-one", "nan-sure", "two"],
)
def test_contradictions_are_refused(boxes, classes, confidences):
    with pytest.raises(ValueError, match=r"boxes_px|classes|confidences|box"):
        Detections(boxes, classes, confidences)
