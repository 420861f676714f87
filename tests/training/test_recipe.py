"""Recipes: everything wrong with one is said at once."""

import hashlib
from pathlib import Path

import pytest

from wegewart.errors import RecipeInvalid
from wegewart_training.recipe import TrainerPlan, read_recipe

RECIPES = Path(__file__).resolve().parents[2] / "training" / "recipes"

GOOD = """
name = "tiny"
version = "0.0.1"
taxonomy = "road-damage-1"
seed = 0
[start]
checkpoint = "start.pt"
sha256 = "{sha256}"
[data]
train = [{{ manifest = "roads", split = "train", repeat = 2 }}]
val = [{{ manifest = "roads", split = "val" }}]
[trainer]
image_px = 64
epochs = 2
batch = 4
warmup_epochs = 0
close_mosaic_epochs = 0
"""


def write_recipe(folder, *changes):
    (folder / "start.pt").write_bytes(b"weights")
    text = GOOD.format(sha256=hashlib.sha256(b"weights").hexdigest())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_recipe_reads_and_its_checkpoint_is_the_named_one(path):
    recipe = read_recipe(path)
    assert recipe.checkpoint.is_file() or recipe.from_random_weights


def test_every_recipe_but_the_first_uses_every_labelled_folder_and_the_undamaged_roads():
    for path in set(RECIPES.glob("*.toml")) - {RECIPES / "first.toml"}:
        manifests = {part.manifest for part in read_recipe(path).train}
        assert manifests >= {
            "road-damage",
            "road-damage-czech",
            "road-damage-europe",
            "road-damage-more",
            "road-negatives",
        }, path.name


def test_a_recipe_may_start_from_a_description_that_ultralytics_ships(tmp_path):
    old = 'checkpoint = "start.pt"\nsha256 = "' + hashlib.sha256(b"weights").hexdigest() + '"'
    recipe = read_recipe(write_recipe(tmp_path, (old, 'model = "yolo26s.yaml"')))

    assert recipe.from_random_weights
    assert str(recipe.checkpoint) == "yolo26s.yaml"
    assert len(recipe.checkpoint_sha256) == 64


def test_a_recipe_may_name_a_teacher(tmp_path):
    (tmp_path / "teacher.pt").write_bytes(b"knows more")
    sha256 = hashlib.sha256(b"knows more").hexdigest()
    table = f'[teacher]\ncheckpoint = "teacher.pt"\nsha256 = "{sha256}"\nweight = 3\n[data]'

    teacher = read_recipe(write_recipe(tmp_path, ("[data]", table))).teacher

    assert teacher.checkpoint == tmp_path / "teacher.pt"
    assert (teacher.sha256, teacher.weight) == (sha256, 3.0)


def test_a_recipe_becomes_one_value(tmp_path):
    recipe = read_recipe(write_recipe(tmp_path))

    assert (recipe.name, recipe.version) == ("tiny", "0.0.1")
    assert recipe.trainer == TrainerPlan(64, 2, None, 4, 0.0, 0)  # what is left out has its default
    assert (recipe.class_balance, recipe.road_weather) == (None, 0.0)
    assert recipe.train[0].repeat == 2
    assert recipe.val[0].repeat == 1
    assert recipe.checkpoint == tmp_path / "start.pt"


def test_a_run_can_go_on_from_a_released_bundle(tmp_path):
    path = write_recipe(tmp_path, ('checkpoint = "start.pt"', 'bundle = "roads-1.0.0-fp32"'))
    (tmp_path / "roads-1.0.0-fp32").mkdir()
    (tmp_path / "roads-1.0.0-fp32" / "model.onnx").write_bytes(b"weights")

    recipe = read_recipe(path)

    assert recipe.from_bundle
    assert recipe.start_name == "roads-1.0.0-fp32"


def test_all_mistakes_are_reported_together(tmp_path):
    path = write_recipe(
        tmp_path,
        ("image_px = 64", "image_px = 65"),
        ("epochs = 2", 'epochs = "two"'),
        ('split = "val"', 'split = "test"'),
        ("seed = 0", "seed = -1\nspeed = 9"),
        ("repeat = 2", "repeat = 0"),
        ("road-damage-1", "road-damage-9"),
        ('name = "tiny"', 'name = "../tiny"'),
        ('version = "0.0.1"', 'version = "a.b.c"'),
        ("warmup_epochs = 0", "warmup_epochs = nan"),
    )

    with pytest.raises(RecipeInvalid) as refused:
        read_recipe(path)

    message = str(refused.value)
    assert "10 mistakes" in message
    for part in (
        "image_px = 65",
        "epochs = 'two'",
        "only",
        "seed = -1",
        "speed is unknown",
        "repeat = 0",
        "road-damage-9",
        "name = '../tiny'",
        "version = 'a.b.c'",
        "warmup_epochs = nan",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('checkpoint = "start.pt"', 'checkpoint = "gone.pt"', "gone.pt is missing"),
        ('sha256 = "', 'sha256 = "0', "64 hexadecimal digits"),
        ("epochs = 2", "epochs = true", "epochs = True"),
        ("[data]", "[data]\ntest = []", "data.test is unknown"),
        ("batch = 4", "batch = 4\nbudget_h = 0", "budget_h = 0.0"),
        ("seed = 0", "seed =", "cannot be read"),
        ("batch = 4", 'batch = 4\nprecision = "fp8"', "one of fp32, bf16, or left out"),
        ("batch = 4", "batch = 4\nsizes_px = [64, 65]", "multiples of 32"),
        ("repeat = 2", "empties = -1", "whole number from 0"),
        ("[data]", "[data]\nclass_balance = 2", "between 0 and 1"),
        ("repeat = 2", "repeat = true", "whole number from 1"),
        ('name = "tiny"', 'name = "../tiny"', "name = '../tiny': must be a word of a-z"),
        ('version = "0.0.1"', 'version = "a.b.c"', "version = 'a.b.c': must be three numbers"),
        ("batch = 4", "batch = 4\nbudget_h = inf", "budget_h = inf: must be a finite number"),
        ("batch = 4", "batch = 4\nlearning_rate = nan", "learning_rate = nan: must be a finite number"),
        ("warmup_epochs = 0", "warmup_epochs = inf", "warmup_epochs = inf: must be a finite number"),
        (
            "[start]",
            '[start]\nmodel = "yolo26s.yaml"',
            "one of checkpoint, bundle, model, not checkpoint and model",
        ),
        ('checkpoint = "start.pt"', 'model = "yolo99.yaml"', "one of yolo26n.yaml"),
        (
            'checkpoint = "start.pt"',
            'bundle = "gone-fp32"',
            "start.bundle: .*gone-fp32.* is missing",
        ),
        ("batch = 4", "batch = 4\none_to_one = 1", "true or false"),
        ("[data]", '[teacher]\ncheckpoint = "gone.pt"\n[data]', "teacher.checkpoint: .*gone.pt is missing"),
    ],
    ids=[
        "no-checkpoint",
        "hash",
        "truth-value",
        "unknown",
        "no-time",
        "no-toml",
        "precision",
        "sizes",
        "empties",
        "balance",
        "repeat-true",
        "name-is-a-path",
        "version-of-letters",
        "endless-budget",
        "rate-nan",
        "endless-warmup",
        "two-starts",
        "model",
        "bundle",
        "no-truth-value",
        "teacher",
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, reason):
    with pytest.raises(RecipeInvalid, match=reason):
        read_recipe(write_recipe(tmp_path, (old, new)))


def test_a_checkpoint_with_other_bytes_is_refused(tmp_path):
    path = write_recipe(tmp_path)
    (tmp_path / "start.pt").write_bytes(b"other weights")

    with pytest.raises(RecipeInvalid, match=r"start\.sha256"):
        read_recipe(path)
