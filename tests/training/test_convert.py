"""Other runtimes: OpenVINO for real on a shipped bundle, TensorRT by its refusals (no GPU in tests)."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.datasets.yolo_sets import write_yolo_set
from tests.inference.tiny_models import raw_answer, write_bundle

from wegewart.errors import CalledWrongly, ModelMismatch, SettingsInvalid
from wegewart_inference.model_bundle import default_bundles, file_sha256, read_bundle
from wegewart_training.__main__ import main
from wegewart_training.convert import Built, Compute, convert
from wegewart_training.tensorrt_target import to_tensorrt
from wegewart_training.validation import Source

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "datasets" / "smoke" / "data.yaml"
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed: install wegewart[openvino]"
)


@pytest.fixture
def bundle():
    return default_bundles(ROOT / "models").damage


@needs_openvino
def test_openvino_sees_what_the_bundle_sees(bundle, tmp_path, capsys):
    out = tmp_path / "openvino"

    assert main(["convert", str(bundle), "--to", "openvino", "--out", str(out), "--data", str(SMOKE)]) == 0

    papers = json.loads((out / "conversion.json").read_text())
    assert "boxes on 16 frames" in capsys.readouterr().out
    assert papers["bundle_sha256"] == read_bundle(bundle).ref.sha256
    assert papers["files"] == {name: file_sha256(out / name) for name in ("model.bin", "model.xml")}
    assert papers["runtime"].startswith("OpenVINO 20")


@needs_openvino
def test_openvino_tries_no_network(bundle, tmp_path):
    """Its telemetry package is left out of the lock files; nothing else of it may ask either."""
    log = tmp_path / "attempts.log"
    script = [sys.executable, str(Path(__file__).with_name("guarded.py")), str(log), "0", "--", "convert"]
    arguments = [str(bundle), "--to", "openvino", "--out", str(tmp_path / "out"), "--data", str(SMOKE)]
    done = subprocess.run([*script, *arguments], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-2000:]
    assert log.read_text() == ""


def graph_that_answers(answer):
    """A runtime whose graph answers the same to everything."""

    def target(bundle, folder, compute):
        (folder / "model.engine").write_bytes(b"engine")
        return Built(lambda tensor: answer, "a runtime of this test")

    return target


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75)), True),
        (raw_answer((18, 32, 16, 32, 0, 0, 0, 0.75)), False),
        (raw_answer((16, 32, 16, 32, 0, 0, 0, 0.72)), False),
    ],
    ids=["alike", "two-pixels-aside", "less-sure"],
)
def test_the_gate_holds_boxes_and_scores_of_another_runtime(tmp_path, answer, passes):
    made = read_bundle(write_bundle(tmp_path, raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75))))
    data_yaml = write_yolo_set(tmp_path / "roads", {"val": {"a": "3 0.25 0.5 0.25 0.6667\n"}})
    source = Source("roads val", data_yaml, "val")

    if passes:
        found = convert(made, tmp_path / "out", graph_that_answers(answer), Compute.F32, [source])
        assert "mAP50 +0.0000 on 1 images" in found
    else:
        with pytest.raises(ModelMismatch, match="does not see what"):
            convert(made, tmp_path / "out", graph_that_answers(answer), Compute.F32, [source])
    assert (tmp_path / "out").exists() == passes
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_without_tensorrt_the_message_says_where_to_convert(bundle, tmp_path):
    with pytest.raises(SettingsInvalid, match="machine with the NVIDIA GPU that will run the engine"):
        to_tensorrt(read_bundle(bundle), tmp_path, Compute.F32)


def test_tensorrt_refuses_int8_and_other_numbers(tmp_path):
    folder = ROOT / "models"
    int8 = min(folder.glob("road-damage-*-int8"))
    with pytest.raises(CalledWrongly, match="convert the fp16 bundle"):
        to_tensorrt(read_bundle(int8), tmp_path, Compute.F32)
    with pytest.raises(CalledWrongly, match="is for OpenVINO"):
        to_tensorrt(read_bundle(default_bundles(folder).damage), tmp_path, Compute.BF16)
