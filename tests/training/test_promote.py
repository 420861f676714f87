"""A model replaces another only where it is shown to be better."""

import shutil
from types import MappingProxyType

import cv2
import numpy as np
import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_inference.detections import Detections
from wegewart_training.__main__ import main
from wegewart_training.comparison import compare
from wegewart_training.evaluation import evaluate_images
from wegewart_training.judged import ScoredImage
from wegewart_training.promote import verdict_of

CODES = ("D00", "D10", "D20", "D40")
SEEN = (8, 16, 24, 48, 0.75, 3)
IMAGES = 60


def write_data(root, count=IMAGES):
    """Grey photographs of 64 x 64 px, each with a pothole where `SEEN` has one."""
    for kind in ("images", "labels"):
        (root / kind / "test").mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(root / "images" / "test" / f"{number:03d}.png"), np.full((64, 64, 3), 90, np.uint8))
        (root / "labels" / "test" / f"{number:03d}.txt").write_text("3 0.25 0.5 0.25 0.5\n")
    names = "".join(f"  {index}: {code}\n" for index, code in enumerate(CODES))
    (root / "data.yaml").write_text(f"path: .\ntest: images/test\nnames:\n{names}")
    return root / "data.yaml"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    blind = write_bundle(folder, end2end_answer((1, 1, 3, 3, 0.5, 0)), name="blind")
    write_bundle(folder, end2end_answer(SEEN), name="sees")
    (folder / "default.toml").write_text(f'# in use\ndamage = "{blind.name}"\nmask = "other"\n')
    (folder / "other").mkdir()
    return folder


def promote(models, name, data, *more):
    return main(["promote", str(models / name), "--models", str(models), "--data", str(data), *more])


def test_a_better_model_is_put_in_use(models, tmp_path, capsys):
    data = write_data(tmp_path / "data")

    assert promote(models, "sees-0.1.0-fp32", data) == 0

    assert "nothing speaks against it" in capsys.readouterr().out
    assert (models / "default.toml").read_text() == ('# in use\ndamage = "sees-0.1.0-fp32"\nmask = "other"\n')


def test_a_dry_run_changes_nothing(models, tmp_path):
    before = (models / "default.toml").read_text()

    assert promote(models, "sees-0.1.0-fp32", write_data(tmp_path / "data"), "--dry-run") == 0
    assert (models / "default.toml").read_text() == before


def test_a_model_that_is_only_as_good_is_refused_and_told_why(models, tmp_path, capsys):
    before = (models / "default.toml").read_text()
    write_bundle(models, end2end_answer((1, 1, 3, 3, 0.6, 0)), name="asblind")

    assert promote(models, "asblind-0.1.0-fp32", write_data(tmp_path / "data")) == 1

    assert "refused: overall gain not shown" in capsys.readouterr().out
    assert (models / "default.toml").read_text() == before


def test_an_unsigned_candidate_is_refused(models, tmp_path, capsys):
    write_bundle(models, end2end_answer(SEEN), name="raw", signed=False)

    assert promote(models, "raw-0.1.0-fp32", write_data(tmp_path / "data")) == 1
    assert "is not signed" in capsys.readouterr().err


def test_the_same_version_is_no_candidate(models, tmp_path, capsys):
    assert promote(models, "blind-0.1.0-fp32", write_data(tmp_path / "data")) == 2
    assert "versions only rise" in capsys.readouterr().err


def test_images_without_damage_tell_no_models_apart(models, tmp_path, capsys):
    data = write_data(tmp_path / "data")
    for label in (tmp_path / "data" / "labels" / "test").iterdir():
        label.write_text("")

    assert promote(models, "sees-0.1.0-fp32", data) == 2
    assert "no labelled damage" in capsys.readouterr().err


def looked(found_classes, boxes_of_d10):
    """Images with one D00 each, of which the first ones also have a D10; a model that finds some classes."""
    images = []
    for number in range(200):
        truth = [(0, (10, 10, 20, 20))] + ([(1, (40, 40, 60, 60))] if number < boxes_of_d10 else [])
        found = [(kind, box) for kind, box in truth if kind in found_classes]
        images.append(
            ScoredImage(
                truth_boxes_px=np.array([box for _, box in truth], np.float64),
                truth_classes=np.array([kind for kind, _ in truth]),
                found=Detections(
                    np.array([box for _, box in found], np.float32).reshape(-1, 4),
                    np.array([kind for kind, _ in found], np.int64),
                    np.full(len(found), 0.9, np.float32),
                ),
            )
        )
    return images


@pytest.mark.parametrize(("boxes", "refused"), [(50, True), (49, False)])
def test_a_class_with_enough_boxes_must_not_get_worse(boxes, refused):
    thresholds = MappingProxyType({"D00": 0.5, "D10": 0.5})
    new, old = looked({0}, boxes), looked({1}, boxes)
    pair = compare(
        evaluate_images("all", "new", new, ("D00", "D10"), thresholds),
        evaluate_images("all", "old", old, ("D00", "D10"), thresholds),
    )
    reasons = verdict_of(pair).reasons

    assert any("D10 is worse" in reason for reason in reasons) is refused


def test_compare_prints_differences_and_what_changes_on_a_drive(models, tmp_path, capsys):
    data = write_data(tmp_path / "data")
    drive = tmp_path / "drive"
    shutil.copytree(tmp_path / "data" / "images" / "test", drive / "images")
    (drive / "drive.toml").write_text("format = 1\n")
    bundles = [str(models / name) for name in ("sees-0.1.0-fp32", "blind-0.1.0-fp32")]

    assert main(["compare", *bundles, "--data", str(data), "--drive", str(drive)]) == 0

    said = capsys.readouterr().out
    assert "mAP50   +1.0000 [+1.0000, +1.0000]" in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("  D")}
    assert rows["D40"][-3:] == ["0", str(IMAGES), "0"]
    assert rows["D00"] == ["0", "0", str(IMAGES)]


def test_compare_without_images_is_called_wrongly(models, capsys):
    bundle = str(models / "sees-0.1.0-fp32")
    assert main(["compare", bundle, bundle]) == 2
    assert "--data" in capsys.readouterr().err


def test_what_a_model_was_trained_on_promotes_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit):
        promote(tmp_path, "sees-0.1.0-fp32", tmp_path, "--split", "train")
    assert "invalid choice: 'train'" in capsys.readouterr().err
