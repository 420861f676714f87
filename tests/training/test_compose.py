"""The data of a run: links in the run folder, the data sets untouched."""

import json

import cv2
import pytest
from tests.datasets.yolo_sets import listing, settings_for, write_manifest, write_yolo_set

from wegewart.errors import DatasetInvalid, SettingsInvalid
from wegewart_datasets.locking import fingerprints, lock_path, lock_text
from wegewart_datasets.opening import open_data
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels
from wegewart_training.compose import compose, refuse_other_data
from wegewart_training.recipe import DataPart, Recipe, TrainerPlan

BOX = "3 0.5 0.5 0.2 0.2\n"


def recipe_of(train, val, tmp_path, class_balance=None):
    return Recipe(
        name="tiny",
        version="0.0.1",
        taxonomy="road-damage-1",
        checkpoint=tmp_path / "start.pt",
        checkpoint_sha256="0" * 64,
        train=train,
        val=val,
        trainer=TrainerPlan(64, 1, None, 2, 0.0, 0),
        seed=0,
        class_balance=class_balance,
        road_weather=0.0,
        sha256="0" * 64,
    )


@pytest.fixture
def machine(tmp_path):
    settings = settings_for(tmp_path)
    for name in ("roads", "streets"):
        write_manifest(settings.manifests, name)
        write_yolo_set(tmp_path / "data" / name, {"train": {"a": BOX, "b": ""}, "val": {"c": BOX}})
    return settings


def test_parts_are_merged_and_repeated_and_the_data_stays_as_it_was(machine, tmp_path):
    before = listing(machine.data_root)
    parts = (DataPart("roads", "train", repeat=2), DataPart("streets", "train"))
    recipe = recipe_of(parts, (DataPart("roads", "val"),), tmp_path)

    composed = compose(recipe, machine, tmp_path / "run")

    data = read_data_yaml(composed.data_yaml)
    images = images_of(data, "train")
    assert data.names == ("D00", "D10", "D20", "D40")
    assert len(images) == 2 * 2 + 2  # equal file names of two data sets stay apart
    assert sum(len(read_labels(image, 4).classes) for image in images) == 3
    assert [part.images for part in composed.train] == [2, 2]
    assert len({part.content_sha256 for part in composed.train}) == 2
    assert json.loads((tmp_path / "run/parts.json").read_text())["train"][0]["repeat"] == 2
    assert listing(machine.data_root) == before


def test_composing_again_leaves_nothing_of_before(machine, tmp_path):
    both = recipe_of(
        (DataPart("roads", "train"), DataPart("streets", "train")), (DataPart("roads", "val"),), tmp_path
    )
    one = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)

    compose(both, machine, tmp_path / "run")
    composed = compose(one, machine, tmp_path / "run")

    assert len(images_of(read_data_yaml(composed.data_yaml), "train")) == 2


def test_a_jpeg_without_its_end_stops_the_run_because_the_trainer_would_rewrite_it(machine, tmp_path):
    path = machine.data_root / "roads/images/train/a.jpg"
    path.write_bytes(path.read_bytes()[:-10])
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match=r"a\.jpg ends in the middle of a JPEG file"):
        compose(recipe, machine, tmp_path / "run")


def test_a_label_file_is_read_as_the_score_reads_it_and_a_bad_one_stops_the_run(machine, tmp_path):
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path, 0.5)
    label = machine.data_root / "roads/labels/train/a.txt"

    label.write_text("\ufeff3.0 0.5 0.5 0.2 0.2\n", encoding="utf-8")  # as a Windows editor saves it
    assert compose(recipe, machine, tmp_path / "run").train[0].images == 2

    label.write_text("9 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DatasetInvalid, match=r"a\.txt, line 1: class 9 of 4 classes"):
        compose(recipe, machine, tmp_path / "run")


def test_a_data_set_with_other_classes_is_refused(machine, tmp_path):
    write_yolo_set(machine.data_root / "roads", {"train": {"a": ""}}, names=("D10", "D00", "D20", "D40"))
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match="has classes"):
        compose(recipe, machine, tmp_path / "run")


def test_a_split_that_the_manifest_does_not_offer_is_refused(machine, tmp_path):
    write_manifest(machine.manifests, "roads", splits=("train",))
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match="offers no split 'val'"):
        compose(recipe, machine, tmp_path / "run")


def test_only_as_many_undamaged_images_are_taken_as_the_recipe_asks_for_and_always_the_same(
    machine, tmp_path
):
    labels = {f"clean{number}": "" for number in range(20)} | {"a": BOX}
    write_manifest(machine.manifests, "lanes", splits=("train",))
    write_yolo_set(machine.data_root / "lanes", {"train": labels})
    recipe = recipe_of((DataPart("lanes", "train", empties=5),), (DataPart("roads", "val"),), tmp_path)

    first = compose(recipe, machine, tmp_path / "first")
    again = compose(recipe, machine, tmp_path / "again")

    taken = [image.name for image in images_of(read_data_yaml(first.data_yaml), "train")]
    assert len(taken) == 6
    assert taken == [image.name for image in images_of(read_data_yaml(again.data_yaml), "train")]
    assert sum(name.endswith("a.jpg") for name in taken) == 1
    assert (first.train[0].images, first.train[0].of_images) == (6, 21)


def test_images_with_a_rare_class_are_shown_more_often(machine, tmp_path):
    common = {f"crack{number}": "0 0.5 0.5 0.2 0.2\n" for number in range(36)}
    write_manifest(machine.manifests, "lanes", splits=("train",))
    write_yolo_set(machine.data_root / "lanes", {"train": common | {"hole": BOX}})
    parts = (DataPart("lanes", "train"),), (DataPart("roads", "val"),)

    plain = compose(recipe_of(*parts, tmp_path), machine, tmp_path / "plain")
    balanced = compose(recipe_of(*parts, tmp_path, class_balance=0.25), machine, tmp_path / "balanced")

    def shown(composed, name):
        return sum(name in path.name for path in images_of(read_data_yaml(composed.data_yaml), "train"))

    assert shown(plain, "hole") == 1
    assert shown(balanced, "hole") in (3, 4)  # the square root of 0.25 * 37 is 3.04
    assert shown(balanced, "crack") == 36


def test_a_reserved_image_stops_the_run_in_whichever_data_set_it_lies(machine, tmp_path):
    manifest = machine.manifests / "roads.toml"
    manifest.write_text('reserved = "places.csv"\n' + manifest.read_text())
    (machine.data_root / "roads" / "places.csv").write_text("image,part\na.jpg,train\nb.jpg,reserved\n")
    recipe = recipe_of((DataPart("streets", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match=r"streets train: .*/b\.jpg: roads reserves it for scoring"):
        compose(recipe, machine, tmp_path / "run")


@pytest.mark.parametrize("how", ["the same file", "nearly the same picture"])
def test_a_test_image_under_another_name_stops_the_run_even_if_its_data_set_is_in_no_recipe(
    machine, tmp_path, how
):
    write_manifest(machine.manifests, "elsewhere", splits=("test",))
    write_yolo_set(machine.data_root / "elsewhere", {"test": {"norway": BOX}})
    kept = machine.data_root / "elsewhere/images/test/norway.jpg"
    copy = machine.data_root / "streets/images/train/a.jpg"
    copy.write_bytes(kept.read_bytes())
    if how != "the same file":
        assert cv2.imwrite(str(copy), cv2.imread(str(kept)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    recipe = recipe_of((DataPart("streets", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match="take them out of their data set") as refused:
        compose(recipe, machine, tmp_path / "run")

    assert f"streets train: {copy}: elsewhere keeps {how} for scoring" in str(refused.value)


def test_val_may_lie_in_train_and_test_of_others_and_train_in_val_of_others(machine, tmp_path):
    write_manifest(machine.manifests, "elsewhere", splits=("train", "val", "test"))
    write_yolo_set(
        machine.data_root / "elsewhere", {split: {split: ""} for split in ("train", "val", "test")}
    )
    streets = machine.data_root / "streets/images"
    for name, split in (("val/c.jpg", "test"), ("train/a.jpg", "val")):
        copied = (machine.data_root / f"elsewhere/images/{split}/{split}.jpg").read_bytes()
        (streets / name).write_bytes(copied)
    recipe = recipe_of((DataPart("streets", "train"),), (DataPart("streets", "val"),), tmp_path)

    assert compose(recipe, machine, tmp_path / "run").train[0].images == 2


def test_a_folder_that_cannot_remember_what_was_seen_is_named(machine, tmp_path):
    (tmp_path / "work").write_text("a file, no folder")
    recipe = recipe_of((DataPart("streets", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(SettingsInvalid, match="set WEGEWART_WORK"):
        compose(recipe, machine, tmp_path / "run")


def test_data_that_differs_from_its_lock_is_refused(machine, tmp_path):
    opened = open_data("roads", machine)
    lock_path("roads", machine).write_text(lock_text(fingerprints(opened)))
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)
    compose(recipe, machine, tmp_path / "run")

    (machine.data_root / "roads/labels/train/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    with pytest.raises(DatasetInvalid, match="'roads', train is not what its lock names"):
        compose(recipe, machine, tmp_path / "run")


def test_an_image_that_chooses_is_not_trained_on_under_whatever_path(machine, tmp_path):
    (machine.data_root / "again").symlink_to(machine.data_root / "roads")
    write_manifest(machine.manifests, "again")
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("again", "train"),), tmp_path)

    with pytest.raises(
        DatasetInvalid, match="again train, a part of val, shows 2 images that are in train too"
    ):
        compose(recipe, machine, tmp_path / "run")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda image: image.write_bytes(b""), "ends in the middle"),
        (lambda image: (image.unlink(), image.symlink_to("nowhere.jpg")), "cannot be read"),
    ],
    ids=["empty", "gone"],
)
def test_a_file_without_a_photograph_stops_the_run_with_its_name(machine, tmp_path, harm, reason):
    image = machine.data_root / "roads/images/train/a.jpg"
    harm(image)
    recipe = recipe_of((DataPart("roads", "train"),), (DataPart("roads", "val"),), tmp_path)

    with pytest.raises(DatasetInvalid, match=f"{image} {reason}"):
        compose(recipe, machine, tmp_path / "run")


@pytest.mark.parametrize("split", ["train", "val"])
def test_data_that_changed_after_it_was_laid_out_is_noticed_and_what_was_laid_out_stays(
    machine, tmp_path, split
):
    parts = (DataPart("streets", "train"), DataPart("roads", "train"))
    compose(recipe_of(parts, (DataPart("roads", "val"),), tmp_path), machine, tmp_path / "run")
    refuse_other_data(tmp_path / "run", machine)
    before = listing(tmp_path / "run")

    (label,) = (machine.data_root / f"roads/labels/{split}").glob("[ac].txt")
    label.write_text(BOX + "2 0.2 0.2 0.1 0.1\n")

    with pytest.raises(DatasetInvalid, match=f"'roads', {split} is no longer what"):
        refuse_other_data(tmp_path / "run", machine)
    assert listing(tmp_path / "run").keys() == before.keys()
