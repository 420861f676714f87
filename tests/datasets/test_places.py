"""One place in two photographs, and the Czech photographs that are kept out for it."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.datasets.yolo_sets import listing, write_image, write_manifest, write_yolo_set

from wegewart.errors import DatasetInvalid
from wegewart_datasets.__main__ import main
from wegewart_datasets.czech import Place, read_places, trainable, write_czech
from wegewart_datasets.place_match import matched_points, points_of, same_places

SMOKE = Path(__file__).resolve().parents[2] / "datasets" / "smoke" / "images"
ROADS = sorted((SMOKE / "train").glob("*.jpg"))


def seen_again(source: Path, target: Path, shift_px: float = 14.0) -> Path:
    """The same street from a little further on: another perspective, size, light and a crop."""
    picture = cv2.imread(str(source))
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[shift_px, 9], [-8, 12], [22, -6], [-12, shift_px]], np.float32)
    warped = cv2.warpPerspective(picture, cv2.getPerspectiveTransform(corners, moved), (width, height))
    darker = np.clip(warped[20:, 15:] * 0.8, 0, 255).astype(np.uint8)
    assert cv2.imwrite(str(target), darker)
    return target


def test_a_place_is_found_again_from_another_spot_and_others_are_not(tmp_path):
    again = seen_again(ROADS[3], tmp_path / "again.jpg")

    (found,) = same_places([again], ROADS)
    (unrelated,) = same_places([ROADS[3]], ROADS[20:30])

    assert found.other == ROADS[3]
    assert found.matches >= 30
    assert unrelated.matches < 12


def test_what_stands_still_in_the_picture_belongs_to_the_vehicle(tmp_path):
    bonnet = cv2.imread(str(ROADS[0]))
    for name, row in (("one", 0), ("other", 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.roll(bonnet, row, axis=0))

    one, other = points_of(tmp_path / "one.png"), points_of(tmp_path / "other.png")

    assert len(one.at_px) > 100
    assert matched_points(one, other) == 0


def test_a_picture_without_any_point_matches_nothing(tmp_path):
    grey = np.full((64, 64, 3), 127, np.uint8)
    assert cv2.imwrite(str(tmp_path / "grey.png"), grey)

    (alone,) = same_places([tmp_path / "grey.png"], [tmp_path / "grey.png"])
    (among,) = same_places([tmp_path / "grey.png"], ROADS[:3])

    assert (alone.matches, among.matches) == (0, 0)


def test_the_command_lists_shared_places_and_fails_when_there_is_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    for name in ("new", "kept"):
        (tmp_path / name / "images" / "train").mkdir(parents=True)
        (tmp_path / name / "data.yaml").write_text("train: images/train\nnames: [D00, D10, D20, D40]\n")
        write_manifest(tmp_path / "manifests", name, splits=("train",))
    (tmp_path / "kept/images/train/street.jpg").write_bytes(ROADS[5].read_bytes())
    (tmp_path / "new/images/train/other.jpg").write_bytes(ROADS[30].read_bytes())
    command = ["places", "new:train", "--against", "kept:train", "--out", str(tmp_path / "lists/found.csv")]

    assert main(command) == 0
    seen_again(ROADS[5], tmp_path / "new/images/train/again.jpg")
    assert main(command) == 1

    assert "again.jpg" in capsys.readouterr().out
    with (tmp_path / "lists/found.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["image"], row["other"]) == ("again.jpg", "street.jpg")
    assert main(["places", "new", "--against", "kept:train"]) == 2
    assert main(["places", "new:train", "--against", "kept:val"]) == 2
    assert main([*command, "--rows", "0.9,0.1"]) == 2
    (tmp_path / "kept/images/train/street.jpg").write_bytes(b"no picture")
    assert main(command) == 1
    assert "street.jpg cannot be read as an image" in capsys.readouterr().err


PLACES = [
    Place("Czech_000001.jpg", "a", "train", ""),
    Place("Czech_000010.jpg", "b", "train", "val"),
    Place("Czech_000012.jpg", "b", "train", "train"),
    Place("Czech_000013.jpg", "c", "reserved", ""),
    Place("Czech_002137.jpg", "d", "train", ""),  # 79 points of a reserved one
]


def test_only_photographs_without_a_scored_or_val_place_are_trainable():
    assert [place.image for place in trainable(PLACES)] == ["Czech_000001.jpg"]


def test_the_czech_photographs_come_with_labels_groups_and_a_data_yaml(tmp_path):
    folder = tmp_path / "clone/data/rdd2022_yolo/val"
    write_image(folder / "images" / "Czech_000001.jpg")
    (folder / "labels").mkdir()
    (folder / "labels" / "Czech_000001.txt").write_text("0 0.5 0.5 0.1 0.1\n")

    assert write_czech(PLACES, tmp_path / "clone", tmp_path / "out") == 1

    assert (tmp_path / "out/labels/train/Czech_000001.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    assert (tmp_path / "out/extra/groups.csv").read_text() == "image,group\nCzech_000001.jpg,a\n"
    assert (tmp_path / "out/data.yaml").is_file()


def test_a_clone_that_lacks_a_photograph_is_refused(tmp_path):
    with pytest.raises(DatasetInvalid, match=r"lacks Czech_000001\.jpg: check out commit"):
        write_czech(PLACES, tmp_path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_the_czech_photographs_never_overwrite_another_data_set(tmp_path):
    data_yaml = write_yolo_set(tmp_path / "roads", {"train": {"a": ""}})
    before = listing(tmp_path / "roads")

    with pytest.raises(DatasetInvalid, match="is not empty: choose a new folder"):
        write_czech([], tmp_path, data_yaml.parent)

    assert listing(tmp_path / "roads") == before


def test_a_list_of_places_without_a_column_is_refused(tmp_path):
    (tmp_path / "places.csv").write_text("image,group,part\na.jpg,a,train\n")

    with pytest.raises(DatasetInvalid, match="lacks the column 'here'"):
        list(read_places(tmp_path / "places.csv"))
    with pytest.raises(DatasetInvalid, match="is missing"):
        list(read_places(tmp_path / "gone.csv"))
