"""The whole chain as a user runs it in a lone clone: train, export, gate, INT8, bundle, signature, scores.

Two epochs at 320 px on the repository's own 80 photographs say nothing about quality, only that it runs.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from wegewart_inference.model_bundle import Role, file_sha256, read_bundle
from wegewart_training.__main__ import main
from wegewart_training.signing import KEY_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "datasets" / "smoke" / "data.yaml"
BUNDLE, INT8 = "smoke-nano-0.0.1-fp32", "smoke-nano-0.0.1-int8"
RECIPE = f"""
name = "smoke-nano"
version = "0.0.1"
taxonomy = "road-damage-1"
seed = 0
[start]
checkpoint = "{ROOT}/training/checkpoints/yolo26n-coco-dequant.pt"
sha256 = "85c7415102326089d2aa81954623d518d2dae56d8f8233d3a70679591d2bf552"
[data]
train = [{{ manifest = "smoke", split = "train" }}]
val = [{{ manifest = "smoke", split = "val" }}]
[trainer]
image_px = 320
epochs = 2
batch = 8
step_images = 8
learning_rate = 0.002
warmup_epochs = 0.0
close_mosaic_epochs = 1
"""

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: install wegewart[train] to train"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder in which a run was trained and released, without any data set but the repository's."""
    root = tmp_path_factory.mktemp("smoke")
    (root / "recipe.toml").write_text(RECIPE)
    (root / "weights").mkdir()
    environment = {name: text for name, text in os.environ.items() if not name.startswith("WEGEWART_")}
    environment["WEGEWART_WORK"] = str(root / "work")
    environment[KEY_VARIABLE] = in_process(root, environment, "keygen", "--keys", "models/keys").strip()
    in_process(root, environment, "train", "--recipe", "recipe.toml", "--run", "run")
    release = ("release", "run", "--recipe", "recipe.toml", "--models", "models", "--weights", "weights")
    chosen = ("--precision", "fp32", "--note", "A smoke test.")
    in_process(root, environment, *release, *chosen, "--data", str(DATA), "--split", "val")
    return root


@pytest.fixture(scope="module")
def int8(root):
    """The INT8 export of the run, into a folder of its own."""
    export = ["export", "run", "--recipe", "recipe.toml", "--precision", "int8", "--head", "raw"]
    command = [sys.executable, "-m", "wegewart_training", *export, "--out", f"int8/{INT8}"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def in_process(root, environment, *arguments):
    """What a command of wegewart-train prints; torch stays in a process of its own."""
    command = [sys.executable, "-m", "wegewart_training", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_bundle_is_signed_and_its_card_has_scores_with_intervals(root):
    card = read_bundle(root / "models" / BUNDLE, Role.DAMAGE).card

    scores = card.metrics["smoke val"]
    assert card.input_hw == (320, 320)
    assert card.notes[0] == "A smoke test."
    assert 0.25 <= card.temperature <= 4
    assert card.thresholds_chosen_on == "best F1 per class on smoke val, 20 images pooled"
    assert scores.images == 20
    assert {"map50", "recall", "f1", "ap50_D00"} <= scores.intervals.keys()
    assert (card.training.train[0].images, card.training.val[0].images) == (60, 20)


def test_int8_is_written_if_and_only_if_its_gate_lets_it_through(root, int8):
    """Two epochs on 60 photographs make so weak a model that its mAP50 may lose a hundredth by chance."""
    folder = root / "int8" / INT8
    if int8.returncode != 0:
        assert "loses mAP50" in int8.stderr, int8.stderr[-3000:]
        assert not folder.exists()
        return
    card = read_bundle(folder, Role.DAMAGE, allow_unsigned=True).card
    whole = root / "models" / BUNDLE / "model.onnx"
    assert any("int8 against fp32: mAP50" in note for note in card.notes)
    assert (folder / "model.onnx").stat().st_size < 0.4 * whole.stat().st_size


def test_a_release_has_its_papers_and_shows_no_street(root):
    folder = root / "models" / BUNDLE
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    assert {"evaluation.txt", "evaluation.html", "datasheets/smoke.toml", "datasheets/smoke.md"} <= names
    assert "data:image/jpeg" not in (folder / "evaluation.html").read_text()
    assert "data:image/jpeg" in (root / "run" / "release" / f"{BUNDLE}.html").read_text()
    assert sorted(path.name for path in (root / "models").iterdir()) == ["keys", BUNDLE]


def test_the_released_weights_are_those_that_the_card_names_and_tell_no_folder(root):
    weights = root / "weights" / "smoke-nano-0.0.1.pt"

    card = read_bundle(root / "models" / BUNDLE, Role.DAMAGE).card
    assert card.training.weights_sha256 == file_sha256(weights)
    assert str(root).encode() not in weights.read_bytes()
    assert str(ROOT).encode() not in weights.read_bytes()


def test_the_default_bundle_scores_as_its_card_says(root, tmp_path, capsys):
    shutil.copytree(root / "models", tmp_path / "models")
    (tmp_path / "models" / "mask").mkdir()
    (tmp_path / "models" / "default.toml").write_text(f'damage = "{BUNDLE}"\nmask = "mask"\n')
    models = ("--models", str(tmp_path / "models"))

    assert main(["evaluate", *models, "--data", str(DATA), "--split", "val", "--json"]) == 0

    scores = json.loads(capsys.readouterr().out)
    figures = read_bundle(root / "models" / BUNDLE).card.metrics["smoke val"].figures
    assert scores["bundle"] == BUNDLE
    assert {name: scores[name] for name in ("map50", "f1", "ece")} == pytest.approx(
        {name: figures[name] for name in ("map50", "f1", "ece")}, abs=1e-4
    )


def test_a_release_is_not_made_twice(root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["keygen", "--keys", "models/keys"]) == 0
    monkeypatch.setenv(KEY_VARIABLE, capsys.readouterr().out.strip())
    before = sorted(path.name for path in (root / "models").iterdir())

    command = ["release", "run", "--recipe", "recipe.toml", "--models", "models", "--data", str(DATA)]

    assert main([*command, "--split", "val"]) == 2
    assert "exists: a release does not change" in capsys.readouterr().err
    assert sorted(path.name for path in (root / "models").iterdir()) == before
