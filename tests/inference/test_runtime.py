"""ONNX Runtime reports to nobody."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.datasets.yolo_sets import listing
from tests.inference.tiny_models import raw_answer, write_bundle

ROOT = Path(__file__).resolve().parents[2]


def run_detector(home: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import numpy; from pathlib import Path; "
        "from wegewart_inference.detector import Detector; "
        "from wegewart_inference.model_bundle import read_bundle; "
        f"Detector(read_bundle(Path({str(bundle)!r}))).detect(numpy.zeros((64, 64, 3), numpy.uint8))"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_detector_leaves_no_device_id_behind(tmp_path):
    bundle = write_bundle(tmp_path / "models", raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75)))
    (tmp_path / "home").mkdir()

    done = run_detector(tmp_path / "home", bundle)

    assert done.returncode == 0, done.stderr
    assert listing(tmp_path / "home") == {}


def test_onnxruntime_is_imported_in_one_place_and_its_tools_only_behind_it():
    components = ("core", "inference", "edge", "api", "datasets", "training", "benchmarks")
    importing = {}
    for component in components:
        for path in (ROOT / component).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if found := re.search(r"^\s*(import|from) onnxruntime", text, re.MULTILINE):
                importing[path.name] = text[: found.start()]
    assert set(importing) == {"runtime.py", "quantise.py"}
    assert "from wegewart_inference.runtime import onnxruntime" in importing["quantise.py"]
