"""The evaluation report: one file, nothing from elsewhere, with curves, confusion and pictures."""

import re
import subprocess
import sys

import numpy as np
import pytest
from tests.datasets.yolo_sets import listing, write_yolo_set
from tests.inference.tiny_models import end2end_answer, write_bundle
from tests.training.scored_images import CODES, HERE, NOWHERE, THERE, evaluation, image

from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import read_bundle
from wegewart_training.__main__ import main
from wegewart_training.mistakes import confusion, worst_false_boxes, worst_misses
from wegewart_training.picture_sheet import EXCERPT_WH, excerpt
from wegewart_training.report import report_html
from wegewart_training.sources import evaluation_of

HIT = "3 0.5 0.5 0.5 0.5\n"


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(
        tmp_path / "models", end2end_answer((16, 20, 48, 44, 0.75, 3), (4, 12, 20, 30, 0.5, 0))
    )


@pytest.fixture
def data_yaml(tmp_path):
    return write_yolo_set(tmp_path / "roads", {"test": {"a_1": HIT, "b_2": "1 0.5 0.5 0.4 0.4\n"}})


def test_the_report_holds_everything_and_asks_nobody(bundle, data_yaml, tmp_path):
    sound = write_yolo_set(tmp_path / "sound", {"test": {"c_1": "", "c_2": ""}})
    report, before = tmp_path / "report.html", (listing(data_yaml.parent), listing(bundle))
    arguments = ["--bundle", bundle, "--against", bundle, "--data", data_yaml, "--data", sound]

    assert main(["evaluate", *map(str, arguments), "--report", str(report)]) == 0

    page = report.read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link", page)
    for heading in (
        "Überblick",
        "Klassen",
        "Quellen",
        "Größen",
        "Verwechslungen",
        "Vergleich",
        "gleichem Recall",
    ):
        assert heading in page
    assert page.count("data:image/png;base64,") == 4  # PR, reliability, false boxes; and the alarms
    assert "b_2.jpg" in page
    assert "missed" in page
    assert (listing(data_yaml.parent), listing(bundle)) == before


def test_without_pictures_the_report_shows_no_street(bundle, data_yaml):
    scored = [evaluation_of(Detector(read_bundle(bundle)), data_yaml, "test")]

    public, whole = (report_html(scored, [], pictures=pictures) for pictures in (False, True))

    assert "Verwechslungen" in public
    assert "data:image/png" in public
    assert not re.search(r"data:image/jpeg|b_2\.jpg|Personen", public)
    assert all(word in whole for word in ("data:image/jpeg", "b_2.jpg", "Personen"))


def test_matplotlib_is_imported_for_a_report_alone(bundle, data_yaml, tmp_path):
    code = (
        "import sys; from wegewart_training.__main__ import main; "
        f"arguments = ['evaluate', '--bundle', {str(bundle)!r}, '--data', {str(data_yaml)!r}]; "
        "assert main(arguments) == 0; assert 'matplotlib' not in sys.modules; "
        f"assert main([*arguments, '--report', {str(tmp_path / 'r.html')!r}]) == 0; "
        "assert 'matplotlib' in sys.modules; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--report", "nowhere/report.html"], "make it first"),
        (["--report", "."], "name a file"),
        (["--record"], "give it a new version"),
    ],
    ids=["missing folder", "folder", "signed"],
)
def test_what_cannot_be_written_is_refused_before_anything_is_scored(
    options, reason, bundle, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "--bundle", str(bundle), "--data", "not-even-read/data.yaml"]

    assert main([*command, *options]) == 2
    assert reason in capsys.readouterr().err


def test_figures_are_printed_though_the_report_cannot_be_written(
    bundle, data_yaml, tmp_path, monkeypatch, capsys
):
    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("wegewart_training.report.write_report", full_disk)
    command = ["evaluate", "--bundle", str(bundle), "--data", str(data_yaml)]

    with pytest.raises(OSError, match="no space"):
        main([*command, "--report", str(tmp_path / "report.html")])
    assert "roads test" in capsys.readouterr().out


def test_confusion_worked_by_hand():
    # True D00 found as D40, true D40 missed, one D00 where nothing is; a D40 below the threshold.
    one = evaluation(
        [image([(HERE, 0), (THERE, 1)], [(HERE, 1, 0.9), (NOWHERE, 0, 0.8), (THERE, 1, 0.4)]), image([], [])]
    )

    np.testing.assert_array_equal(confusion(one), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_the_surest_false_boxes_come_first_and_no_image_fills_the_sheet():
    many = [((n, 50, n + 5, 60), 0, 0.9 - n / 100) for n in range(0, 30, 6)]
    one = evaluation([image([], many), image([(HERE, 0)], [(HERE, 0, 0.95), (NOWHERE, 1, 0.6)])])

    worst = worst_false_boxes(one)

    assert [round(mistake.confidence, 2) for mistake in worst] == [0.9, 0.84, 0.6]
    assert [CODES[mistake.class_index] for mistake in worst] == ["D00", "D00", "D40"]


def test_the_largest_misses_come_first():
    large = (30.0, 30.0, 90.0, 90.0)
    one = evaluation(
        [image([(HERE, 0), (THERE, 1)], [(HERE, 0, 0.9)]), image([(large, 1)], [(large, 1, 0.3)])]
    )

    assert [mistake.box_px.tolist() for mistake in worst_misses(one)] == [[*large], [*map(float, THERE)]]


@pytest.mark.parametrize("box", [(0, 0, 8, 8), (600, 440, 640, 480), (0, 0, 640, 480), (5, 470, 630, 480)])
def test_an_excerpt_stays_inside_the_photograph_and_shows_its_box(box):
    one = evaluation([image([], [(box, 1, 0.9)])])
    photograph = np.full((480, 640, 3), 90, np.uint8)

    shown = excerpt(photograph, worst_false_boxes(one)[0], CODES)

    assert shown.shape == (EXCERPT_WH[1], EXCERPT_WH[0], 3)
    assert (shown == (0, 140, 255)).all(axis=2).any()
