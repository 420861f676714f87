"""What a detector says becomes sightings: rounded, ordered, each damage once."""

import numpy as np
import pytest

from wegewart_edge.looking import sightings_of
from wegewart_inference.detections import Detections

CODES = ("D00", "D10", "D20", "D40")


def detections(*rows):
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        table[:, :4].astype(np.float32), table[:, 5].astype(np.int64), table[:, 4].astype(np.float32)
    )


def test_noise_in_the_last_bits_changes_neither_content_nor_order():
    rows = np.array([(10, 20, 50, 60, 0.8, 3), (70, 20, 90, 60, 0.8, 3), (10, 100, 50, 160, 0.6, 2)])
    noisy = rows + np.array([1e-4, -1e-4, 1e-4, 1e-4, 1e-6, 0])
    one, other = sightings_of(detections(*rows), CODES), sightings_of(detections(*noisy[[1, 0, 2]]), CODES)
    assert one.boxes_px.tolist() == other.boxes_px.tolist()
    assert (one.class_codes, one.confidences) == (other.class_codes, other.confidences)


@pytest.mark.parametrize(
    ("second", "seen"),
    [
        ((12, 22, 52, 58, 0.5, 2), 1),
        ((20, 30, 30, 40, 0.5, 2), 1),
        ((20, 30, 30, 40, 0.5, 3), 2),
        ((45, 20, 85, 60, 0.5, 2), 2),
        ((0, 0, 0.04, 30, 0.5, 2), 1),
    ],
    ids=["same-twice", "inside", "inside-of-another-class", "neighbour", "closed-by-rounding"],
)
def test_one_damage_is_seen_once_and_neighbours_both(second, seen):
    found = sightings_of(detections((10, 20, 50, 60, 0.8, 2), second), CODES)
    assert len(found.class_codes) == seen
    assert found.confidences[0] == 0.8


def test_no_detection_is_an_answer_too():
    assert sightings_of(Detections.none(), CODES).boxes_px.shape == (0, 4)
