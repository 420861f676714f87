"""A real training on the smoke set: offline, interrupted, resumed, exported, scored.

Torch is imported in processes of their own: the trainer warns about itself, and warnings are errors here.
"""

import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.datasets.yolo_sets import listing

from wegewart_inference.model_bundle import HeadKind, Role, read_bundle
from wegewart_training.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "datasets" / "smoke"
CHECKPOINT = ROOT / "training" / "checkpoints" / "yolo26n-coco-dequant.pt"
TRAIN_IMAGES, VAL_IMAGES, EPOCHS, LEARNING_RATE = 16, 20, 2, 0.001

RECIPE = f"""
name = "smoke-nano"
version = "0.0.1"
taxonomy = "road-damage-1"
seed = 0
[start]
checkpoint = "{CHECKPOINT}"
sha256 = "85c7415102326089d2aa81954623d518d2dae56d8f8233d3a70679591d2bf552"
[data]
train = [{{ manifest = "few", split = "train" }}]
val = [{{ manifest = "few", split = "val" }}]
road_weather = 0.5
[trainer]
image_px = 64
epochs = {EPOCHS}
batch = 4
learning_rate = {LEARNING_RATE}
warmup_epochs = 0.0
close_mosaic_epochs = 1
precision = "bf16"
sizes_px = [32, 64]
full_size_epochs = 1
check_every_epochs = 2
"""

MANIFEST = """
name = "few"
title = "a few images of the smoke set"
location = "data"
folder = "few"
licence = "MIT"
source = "the smoke set"
[splits]
train = "a test"
val = "a test"
"""


@dataclass(frozen=True)
class Machine:
    """Folders of one trained run."""

    root: Path
    interrupted: subprocess.CompletedProcess[str]
    resumed: subprocess.CompletedProcess[str]
    exported: subprocess.CompletedProcess[str]
    data_before: dict[str, bytes]

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def bundle(self) -> Path:
        return self.root / "models" / "smoke-nano-0.0.1-fp32"


def guarded(root: Path, *arguments: str, interrupt: bool = False) -> subprocess.CompletedProcess[str]:
    """wegewart-train without a network, in a process of its own."""
    script = [sys.executable, str(Path(__file__).with_name("guarded.py")), str(root / "attempts.log")]
    environment = {
        **os.environ,
        "WEGEWART_DATA": str(root / "data"),
        "WEGEWART_WORK": str(root / "work"),
        "WEGEWART_MANIFESTS": str(root / "manifests"),
        "HOME": str(root / "home"),
    }
    command = [*script, "1" if interrupt else "0", "--", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=root)


def lay_out(root: Path) -> None:
    """The smoke set with few train images, by list file, and a recipe for it."""
    for folder in ("data/few", "manifests", "models", "home"):
        (root / folder).mkdir(parents=True)
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            target = root / "data" / "few" / kind / split
            target.mkdir(parents=True)
            count = TRAIN_IMAGES if split == "train" else VAL_IMAGES
            for path in sorted((SMOKE / kind / split).iterdir())[:count]:
                (target / path.name).write_bytes(path.read_bytes())
    (root / "data/few/data.yaml").write_text((SMOKE / "data.yaml").read_text())
    (root / "manifests" / "few.toml").write_text(MANIFEST)
    (root / "recipe.toml").write_text(RECIPE)


def leave_a_row_too_many(results: Path) -> None:
    """As if the run had been killed between the second epoch's row and its checkpoint."""
    _, first = results.read_text().splitlines()
    with results.open("a") as file:
        file.write(f"2,{first.partition(',')[2]}\n")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    root = tmp_path_factory.mktemp("machine")
    lay_out(root)
    before = listing(root / "data")
    train = ("train", "--recipe", "recipe.toml", "--run", "run")
    interrupted = guarded(root, *train, interrupt=True)
    leave_a_row_too_many(root / "run" / "results.csv")
    resumed = guarded(root, *train)
    export = ("export", "run", "--recipe", "recipe.toml", "--out", "models/smoke-nano-0.0.1-fp32")
    exported = guarded(root, *export)
    return Machine(root, interrupted, resumed, exported, before)


def test_ctrl_c_ends_with_its_own_code_and_says_how_to_go_on(machine):
    assert machine.interrupted.returncode == 130, machine.interrupted.stderr[-2000:]
    assert "the same command goes on" in machine.interrupted.stderr


def test_the_same_command_goes_on_after_the_last_finished_epoch(machine):
    assert machine.resumed.returncode == 0, machine.resumed.stderr[-2000:]
    assert "going on after epoch 1" in machine.resumed.stderr
    with (machine.run / "results.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    record = json.loads((machine.run / "run.json").read_text())
    assert len(record["resumed_with"]) == 1
    assert record["resumed_after"] == [1]
    assert record["epochs_done"] == EPOCHS
    assert record["finished_at"] is not None


def test_a_resumed_run_has_the_learning_rates_of_an_uninterrupted_one(machine):
    with (machine.run / "results.csv").open(newline="") as file:
        rates = [float(row["lr/pg0"]) for row in csv.DictReader(file)]
    cosine = [((1 - math.cos(epoch * math.pi / EPOCHS)) / 2) * (0.01 - 1) + 1 for epoch in range(EPOCHS)]
    assert rates == pytest.approx([LEARNING_RATE * share for share in cosine], rel=1e-4)


def test_the_run_folder_holds_recipe_environment_epochs_and_curves(machine):
    assert (machine.run / "recipe.toml").read_text() == RECIPE
    starts = json.loads((machine.run / "environment.json").read_text())
    assert [start["after_epochs"] for start in starts] == [0, 1]
    assert any(package.startswith("torch==") for package in starts[1]["packages"])
    assert starts[0]["cpu"]
    with (machine.run / "epochs.csv").open(newline="") as file:
        assert [row["looked_at_val"] for row in csv.DictReader(file)] == ["no", "yes"]
    assert (machine.run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_tries_the_network_or_starts_a_program(machine):
    assert (machine.root / "attempts.log").read_text() == ""


def test_the_guard_would_have_noticed_an_attempt(tmp_path):
    code = (
        "import socket, sys; from pathlib import Path; import guarded; "
        "sys.addaudithook(guarded.Guard(Path('log'), False)); socket.create_connection(('192.0.2.1', 9))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a test blocked socket" in done.stderr
    assert "192.0.2.1" in (tmp_path / "log").read_text()


def test_nothing_is_written_beside_the_data_or_into_the_home(machine):
    assert listing(machine.data) == machine.data_before
    assert listing(machine.root / "home") == {}


def test_a_finished_run_is_not_trained_again(machine, monkeypatch, capsys):
    monkeypatch.chdir(machine.root)
    before = (machine.run / "weights" / "best.pt").read_bytes()

    assert main(["train", "--recipe", "recipe.toml", "--run", "run"]) == 0

    assert f"{EPOCHS} epochs" in capsys.readouterr().out
    assert (machine.run / "weights" / "best.pt").read_bytes() == before


def test_a_run_folder_of_another_recipe_is_refused(machine, monkeypatch, capsys):
    (machine.root / "other.toml").write_text(RECIPE.replace("seed = 0", "seed = 1"))
    monkeypatch.chdir(machine.root)

    assert main(["train", "--recipe", "other.toml", "--run", "run"]) == 1
    assert "name a new folder with --run" in capsys.readouterr().err


def test_export_writes_a_bundle_that_loads_and_says_how_it_was_made(machine):
    assert machine.exported.returncode == 0, machine.exported.stderr[-2000:]
    card = read_bundle(machine.bundle, Role.DAMAGE, allow_unsigned=True).card
    assert card.input_hw == (64, 64)
    assert card.training.epochs == EPOCHS
    assert card.training.train[0].images == TRAIN_IMAGES
    assert card.training.val[0].images == VAL_IMAGES
    assert card.metrics["few val"].images == VAL_IMAGES
    assert card.thresholds_chosen_on == "best F1 per class on few val, 20 images pooled"
    assert any("by head" in note for note in card.notes)


@pytest.mark.parametrize("head", list(HeadKind))
def test_both_heads_were_compared_with_the_checkpoint(machine, head):
    said = re.search(
        rf"INFO wegewart_training.export: {head}: (\d+) boxes on (\d+) frames", machine.exported.stderr
    )
    assert said is not None
    assert int(said[1]) > 0
    assert int(said[2]) == 16  # four photographs in four shapes


def test_the_graph_tells_nothing_about_the_machine_it_was_made_on(machine):
    content = (machine.bundle / "model.onnx").read_bytes()
    assert str(machine.root).encode() not in content
    assert str(ROOT).encode() not in content
    assert str(machine.root) not in (machine.bundle / "card.json").read_text()


def test_an_existing_bundle_is_not_overwritten_and_another_name_is_refused(machine, monkeypatch, capsys):
    monkeypatch.chdir(machine.root)
    for out, reason in (("models/smoke-nano-0.0.1-fp32", "exists"), ("models/newest", "must end in")):
        assert main(["export", "run", "--recipe", "recipe.toml", "--out", out]) == 2
        assert reason in capsys.readouterr().err


def test_the_exported_bundle_is_scored_on_the_data_it_names(machine, capsys):
    data = machine.data / "few" / "data.yaml"
    command = ["evaluate", "--bundle", str(machine.bundle), "--data", str(data), "--split", "val", "--json"]
    assert main(command) == 0

    scores = json.loads(capsys.readouterr().out)
    recorded = read_bundle(machine.bundle, allow_unsigned=True).card.metrics["few val"].figures
    assert scores["images"] == VAL_IMAGES
    assert recorded["map50"] == pytest.approx(scores["map50"], abs=1e-3)


@pytest.fixture
def unfinished(machine, tmp_path):
    """A copy of the machine, as if its run had been killed in the look at the best epoch that ends it."""
    root = tmp_path / "copy"
    shutil.copytree(machine.root, root, symlinks=True)
    record = json.loads((root / "run/run.json").read_text())
    (root / "run/run.json").write_text(json.dumps({**record, "finished_at": None}))
    return root


def test_a_run_that_was_killed_after_its_last_epoch_ends_even_if_its_budget_allows_another(unfinished):
    results = unfinished / "run/results.csv"
    head, _, second = results.read_text().splitlines()
    results.write_text(f"{head}\n1,{second.partition(',')[2]}\n")  # one of two epochs, by the table

    done = guarded(unfinished, "train", "--recipe", "recipe.toml", "--run", "run")

    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((unfinished / "run/run.json").read_text())["finished_at"] is not None


def test_a_checkpoint_that_was_cut_off_is_named(unfinished):
    last = unfinished / "run/weights/last.pt"
    last.write_bytes(last.read_bytes()[:100_000])

    done = guarded(unfinished, "train", "--recipe", "recipe.toml", "--run", "run")

    assert done.returncode == 1
    assert "last.pt cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_neither_goes_on_nor_is_exported_with_other_data(unfinished, monkeypatch, capsys):
    label = next(path for path in sorted((unfinished / "data/few/labels/val").iterdir()) if path.read_text())
    label.write_text("")
    monkeypatch.chdir(unfinished)
    monkeypatch.setenv("WEGEWART_DATA", str(unfinished / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(unfinished / "manifests"))

    export = ["export", "run", "--recipe", "recipe.toml", "--unfinished", "--out", "smoke-nano-0.0.1-fp32"]
    assert main(export) == 1
    assert "'few', val is no longer what run was trained with" in capsys.readouterr().err
    done = guarded(unfinished, "train", "--recipe", "recipe.toml", "--run", "run")
    assert done.returncode == 1
    assert "'few', val is no longer what run was trained with" in done.stderr


def test_two_trainings_do_not_share_a_folder(machine, monkeypatch, capsys):
    hold = (
        "import fcntl, sys; file = open('run/.lock', 'a'); fcntl.lockf(file, fcntl.LOCK_EX); print(); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    monkeypatch.chdir(machine.root)
    with subprocess.Popen([sys.executable, "-c", hold], cwd=machine.root, **pipes) as other:
        other.stdout.readline()

        assert main(["train", "--recipe", "recipe.toml", "--run", "run"]) == 2
        assert "another process trains in run" in capsys.readouterr().err
        other.communicate(b"\n")
    assert main(["train", "--recipe", "recipe.toml", "--run", "run"]) == 0


def test_a_device_that_is_not_there_is_named_and_leaves_no_run(machine):
    done = guarded(machine.root, "train", "--recipe", "recipe.toml", "--run", "other", "--device", "99")

    assert done.returncode == 2, done.stderr[-2000:]
    assert "--device 99: there is cpu" in done.stderr
    assert not (machine.root / "other/run.json").exists()


def test_a_run_that_never_looked_at_val_cannot_be_exported(unfinished, monkeypatch, capsys):
    (unfinished / "run/weights/best.pt").unlink()
    monkeypatch.chdir(unfinished)

    export = ["export", "run", "--recipe", "recipe.toml", "--unfinished", "--out", "smoke-nano-0.0.1-fp32"]
    assert main(export) == 2
    assert "has looked at val yet" in capsys.readouterr().err
