"""What every source format is read into: an image with its boxes, or something that had to stay outside."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class SourceBox:
    """A box under the class name of its source; corners in the image's `frame`, not clipped."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its boxes as the source has them.

    `frame` is the size in which the boxes are counted: width and height in pixels as the source states them,
    (1, 1) for shares of the image, None for the image's own pixels; so are sizes that are none, as 0 by 0.
    """

    image: Path
    boxes: tuple[SourceBox, ...]
    frame: tuple[float, float] | None = None
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """Something of the source that was not taken, and why."""

    where: str
    reason: str


def box_around(label: str, points: Iterable[tuple[float, float]]) -> SourceBox:
    """The smallest upright box around points."""
    xs, ys = zip(*points, strict=True)
    return SourceBox(label, min(xs), min(ys), max(xs), max(ys))


def turned_box(
    label: str,
    pivot: tuple[float, float],
    corner: tuple[float, float],
    size: tuple[float, float],
    angle: float,
) -> SourceBox:
    """The smallest upright box around a rectangle turned clockwise by `angle` degrees around `pivot`."""
    (px, py), (x, y), (w, h) = pivot, corner, size
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = ((x, y), (x + w, y), (x, y + h), (x + w, y + h))
    return box_around(
        label,
        (
            (px + (cx - px) * cos - (cy - py) * sin, py + (cx - px) * sin + (cy - py) * cos)
            for cx, cy in corners
        ),
    )


def split_of_word(word: str) -> str | None:
    """train, val or test for a word that sources use for it, else None."""
    return SPLIT_WORDS.get(word.lower())


def inside(root: Path, name: str) -> Path:
    """Path of a file that a source names, below `root`.

    Raises:
        DatasetInvalid: If the name leads out of the folder: annotation files are not trusted.
    """
    path = (root / name.replace("\\", "/")).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DatasetInvalid(f"{name!r} leads out of {root}: correct the annotation file")
    return path
