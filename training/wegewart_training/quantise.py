"""Smaller numbers in a graph: INT8 by static quantisation that spares the head, and float16.

INT8: activations unsigned, weights signed and per channel, as quantise/dequantise pairs, on every node but
those of both ends. Behind the last convolutions the graph joins box pixels and scores in one tensor; a single
8-bit scale over both would round every score to 0 (measured: mAP50 0.86 falls to 0.07). The stem, down to a
quarter of the resolution, has few channels of very different ranges: in float it costs 3 % of the time and
takes the error of the scores' logits from 0.63 to 0.27 rms (road-damage-nano 0.1.0, docs/releases.md).
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from wegewart.errors import CalledWrongly
from wegewart_inference.runtime import onnxruntime  # noqa: F401 - silences it before its tools load it

# isort: split
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from wegewart_training.onnx_graph import Float32Array

CALIBRATION_LEAST, CALIBRATION_MOST = 16, 100  # below, ranges are chance; above, they hardly move

logger = logging.getLogger(__name__)


class TensorReader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration tensors one by one, as ONNX Runtime asks for them."""

    def __init__(self, input_name: str, tensors: Sequence[Float32Array]) -> None:
        self._feeds: Iterator[dict[str, Float32Array]] = iter([{input_name: tensor} for tensor in tensors])

    def get_next(self) -> dict[str, Float32Array] | None:
        """The next feed; None at the end."""
        return next(self._feeds, None)


def quantise(graph: Path, target: Path, tensors: Sequence[Float32Array]) -> None:
    """Write an INT8 graph, its ranges taken from these inputs (train images, preprocessed as in the vehicle).

    Raises:
        CalledWrongly: If there are too few or too many inputs.
    """
    if not CALIBRATION_LEAST <= len(tensors) <= CALIBRATION_MOST:
        raise CalledWrongly(
            f"{len(tensors)} images to calibrate with: give {CALIBRATION_LEAST} to {CALIBRATION_MOST}"
        )
    metadata = {entry.key: entry.value for entry in onnx.load(str(graph)).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)  # it fails on these graphs
        model = onnx.load(str(prepared))
        spared = [*stem_nodes(model), *nodes_behind_the_last_convolutions(model)]
        logger.info("INT8: %d of %d nodes stay in float", len(spared), len(model.graph.node))
        quantize_static(
            str(prepared),
            str(quantised),
            TensorReader(model.graph.input[0].name, tensors),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=spared,
        )
        _save(onnx.load(str(quantised)), target, metadata)


def to_float16(graph: Path, target: Path) -> None:
    """Write the graph with float16 weights; input and output stay float32."""
    model = onnx.load(str(graph))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    converted = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    converted.topological_sort()  # the converter appends its casts at the end
    _save(converted.model, target, metadata)


def nodes_behind_the_last_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are no convolution and lead to none."""
    leads_to_convolution: set[str] = set()
    behind: list[str] = []
    for node in reversed(model.graph.node):  # a graph's nodes stand in the order of computation
        if node.op_type == "Conv" or leads_to_convolution.intersection(node.output):
            leads_to_convolution.update(node.input)
        else:
            behind.append(node.name)
    return behind


def stem_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes before the third convolution that halves the resolution."""
    halvings = 0
    names: list[str] = []
    for node in model.graph.node:
        strides = next((list(entry.ints) for entry in node.attribute if entry.name == "strides"), [])
        halvings += node.op_type == "Conv" and strides == [2, 2]
        if halvings == 3:
            return names
        names.append(node.name)
    return []  # another architecture: nothing is known about its beginning


def _save(model: onnx.ModelProto, target: Path, metadata: dict[str, str]) -> None:
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))
