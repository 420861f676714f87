"""What a detector says becomes sightings: rounded, ordered, each damage once."""

import numpy as np
import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_edge.drive_reader import read_drive
from wegewart_edge.looking import run_name, sightings_of
from wegewart_edge.settings import GateSettings
from wegewart_inference.detections import Detections
from wegewart_inference.model_bundle import read_bundle

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


def test_looks_are_kept_under_another_name_when_the_card_decides_otherwise(make_drive, tmp_path):
    """The same graph with another threshold reports other damages: its looks must not be taken over."""
    drive, gate = read_drive(make_drive()), GateSettings()
    answer = end2end_answer((20, 32, 26, 37.5, 0.81, 3))
    bundles = [
        read_bundle(write_bundle(tmp_path / name, answer, thresholds=dict.fromkeys(CODES, threshold)))
        for name, threshold in (("one", 0.25), ("same", 0.25), ("stricter", 0.5))
    ]
    assert len({bundle.card.sha256 for bundle in bundles}) == 1
    one, same, stricter = (run_name(drive, bundle.ref, gate) for bundle in bundles)
    assert one == same
    assert stricter != one
    assert run_name(drive, bundles[0].ref, GateSettings(distance_m=3.0)) != one
