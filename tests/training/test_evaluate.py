"""wegewart-train evaluate: the vehicle's code on labelled images, without torch, with nothing written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.datasets.yolo_sets import listing, write_yolo_set
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_inference.model_bundle import read_bundle
from wegewart_training.__main__ import main

ROOT = Path(__file__).resolve().parents[2]

# In the 64 × 64 input of a 64 × 48 image the frame begins at row 8.
FOUND = end2end_answer((16, 20, 48, 44, 0.75, 3))
HIT = "3 0.5 0.5 0.5 0.5\n"  # 16..48, 12..36 in the frame


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "models", FOUND, signed=False)


@pytest.fixture
def data_yaml(tmp_path):
    return write_yolo_set(tmp_path / "roads", {"test": {"a_hit": HIT, "b_empty": ""}})


def test_json_has_flat_keys_and_null_where_there_is_no_truth(bundle, data_yaml, capsys):
    assert (
        main(["evaluate", "--bundle", str(bundle), "--data", str(data_yaml), "--split", "test", "--json"])
        == 0
    )

    scores = json.loads(capsys.readouterr().out)
    expected = {
        "source": "roads test",
        "bundle": "tiny-0.1.0-fp32",
        "map50": 1.0,
        "map50_95": 1.0,
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "images": 2,
        "images_with_false_box": 1,
        "ap50_D00": None,
        "ap50_D10": None,
        "ap50_D20": None,
        "ap50_D40": 1.0,
        "challenge_f1": pytest.approx(2 / 3),
        "recall_any_class_at_1_false_box": 1.0,
        "ece": pytest.approx(0.25),  # twice 0.75, once right
        "map50_small": 1.0,  # 32 × 24 pixels
        "recall_small": 1.0,
        "boxes_small": 1,
        "map50_medium": None,
    }
    assert {key: scores.get(key) for key in expected} == expected
    assert scores["resampled"] == {"unit": "images", "units": 2}
    assert scores["by_source"].keys() == {"a_hit", "b_empty"}
    assert scores["intervals"]["precision"] == [pytest.approx(0.0), pytest.approx(1.0)]


def test_nothing_is_written_beside_the_data_or_into_the_bundle(bundle, data_yaml):
    before = listing(data_yaml.parent), listing(bundle)

    assert main(["evaluate", "--bundle", str(bundle), "--data", str(data_yaml)]) == 0

    assert (listing(data_yaml.parent), listing(bundle)) == before


def test_torch_is_not_imported(bundle, data_yaml):
    code = (
        "import sys; from wegewart_training.__main__ import main; "
        f"code = main(['evaluate', '--bundle', {str(bundle)!r}, '--data', {str(data_yaml)!r}]); "
        "heavy = {'torch', 'ultralytics', 'torchvision'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "roads test" in done.stdout


def test_several_sources_become_rows_and_can_be_recorded_in_the_card(bundle, data_yaml, tmp_path, capsys):
    other = write_yolo_set(tmp_path / "streets", {"test": {"a": "0 0.5 0.5 0.5 0.5\n"}})
    command = [
        "evaluate",
        "--bundle",
        str(bundle),
        "--data",
        str(data_yaml),
        "--data",
        str(other),
        "--record",
    ]

    assert main(command) == 0

    rows = capsys.readouterr().out.splitlines()
    assert rows[1].startswith("roads test")
    assert rows[2].startswith("streets test")
    metrics = read_bundle(bundle, allow_unsigned=True).card.metrics
    assert metrics["roads test"].figures["map50"] == 1.0
    assert metrics["streets test"].figures["recall"] == 0.0
    assert metrics["roads test"].images == 2


def test_data_sets_with_classes_in_another_order_are_scored_by_code(bundle, tmp_path, capsys):
    data_yaml = write_yolo_set(
        tmp_path / "roads", {"test": {"hit": "0 0.5 0.5 0.5 0.5\n"}}, names=("D40", "D00")
    )

    assert main(["evaluate", "--bundle", str(bundle), "--data", str(data_yaml), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ap50_D40"] == 1.0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("images/test/a_hit.jpg", b"\xff\xd8cut", "a_hit.jpg: the JPEG file ends"),
        ("data.yaml", b"test: images/test\nnames: [dog]\n", "does not know"),
        ("data.yaml", b"val: images/test\nnames: [D00]\n", "no split 'test'"),
        ("data.yaml", b"test: [", "cannot be read"),
    ],
    ids=["broken-image", "other-classes", "no-split", "no-yaml"],
)
def test_what_cannot_be_scored_fully_is_refused(bundle, data_yaml, capsys, name, content, reason):
    (data_yaml.parent / name).write_bytes(content)

    assert main(["evaluate", "--bundle", str(bundle), "--data", str(data_yaml)]) == 1
    assert reason in capsys.readouterr().err


@pytest.fixture
def held_out(tmp_path, monkeypatch):
    """Photographs in a folder that nothing here knows: a list file, no groups, one without a label file."""
    monkeypatch.delenv("WEGEWART_DATA", raising=False)
    monkeypatch.delenv("WEGEWART_MANIFESTS", raising=False)
    monkeypatch.chdir(tmp_path)
    folder, smoke = tmp_path / "somewhere" / "held-out", ROOT / "datasets" / "smoke"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    photographs = sorted((smoke / "images" / "val").iterdir())[:4]
    for number, photograph in enumerate(photographs):
        shutil.copyfile(photograph, folder / "images" / f"{number}.JPG")
        if number:
            label = (smoke / "labels" / "val" / f"{photograph.stem}.txt").read_text()
            (folder / "labels" / f"{number}.txt").write_text(label)
    (folder / "held.txt").write_text("".join(f"./images/{number}.JPG\n" for number in range(4)))
    names = "names: [D00 longitudinal crack, D10 transverse crack, D20 alligator crack, D40 pothole]"
    (folder / "data.yaml").write_text(f"test: held.txt\n{names}\n")
    return folder / "data.yaml"


def test_the_default_bundle_scores_a_folder_that_nothing_here_knows(held_out, capsys):
    before = listing(held_out.parent)

    assert main(["evaluate", "--data", "somewhere/held-out/data.yaml", "--split", "test", "--json"]) == 0

    scores = json.loads(capsys.readouterr().out)
    labels = [path.read_text().split("\n") for path in (held_out.parent / "labels").iterdir()]
    sizes = sum(scores[f"boxes_{size}"] for size in ("small", "medium", "large"))
    assert (scores["source"], scores["images"]) == ("held-out test", 4)
    assert sizes == sum(bool(line) for lines in labels for line in lines) > 0
    assert 0 <= scores["map50"] <= 1
    assert scores["resampled"] == {"unit": "images", "units": 4}
    assert listing(held_out.parent) == before


def test_sources_come_from_the_table_and_have_intervals_of_their_own(bundle, tmp_path, capsys):
    # Ten photographs of the north, all with the damage that is found; ten of the south, half of them.
    labels = {f"a_{n}": HIT for n in range(10)} | {f"b_{n}": HIT if n % 2 else "" for n in range(10)}
    data_yaml = write_yolo_set(tmp_path / "roads", {"test": labels})
    (tmp_path / "roads" / "extra").mkdir()
    rows = [f"{name}.jpg,{'north' if name[0] == 'a' else 'south'}," for name in labels]
    (tmp_path / "roads" / "extra" / "groups.csv").write_text("\n".join(["image,source,group", *rows]) + "\n")

    assert main(["evaluate", "--bundle", str(bundle), "--data", str(data_yaml), "--json"]) == 0

    by_source = json.loads(capsys.readouterr().out)["by_source"]
    assert {name: part["images"] for name, part in by_source.items()} == {"north": 10, "south": 10}
    assert (by_source["north"]["precision"], by_source["south"]["precision"]) == (1.0, 0.5)
    assert by_source["north"]["intervals"]["precision"] == [1.0, 1.0]
    low, high = by_source["south"]["intervals"]["precision"]
    assert low < 0.5 < high
