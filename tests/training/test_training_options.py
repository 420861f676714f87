"""What a training can be told beside its recipe: a teacher, a place to report to, a second process."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.training.test_training_run import CHECKPOINT, RECIPE, ROOT, lay_out

from wegewart_inference.model_bundle import GRAPH_NAME, HeadKind, Role, file_sha256, read_bundle

pytestmark = pytest.mark.slow
INT8_BUNDLE = "road-damage-nano-0.2.0-int8"
TEACHER = f"""[teacher]
checkpoint = "{CHECKPOINT}"
sha256 = "85c7415102326089d2aa81954623d518d2dae56d8f8233d3a70679591d2bf552"
[data]"""


def run_in(root, *command):
    """A command in a process of its own, with the data sets of `lay_out`."""
    environment = {
        **{
            name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"
        },  # else no MLflow
        "WEGEWART_DATA": str(root / "data"),
        "WEGEWART_WORK": str(root / "work"),
        "WEGEWART_MANIFESTS": str(root / "manifests"),
        "HOME": str(root / "home"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=root, timeout=2400
    )


def epochs(run):
    with (run / "epochs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed: install wegewart[mlflow]")
def test_a_teacher_draws_the_student_and_mlflow_hears_of_it(tmp_path):
    lay_out(tmp_path)
    recipe = RECIPE.replace("[data]", TEACHER).replace("epochs = 2", "epochs = 1", 1)
    (tmp_path / "recipe.toml").write_text(recipe)
    wegewart_train = (sys.executable, "-m", "wegewart_training")
    command = ("train", "--recipe", "recipe.toml", "--run", "run", "--mlflow", "sqlite:///mlflow.db")

    trained = run_in(tmp_path, *wegewart_train, *command)

    assert trained.returncode == 0, trained.stderr[-3000:]
    assert float(epochs(tmp_path / "run")[0]["train/dis_loss"]) > 0
    with zipfile.ZipFile(tmp_path / "run/weights/best.pt") as checkpoint:
        pickled = next(name for name in checkpoint.namelist() if name.endswith("data.pkl"))
        content = checkpoint.read(pickled)
    assert b"DetectionModel" in content
    assert b"DistillationModel" not in content  # the student alone, as export takes it
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        metrics = dict(store.execute("select key, value from metrics"))
        names = [name for (name,) in store.execute("select name from runs")]
    assert names == ["run"]
    assert metrics["train/dis_loss"] > 0
    assert "metrics/mAP50B" in metrics


def test_two_processes_train_one_model_and_leave_one_record(tmp_path):
    lay_out(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("[trainer]", "[trainer]\nbudget_h = 1.0"))
    script = Path(__file__).with_name("two_processes_on_cpu.py")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")

    trained = run_in(tmp_path, *torchrun, str(script), "recipe.toml", "run")

    assert trained.returncode == 0, trained.stderr[-3000:]
    assert [row["epoch"] for row in epochs(tmp_path / "run")] == ["1", "2"]
    assert [(tmp_path / f"epochs-{rank}.txt").read_text() for rank in (0, 1)] == ["2 of 2"] * 2
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert (record["epochs_done"], record["resumed_with"]) == (2, [])
    assert len(json.loads((tmp_path / "run/environment.json").read_text())) == 1
    assert (tmp_path / "run/weights/best.pt").stat().st_size > 1e6


def test_a_run_goes_on_from_a_released_bundle_and_trains_the_one_head_that_it_ships(tmp_path):
    lay_out(tmp_path)
    bundle = ROOT / "models" / INT8_BUNDLE
    start = f'bundle = "{bundle}"\nsha256 = "{file_sha256(bundle / GRAPH_NAME)}"\n[data]'
    recipe = re.sub(r"checkpoint = .*\nsha256 = .*\n\[data\]", start, RECIPE) + "one_to_one = false\n"
    recipe = recipe.replace("image_px = 64", "image_px = 160").replace("[32, 64]", "[128, 160]")
    (tmp_path / "recipe.toml").write_text(recipe)
    wegewart_train = (sys.executable, "-m", "wegewart_training")

    trained = run_in(tmp_path, *wegewart_train, "train", "--recipe", "recipe.toml", "--run", "run")
    export = ("export", "run", "--recipe", "recipe.toml", "--out", "models/smoke-nano-0.0.1-fp32")
    exported = run_in(tmp_path, *wegewart_train, *export)

    assert trained.returncode == 0, trained.stderr[-3000:]
    assert exported.returncode == 0, exported.stderr[-3000:]
    card = read_bundle(tmp_path / "models/smoke-nano-0.0.1-fp32", Role.DAMAGE, allow_unsigned=True).card
    assert card.origin.startswith(f"{INT8_BUNDLE}, fine-tuned")
    assert card.head.kind is HeadKind.RAW
    assert any("by head: raw" in note and "end2end" not in note for note in card.notes)
