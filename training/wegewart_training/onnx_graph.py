"""From a checkpoint to an ONNX graph: Ultralytics' exporter, clean metadata, and a comparison with torch."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from wegewart.errors import ModelMismatch
from wegewart_inference.model_bundle import HeadKind
from wegewart_training.offline import silence_ultralytics

OPSET = 18
COMPARED_FROM = 0.01  # scores below it are noise to every user of the graph
SCORE_TOLERANCE = 1e-3
BOX_TOLERANCE_PX = 0.1  # of the graph's input

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far graph and checkpoint are apart on the compared images."""

    images: int
    boxes: int
    largest_score_gap: float
    largest_box_gap_px: float


def export_graph(
    checkpoint: Path, target: Path, image_px: int, head: HeadKind, metadata: Mapping[str, str]
) -> None:
    """Write the checkpoint as ONNX with a static square input.

    The exporter notes where the training data lay on this machine; its metadata is replaced.
    """
    with tempfile.TemporaryDirectory() as folder:
        silence_ultralytics(Path(folder))
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


def check_agreement(
    checkpoint: Path, graph: Path, head: HeadKind, tensors: Sequence[Float32Array]
) -> Agreement:
    """Compare graph and checkpoint on these inputs.

    Raises:
        ModelMismatch: If a score or a box differs by more than rounding, or nothing was found to compare.
    """
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    torch_outputs = _torch_outputs(checkpoint, head, tensors)
    pairs = [
        (_comparable(session.run(None, {name: tensor})[0]), _comparable(output))
        for tensor, output in zip(tensors, torch_outputs, strict=True)
    ]
    gaps = [_gaps(graph, ours, theirs) for ours, theirs in pairs]
    boxes = sum(count for count, _, _ in gaps)
    agreement = Agreement(len(tensors), boxes, max(gap for _, gap, _ in gaps), max(gap for _, _, gap in gaps))
    if boxes == 0:
        raise ModelMismatch(
            f"{graph} finds nothing in {len(tensors)} images: nothing to compare with the checkpoint"
        )
    if agreement.largest_score_gap > SCORE_TOLERANCE or agreement.largest_box_gap_px > BOX_TOLERANCE_PX:
        raise ModelMismatch(f"{graph} and its checkpoint disagree ({agreement}): export with other versions")
    return agreement


def _torch_outputs(checkpoint: Path, head: HeadKind, tensors: Sequence[Float32Array]) -> list[Float32Array]:
    with tempfile.TemporaryDirectory() as folder:
        silence_ultralytics(Path(folder))
        import torch
        from ultralytics.models import YOLO

        model: Any = YOLO(str(checkpoint)).model
        model.float().eval()
        model.end2end = head is HeadKind.END2END
        with torch.inference_mode():
            return [model(torch.from_numpy(tensor))[0].numpy() for tensor in tensors]


def _comparable(output: Float32Array) -> Float32Array:
    """Rows of four box values and scores: one per anchor of a raw head, one per box of an end-to-end head."""
    rows: Float32Array = output[0] if output.shape[2] == 6 else output[0].T
    return rows


def _gaps(graph: Path, ours: Float32Array, theirs: Float32Array) -> tuple[int, float, float]:
    """Number of boxes compared, and the largest gaps of score and of box."""
    if ours.shape != theirs.shape:
        raise ModelMismatch(f"{graph} answers with {ours.shape}, its checkpoint with {theirs.shape}")
    scores = slice(4, 5 if ours.shape[1] == 6 else None)  # after an end-to-end score stands the class
    wanted = np.maximum(ours[:, scores].max(axis=1), theirs[:, scores].max(axis=1)) >= COMPARED_FROM
    if not wanted.any():
        return 0, 0.0, 0.0
    gap = np.abs(ours[wanted] - theirs[wanted])
    return int(wanted.sum()), float(gap[:, 4:].max()), float(gap[:, :4].max())
