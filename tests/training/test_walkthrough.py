"""docs/training.md, word by word: its shell blocks run as one script, from photographs to promotion.

The data sets are small stand-ins and the recipe's sizes are made small; all else is the page's own text.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.datasets.test_import import voc_xml
from tests.datasets.yolo_sets import write_manifest, write_yolo_set

from wegewart_datasets.settings import REPOSITORY
from wegewart_inference.model_bundle import Role, read_bundle

PAGE = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
EPOCHS = 4  # fewer leave no detection sure enough for a temperature
SMALL = {
    "image_px = 640": "image_px = 64",
    "epochs = 10": f"epochs = {EPOCHS}",
    "batch = 16": "batch = 4",
    "sizes_px = [416, 480, 544, 640]": "sizes_px = [64, 96]",
}
PLACES, PER_PLACE = 15, 2
CODES = ("D00", "D10", "D20", "D40")
COLOURS = ((20, 20, 20), (240, 30, 30), (30, 240, 30), (30, 30, 240))
STAND_INS = ("road-damage", "road-damage-czech", "road-damage-europe", "road-damage-more", "road-negatives")

pytestmark = pytest.mark.slow


def page_script():
    """The page's shell blocks as one script that stops at the first failure."""
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    for published, small in SMALL.items():
        assert published in script
        script = script.replace(published, small)
    return script


def draw(path, seed, damage=None):
    """A road on structure of its own; a damage is a patch in the colour of its class."""
    rng = np.random.default_rng(seed)
    picture = cv2.resize(
        rng.integers(90, 170, (9, 12, 3)).astype(np.uint8), (200, 100), interpolation=cv2.INTER_CUBIC
    )
    if damage is not None:
        cv2.rectangle(picture, (60, 40), (120, 80), COLOURS[damage], -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def write_norway(root):
    """RDD2022's folder of a country: photographs of some places, each with one box."""
    for number in range(PLACES * PER_PLACE):
        stem = f"Norway_{number // PER_PLACE:05}{number % PER_PLACE}"
        draw(root / "RDD2022/Norway/train/images" / f"{stem}.jpg", number, number % 4)
        xml = root / "RDD2022/Norway/train/annotations/xmls" / f"{stem}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(voc_xml((CODES[number % 4], (60, 40, 120, 80))))


def write_stand_ins(root):
    """The project's other data sets in small: the splits that the recipe and the scores name."""
    for position, name in enumerate(STAND_INS):
        splits = ("train", "val", "test") if name == "road-damage-europe" else ("train",)
        damage = None if name == "road-negatives" else position % 4
        text = "" if damage is None else f"{damage} 0.45 0.6 0.3 0.4\n"
        labels = {split: {f"{name}-{split}-{n}": text for n in range(4)} for split in splits}
        write_yolo_set(root / "data" / name, labels)
        for number, path in enumerate(sorted((root / "data" / name / "images").rglob("*.jpg"))):
            draw(path, 1000 * (position + 1) + number, damage)
        write_manifest(root / "datasets/manifests", name, splits)
        (root / f"datasets/datasheets/{name}.md").write_text(f"# {name}, in small\n")


def write_repository(root):
    """What the page finds in the repository: start checkpoint, bundles and keys, folders to write to."""
    for folder in ("training/recipes", "datasets/manifests", "datasets/datasheets"):
        (root / folder).mkdir(parents=True)
    (root / "training/checkpoints").symlink_to(REPOSITORY / "training/checkpoints")
    shutil.copytree(REPOSITORY / "models", root / "models")


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The folder in which the page was walked through, and what its commands said."""
    root = tmp_path_factory.mktemp("walk")
    write_repository(root)
    write_norway(root)
    write_stand_ins(root)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WEGEWART_DATA": str(root / "data"),
        "WEGEWART_MANIFESTS": str(root / "datasets/manifests"),
        "WEGEWART_WORK": str(root / "work"),
        "HOME": str(root / "home"),
    }
    done = subprocess.run(
        ["bash", "-c", page_script()], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return root, done


def test_the_page_leads_from_photographs_to_a_signed_bundle(walked):
    root, _ = walked

    card = read_bundle(
        root / "models/road-damage-norway-0.1.0-fp32", Role.DAMAGE
    ).card  # believes signed ones only
    assert {part.manifest for part in card.training.train} == {"norway", *STAND_INS}
    assert card.training.train[0].repeat == 2
    lock = (root / "datasets/manifests/norway.lock").read_text()
    assert card.training.train[0].content_sha256 in lock
    assert "RDD2022 Norway" in (root / "datasets/datasheets/norway.md").read_text()
    assert "<html" in (root / "report.html").read_text()


def test_places_stay_whole(walked):
    root, _ = walked
    places = {
        split: {
            line.rpartition("Norway_")[2][:5]
            for line in (root / f"data/norway/{split}.txt").read_text().splitlines()
        }
        for split in ("train", "val", "test")
    }
    assert sum(map(len, places.values())) == PLACES
    assert set.union(*places.values()) == {f"{place:05}" for place in range(PLACES)}


def test_the_model_in_use_is_the_one_that_promote_decided_for(walked):
    root, done = walked
    promoted = "road-damage-norway" in (root / "models/default.toml").read_text()
    assert promoted == ("nothing speaks against it" in done.stdout)
    assert promoted != ("stays out of use" in done.stdout)  # so small a training may end either way


def test_the_run_folder_holds_what_the_page_says(walked):
    root, _ = walked
    run = root / "runs/road-damage-norway-0.1.0"
    table = PAGE.partition("## What a run folder holds")[2].partition("\n\n**Ctrl-C")[0]
    named = re.findall(r"`([\w./]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    assert len(named) >= 9
    for name in named:
        assert (run / name).exists(), name
    assert json.loads((run / "run.json").read_text())["epochs_done"] == EPOCHS


def test_every_command_and_every_key_of_a_recipe_is_on_the_page(capsys):
    from dataclasses import fields

    from wegewart_training.recipe import DATA, PART, START, TEACHER, TrainerPlan

    keys = {*DATA, *PART, *START, *TEACHER, *(field.name for field in fields(TrainerPlan))} - {"train", "val"}
    for key in keys:
        assert f"`{key}`" in PAGE, key
    for command in ("train", "pseudo-label", "mine", "export", "evaluate", "compare", "release", "promote"):
        assert f"wegewart-train {command}" in PAGE, command
