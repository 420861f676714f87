"""The detector follows the card and the graph, and refuses when they disagree."""

import numpy as np
import pytest
from tests.inference.tiny_models import CODES, end2end_answer, raw_answer, write_bundle

from wegewart.errors import BundleInvalid, ModelMismatch
from wegewart_inference.detector import Detector, tempered
from wegewart_inference.frame import Frame
from wegewart_inference.model_bundle import Head, HeadKind, Role, Suppression, read_bundle

IMAGE = np.full((64, 64, 3), 100, np.uint8)
ONE_BOX = {
    "end-to-end": end2end_answer((8, 16, 24, 48, 0.75, 3)),
    "raw": raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75)),
}


@pytest.mark.parametrize("head", ONE_BOX)
def test_both_heads_give_the_same_detection(tmp_path, head):
    detector = Detector(read_bundle(write_bundle(tmp_path, ONE_BOX[head])))

    detections = detector.detect(Frame(IMAGE, None, "front", 0))

    np.testing.assert_allclose(detections.boxes_px, [[8, 16, 24, 48]], atol=1e-4)
    assert [detector.class_codes[index] for index in detections.classes] == ["D40"]
    np.testing.assert_allclose(detections.confidences, [0.75])


def test_a_larger_frame_gets_its_boxes_in_its_own_pixels(tmp_path):
    detector = Detector(read_bundle(write_bundle(tmp_path, ONE_BOX["end-to-end"])))

    detections = detector.detect(np.zeros((640, 640, 3), np.uint8))

    np.testing.assert_allclose(detections.boxes_px, [[80, 160, 240, 480]], atol=1e-3)


def test_thresholds_count_per_class_and_a_given_floor_replaces_them(tmp_path):
    answer = end2end_answer((8, 8, 20, 20, 0.4, 0), (8, 8, 20, 20, 0.4, 1), (8, 8, 20, 20, 0.002, 2))
    thresholds = {"D00": 0.5, "D10": 0.3, "D20": 0.3, "D40": 0.3}
    detector = Detector(read_bundle(write_bundle(tmp_path, answer, thresholds=thresholds)))

    assert detector.detect(IMAGE).classes.tolist() == [1]
    assert sorted(detector.detect(IMAGE, min_confidence=0.001).classes.tolist()) == [0, 1, 2]


def test_a_mask_bundle_reports_only_the_classes_that_it_masks(tmp_path):
    answer = end2end_answer((8, 8, 20, 20, 0.9, 0), (8, 8, 20, 20, 0.9, 1))
    fields = {"taxonomy": "coco-80", "masked_classes": ("person",), "thresholds": {"person": 0.1}}
    folder = write_bundle(tmp_path, answer, role=Role.MASK, classes=("dog", "person"), **fields)

    assert Detector(read_bundle(folder)).detect(IMAGE, min_confidence=0.001).classes.tolist() == [1]


def test_a_temperature_above_one_makes_the_detector_less_sure_and_thresholds_follow(tmp_path):
    answer = end2end_answer((8, 8, 20, 20, 0.9, 0), (8, 8, 20, 20, 0.2, 1))
    fields = {"temperature": 2.0, "thresholds": dict.fromkeys(CODES, 0.34)}
    detector = Detector(read_bundle(write_bundle(tmp_path, answer, **fields)))

    detections = detector.detect(IMAGE)

    # logit(0.9) / 2 = ln(3): 3 / 4; logit(0.2) / 2 = −ln(2): 1 / 3, below 0.34
    np.testing.assert_allclose(detections.confidences, [0.75], rtol=1e-5)


def test_tempering_with_one_changes_nothing():
    scores = np.array([0.0, 0.1, 0.5, 1.0], np.float32)
    np.testing.assert_allclose(tempered(scores, 1.0), scores)


def test_a_graph_with_another_number_of_classes_is_refused(tmp_path):
    folder = write_bundle(tmp_path, raw_answer((1,) * 9, classes=5))

    with pytest.raises(ModelMismatch, match="with 4 classes"):
        Detector(read_bundle(folder))


def test_a_graph_with_another_input_is_refused(tmp_path):
    folder = write_bundle(tmp_path, ONE_BOX["raw"], input_hw=(64, 64), graph_hw=(96, 96))

    with pytest.raises(ModelMismatch, match=r"\[1, 3, 64, 64\]"):
        Detector(read_bundle(folder))


def test_a_graph_with_the_other_head_than_its_card_says_is_refused(tmp_path):
    head = Head(kind=HeadKind.RAW, suppression=Suppression())
    folder = write_bundle(tmp_path, ONE_BOX["end-to-end"], head=head)

    with pytest.raises(ModelMismatch, match="end2end head"):
        Detector(read_bundle(folder))


def test_a_graph_that_is_no_onnx_is_refused_with_what_to_do(tmp_path):
    from wegewart_inference.model_bundle import BundleCard, file_sha256, write_card

    folder = write_bundle(tmp_path, ONE_BOX["raw"], signed=False)
    card = read_bundle(folder, allow_unsigned=True).card
    (folder / "model.onnx").write_bytes(b"no graph")
    sha256 = file_sha256(folder / "model.onnx")
    write_card(folder, BundleCard.model_validate({**card.model_dump(), "sha256": sha256}))

    with pytest.raises(BundleInvalid, match="export it again"):
        Detector(read_bundle(folder, allow_unsigned=True))


def test_something_that_is_no_image_is_refused(tmp_path):
    detector = Detector(read_bundle(write_bundle(tmp_path, ONE_BOX["raw"])))

    with pytest.raises(ValueError, match="uint8"):
        detector.detect(np.zeros((64, 64), np.uint8))
