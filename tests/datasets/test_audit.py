"""The audit finds what is planted, in one data set and across several, and goes on after a kill."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from tests.datasets.yolo_sets import NAMES, listing, write_manifest

from wegewart_datasets.__main__ import main
from wegewart_datasets.audit import Level, audit
from wegewart_datasets.fingerprint import NEAR_BITS, near_pairs, perceptual_hash
from wegewart_datasets.looks import BATCH, LookBook, look_at
from wegewart_datasets.opening import open_data
from wegewart_datasets.settings import DataSettings

BOX = "3 0.5 0.5 0.2 0.2\n"


def scene(number):
    """A picture with structure of its own: soft random fields, far apart for different numbers."""
    coarse = np.random.default_rng(number).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    return cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)


def put(folder, split, stem, image, label=BOX):
    path = folder / "images" / split / f"{stem}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    text = folder / "labels" / split / f"{stem}.txt"
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(label)
    return path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A data set `roads` without a fault: five pictures in train, three in val."""
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))
    new_set(tmp_path, "roads", 0)
    return tmp_path


def new_set(root, name, seed, **fields):
    folder = root / "data" / name
    for number in range(8):
        put(folder, "train" if number < 5 else "val", f"{name}{number}", scene(seed + number))
    lines = ["train: images/train", "val: images/val", "names:"]
    lines += [f"  {number}: {text}" for number, text in enumerate(NAMES)]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n")
    write_manifest(root / "manifests", name, **fields)
    return folder


def findings(capsys, *names):
    code = main(["audit", *(names or ("roads",)), "--json"])
    result = json.loads(capsys.readouterr().out)
    found = [f for f in result["findings"] if f["kind"] != "class without a box"]
    assert code == (1 if any(f["level"] == "error" for f in found) else 0)
    return found


def test_a_data_set_without_a_fault_passes_and_is_not_touched(machine, capsys):
    before = listing(machine / "data")

    assert findings(capsys) == []
    assert listing(machine / "data") == before


def cut_file(folder):
    path = folder / "images/train/roads1.jpg"
    path.write_bytes(path.read_bytes()[:-300])


def no_picture(folder):
    (folder / "images/train/roads1.jpg").write_bytes(b"this is no picture")


def dangling_link(folder):
    path = folder / "images/train/roads1.jpg"
    path.unlink()
    path.symlink_to("gone.jpg")


def extra_bytes(folder):
    with (folder / "images/train/roads1.jpg").open("ab") as file:
        file.write(b"appended")


def flat_picture(folder):
    put(folder, "train", "roads1", np.full((96, 128, 3), 90, np.uint8))


def relabel(text):
    return lambda folder: (folder / "labels/train/roads1.txt").write_text(text)


FAULTS = {
    "truncated": (cut_file, "error", "truncated"),
    "no-picture": (no_picture, "error", "broken image"),
    "missing": (dangling_link, "error", "broken image"),
    "bytes-after-the-end": (extra_bytes, "warning", "odd image"),
    "flat": (flat_picture, "warning", "odd image"),
    "outside": (relabel("3 0.95 0.5 0.3 0.2\n"), "error", "box outside"),
    "degenerate": (relabel("3 0.5 0.5 0.0 0.2\n"), "error", "degenerate box"),
    "beyond-one": (relabel("3 1.4 0.5 0.1 0.2\n"), "error", "bad label"),
    "unknown-class": (relabel("7 0.5 0.5 0.1 0.2\n"), "error", "bad label"),
    "other-encoding": (
        lambda f: (f / "labels/train/roads1.txt").write_bytes(BOX.encode("utf-16")),
        "error",
        "bad label",
    ),
    "repeated": (relabel(BOX + BOX), "warning", "repeated box"),
    "no-label-file": (lambda f: (f / "labels/train/roads1.txt").unlink(), "warning", "no label file"),
}


@pytest.mark.parametrize(("plant", "level", "kind"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_named(plant, level, kind, machine, capsys):
    plant(machine / "data/roads")

    (found,) = findings(capsys)

    assert (found["level"], found["kind"]) == (level, kind)
    assert found["images"][0].endswith("images/train/roads1.jpg")


def as_it_is(image):
    return image


def darker_and_smaller(image):
    return cv2.convertScaleAbs(
        cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), alpha=0.9
    )


@pytest.mark.parametrize("change", [as_it_is, darker_and_smaller])
@pytest.mark.parametrize(("split", "level"), [("val", "error"), ("train", "warning")])
def test_a_picture_that_is_there_twice_is_a_leak_across_splits_and_a_warning_within(
    change, split, level, machine, capsys
):
    put(machine / "data/roads", split, "copy", change(scene(0)))

    (found,) = findings(capsys)

    assert found["level"] == level
    assert found["kind"] == ("leak by picture" if level == "error" else "near-duplicate")
    assert {path.rsplit("/", 1)[1] for path in found["images"]} == {"roads0.jpg", "copy.jpg"}


def test_a_leak_into_another_data_set_is_found_where_both_are_audited(machine, capsys):
    streets = new_set(machine, "streets", 100)
    put(streets, "val", "copy", scene(0))

    assert findings(capsys, "roads") == findings(capsys, "streets") == []
    (found,) = findings(capsys, "roads", "streets")
    assert found["kind"] == "leak by picture"


def test_a_place_in_two_splits_is_a_leak_though_its_pictures_differ(machine, capsys):
    extra = machine / "data/roads/extra"
    extra.mkdir()
    rows = ["image,group", "roads0.jpg,bridge", "roads1.jpg,bridge", "roads6.jpg,bridge", "roads7.jpg,hill"]
    (extra / "groups.csv").write_text("\n".join(rows))

    (found,) = findings(capsys)

    assert (found["level"], found["kind"]) == ("error", "leak by group")
    assert "group bridge is in train and val" in found["detail"]


@pytest.mark.parametrize(
    ("group", "levels"),
    [
        ("drive-01970000-0000-7000-8000-000000000001", ["error"]),
        ("defect-01970000-0000-7000-8000-000000000002", ["error"]),
        ("place-8a1f8d", ["warning"]),
        ("drive-1", []),  # of an importer's own counting
        ("bridge", []),
    ],
)
def test_a_drive_a_damage_or_a_place_in_the_splits_of_two_data_sets_is_a_leak(group, levels, machine, capsys):
    streets = new_set(machine, "streets", 100)
    for folder, image in ((machine / "data/roads", "roads0.jpg"), (streets, "streets7.jpg")):
        (folder / "extra").mkdir()
        (folder / "extra/groups.csv").write_text(f"image,group\n{image},{group}\n")

    found = findings(capsys, "roads", "streets")

    assert [f["level"] for f in found] == levels
    for one in found:
        assert one["kind"] == "leak by group"
        assert one["detail"] == f"group {group} is in train of roads and in val of streets"


def test_a_drive_in_the_same_split_of_two_data_sets_is_no_leak(machine, capsys):
    streets = new_set(machine, "streets", 100)
    for folder, image in ((machine / "data/roads", "roads0.jpg"), (streets, "streets0.jpg")):
        (folder / "extra").mkdir()
        (folder / "extra/groups.csv").write_text(
            f"image,group\n{image},drive-01970000-0000-7000-8000-000000000001\n"
        )

    assert findings(capsys, "roads", "streets") == []


def test_an_image_that_a_data_set_reserves_must_not_be_in_the_training_of_any(machine, capsys):
    streets = new_set(machine, "streets", 100, reserved="places.csv")
    (streets / "places.csv").write_text("image,part\nroads3.jpg,reserved\nroads4.jpg,train\n")

    (found,) = findings(capsys, "roads", "streets")

    assert found["kind"] == "reserved image in training"
    assert "streets reserves roads3.jpg for scoring" in found["detail"]


def test_the_report_shows_pictures_says_limits_and_escapes_what_it_names(machine, capsys):
    write_manifest(machine / "manifests", "roads", title="<script>alert(1)</script>")
    path = machine / "manifests/roads.toml"
    path.write_text('limits = ["only <b>summer</b>"]\n' + path.read_text())
    put(machine / "data/roads", "val", "<img src=x>", scene(0))

    assert main(["audit", "roads", "--html", str(machine / "report/audit.html")]) == 1

    said = capsys.readouterr()
    assert "limit of roads: only <b>summer</b>" in said.out
    html = (machine / "report/audit.html").read_text()
    assert "only &lt;b&gt;summer&lt;/b&gt;" in html
    assert "<img src=x>" not in html
    assert html.count("data:image/jpeg;base64,") >= 2
    assert "http" not in html  # nothing is fetched from elsewhere
    assert "✖ 1 Fehler" in html


def test_boxes_are_counted_by_class_and_size(machine):
    put(machine / "data/roads", "train", "roads0", scene(0), "0 .5 .5 .1 .1\n3 .5 .5 .5 .5\n3 .5 .5 1 1\n")
    opened = open_data("roads", DataSettings.load())

    with LookBook(machine / "work") as book:
        result = audit([opened], book)

    train = result.figures[0]
    assert train.boxes == {"D00": 1, "D40": 6}
    assert train.by_size("D00") == (1, 0, 0)
    assert train.by_size("D40") == (4, 1, 1)  # four of 26 x 19, one of 64 x 48, one of 128 x 96 pixels
    assert train.median_px("D00") == pytest.approx((12.8, 9.6), abs=0.01)
    assert {f.kind for f in result.of(Level.WARNING)} == {"class without a box"}


KILLED = """
import os, sys
from itertools import islice
from pathlib import Path
from wegewart_datasets.looks import LookBook
book = LookBook(Path(sys.argv[1]))
for number, look in enumerate(book.looks(sorted(Path(sys.argv[2]).rglob("*.jpg")))):
    if number == int(sys.argv[3]):
        os._exit(9)
"""


def test_a_killed_audit_goes_on_behind_its_last_batch(tmp_path):
    images = [put(tmp_path / "set", "train", f"{n:04}", scene(n)) for n in range(2 * BATCH + 10)]
    arguments = [str(tmp_path / "work"), str(tmp_path / "set"), str(BATCH + 3)]
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments]).returncode == 9

    with LookBook(tmp_path / "work") as book:
        looks = list(book.looks(images))
        assert book.fresh == 10  # two batches were kept
    assert looks == [look_at(path) for path in images]

    images[5].write_bytes(images[5].read_bytes()[:-9])
    with LookBook(tmp_path / "work") as book:
        assert [look.path for look in book.looks(images) if look.fault] == [images[5]]
        assert book.fresh == 1


def test_near_pairs_are_those_of_a_plain_comparison():
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, (600, 4), np.uint64)
    for number in range(0, 600, 7):  # plant neighbours at all distances around the limit
        flips = rng.choice(256, number % 31, replace=False)
        bits = np.unpackbits(hashes[number].view(np.uint8))
        bits[flips] ^= 1
        hashes[(number * 13 + 1) % 600] = np.packbits(bits).view(np.uint64)

    bits = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    expected = {(i, j, int(bits[i, j])) for i in range(600) for j in range(i + 1, 600) if bits[i, j] <= 20}

    assert len(expected) > 20
    assert set(near_pairs(hashes, NEAR_BITS)) == expected


def test_a_picture_without_structure_has_no_hash():
    assert perceptual_hash(np.full((50, 50), 120, np.uint8)) is None
