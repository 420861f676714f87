"""wegewart-infer as people and scripts call it."""

import json

import cv2
import numpy as np
import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_inference.__main__ import main


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "models", end2end_answer((8, 16, 24, 48, 0.75, 3)))


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.jpg"), np.full((64, 64, 3), 90, np.uint8))
    (folder / "b.jpg").write_bytes(b"broken")
    return folder


def test_json_gives_one_object_per_frame_and_names_the_broken_ones(bundle, photographs, capsys):
    assert main(["predict", str(photographs), "--bundle", str(bundle), "--json"]) == 0

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["name"] == "a.jpg"
    assert first["frame_size_px"] == {"width": 64, "height": 64}
    assert first["bundle"] == "tiny-0.1.0-fp32"
    assert first["detections"] == [{"class": "D40", "confidence": 0.75, "box_px": [8.0, 16.0, 24.0, 48.0]}]
    assert second["name"] == "b.jpg"
    assert "decode" in second["broken"]


def test_the_table_is_for_people_and_talk_goes_to_stderr(bundle, photographs, capsys):
    assert main(["predict", str(photographs), "--bundle", str(bundle)]) == 0

    captured = capsys.readouterr()
    assert "D40 pothole" in captured.out
    assert "INFO" not in captured.out


def test_draw_writes_the_frame_with_its_box_and_leaves_the_original(bundle, photographs, tmp_path):
    before = (photographs / "a.jpg").read_bytes()

    assert (
        main(["predict", str(photographs), "--bundle", str(bundle), "--draw", str(tmp_path / "drawn")]) == 0
    )

    drawn = cv2.imread(str(tmp_path / "drawn" / "000000-a.jpg"))
    assert drawn.shape == (64, 64, 3)
    assert np.ptp(drawn) > 50  # the photograph itself is one even grey
    assert (photographs / "a.jpg").read_bytes() == before


def test_nothing_but_broken_images_fails(bundle, photographs, capsys):
    (photographs / "a.jpg").unlink()

    assert main(["predict", str(photographs), "--bundle", str(bundle)]) == 1
    assert "none of the 1 frames could be decoded" in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_fails_with_its_name(photographs, capsys):
    assert main(["predict", str(photographs), "--bundle", str(photographs)]) == 1
    assert "no complete model bundle" in capsys.readouterr().err


def test_info_prints_the_card(bundle, capsys):
    assert main(["info", "--bundle", str(bundle)]) == 0
    out = capsys.readouterr().out
    assert "tiny-0.1.0-fp32" in out
    assert "D40 0.250" in out


def test_a_confidence_outside_zero_to_one_is_called_wrongly(bundle, photographs):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", str(photographs), "--bundle", str(bundle), "--min-confidence", "3"])
    assert stopped.value.code == 2


@pytest.mark.parametrize("command", ["info", "predict"])
def test_an_unsigned_bundle_needs_the_flag(photographs, tmp_path, capsys, command):
    bundle = write_bundle(tmp_path / "others", end2end_answer((8, 16, 24, 48, 0.75, 3)), signed=False)
    words = [command, *([str(photographs)] if command == "predict" else []), "--bundle", str(bundle)]

    assert main(words) == 1
    assert "is not signed" in capsys.readouterr().err
    assert main([*words, "--allow-unsigned"]) == 0
