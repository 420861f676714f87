"""What is masked is masked whole, and the same frame always gives the same picture."""

import numpy as np
import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_edge.privacy import MASK_GREY, MaskedFrame, Privacy
from wegewart_edge.settings import EvidenceSettings
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.model_bundle import Role, read_bundle


@pytest.fixture
def masked(tmp_path):
    """A white frame of 640×360 px masked by a model that sees one person; 10 px of it are 1 of the input."""

    def mask(x1, y1, x2, y2):
        folder = write_bundle(
            tmp_path,
            end2end_answer((x1, y1, x2, y2, 0.9, 0)),
            name=f"masks-{len(list(tmp_path.iterdir()))}",
            role=Role.MASK,
            taxonomy="coco-80",
            classes=("person",),
            masked_classes=("person",),
            thresholds={"person": 0.1},
        )
        privacy = Privacy(Detector(read_bundle(folder, Role.MASK), 1), EvidenceSettings(mask_margin=0.15))
        outcome = privacy.masked(Frame(np.full((360, 640, 3), 255, np.uint8), None, "front", 0, "white"))
        assert isinstance(outcome, MaskedFrame)
        return outcome.image

    return mask


def covered(image):
    rows, columns = np.nonzero((image == MASK_GREY).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_mask_is_the_box_with_its_margin_rounded_outward(masked):
    """Box 300–340 × 160–240 px, widened by 15 % and 4 px: 10 px left and right, 16 px above and below."""
    assert covered(masked(30, 30, 34, 38)) == (290, 144, 350, 256)
    assert covered(masked(30.04, 30.04, 34.04, 38.04)) == (290, 144, 351, 257)


def test_noise_in_the_last_bits_of_a_box_leaves_the_picture_as_it_is(masked):
    """The undisturbed borders lie exactly between two pixels, where truncation jumped."""
    noise = 4e-6  # of the input's pixels: two steps of a 32 bit float there
    undisturbed = masked(30, 30, 34, 38)
    for sign in (-1, 1):
        noisy = masked(30 + sign * noise, 30 - sign * noise, 34 - sign * noise, 38 + sign * noise)
        assert np.array_equal(noisy, undisturbed)
