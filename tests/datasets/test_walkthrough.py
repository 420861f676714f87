"""docs/datasets.md: a country's data from the publisher's folder to a locked split, and its memory."""

import re
import shlex
import tracemalloc

import cv2
import numpy as np
import pytest
from tests.datasets.test_import import voc_xml
from tests.datasets.yolo_sets import write_yolo_set

from wegewart_datasets.__main__ import main
from wegewart_datasets.importing import Job, import_source
from wegewart_datasets.mapping import ClassMapping
from wegewart_datasets.settings import REPOSITORY
from wegewart_datasets.yolo import images_of, read_data_yaml

DOCS = (REPOSITORY / "docs/datasets.md").read_text(encoding="utf-8")
COUNT = 30


def documented_commands():
    """Command lines of the first shell block, continued lines joined, comments taken off."""
    block = re.search(r"```sh\n(.*?)```", DOCS, re.DOTALL).group(1).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def write_norway(root):
    for number in range(COUNT):
        stem = f"Norway_{number:04}{number % 2}1"
        coarse = np.random.default_rng(number).integers(0, 255, (9, 12, 3)).astype(np.uint8)
        path = root / "RDD2022/Norway/train/images" / f"{stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (200, 100), interpolation=cv2.INTER_CUBIC))
        xml = root / "RDD2022/Norway/train/annotations/xmls" / f"{stem}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        code = ("D00", "D10", "D20", "D40")[number % 4]
        xml.write_text(voc_xml((code, (20, 30, 60, 80)), ("D44", (0, 0, 20, 20))))


def test_the_documented_commands_lead_from_the_publishers_folder_to_a_datasheet(
    tmp_path, monkeypatch, capsys
):
    write_norway(tmp_path)
    (tmp_path / "datasets/manifests").mkdir(parents=True)
    (tmp_path / "datasets/datasheets").mkdir()
    data = tmp_path / "data"
    write_yolo_set(data / "road-damage-europe", {split: {split: ""} for split in ("train", "val", "test")})
    manifest = (REPOSITORY / "datasets/manifests/road-damage-europe.toml").read_text()
    manifest = re.sub(r"^reserved.*\n", "", manifest, flags=re.MULTILINE)
    (tmp_path / "datasets/manifests/road-damage-europe.toml").write_text(manifest)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEGEWART_DATA", str(data))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "datasets/manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(tmp_path / "work"))

    for command, *arguments in documented_commands():
        words = [word.replace("$WEGEWART_DATA", str(data)) for word in arguments]
        if command == "cp":
            (tmp_path / words[1] / "norway.toml").write_text((tmp_path / words[0]).read_text())
        else:
            assert command == "wegewart-data"
            assert main(words) == 0, capsys.readouterr().err

    sheet = (tmp_path / "datasets/datasheets/norway.md").read_text()
    assert "| train | training | 30 |" in sheet
    split = read_data_yaml(data / "norway-split/data.yaml")
    assert sum(len(images_of(split, name)) for name in ("train", "val", "test")) == COUNT
    assert "<h1>Datenprüfung" in (tmp_path / "audit.html").read_text()

    path = tmp_path / "datasets/manifests/norway.toml"
    path.write_text(
        path.read_text().split("[splits]")[0].replace('folder = "norway"', 'folder = "norway-split"')
        + '[splits]\ntrain = "training"\nval = "thresholds"\ntest = "scores only"\n'
    )
    assert main(["hash", "norway", "--write"]) == 0
    assert main(["check", "norway"]) == 0
    assert main(["audit", "norway"]) == 0


def test_rdd2018_as_published_is_found(tmp_path):
    for town, stem in (("Adachi", "Adachi_20170906093835"), ("Chiba", "Chiba_20170913095301")):
        for folder in ("Annotations", "JPEGImages"):
            (tmp_path / "rdd2018" / town / folder).mkdir(parents=True)
        picture = np.random.default_rng(1).integers(0, 255, (100, 200, 3)).astype(np.uint8)
        assert cv2.imwrite(str(tmp_path / "rdd2018" / town / f"JPEGImages/{stem}.jpg"), picture)
        xml = tmp_path / "rdd2018" / town / f"Annotations/{stem}.xml"
        xml.write_text(voc_xml(("D00", (20, 30, 60, 80)), ("D01", (20, 30, 60, 80))))

    report = import_source(Job("voc", tmp_path / "rdd2018", tmp_path / "out", ClassMapping(aside=("D01",))))

    assert report.images == {"train": 2}
    assert (report.boxes, report.aside) == ({"D00": 2}, {"D01": 2})


@pytest.mark.parametrize("step", ["import", "audit"])
def test_more_images_need_hardly_more_memory(step, tmp_path, capsys):
    peaks = {}
    for count in (100, 400):
        folder = tmp_path / f"{count}"
        coarse = np.random.default_rng(count).integers(0, 255, (count, 6, 8, 3)).astype(np.uint8)
        write_yolo_set(folder, {"train": {f"{n:04}": "3 .5 .5 .2 .2\n" for n in range(count)}})
        for number in range(count):
            picture = cv2.resize(coarse[number], (200, 150), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(folder / f"images/train/{number:04}.jpg"), picture)
        words = {
            "import": ["import", "yolo", str(folder), "--out", str(tmp_path / f"out-{count}")],
            "audit": ["audit", str(folder / "data.yaml"), "--json", "--work", str(tmp_path / "work")],
        }
        tracemalloc.start()
        assert main(words[step]) == 0
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    per_image_bytes = (peaks[400] - peaks[100]) / 300
    assert per_image_bytes < 6000  # a decoded image has 30,000 in grey, so that not even one in five is kept


def test_every_setting_and_every_command_is_documented(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z]+)\b", capsys.readouterr().out, re.MULTILINE)
    assert {"import", "export", "audit", "split", "hash", "datasheet"} <= set(commands)
    for word in ("WEGEWART_DATA", "WEGEWART_MANIFESTS", "WEGEWART_WORK", *commands):
        assert re.search(rf"`(wegewart-data )?{word}\b", DOCS), word
