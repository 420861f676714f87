"""Splits go by place, keep near-duplicates together, and are the same for the same seed."""

import csv

import cv2
import numpy as np
import pytest
from tests.datasets.yolo_sets import NAMES, listing

from wegewart_datasets.__main__ import main
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels

PLACES, PER_PLACE = 40, 4


def scene(number):
    coarse = np.random.default_rng(number).integers(0, 255, (9, 12, 3)).astype(np.uint8)
    return cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def roads(tmp_path, monkeypatch):
    """160 pictures of 40 places; potholes are rare, in every fourth place only."""
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))
    folder = tmp_path / "roads"
    for kind in ("images", "labels", "extra"):
        (folder / kind).mkdir(parents=True)
    rows = ["image,group,drive"]
    for place in range(PLACES):
        for turn in range(PER_PLACE):
            stem = f"p{place:02}-{turn}"
            assert cv2.imwrite(str(folder / f"images/{stem}.jpg"), scene(100 * place + turn))
            label = "0 0.5 0.5 0.2 0.2\n" + ("3 0.2 0.2 0.1 0.1\n" if place % 4 == 0 else "")
            (folder / f"labels/{stem}.txt").write_text(label)
            rows.append(f"{stem}.jpg,place-{place:02},drive-{place // 10}")
    (folder / "extra/groups.csv").write_text("\n".join(rows))
    lines = ["train: images", "names:", *(f"  {number}: {name}" for number, name in enumerate(NAMES))]
    (folder / "data.yaml").write_text("\n".join(lines))
    return folder


def split(roads, out, *options):
    assert main(["split", str(roads / "data.yaml"), "--out", str(out), *options]) == 0
    with (out / "extra/groups.csv").open() as file:
        return list(csv.DictReader(file))


def splits_by(rows, key):
    found = {}
    for row in rows:
        found.setdefault(key(row), set()).add(row["split"])
    return found


def test_no_place_is_torn_apart_and_images_and_classes_have_their_shares(roads, tmp_path):
    before = listing(roads)

    rows = split(roads, tmp_path / "out")

    assert len(rows) == PLACES * PER_PLACE
    assert all(len(splits) == 1 for splits in splits_by(rows, lambda r: r["image"][:3]).values())
    data = read_data_yaml(tmp_path / "out/data.yaml")
    for name, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        images = images_of(data, name)
        potholes = sum((read_labels(image, 4).classes == 3).sum() for image in images)
        assert len(images) / len(rows) == pytest.approx(share, abs=0.05)
        assert potholes / PLACES == pytest.approx(share, abs=0.11)  # one place of ten is a tenth
    assert listing(roads) == before


def test_the_seed_decides_and_the_same_seed_decides_the_same(roads, tmp_path):
    first, again = split(roads, tmp_path / "a"), split(roads, tmp_path / "b")
    other = split(roads, tmp_path / "c", "--seed", "1")

    assert first == again
    assert first != other


def test_near_duplicates_of_two_places_stay_together(roads, tmp_path):
    pairs = [(place, place + 20) for place in range(1, 20)]
    for one, other in pairs:
        picture = cv2.convertScaleAbs(scene(100 * one), alpha=0.95)
        assert cv2.imwrite(str(roads / f"images/p{other:02}-0.jpg"), picture)

    rows = split(roads, tmp_path / "out")

    by_place = splits_by(rows, lambda r: int(r["image"][1:3]))
    assert all(by_place[one] == by_place[other] for one, other in pairs)
    assert len({row["group"] for row in rows}) == PLACES - len(pairs)


@pytest.mark.parametrize(
    "options",
    [["--column", "drive"], ["--column", "drive", "--groups", "TABLE"], ["--group-by", r"^(p\d)"]],
    ids=["column", "column-of-a-table", "name"],
)
def test_groups_come_from_another_column_or_from_the_name(options, roads, tmp_path):
    table = (roads / "extra/groups.csv").rename(roads / "drives.csv") if "TABLE" in options else None

    rows = split(roads, tmp_path / "out", *(str(table) if word == "TABLE" else word for word in options))

    assert all(len(splits) == 1 for splits in splits_by(rows, lambda r: r["image"][:2]).values())
    assert {row["split"] for row in rows} == {"train", "val", "test"}


def test_without_groups_it_asks_for_them_instead_of_splitting_by_image(roads, tmp_path, capsys):
    (roads / "extra/groups.csv").unlink()

    assert main(["split", str(roads / "data.yaml"), "--out", str(tmp_path / "out")]) == 1

    assert "160 of 160 images have no group" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_lists_below_a_linked_folder_lead_to_the_images(roads, tmp_path):
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/away")

    split(roads, tmp_path / "link/out")

    assert all(image.is_file() for image in images_of(read_data_yaml(tmp_path / "link/out/data.yaml"), "val"))


def test_fewer_groups_than_splits_are_refused(roads, tmp_path, capsys):
    command = ["split", str(roads / "data.yaml"), "--out", str(tmp_path / "out"), "--group-by", "^(p)"]

    assert main(command) == 1
    assert "1 groups cannot fill 3 splits" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0.5,0.5", "0.7,0.2,0.2", "a,b,c", "1.2,-0.1,-0.1"])
def test_fractions_that_make_no_whole_are_called_wrong(text, roads, tmp_path):
    command = ["split", str(roads / "data.yaml"), "--out", str(tmp_path / "out"), "--fractions", text]

    assert main(command) == 2


def test_a_pattern_that_is_none_is_called_wrong(roads, tmp_path, capsys):
    command = ["split", str(roads / "data.yaml"), "--out", str(tmp_path / "out"), "--group-by", "^(x"]

    assert main(command) == 2
    assert "--group-by ^(x is no regular expression" in capsys.readouterr().err
