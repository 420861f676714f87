"""wegewart-train select on real photographs with the shipped models: from frames to a CVAT task."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.datasets.yolo_sets import NAMES, write_manifest

from wegewart.errors import CalledWrongly, DatasetInvalid
from wegewart_datasets.formats.cvat import read_cvat
from wegewart_datasets.settings import REPOSITORY, DataSettings
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import default_bundles, read_bundle
from wegewart_training import selection
from wegewart_training.__main__ import main
from wegewart_training.select_frames import PoolOptions, candidates_of, loaded
from wegewart_training.select_likeness import Likeness

PHOTOGRAPHS = sorted((REPOSITORY / "datasets/smoke/images/train").glob("*.jpg"))[:9]
ANOTHER_ROAD = max((REPOSITORY / "datasets/smoke/images/train").glob("*RS_290*.jpg"))
MODELS = REPOSITORY / "models"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Photographs as three drives, and the folder in which looks at them are remembered."""
    root = tmp_path_factory.mktemp("recorded")
    for number, photograph in enumerate(PHOTOGRAPHS):
        folder = root / "frames" / f"drive-{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photograph, folder / f"frame-{number:02}.jpg")
    return root


@pytest.fixture
def machine(recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("WEGEWART_DATA", str(tmp_path))
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("WEGEWART_WORK", str(recorded / "work"))
    (tmp_path / "manifests").mkdir()
    (tmp_path / "frames").symlink_to(recorded / "frames")
    return tmp_path


def select(machine, *options, out="out", more=()):
    command = [
        "select",
        str(machine / "frames"),
        *map(str, more),
        "--out",
        str(machine / out),
        "--threads",
        "1",
    ]
    return main([*command, *options]), machine / out


def rows(out):
    with (out / "selected.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_chosen_frames_become_a_task_with_boxes_a_table_and_a_page(machine, capsys):
    code, out = select(machine, "--count", "5")

    assert code == 0
    chosen = rows(out)
    assert [row["rank"] for row in chosen] == ["1", "2", "3", "4", "5"]
    task = {image.image.name: image for image in read_cvat(out / "task", out / "task/images")}
    assert sorted(task) == sorted(row["image"] for row in chosen)
    detector = Detector(read_bundle(default_bundles(MODELS).damage))
    for row in chosen:
        source = Path(row["source"])
        assert (out / "task/images" / row["image"]).read_bytes() == source.read_bytes()
        found = detector.detect(cv2.imread(str(source)))
        drawn = np.array([(box.x1, box.y1, box.x2, box.y2) for box in task[row["image"]].boxes]).reshape(
            -1, 4
        )
        assert drawn == pytest.approx(found.boxes_px, abs=0.02)
        assert int(row["boxes"]) == len(found)
        assert row["group"] == f"frames/{source.parent.name}"
    doubts = [float(row["doubt_bits"]) for row in chosen]
    assert doubts[0] == max(doubts) > 0
    page = (out / "sheet.html").read_text()
    assert page.count("<figure>") == 5
    assert page.index("Als Nächstes beschriften") < page.index("label these next")
    assert "http" not in page
    assert "5 of 9 frames" in capsys.readouterr().out


def test_a_killed_scan_goes_on_and_a_repeated_one_looks_at_nothing_again(machine, monkeypatch):
    look, seen = selection.Scanner.look, []
    monkeypatch.setenv("WEGEWART_WORK", str(machine / "fresh"))

    def killed_at_the_fifth(self, image):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.append(1)
        return look(self, image)

    monkeypatch.setattr(selection.Scanner, "look", killed_at_the_fifth)
    assert select(machine, "--count", "4")[0] == 130
    assert not (machine / "out").exists()

    def counted(self, image):
        seen.append(1)
        return look(self, image)

    monkeypatch.setattr(selection.Scanner, "look", counted)
    _, out = select(machine, "--count", "4")
    assert len(seen) == len(PHOTOGRAPHS)

    table = (out / "selected.csv").read_bytes()
    shutil.rmtree(out / "task")
    assert select(machine, "--count", "4")[0] == 0
    assert len(seen) == len(PHOTOGRAPHS)
    assert (out / "selected.csv").read_bytes() == table


def test_a_folder_with_another_selection_is_refused(machine, capsys):
    select(machine, "--count", "3")

    assert select(machine, "--count", "4")[0] == 2
    assert "another selection: choose a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--count", "0"], "count and per-group must be 1 or more"),
        (["--group-by", "drive-("], "--group-by drive-( is no regular expression"),
        ([], "is not empty: choose a new folder"),
    ],
    ids=["count", "pattern", "folder of something else"],
)
def test_what_can_never_work_is_refused_before_any_frame_is_looked_at(
    options, reason, machine, monkeypatch, capsys
):
    out = "frames" if not options else "out"
    monkeypatch.setattr(selection, "Scanner", None)

    assert select(machine, *options, out=out)[0] == 2
    assert reason in capsys.readouterr().err


def test_frames_that_cannot_be_read_are_named_and_the_others_chosen(machine, capsys):
    (machine / "broken").mkdir()
    (machine / "broken/broken.jpg").write_bytes(b"no image")

    code, out = select(machine, "--count", "3", more=[machine / "broken"])

    assert code == 1
    assert len(rows(out)) == 3
    assert "broken.jpg: no image that OpenCV can decode" in capsys.readouterr().err


def test_test_images_and_labelled_ones_are_never_chosen(machine, capsys):
    parts = {
        "tests": {"test": PHOTOGRAPHS[:2]},
        "done": {"train": PHOTOGRAPHS[2:4], "val": PHOTOGRAPHS[4:6]},
    }
    names = "\n".join(f"  {number}: {word}" for number, word in enumerate(NAMES))
    for name, by_split in parts.items():
        for split, photographs in by_split.items():
            (machine / name / split).mkdir(parents=True)
            for photograph in photographs:
                shutil.copy(photograph, machine / name / split)
        splits = "\n".join(f"{split}: {split}" for split in by_split)
        (machine / name / "data.yaml").write_text(f"{splits}\nnames:\n{names}\n")
        write_manifest(machine / "manifests", name, splits=tuple(by_split))

    code, out = select(machine, "--count", "9", "--labelled", "done", "--per-group", "9")

    assert code == 0
    wanted = {path.read_bytes() for path in PHOTOGRAPHS[6:]}
    assert {(out / "task/images" / row["image"]).read_bytes() for row in rows(out)} <= wanted
    assert "fewer than 9" in capsys.readouterr().out
    assert main(["select", "tests", "--split", "test", "--out", str(machine / "no")]) == 2


def test_frames_of_a_recorded_drive_with_a_video_come_out_as_they_are_numbered(tmp_path):
    path = tmp_path / "front.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for grey in range(0, 240, 20):
        video.write(np.full((48, 64, 3), grey, np.uint8))
    video.release()
    (tmp_path / "drive.toml").write_text('drive_id = "d1"\n[frames]\nvideo = "front.avi"\n')
    (tmp_path / "frames.csv").write_text("sequence,frame_index\n0,1\n1,4\n2,7\n3,10\n")

    found = candidates_of([str(tmp_path)], PoolOptions(every=2), DataSettings(None, tmp_path))

    assert [(candidate.index, candidate.group) for candidate in found] == [(1, "drive-d1"), (7, "drive-d1")]
    greys = [int(image.mean()) for _, image, _ in loaded(found)]
    assert greys == [pytest.approx(20, abs=4), pytest.approx(140, abs=4)]


def test_frames_of_the_sample_drive_belong_to_their_drive():
    drive = REPOSITORY / "datasets/sample-drive/pass-1"
    found = candidates_of([str(drive)], PoolOptions(), DataSettings.load({}))

    assert len({candidate.group for candidate in found}) == 1
    assert all(candidate.path.is_file() for candidate in found)
    assert len(found) > 5


@pytest.mark.parametrize(
    ("frames", "error"),
    [('images = "../elsewhere"', "leads out of"), ("", "drive.toml|KeyError|recorded drive")],
    ids=["outside", "no frames"],
)
def test_a_drive_that_is_none_says_so(frames, error, tmp_path):
    (tmp_path / "drive.toml").write_text(f'drive_id = "d1"\n[frames]\n{frames}\n')
    (tmp_path / "frames.csv").write_text("sequence,file\n0,a.jpg\n")

    with pytest.raises(Exception, match=error) as caught:
        candidates_of([str(tmp_path)], PoolOptions(), DataSettings(None, tmp_path))
    assert type(caught.value).__name__ == "InvalidDrive"


def test_sources_that_are_nothing_known_say_what_is(tmp_path):
    (tmp_path / "empty").mkdir()
    settings = DataSettings(None, tmp_path)

    with pytest.raises(DatasetInvalid, match="holds no frame"):
        candidates_of([str(tmp_path / "empty")], PoolOptions(), settings)
    with pytest.raises(CalledWrongly, match="no folder of images, no recorded drive"):
        candidates_of([str(tmp_path / "notes.txt")], PoolOptions(), settings)


@pytest.mark.parametrize("name", ["road-damage-nano-0.3.0-fp32", "road-damage-nano-0.3.0-int8"])
def test_a_frame_is_more_like_its_poor_copy_than_like_another_road(name):
    likeness = Likeness(read_bundle(MODELS / name))
    image, other = (cv2.imread(str(path)) for path in (PHOTOGRAPHS[0], ANOTHER_ROAD))
    copy = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    first, again, elsewhere = (likeness.of(one) for one in (image, copy, other))

    assert first.shape == (512,)
    assert 0 < np.linalg.norm(again - first) < np.linalg.norm(elsewhere - first) / 2
