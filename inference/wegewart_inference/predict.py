"""The predict command: frames in, one report per frame out, as a table for people or as JSON lines."""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import cv2

from wegewart.damage import shipped_taxonomy
from wegewart.errors import SourceUnreadable
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.drawing import drawn
from wegewart_inference.frame import BrokenFrame, Frame
from wegewart_inference.model_bundle import BundleCard, Role
from wegewart_inference.sources import frames_from

logger = logging.getLogger(__name__)
PROGRESS_EVERY = 50  # frames between two lines of progress


@dataclass
class Counts:
    """What a run of the command went through."""

    frames: int = 0
    broken: int = 0
    detections: int = 0


@dataclass(frozen=True)
class Output:
    """Where the reports go: a table or JSON lines to a stream, and images to a folder if one is named."""

    stream: TextIO
    as_json: bool
    draw_dir: Path | None


def predict(
    detector: Detector, paths: Sequence[Path], output: Output, min_confidence: float | None = None
) -> Counts:
    """Look at every frame of the paths and report what was found.

    Raises:
        SourceUnreadable: If a path yields no frame, or not one frame could be decoded.
    """
    counts, labels = Counts(), class_labels(detector.card)
    if output.draw_dir is not None:
        output.draw_dir.mkdir(parents=True, exist_ok=True)
    for frame in frames_from(paths):
        if isinstance(frame, BrokenFrame):
            counts.broken += 1
            logger.warning("%s is left out: %s", frame.name, frame.reason)
            _report_broken(frame, output)
            continue
        counts.frames += 1
        detections = detector.detect(frame, min_confidence)
        counts.detections += len(detections)
        _report(frame, detections, detector.card, labels, output)
        if counts.frames % PROGRESS_EVERY == 0:
            logger.info("%d frames, %d detections", counts.frames, counts.detections)
    if counts.frames == 0:
        raise SourceUnreadable(f"none of the {counts.broken} frames could be decoded: see the reasons above")
    logger.info("%d frames, %d broken, %d detections", counts.frames, counts.broken, counts.detections)
    return counts


def class_labels(card: BundleCard) -> tuple[str, ...]:
    """Names of the classes for people, in the order of the graph."""
    if card.role is Role.MASK:
        return card.classes
    taxonomy = shipped_taxonomy(card.taxonomy)
    return tuple(f"{code} {taxonomy.of(code).name_en.lower()}" for code in card.classes)


def _report(
    frame: Frame, detections: Detections, card: BundleCard, labels: tuple[str, ...], output: Output
) -> None:
    if output.as_json:
        _write_line(output, _as_json(frame, detections, card))
    else:
        for line in _table_rows(frame.name, detections, labels):
            print(line, file=output.stream)
    if output.draw_dir is not None:
        _save_drawn(frame, detections, labels, output.draw_dir)


def _as_json(frame: Frame, detections: Detections, card: BundleCard) -> dict[str, Any]:
    found = [
        {
            "class": card.classes[int(class_index)],
            "confidence": round(float(confidence), 4),
            "box_px": [round(float(value), 2) for value in box],
        }
        for box, class_index, confidence in _each(detections)
    ]
    return {
        "name": frame.name,
        "sequence": frame.sequence,
        "captured_at": None if frame.captured_at is None else frame.captured_at.isoformat(),
        "frame_size_px": {"width": frame.width_px, "height": frame.height_px},
        "bundle": card.id,
        "detections": found,
    }


def _each(detections: Detections) -> Iterator[tuple[Any, Any, Any]]:
    return zip(detections.boxes_px, detections.classes, detections.confidences, strict=True)


def _table_rows(name: str, detections: Detections, labels: tuple[str, ...]) -> Iterator[str]:
    if not len(detections):
        yield f"{name:<40}  -"
    for box, class_index, confidence in _each(detections):
        corners = " ".join(f"{value:6.1f}" for value in box)
        yield f"{name:<40}  {labels[int(class_index)]:<24}  {confidence:4.2f}  {corners}"


def _report_broken(frame: BrokenFrame, output: Output) -> None:
    if output.as_json:
        _write_line(output, {"name": frame.name, "sequence": frame.sequence, "broken": frame.reason})
    else:
        print(f"{frame.name:<40}  broken: {frame.reason}", file=output.stream)


def _write_line(output: Output, content: dict[str, Any]) -> None:
    print(json.dumps(content, ensure_ascii=False), file=output.stream)


def _save_drawn(frame: Frame, detections: Detections, labels: tuple[str, ...], folder: Path) -> None:
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(frame.name).stem if "#" not in frame.name else frame.name)
    path = folder / f"{frame.sequence:06d}-{stem}.jpg"
    if not cv2.imwrite(str(path), drawn(frame.image, detections, labels)):
        raise SourceUnreadable(f"{path} cannot be written: choose another folder for --draw")
