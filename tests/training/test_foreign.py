"""Foreign ONNX files: any model of a known head is scored by the same code."""

import json

import onnx
import pytest
from tests.datasets.yolo_sets import write_yolo_set
from tests.inference.tiny_models import answering_graph, end2end_answer, raw_answer, write_bundle

from wegewart_training.__main__ import main

# In the 64 × 64 input of a 64 × 48 image the frame begins at row 8; the damage lies at 16..48, 12..36.
HIT = "3 0.5 0.5 0.5 0.5\n"
NAMES = {0: "D00 longitudinal crack", 1: "D10", 2: "D20", 3: "D40 pothole"}


@pytest.fixture
def data_yaml(tmp_path):
    labels = {"a_1": HIT, "b_2": ""}
    return write_yolo_set(tmp_path / "roads", {"val": dict.fromkeys(["v_1"], HIT), "test": labels})


def write_graph(path, answer, names=None, input_hw=(64, 64)):
    model = answering_graph(answer, input_hw)
    if names is not None:
        onnx.helper.set_model_props(model, {"names": str(names)})
    onnx.save(model, str(path))
    return path


def scores_of(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    "answer",
    [raw_answer((32, 32, 32, 24, 0, 0, 0, 0.75)), end2end_answer((16, 20, 48, 44, 0.75, 3))],
    ids=["raw", "end2end"],
)
def test_a_graph_that_names_its_classes_is_scored_like_a_bundle(tmp_path, data_yaml, capsys, answer):
    graph = write_graph(tmp_path / "foreign.onnx", answer, NAMES)
    bundle = write_bundle(tmp_path / "models", answer)

    (foreign,) = scores_of(capsys, "--onnx", graph, "--data", data_yaml)
    (ours,) = scores_of(capsys, "--bundle", bundle, "--data", data_yaml)

    assert foreign.pop("bundle") == "foreign.onnx"
    ours.pop("bundle")
    assert foreign == ours
    assert foreign["map50"] == 1.0


def test_class_names_can_be_given_in_the_graphs_own_order(tmp_path, data_yaml, capsys):
    graph = write_graph(tmp_path / "foreign.onnx", raw_answer((32, 32, 32, 24, 0.75, 0, 0, 0)))

    (scores,) = scores_of(capsys, "--onnx", graph, "--names", "D40,D20,D10,D00", "--data", data_yaml)
    assert scores["ap50_D40"] == 1.0


def test_classes_outside_the_taxonomy_are_left_out_and_named(tmp_path, data_yaml, capsys, caplog):
    answer = raw_answer((32, 32, 32, 24, 0, 0, 0, 0.75, 0), (20, 20, 9, 9, 0, 0, 0, 0, 0.9), classes=5)
    graph = write_graph(tmp_path / "foreign.onnx", answer, {**NAMES, 4: "Repair"})

    (scores,) = scores_of(capsys, "--onnx", graph, "--data", data_yaml)

    assert scores["precision"] == 0.5  # the hit, and the same box in the empty photograph
    assert "Repair" in caplog.text


def test_a_graph_that_knows_fewer_classes_finds_nothing_of_the_others(tmp_path, data_yaml, capsys):
    (data_yaml.parent / "labels" / "test" / "b_2.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    graph = write_graph(tmp_path / "foreign.onnx", raw_answer((32, 32, 32, 24, 0.75), classes=1), {0: "D40"})

    (scores,) = scores_of(capsys, "--onnx", graph, "--data", data_yaml)
    assert (scores["ap50_D00"], scores["ap50_D40"], scores["recall"]) == (0.0, 1.0, 0.5)


def test_a_graph_for_any_size_needs_one(tmp_path, data_yaml, capsys):
    graph = tmp_path / "open.onnx"
    model = answering_graph(raw_answer((32, 32, 32, 24, 0, 0, 0, 0.75)), (64, 64))
    for shape in (model.graph.input[0], model.graph.output[0]):
        for dim in shape.type.tensor_type.shape.dim:
            dim.dim_param = "any"
    onnx.helper.set_model_props(model, {"names": str(NAMES)})
    onnx.save(model, str(graph))

    assert main(["evaluate", "--onnx", str(graph), "--data", str(data_yaml)]) == 2
    assert "--imgsz" in capsys.readouterr().err

    (scores,) = scores_of(capsys, "--onnx", graph, "--imgsz", "64", "--data", data_yaml)
    assert scores["map50"] == 1.0


def test_thresholds_of_a_foreign_graph_can_be_chosen_on_val(tmp_path, data_yaml, capsys):
    every = {f"v_{n}": f"{n} 0.5 0.5 0.5 0.5\n" for n in range(4)}
    other = write_yolo_set(tmp_path / "chosen", {"val": every})
    graph = write_graph(
        tmp_path / "foreign.onnx", raw_answer((32, 32, 32, 24, 0.125, 0.25, 0.5, 0.75)), NAMES
    )

    (scores,) = scores_of(capsys, "--onnx", graph, "--choose-on", other, "--data", data_yaml)
    assert scores["thresholds"] == {"D00": 0.125, "D10": 0.25, "D20": 0.5, "D40": 0.75}


def test_two_models_are_compared_on_the_same_images(tmp_path, data_yaml, capsys):
    better = write_bundle(tmp_path / "models", end2end_answer((16, 20, 48, 44, 0.75, 3)))
    worse = write_graph(tmp_path / "worse.onnx", raw_answer((9, 9, 8, 8, 0, 0, 0, 0.75)), NAMES)

    arguments = ["--bundle", better, "--against", worse, "--data", data_yaml]
    (row,) = scores_of(capsys, *arguments)

    assert (row["bundle"], row["against"]) == ("tiny-0.1.0-fp32", "worse.onnx")
    assert row["differences"]["map50"]["value"] == 1.0
    assert row["against_figures"]["map50"] == 0.0
    assert main(["evaluate", *map(str, arguments)]) == 0
    assert "tiny-0.1.0-fp32 against worse.onnx" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "reason"),
    [
        (["--names", "D00,D10"], 1, r"\[1, 6, N\]"),
        ([], 2, "--names"),
        (["--names", "D00,D10,D20,D40", "--head", "end2end"], 1, "raw head"),
        (["--names", "D00,D10,D20,D40", "--imgsz", "128"], 2, "leave --imgsz out"),
        (["--names", "D00,D10,D20,D40", "--record"], 2, "leave it out"),
        (["--names", "D00,D10,D20,D40", "--confidence", "2"], 2, "from 0 to 1"),
        (["--names", "D00,D10,D20,D40", "--imgsz", "1", "2", "3"], 2, "one side"),
    ],
    ids=["too-few-names", "no-names", "other-head", "other-size", "record", "confidence", "three-sides"],
)
def test_what_does_not_fit_the_graph_is_refused(tmp_path, data_yaml, capsys, arguments, exit_code, reason):
    graph = write_graph(tmp_path / "foreign.onnx", raw_answer((32, 32, 32, 24, 0, 0, 0, 0.75)))

    code = main(["evaluate", "--onnx", str(graph), "--data", str(data_yaml), *arguments])

    assert code == exit_code
    assert reason.replace("\\", "") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "exit_code"), [(b"not a graph", 1), (None, 2)], ids=["garbage", "missing"]
)
def test_a_file_that_is_no_graph_is_refused(tmp_path, data_yaml, capsys, content, exit_code):
    graph = tmp_path / "foreign.onnx"
    if content is not None:
        graph.write_bytes(content)

    assert main(["evaluate", "--onnx", str(graph), "--data", str(data_yaml)]) == exit_code
    assert "foreign.onnx" in capsys.readouterr().err
