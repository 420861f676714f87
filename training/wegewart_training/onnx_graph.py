"""From a checkpoint to an ONNX graph: Ultralytics' exporter, and clean metadata."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from wegewart_inference.model_bundle import HeadKind
from wegewart_training.offline import quiet_ultralytics

OPSET = 18

Float32Array = npt.NDArray[np.float32]


def export_graph(
    checkpoint: Path, target: Path, image_px: int, head: HeadKind, metadata: Mapping[str, str]
) -> None:
    """Write the checkpoint as ONNX with a static square input.

    The exporter notes where the training data lay on this machine; its metadata is replaced.
    """
    with tempfile.TemporaryDirectory() as folder, quiet_ultralytics(Path(folder)):
        from ultralytics.models import YOLO

        copy = Path(folder) / "model.pt"  # the exporter writes beside its source
        shutil.copyfile(checkpoint, copy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch, about Ultralytics' way to export
            YOLO(str(copy)).export(
                format="onnx",
                imgsz=image_px,
                opset=OPSET,
                simplify=True,
                nms=False if head is HeadKind.END2END else None,
                device="cpu",
            )
        graph = onnx.load(str(copy.with_suffix(".onnx")))
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, dict(metadata))
    onnx.checker.check_model(graph)
    onnx.save(graph, str(target))
