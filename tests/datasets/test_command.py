"""wegewart-data as people call it."""

import pytest
from tests.datasets.yolo_sets import write_manifest, write_yolo_set

from wegewart_datasets.__main__ import main


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    write_manifest(tmp_path / "manifests", "roads")
    return tmp_path


def test_check_counts_images_and_boxes_by_class(machine, capsys):
    write_yolo_set(
        machine / "data/roads", {"train": {"a": "0 .5 .5 .1 .1\n3 .2 .2 .1 .1\n"}, "val": {"b": ""}}
    )
    (machine / "data/roads/labels/val/b.txt").unlink()

    assert main(["check", "roads"]) == 0

    out = capsys.readouterr().out
    assert "1 images, 0 without a box, 0 without a label file; D00 1, D10 0, D20 0, D40 1" in out
    assert "1 images, 1 without a box, 1 without a label file" in out


def test_check_names_broken_images_and_labels_and_fails(machine, capsys):
    write_yolo_set(machine / "data/roads", {"train": {"a": "9 .5 .5 .1 .1\n", "b": ""}, "val": {"c": ""}})
    (machine / "data/roads/images/train/b.jpg").write_bytes(b"broken")

    assert main(["check", "roads"]) == 1

    err = capsys.readouterr().err
    assert "a.txt, line 1: class 9 of 4 classes" in err
    assert "b.jpg cannot be decoded" in err


def test_check_of_a_data_set_that_is_not_here_says_what_to_set(machine, capsys):
    assert main(["check", "roads"]) == 1
    assert "Set WEGEWART_DATA" in capsys.readouterr().err


def test_list_says_what_is_here(machine, capsys):
    write_manifest(machine / "manifests", "streets")
    write_yolo_set(machine / "data/streets", {"train": {"a": ""}})

    assert main(["list"]) == 0

    roads, streets = capsys.readouterr().out.splitlines()
    assert "not here" in roads
    assert "streets" in streets
    assert "not here" not in streets


def test_the_shipped_smoke_set_is_whole(monkeypatch, capsys):
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    monkeypatch.delenv("WEGEWART_MANIFESTS", raising=False)

    assert main(["check", "smoke"]) == 0
    assert "60 images" in capsys.readouterr().out
