"""Hashes name a data set exactly; the datasheet says where it is from, what is in it and what it is not."""

import json

import pytest
from tests.datasets.yolo_sets import settings_for, write_manifest, write_yolo_set

from wegewart_datasets.__main__ import main
from wegewart_datasets.locking import fingerprints, read_lock
from wegewart_datasets.manifest import manifest_names, read_manifest
from wegewart_datasets.opening import open_data
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, split_sha256

SHIPPED = DataSettings.load({})


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))
    settings = settings_for(tmp_path)
    write_manifest(settings.manifests, "roads", licence="CC BY 4.0", source="a drive of our own")
    write_yolo_set(tmp_path / "data/roads", {"train": {"a": "3 .5 .5 .2 .2\n", "b": ""}, "val": {"c": ""}})
    return tmp_path


def test_a_lock_is_kept_until_one_byte_of_a_label_changes(machine, capsys):
    assert main(["hash", "roads", "--write"]) == 0
    assert main(["hash", "roads"]) == 0

    label = machine / "data/roads/labels/train/a.txt"
    label.write_text("3 .5 .5 .2 .3\n")

    assert main(["hash", "roads"]) == 1
    assert "roads, split train: 2 images with hash" in capsys.readouterr().err


def test_a_hash_over_a_missing_image_names_the_image(machine, capsys):
    image = machine / "data/roads/images/train/a.jpg"
    image.unlink()
    image.symlink_to("gone.jpg")

    assert main(["hash", "roads"]) == 1
    assert f"{image} cannot be read" in capsys.readouterr().err


def test_a_label_file_in_another_encoding_is_named(machine, capsys):
    (machine / "data/roads/labels/train/a.txt").write_bytes("3 .5 .5 .2 .2 # Straße\n".encode("latin-1"))

    assert main(["check", "roads"]) == 1
    assert "a.txt cannot be read as text in UTF-8" in capsys.readouterr().err


def test_the_locked_hash_is_the_one_that_a_training_run_writes_down(machine):
    settings = settings_for(machine)
    opened = open_data("roads", settings)

    found = fingerprints(opened)

    assert found["train"].sha256 == split_sha256(images_of(opened.data, "train"), opened.data.root)
    assert found["train"].images == 2


def test_a_lock_that_was_changed_by_hand_is_refused(machine, capsys):
    main(["hash", "roads", "--write"])
    path = machine / "manifests/roads.lock"
    path.write_text(
        path.read_text().replace("images = 2", "images = 2\n# touched").replace('sha256 = "', 'sha256 = "0')
    )

    assert main(["hash", "roads"]) == 1
    assert "contradicts itself" in capsys.readouterr().err


def test_the_smoke_set_in_the_repository_is_the_locked_one():
    locked = read_lock(SHIPPED.manifests / "smoke.lock")

    assert locked == fingerprints(open_data("smoke", SHIPPED))


@pytest.mark.parametrize("name", manifest_names(SHIPPED))
def test_every_shipped_data_set_has_a_lock_a_datasheet_and_known_limits(name):
    manifest = read_manifest(name, SHIPPED)
    sheet = (SHIPPED.repository / "datasets/datasheets" / f"{name}.md").read_text()
    locked = read_lock(SHIPPED.manifests / f"{name}.lock")

    assert manifest.limits
    assert all(limit in sheet for limit in manifest.limits)
    assert set(locked) == set(manifest.splits)
    assert all(one.sha256 in sheet for one in locked.values())


def test_the_datasheet_names_source_licence_counts_and_limits(machine, capsys):
    path = machine / "manifests/roads.toml"
    path.write_text('limits = ["only one street"]\n' + path.read_text())
    main(["hash", "roads", "--write"])
    capsys.readouterr()

    assert main(["datasheet", "roads"]) == 0

    sheet = capsys.readouterr().out
    for words in ("Lizenz / licence: CC BY 4.0", "a drive of our own", "only one street", "D40: Schlagloch"):
        assert words in sheet
    assert "| train | tests | 2 | – | 1 | 0 | 0 | 0 | 1 |" in sheet
    assert read_lock(machine / "manifests/roads.lock")["val"].sha256 in sheet


def test_no_datasheet_names_hashes_that_the_data_do_not_have(machine, capsys):
    main(["hash", "roads", "--write"])
    (machine / "data/roads/labels/train/a.txt").write_text("3 .5 .5 .2 .3\n")
    capsys.readouterr()

    assert main(["datasheet", "roads"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert "split train: 2 images with hash" in said.err


def test_the_datasheet_makes_the_folder_it_is_written_into(machine):
    assert main(["datasheet", "roads", "--out", str(machine / "new/roads.md")]) == 0
    assert "Lizenz" in (machine / "new/roads.md").read_text()


def test_a_result_that_cannot_be_written_is_said_before_the_work(machine, capsys):
    assert main(["datasheet", "roads", "--out", str(machine / "data")]) == 2
    assert main(["datasheet", "roads", "--out", str(machine / "manifests/roads.toml/roads.md")]) == 2

    said = capsys.readouterr().err
    assert "is a folder: name a file" in said
    assert "cannot be made" in said
    assert not (machine / "work").exists()


def test_an_audit_says_the_known_limits_of_each_data_set(machine, capsys):
    path = machine / "manifests/roads.toml"
    path.write_text('limits = ["only one street"]\n' + path.read_text())

    main(["audit", "roads", "--json"])

    assert json.loads(capsys.readouterr().out)["limits"] == {"roads": ["only one street"]}
