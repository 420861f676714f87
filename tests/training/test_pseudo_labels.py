"""wegewart-train pseudo-label and mine: what a model is sure of, and where it is wrong."""

import csv
import json

import pytest
from tests.datasets.yolo_sets import write_manifest, write_yolo_set
from tests.training.brightness_teacher import write_photograph, write_teacher
from tests.training.test_compose import recipe_of

from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels
from wegewart_training.__main__ import main
from wegewart_training.compose import compose
from wegewart_training.recipe import DataPart
from wegewart_training.validation import undamaged_sources

BRIGHTNESS = {"sure": 0.7, "unsure": 0.4, "dark": 0.2, "surer": 0.75}
"""Confidence of the one box on each photograph: sure from 0.6, noise below 0.3 in these tests."""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    for number, (name, brightness) in enumerate(BRIGHTNESS.items()):
        write_photograph(tmp_path / "photographs" / f"{name}.png", brightness, number)
    write_teacher(tmp_path / "models")
    (tmp_path / "data").mkdir()
    (tmp_path / "manifests").mkdir()
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pseudo_label(*words, model="models/teacher-0.1.0-fp32", source="photographs"):
    return main(["pseudo-label", model, source, "--out", "data/road-pseudo", "--noise", "0.3", *words])


def taken(root):
    return images_of(read_data_yaml(root / "data/road-pseudo/data.yaml"), "train")


def left_out(root):
    with (root / "data/road-pseudo/extra/left_out.csv").open(newline="") as file:
        return {row["image"]: row["reason"] for row in csv.DictReader(file)}


def test_only_photographs_of_which_the_teacher_is_sure_are_labelled(machine):
    assert pseudo_label() == 0

    images = taken(machine)
    assert [image.name for image in images] == ["0__sure.png", "1__surer.png"]
    assert read_labels(images[0], 4).boxes_px(64, 64).tolist() == [[16.0, 32.0, 48.0, 64.0]]
    assert read_labels(images[0], 4).classes.tolist() == [3]
    reasons = left_out(machine)
    assert reasons["dark.png"] == "no box above noise"
    assert reasons["unsure.png"].startswith("unsure: D40 at 0.4")


def test_the_papers_name_teacher_thresholds_and_content(machine):
    assert pseudo_label("--sure", "D40=0.72") == 0

    papers = json.loads((machine / "data/road-pseudo/extra/provenance.json").read_text())
    card = json.loads((machine / "models/teacher-0.1.0-fp32/card.json").read_text())
    assert (papers["teacher"], papers["teacher_sha256"]) == ("teacher-0.1.0-fp32", card["sha256"])
    assert papers["sure"] == {"D00": 0.6, "D10": 0.6, "D20": 0.6, "D40": 0.72}
    assert papers["noise"]["D40"] == 0.3
    assert (papers["taken"], papers["left_out"]) == (1, {"unsure": 2, "no box above noise": 1})
    assert len(papers["content_sha256"]) == 64


def test_photographs_without_a_box_are_taken_only_as_asked_for(machine):
    assert pseudo_label("--empties", "5") == 0

    empty = [image for image in taken(machine) if not len(read_labels(image, 4).classes)]
    assert [image.name.partition("__")[2] for image in empty] == ["dark.png"]


def test_a_recipe_can_name_the_data_set(machine, tmp_path):
    write_manifest(machine / "manifests", "roads")
    write_yolo_set(machine / "data/roads", {"train": {"a": ""}, "val": {"c": "3 .5 .5 .2 .2\n"}})
    assert pseudo_label() == 0
    (machine / "manifests/road-pseudo.toml").write_text(
        (machine / "data/road-pseudo/road-pseudo.toml").read_text()
    )
    recipe = recipe_of((DataPart("road-pseudo", "train"),), (DataPart("roads", "val"),), tmp_path)

    composed = compose(recipe, DataSettings.load(), tmp_path / "run")

    papers = json.loads((machine / "data/road-pseudo/extra/provenance.json").read_text())
    assert composed.train[0].content_sha256 == papers["content_sha256"]
    assert composed.train[0].images == 2


def test_what_people_have_labelled_is_not_labelled_again(machine):
    write_yolo_set(machine / "data/partly", {"train": {"seen": ""}})
    write_photograph(machine / "data/partly/images/train/unseen.png", 0.7, 9)

    assert pseudo_label(source="data/partly/data.yaml") == 0

    assert [image.name for image in taken(machine)] == ["0__unseen.png"]
    papers = json.loads((machine / "data/road-pseudo/extra/provenance.json").read_text())
    assert papers["labelled_by_people"] == 1


@pytest.mark.parametrize("how", ["content", "name"])
def test_a_photograph_kept_for_scoring_is_refused(machine, capsys, how):
    write_yolo_set(machine / "data/roads", {"train": {"a": ""}, "test": {"c": ""}})
    if how == "content":
        write_manifest(machine / "manifests", "roads", splits=("train", "test"))
        kept = machine / "data/roads/images/test/sure.png"
        kept.write_bytes((machine / "photographs/sure.png").read_bytes())
    else:
        write_manifest(machine / "manifests", "roads", splits=("train",), reserved="places.csv")
        (machine / "data/roads/places.csv").write_text("image,part\nsure.png,reserved\n")

    assert pseudo_label() == 1

    said = capsys.readouterr().err
    assert "1 of 4 images are kept for scoring" in said
    assert "sure.png" in said
    assert not (machine / "data/road-pseudo").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--sure", "D99=0.5"), "the model knows D00, D10, D20, D40"),
        (("--sure", "much"), "as 0.6 or D40=0.5"),
        (("--sure", "D40=0.1"), "D40: noise 0.3, sure 0.1"),
    ],
    ids=["class", "number", "order"],
)
def test_wrong_thresholds_are_named(machine, capsys, words, reason):
    assert pseudo_label(*words) == 2
    assert reason in capsys.readouterr().err


def test_a_teacher_that_is_sure_of_nothing_writes_nothing(machine, capsys):
    assert pseudo_label("--sure", "0.9") == 1
    assert "sure of no box in 4 images" in capsys.readouterr().err
    assert not (machine / "data/road-pseudo").exists()


def test_test_images_and_full_folders_are_refused(machine, capsys):
    assert pseudo_label("--split", "test", source="data/roads/data.yaml") == 2
    assert "for scores only" in capsys.readouterr().err
    (machine / "data/road-pseudo").mkdir()
    (machine / "data/road-pseudo/mine.txt").write_text("kept")
    assert pseudo_label() == 1
    assert "is not empty" in capsys.readouterr().err


def test_an_onnx_file_without_a_card_can_teach(machine):
    graph = machine / "models/teacher-0.1.0-fp32/model.onnx"
    import onnx

    model = onnx.load(str(graph))
    model.metadata_props.add(key="names", value="{0: 'D00', 1: 'D10', 2: 'D20', 3: 'D40'}")
    onnx.save(model, str(machine / "bare.onnx"))

    assert pseudo_label(model="bare.onnx") == 0
    papers = json.loads((machine / "data/road-pseudo/extra/provenance.json").read_text())
    assert papers["teacher"] == "bare.onnx"


def test_undamaged_photographs_with_a_false_box_are_listed_surest_first(machine, capsys):
    for number, (name, brightness) in enumerate({"low": 0.1, "some": 0.5, "much": 0.8}.items()):
        write_photograph(machine / f"data/sound/images/train/{name}.png", brightness, 20 + number)
        label = machine / f"data/sound/labels/train/{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("")
    write_yolo_set(machine / "data/sound", {"train": {"hole": "3 .5 .5 .2 .2\n"}})  # damaged: no false alarm
    write_manifest(machine / "manifests", "sound", splits=("train",))

    assert main(["mine", "models/teacher-0.1.0-fp32", "sound", "--out", "data/sound-mined"]) == 0

    assert capsys.readouterr().out.splitlines()[0].endswith("much.png")
    mined = images_of(read_data_yaml(machine / "data/sound-mined/data.yaml"), "train")
    assert sorted(image.name for image in mined) == ["much.png", "some.png"]
    papers = json.loads((machine / "data/sound-mined/extra/provenance.json").read_text())
    assert (papers["undamaged"], papers["mined"]) == (3, 2)
    assert (machine / "data/sound-mined/sound-mined.toml").is_file()


def test_mined_photographs_do_not_count_as_sound_road_when_thresholds_are_chosen(machine, tmp_path, caplog):
    write_photograph(machine / "data/sound/images/train/much.png", 0.8, 20)
    write_photograph(machine / "data/sound/images/train/low.png", 0.1, 21)
    (machine / "data/sound/labels/train").mkdir(parents=True)
    for name in ("much", "low"):
        (machine / f"data/sound/labels/train/{name}.txt").write_text("")
    write_yolo_set(machine / "data/sound", {"train": {"other": ""}})
    write_manifest(machine / "manifests", "sound", splits=("train",))
    assert main(["mine", "models/teacher-0.1.0-fp32", "sound", "--out", "data/sound-mined"]) == 0
    mined = machine / "data/sound-mined/sound-mined.toml"
    (machine / "manifests/sound-mined.toml").write_text(mined.read_text())
    parts = (DataPart("sound", "train"), DataPart("sound-mined", "train"))

    with caplog.at_level("INFO"):
        found = undamaged_sources(recipe_of(parts, (), tmp_path), DataSettings.load())

    assert [source.name for source in found] == ["sound train"]
    assert (
        "sound-mined train does not count as sound road: the false alarms of teacher-0.1.0-fp32"
        in caplog.text
    )


def test_fewer_than_no_photographs_are_refused_before_the_teacher_looks(machine, capsys):
    assert pseudo_label("--empties", "-1") == 2
    assert "--empties -1: name a number from 0 on" in capsys.readouterr().err
