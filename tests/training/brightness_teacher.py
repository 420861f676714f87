"""A detector whose confidence is the brightness of the picture: grey values decide what it is sure of."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart_inference.model_bundle import BundleCard, file_sha256, write_card

POTHOLE = 3
BOX_PX = (16.0, 32.0, 48.0, 64.0)


def write_teacher(models: Path) -> Path:
    """Bundle that sees one pothole (`BOX_PX`) on every 64 x 64 image, as sure as the image is bright."""
    folder = write_bundle(models, end2end_answer(), name="teacher", signed=False)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 300, 6])
    confidence = np.zeros((1, 300, 6), np.float32)
    confidence[0, 0, 4] = 1.0
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["brightness"], keepdims=0),
        helper.make_node("Mul", ["confidence", "brightness"], ["scores"]),
        helper.make_node("Add", ["box", "scores"], ["output0"]),
    ]
    constants = [
        numpy_helper.from_array(confidence, "confidence"),
        numpy_helper.from_array(end2end_answer((*BOX_PX, 0.0, POTHOLE)), "box"),
    ]
    graph = helper.make_graph(nodes, "brightness", [images], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / "model.onnx"))
    card = BundleCard.model_validate_json((folder / "card.json").read_text())
    write_card(folder, card.model_copy(update={"sha256": file_sha256(folder / "model.onnx")}))
    return folder


def write_photograph(path: Path, brightness: float, seed: int) -> None:
    """A 64 x 64 picture of this mean brightness (0 to 1) with structure of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(-40, 41, (8, 8, 3))
    picture = cv2.resize(coarse.astype(np.float32), (64, 64), interpolation=cv2.INTER_NEAREST)
    picture += brightness * 255 - picture.mean()
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.clip(picture, 0, 255).round().astype(np.uint8))
