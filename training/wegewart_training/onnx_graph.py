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

from wegewart.errors import ModelMismatch
from wegewart_inference.model_bundle import HeadKind
from wegewart_inference.runtime import onnxruntime
from wegewart_training.offline import quiet_ultralytics

OPSET = 18
COMPARED_ANSWERS = 50  # of each image, the surest first
SCORE_TOLERANCE = 1e-3
BOX_TOLERANCE_PX = 0.1  # of the graph's input

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far graph and checkpoint are apart on the compared images."""

    images: int
    largest_score_gap: float
    largest_box_gap_px: float


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


def check_agreement(
    checkpoint: Path, graph: Path, head: HeadKind, tensors: Sequence[Float32Array]
) -> Agreement:
    """Compare graph and checkpoint on these inputs.

    Raises:
        ModelMismatch: If a score or a box among the surest answers differs by more than rounding.
    """
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    pairs = [
        (session.run(None, {name: tensor})[0], output)
        for tensor, output in zip(tensors, _torch_outputs(checkpoint, head, tensors), strict=True)
    ]
    gaps = [_gaps(graph, head, ours, theirs) for ours, theirs in pairs]
    agreement = Agreement(len(gaps), max(score for score, _ in gaps), max(box for _, box in gaps))
    if agreement.largest_score_gap > SCORE_TOLERANCE or agreement.largest_box_gap_px > BOX_TOLERANCE_PX:
        raise ModelMismatch(f"{graph} and its checkpoint disagree ({agreement}): export with other versions")
    return agreement


def _torch_outputs(checkpoint: Path, head: HeadKind, tensors: Sequence[Float32Array]) -> list[Float32Array]:
    with tempfile.TemporaryDirectory() as folder, quiet_ultralytics(Path(folder)):
        import torch
        from ultralytics.models import YOLO

        model: Any = YOLO(str(checkpoint)).model
        model.float().eval()
        model.end2end = head is HeadKind.END2END
        with torch.inference_mode():
            return [model(torch.from_numpy(tensor))[0].numpy() for tensor in tensors]


def _gaps(graph: Path, head: HeadKind, ours: Float32Array, theirs: Float32Array) -> tuple[float, float]:
    """Largest gaps of score and of box (input pixels) among the surest answers to one image."""
    if ours.shape != theirs.shape:
        raise ModelMismatch(f"{graph} answers with {ours.shape}, its checkpoint with {theirs.shape}")
    if head is HeadKind.RAW:
        wanted = np.argsort(-ours[0, 4:].max(axis=0))[:COMPARED_ANSWERS]
        gap = np.abs(ours[0, :, wanted] - theirs[0, :, wanted])
        return float(gap[:, 4:].max()), float(gap[:, :4].max())
    # Nearly equal scores may change places in the sorted answer, so each row looks for its like.
    rows = np.abs(ours[0, :COMPARED_ANSWERS, None] - theirs[0, None])
    nearest = rows[np.arange(COMPARED_ANSWERS), (rows.max(axis=2)).argmin(axis=1)]
    return float(nearest[:, 4:].max()), float(nearest[:, :4].max())
