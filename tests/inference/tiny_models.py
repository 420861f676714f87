"""Tiny ONNX graphs that answer with boxes given to them, and bundles around them."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from wegewart_inference.model_bundle import (
    BundleCard,
    Head,
    HeadKind,
    Preprocess,
    Role,
    Suppression,
    file_sha256,
    write_card,
)
from wegewart_training.signing import SigningKey, sign, write_public_key

KEY = SigningKey.generate()
CODES = ("D00", "D10", "D20", "D40")


def answering_graph(answer: npt.NDArray[np.float32], input_hw: tuple[int, int]) -> onnx.ModelProto:
    """Graph that answers with the same output whatever it sees; the input is used, so that it is kept."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *input_hw])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(answer.shape))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"]),
    ]
    constants = [
        numpy_helper.from_array(answer, "answer"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    graph = helper.make_graph(nodes, "answering", [images], [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_bundle(
    models_dir: Path,
    answer: npt.NDArray[np.float32],
    *,
    name: str = "tiny",
    input_hw: tuple[int, int] = (64, 64),
    graph_hw: tuple[int, int] | None = None,
    signed: bool = True,
    **card_fields: object,
) -> Path:
    """Signed bundle whose graph answers with `answer`; card fields can be set otherwise to make it wrong."""
    folder = models_dir / f"{name}-{card_fields.get('version', '0.1.0')}-fp32"
    folder.mkdir(parents=True)
    onnx.save(answering_graph(answer, graph_hw or input_hw), str(folder / "model.onnx"))
    kind = HeadKind.END2END if answer.shape[2] == 6 else HeadKind.RAW
    fields: dict[str, object] = {
        "name": name,
        "version": "0.1.0",
        "precision": "fp32",
        "role": Role.DAMAGE,
        "taxonomy": "road-damage-1",
        "classes": CODES,
        "input_hw": input_hw,
        "preprocess": Preprocess(),
        "head": Head(kind=kind, suppression=None if kind is HeadKind.END2END else Suppression()),
        "opset": 18,
        "thresholds": dict.fromkeys(CODES, 0.25),
        "thresholds_chosen_on": "nothing: a graph for tests",
        "origin": "made by a test",
        "licence": "AGPL-3.0-or-later",
        "sha256": file_sha256(folder / "model.onnx"),
    }
    write_card(folder, BundleCard.model_validate({**fields, **card_fields}))
    if signed:
        keys = models_dir / "keys"
        if not (keys / f"{KEY.id}.toml").exists():
            write_public_key(KEY, keys, timedelta(days=1), "a test")
        sign(folder, KEY, keys)
    return folder


def end2end_answer(*rows: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Output (1, 300, 6) with these rows of x1, y1, x2, y2, confidence, class in input pixels."""
    answer = np.zeros((1, 300, 6), np.float32)
    for index, row in enumerate(rows):
        answer[0, index] = row
    return answer


def raw_answer(*columns: tuple[float, ...], anchors: int = 20, classes: int = 4) -> npt.NDArray[np.float32]:
    """Output (1, 4 + classes, anchors) with these columns of centre x, y, width, height and scores."""
    answer = np.zeros((1, 4 + classes, anchors), np.float32)
    for index, column in enumerate(columns):
        answer[0, :, index] = column
    return answer
