"""The parity gate: an exported bundle must see what its checkpoint sees, on frames of every shape.

On one side the checkpoint in torch, fed as it was trained; on the other the bundle as the vehicle runs it:
its card, its graph, its runtime. Both go through wegewart_inference.preprocess, which is itself held against
Ultralytics' own letterbox, so that a fault both sides share is found as well.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wegewart.errors import ModelMismatch
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.frame import ImageU8
from wegewart_inference.model_bundle import BundleCard, HeadKind, Preprocess
from wegewart_inference.postprocess import candidates_of, in_frame, suppressed
from wegewart_inference.preprocess import Letterbox, input_tensor, letterbox_for
from wegewart_training.judged import iou_matrix
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.onnx_graph import Float32Array

COMPARED_BOXES = 50  # of each frame and side, the surest first
SAME_BOX_IOU = 0.5
LARGEST_MAP50_LOSS = 0.01  # of a graph in other numbers than its checkpoint's


@dataclass(frozen=True)
class Limits:
    """Gaps from which two graphs are not the same model."""

    box_px: float
    """Of a box's edge, in pixels of the frame."""
    score: float
    """Also the least score that a box may have and be missing on the other side."""
    from_score: float
    """Boxes are compared from this score on."""


LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(box_px=1.0, score=0.01, from_score=0.001),
    "fp16": Limits(box_px=4.0, score=0.02, from_score=0.05),
}


@dataclass(frozen=True)
class Parity:
    """How far two sides are apart."""

    frames: int
    boxes: int
    largest_box_gap_px: float
    largest_score_gap: float

    def __str__(self) -> str:
        return (
            f"{self.boxes} boxes on {self.frames} frames, largest gaps {self.largest_box_gap_px:.2g} px and "
            f"{self.largest_score_gap:.2g} score"
        )


def frames_of_every_shape(images: Iterable[ImageU8]) -> Iterator[ImageU8]:
    """Each image as it is, and its middle as a square, a wide and a tall frame."""
    for image in images:
        yield image
        side = min(image.shape[:2])
        for height, width in ((side, side), (side // 2, side), (side, side // 2)):
            top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
            yield np.ascontiguousarray(image[top : top + height, left : left + width])


def checkpoint_sees(checkpoint: Path, card: BundleCard, frames: Sequence[ImageU8]) -> list[Detections]:
    """What the checkpoint finds in torch, fed as in training: letterbox, padding 114, RGB from 0 to 1.

    Of the card only the rows, the input size, the head and its suppression are taken.
    Raises:
        ModelMismatch: If the shared preprocessing is not Ultralytics' own.
    """
    trained_with = Preprocess(crop=card.preprocess.crop)
    letterboxes = [letterbox_for(frame.shape[:2], card.input_hw, trained_with) for frame in frames]
    tensors = [
        input_tensor(frame, letterbox, trained_with)
        for frame, letterbox in zip(frames, letterboxes, strict=True)
    ]
    outputs = _torch_outputs(checkpoint, card, frames, tensors)
    return [
        _detections(output, letterbox, card) for output, letterbox in zip(outputs, letterboxes, strict=True)
    ]


def _torch_outputs(
    checkpoint: Path, card: BundleCard, frames: Sequence[ImageU8], tensors: Sequence[Float32Array]
) -> list[Float32Array]:
    with tempfile.TemporaryDirectory() as folder, quiet_ultralytics(Path(folder)):
        import torch
        from ultralytics.data.augment import LetterBox
        from ultralytics.models import YOLO

        for frame, tensor in zip(frames, tensors, strict=True):
            _check_preprocessing(LetterBox(new_shape=card.input_hw, auto=False), frame, tensor, card)
        model: Any = YOLO(str(checkpoint)).model
        model.float().eval()
        model.end2end = card.head.kind is HeadKind.END2END
        with torch.inference_mode():
            return [model(torch.from_numpy(tensor))[0].numpy() for tensor in tensors]


def _check_preprocessing(
    letterbox: Callable[..., Any], frame: ImageU8, tensor: Float32Array, card: BundleCard
) -> None:
    """Compare with Ultralytics' letterbox; a grey level of rounding is allowed."""
    crop = card.preprocess.crop
    rows = frame[round(frame.shape[0] * crop.from_row) : round(frame.shape[0] * crop.to_row)]
    theirs = letterbox(image=rows)[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    gap = float(np.abs(theirs - tensor).max()) if theirs.shape == tensor.shape else 1.0
    if gap > 1.01 / 255:
        raise ModelMismatch(
            f"a frame of {frame.shape[1]} x {frame.shape[0]} px reaches the graph otherwise than in training "
            f"(by up to {gap:.3f} of 1): wegewart_inference.preprocess no longer follows Ultralytics"
        )


def _detections(output: Float32Array, letterbox: Letterbox, card: BundleCard) -> Detections:
    floors = np.array(
        [LIMITS["fp32"].from_score if code in card.thresholds else 2.0 for code in card.classes], np.float32
    )
    candidates = candidates_of(output, len(card.classes), floors)
    if card.head.suppression is not None:
        candidates = suppressed(candidates, card.head.suppression)
    return in_frame(candidates, letterbox)


def check_parity(
    expected: Sequence[Detections], detector: Detector, frames: Sequence[ImageU8], limits: Limits
) -> Parity:
    """Compare what a bundle sees with what is expected, frame by frame, both ways.

    Raises:
        ModelMismatch: If a box or a score is farther away than the limits, or there is nothing to compare.
    """
    seen = [detector.detect(frame, LIMITS["fp32"].from_score) for frame in frames]
    gaps = [
        gap
        for ours, theirs in zip(seen, expected, strict=True)
        for gap in (*_gaps(ours, theirs, limits), *_gaps(theirs, ours, limits))
    ]
    if not gaps:
        raise ModelMismatch(
            f"{detector.card.id} cannot be compared: on {len(frames)} frames nothing scores "
            f"{limits.from_score} or more; give other validation images, or train for longer"
        )
    parity = Parity(len(frames), len(gaps), max(box for box, _ in gaps), max(score for _, score in gaps))
    if parity.largest_box_gap_px > limits.box_px or parity.largest_score_gap > limits.score:
        raise ModelMismatch(
            f"{detector.card.id} does not see what its checkpoint sees ({parity}; allowed are "
            f"{limits.box_px:g} px and {limits.score:g}): the card's preprocessing or the graph is wrong"
        )
    return parity


def _gaps(first: Detections, second: Detections, limits: Limits) -> Iterator[tuple[float, float]]:
    """Gap of box (frame pixels) and of score for each of the first side's surest boxes.

    Each looks for its like: a head without suppression may give one place several times. A box that the other
    side does not have counts with its whole score.
    """
    for index in np.flatnonzero(first.confidences >= limits.from_score)[:COMPARED_BOXES]:
        alike = np.flatnonzero(second.classes == first.classes[index])
        overlaps = iou_matrix(first.boxes_px[[index]], second.boxes_px[alike])[0]
        alike = alike[overlaps >= SAME_BOX_IOU]
        if not len(alike):
            yield 0.0, float(first.confidences[index])
            continue
        box_gaps = np.abs(second.boxes_px[alike] - first.boxes_px[index]).max(axis=1)
        score_gaps = np.abs(second.confidences[alike] - first.confidences[index])
        like = int(np.maximum(box_gaps / limits.box_px, score_gaps / limits.score).argmin())
        yield float(box_gaps[like]), float(score_gaps[like])


def check_map50(name: str, before: float | None, after: float | None) -> float:
    """Change of mAP50 on the validation images.

    Raises:
        ModelMismatch: If it lost more than allowed, or there is no truth to score against.
    """
    if before is None or after is None:
        raise ModelMismatch(f"{name}: the validation images hold no box, so nothing shows that it still sees")
    if after - before < -LARGEST_MAP50_LOSS:
        raise ModelMismatch(
            f"{name} loses mAP50 {before - after:.4f} on the validation images (allowed "
            f"{LARGEST_MAP50_LOSS:g}): calibrate with other images, or ship fp32"
        )
    return after - before
