"""A bundle's graph for OpenVINO (Intel CPUs and their graphics), by OpenVINO's own ONNX reader."""

import importlib
from pathlib import Path
from typing import Any

from wegewart.errors import SettingsInvalid
from wegewart_inference.model_bundle import Bundle
from wegewart_training.convert import Built, Compute
from wegewart_training.onnx_graph import Float32Array


def to_openvino(bundle: Bundle, folder: Path, compute: Compute) -> Built:
    """Write model.xml and model.bin with weights as they are, and load them on the CPU.

    Raises:
        SettingsInvalid: If OpenVINO is not installed.
    """
    try:
        openvino: Any = importlib.import_module("openvino")
    except ModuleNotFoundError as error:
        raise SettingsInvalid("OpenVINO is not installed: install wegewart[openvino]") from error
    core = openvino.Core()
    graph = folder / "model.xml"
    openvino.save_model(core.read_model(str(bundle.model_path)), str(graph), compress_to_fp16=False)
    # Unasked it computes in bfloat16 where the CPU can; the hint is what the gate then holds for.
    compiled = core.compile_model(str(graph), "CPU", {"INFERENCE_PRECISION_HINT": compute.value})

    def run(tensor: Float32Array) -> Float32Array:
        answer: Float32Array = compiled([tensor])[0].copy()  # its buffer is used again by the next call
        return answer

    return Built(run, f"OpenVINO {openvino.__version__}")
