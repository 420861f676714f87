"""What another model would change on a recorded drive: boxes that come, go, or get another class."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wegewart.errors import CalledWrongly
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.sources import frames_from
from wegewart_training.judged import iou_matrix

SAME_BOX_IOU = 0.5
IMAGES = "images"  # of a recorded drive, docs/recorded-drive.md


@dataclass
class DriveChanges:
    """Boxes at each model's own thresholds, by class; without truth, so more is not better."""

    drive: str
    first: str
    second: str
    frames: int = 0
    both: Counter[str] = field(default_factory=Counter)
    only_first: Counter[str] = field(default_factory=Counter)
    only_second: Counter[str] = field(default_factory=Counter)
    other_class: Counter[str] = field(default_factory=Counter)
    """By "D00 instead of D20": the first's class at the second's place."""


def changes_on(drive: Path, first: Detector, second: Detector) -> DriveChanges:
    """Both models on every frame of a drive.

    Raises:
        CalledWrongly: If the folder is no recorded drive with images, or the classes differ.
    """
    folder = drive / IMAGES
    if not (drive / "drive.toml").is_file() or not folder.is_dir():
        raise CalledWrongly(
            f"{drive} is no recorded drive with a folder {IMAGES}: see docs/recorded-drive.md"
        )
    if first.class_codes != second.class_codes:
        raise CalledWrongly(f"{first.card.id} and {second.card.id} know different classes")
    changes = DriveChanges(drive.name, first.card.id, second.card.id)
    for frame in frames_from([folder]):
        if isinstance(frame, Frame):
            changes.frames += 1
            _count(changes, first.class_codes, first.detect(frame), second.detect(frame))
    return changes


def _count(changes: DriveChanges, codes: tuple[str, ...], first: Detections, second: Detections) -> None:
    pairs = dict(_pairs(first, second))
    for index, code in enumerate(codes[kind] for kind in first.classes):
        partner = pairs.get(index)
        if partner is None:
            changes.only_first[code] += 1
        elif (other := codes[second.classes[partner]]) == code:
            changes.both[code] += 1
        else:
            changes.other_class[f"{code} instead of {other}"] += 1
    left = set(range(len(second))) - set(pairs.values())
    changes.only_second.update(codes[second.classes[index]] for index in left)


def _pairs(first: Detections, second: Detections) -> Iterator[tuple[int, int]]:
    """Boxes at the same place, each taken once, same class before another, then the largest overlap."""
    if not len(first) or not len(second):
        return
    overlaps = iou_matrix(first.boxes_px, second.boxes_px)
    worth = overlaps + (first.classes[:, None] == second.classes[None])
    worth[overlaps < SAME_BOX_IOU] = -1.0
    while worth.max() >= 0:
        one, other = (int(place) for place in np.unravel_index(worth.argmax(), worth.shape))
        worth[one, :] = worth[:, other] = -1.0
        yield one, other


def changes_table(changes: DriveChanges) -> str:
    """The changes for people."""
    lines = [
        f"{changes.drive}: {changes.frames} frames, boxes at own thresholds; no truth: more is not better",
        f"  A {changes.first}",
        f"  B {changes.second}",
        f"  {'class':<8}{'both':>8}{'only A':>8}{'only B':>8}",
    ]
    for code in sorted({*changes.both, *changes.only_first, *changes.only_second}):
        counts = (changes.both[code], changes.only_first[code], changes.only_second[code])
        lines.append(f"  {code:<8}" + "".join(f"{count:>8}" for count in counts))
    lines += [f"  A says {change}: {count}" for change, count in changes.other_class.most_common()]
    return "\n".join(lines)
