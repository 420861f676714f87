"""Whether a confidence can be believed, and the temperature that mends it."""

import numpy as np
import pytest
from tests.training.scored_images import CODES, HALF, HERE, NOWHERE, image

from wegewart.errors import DatasetInvalid
from wegewart_inference.detector import tempered
from wegewart_training.calibration import fit_temperature, reliability, with_temperature
from wegewart_training.judged import judge
from wegewart_training.score import score


def images_right_by(confidence, right_of_20):
    """20 images with one detection each at this confidence, some of them right."""
    return [image([(HERE, 0)], [(HERE if n < right_of_20 else NOWHERE, 0, confidence)]) for n in range(20)]


def test_the_expected_error_is_the_gap_weighted_by_detections():
    # 20 at 0.85 of which 12 are right: gap 0.25; 20 at 0.35 of which 7 are right: no gap.
    images = images_right_by(0.85, 12) + images_right_by(0.35, 7)

    found = reliability(judge(images))

    assert found.expected_error == pytest.approx(0.125, abs=1e-6)
    assert found.count.tolist() == [0, 0, 0, 20, 0, 0, 0, 0, 20, 0]
    assert found.right[8] == pytest.approx(0.6)
    assert np.isnan(found.right[0])


def test_what_is_hardly_believed_does_not_count():
    assert reliability(judge([image([], [(NOWHERE, 0, 0.04)])])).expected_error is None


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_of_distorted_confidences_is_found_again(temperature):
    honest = [(0.3, 6), (0.5, 10), (0.6, 12), (0.8, 16), (0.9, 18)]
    images = [one for confidence, right in honest for one in images_right_by(confidence, right)]
    distorted = with_temperature(images, 1 / temperature)

    assert fit_temperature(distorted) == pytest.approx(temperature, rel=0.01)
    assert reliability(judge(with_temperature(distorted, temperature))).expected_error < 1e-3


def test_a_temperature_keeps_the_order_and_thus_the_average_precision():
    images = images_right_by(0.85, 12) + images_right_by(0.35, 7)

    cooled = with_temperature(images, 0.6)

    assert score(cooled, CODES, HALF).map50 == score(images, CODES, HALF).map50
    np.testing.assert_allclose(
        cooled[0].found.confidences, tempered(np.array([0.85], np.float32), 0.6), rtol=1e-6
    )


def test_without_a_sure_detection_there_is_nothing_to_fit():
    with pytest.raises(DatasetInvalid, match="train longer"):
        fit_temperature([image([(HERE, 0)], [])])
