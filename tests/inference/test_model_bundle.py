"""Bundles are checked before they are believed."""

import json
import shutil
from pathlib import Path

import pytest
from tests.inference.tiny_models import raw_answer, write_bundle

from wegewart.errors import BundleInvalid, BundleUntrusted, CalledWrongly, ModelMismatch
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import BundleCard, Role, default_bundles, read_bundle, write_card

MODELS = Path(__file__).resolve().parents[2] / "models"
ANSWER = raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75))


def test_one_flipped_byte_in_the_graph_is_noticed(tmp_path):
    folder = write_bundle(tmp_path, ANSWER)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[100] ^= 1
    (folder / "model.onnx").write_bytes(content)

    with pytest.raises(BundleInvalid, match="copy the whole bundle again"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = write_bundle(tmp_path, ANSWER)
    (folder / name).unlink()

    with pytest.raises(BundleInvalid, match=f"{name} is missing"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("thresholds", {"D00": 0.3}, "thresholds must name exactly"),
        ("thresholds", {"D00": 0.3, "D10": 0.3, "D20": 0.3, "D40": 1.3}, "less than or equal to 1"),
        ("sha256", "abc", "sha256"),
        ("head", {"kind": "raw", "suppression": None}, "a raw head needs suppression"),
        ("colour", "red", "Extra inputs"),
    ],
    ids=["threshold-missing", "threshold-above-one", "no-hash", "no-suppression", "unknown-field"],
)
def test_a_card_that_contradicts_itself_is_refused(tmp_path, field, value, reason):
    folder = write_bundle(tmp_path, ANSWER)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, field: value}))

    with pytest.raises(BundleInvalid, match=reason):
        read_bundle(folder)


def test_a_bundle_in_a_folder_of_another_name_is_refused(tmp_path):
    folder = write_bundle(tmp_path, ANSWER)
    shutil.move(folder, tmp_path / "newest")

    with pytest.raises(BundleInvalid, match="the same name"):
        read_bundle(tmp_path / "newest")


def test_classes_in_another_order_than_the_taxonomys_are_refused(tmp_path):
    folder = write_bundle(tmp_path, ANSWER, classes=("D10", "D00", "D20", "D40"))

    with pytest.raises(ModelMismatch, match="export it again"):
        read_bundle(folder)


def test_a_damage_bundle_is_no_mask_bundle(tmp_path):
    with pytest.raises(ModelMismatch, match="a mask bundle is needed"):
        read_bundle(write_bundle(tmp_path, ANSWER), Role.MASK)


def test_the_default_names_one_bundle_per_role(tmp_path):
    damage, mask = write_bundle(tmp_path, ANSWER), write_bundle(tmp_path, ANSWER, name="other")
    (tmp_path / "default.toml").write_text(f'damage = "{damage.name}"\nmask = "{mask.name}"\n')

    bundles = default_bundles(tmp_path)

    assert (bundles.damage, bundles.mask) == (damage, mask)


@pytest.mark.parametrize("text", ["", 'damage = "gone-0.1.0-fp32"\nmask = "gone"\n'], ids=["empty", "gone"])
def test_a_default_that_names_no_bundle_says_so(tmp_path, text):
    (tmp_path / "default.toml").write_text(text)

    with pytest.raises(BundleInvalid, match="must name a bundle"):
        default_bundles(tmp_path)


@pytest.mark.parametrize("role", list(Role))
def test_the_bundles_that_ship_are_whole_and_load(role):
    folder = getattr(default_bundles(MODELS), role)

    assert Detector(read_bundle(folder, role)).class_codes


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({"thresholds": {"D00": 0.9, "D10": 0.9, "D20": 0.9, "D40": 0.9}}, True),
        ({"temperature": 1.5}, True),
        ({"notes": ("looked at again",)}, False),
        ({"signature": "signed"}, False),
    ],
    ids=["thresholds", "temperature", "notes", "signature"],
)
def test_messages_name_a_bundle_by_what_decides_what_it_reports(tmp_path, change, another):
    card = read_bundle(write_bundle(tmp_path, ANSWER)).card

    assert (card.model_copy(update=change).behaviour_sha256 != card.behaviour_sha256) is another


def test_an_unsigned_bundle_is_refused(tmp_path):
    with pytest.raises(BundleUntrusted, match="is not signed"):
        read_bundle(write_bundle(tmp_path, ANSWER, signed=False))


def test_a_bundle_with_another_threshold_than_was_signed_is_refused(tmp_path):
    folder = write_bundle(tmp_path, ANSWER)
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace('"D40": 0.25', '"D40": 0.05'))

    with pytest.raises(BundleUntrusted, match=r"card\.json"):
        read_bundle(folder)


def test_an_unsigned_bundle_is_taken_where_that_is_allowed_and_the_log_says_so(tmp_path, caplog):
    folder = write_bundle(tmp_path, ANSWER, signed=False)

    assert read_bundle(folder, allow_unsigned=True).folder == folder
    assert "unsigned bundles are allowed" in caplog.text


def test_a_signed_card_is_not_written_again(tmp_path):
    folder = write_bundle(tmp_path, ANSWER)
    card = BundleCard.model_validate_json((folder / "card.json").read_text())

    with pytest.raises(CalledWrongly, match="does not change"):
        write_card(folder, card)
