"""data.yaml and labels mean what they mean to Ultralytics."""

from pathlib import Path

import numpy as np
import pytest
from tests.datasets.yolo_sets import write_image, write_yolo_set

from wegewart.errors import DatasetInvalid
from wegewart_datasets.yolo import images_of, label_path_of, read_data_yaml, read_labels, split_sha256


def test_a_split_may_be_a_folder_a_list_file_or_several(tmp_path):
    write_yolo_set(tmp_path, {"train": {"a": "", "b": ""}, "val": {"c": ""}})
    (tmp_path / "some.txt").write_text("./images/train/b.jpg\n\n./images/val/c.jpg\n")
    (tmp_path / "data.yaml").write_text(
        "train: [images/train, images/val]\nval: some.txt\nnames: [D00, D10]\n"
    )

    data = read_data_yaml(tmp_path / "data.yaml")

    assert data.names == ("D00", "D10")
    assert [path.name for path in images_of(data, "train")] == ["a.jpg", "b.jpg", "c.jpg"]
    assert images_of(data, "val") == (tmp_path / "images/train/b.jpg", tmp_path / "images/val/c.jpg")


def test_path_in_the_yaml_moves_the_root(tmp_path):
    write_yolo_set(tmp_path / "set", {"train": {"a": ""}})
    (tmp_path / "data.yaml").write_text("path: set\ntrain: images/train\nnames: {0: D00}\n")

    assert images_of(read_data_yaml(tmp_path / "data.yaml"), "train") == (
        tmp_path / "set/images/train/a.jpg",
    )


def test_labels_lie_where_the_last_folder_called_images_says():
    assert label_path_of(Path("/images/x/images/val/a.b.jpg")) == Path("/images/x/labels/val/a.b.txt")


def test_boxes_come_in_pixels_and_repeated_lines_count_once(tmp_path):
    write_yolo_set(tmp_path, {"val": {"a": "3 0.5 0.5 0.25 0.5\n3 0.5 0.5 0.25 0.5\n0 0.1 0.2 0.2 0.4\n"}})

    labels = read_labels(tmp_path / "images/val/a.jpg", 4)

    assert labels.classes.tolist() == [3, 0]
    np.testing.assert_allclose(labels.boxes_px(64, 48), [[24, 12, 40, 36], [0, 0, 12.8, 19.2]])


def test_an_image_without_a_label_file_has_no_box(tmp_path):
    write_image(tmp_path / "images" / "a.jpg")
    assert len(read_labels(tmp_path / "images" / "a.jpg", 4).classes) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("4 0.5 0.5 0.1 0.1", "class 4 of 4 classes"),
        ("0 0.5 0.5 0.1", "4 numbers"),
        ("0 0.5 x 0.1 0.1", "not a list of numbers"),
        ("0 0.5 1.5 0.1 0.1", "leaves the image"),
        ("0 nan 0.5 0.1 0.1", "leaves the image"),
    ],
    ids=["class", "short", "word", "outside", "nan"],
)
def test_a_line_that_is_no_box_is_named(tmp_path, line, reason):
    write_yolo_set(tmp_path, {"val": {"a": f"0 0.5 0.5 0.1 0.1\n{line}\n"}})
    with pytest.raises(DatasetInvalid, match=f"line 2: .*{reason}"):
        read_labels(tmp_path / "images/val/a.jpg", 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: [", "cannot be read as YAML"),
        ("just words", "no mapping"),
        ("names: [D00]", "names no split"),
        ("train: images\n", "number the classes"),
        ("train: images\nnames: {0: D00, 2: D10}", "without a gap"),
    ],
    ids=["broken", "words", "no-split", "no-names", "gap"],
)
def test_a_yaml_that_says_too_little_is_refused(tmp_path, text, reason):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetInvalid, match=reason):
        read_data_yaml(tmp_path / "data.yaml")


def test_the_fingerprint_sees_a_changed_label_and_a_changed_image(tmp_path):
    write_yolo_set(tmp_path, {"val": {"a": "", "b": ""}})
    images = images_of(read_data_yaml(tmp_path / "data.yaml"), "val")
    before = split_sha256(images, tmp_path)

    assert split_sha256(images, tmp_path) == before
    (tmp_path / "labels/val/a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    relabelled = split_sha256(images, tmp_path)
    write_image(tmp_path / "images/val/b.jpg")
    assert len({before, relabelled, split_sha256(images, tmp_path)}) == 3
