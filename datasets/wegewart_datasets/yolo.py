"""Data sets in YOLO layout: data.yaml, images, and one text file of boxes per image. Read only.

The meaning of data.yaml is that of Ultralytics: paths are relative to the YAML file (or to its `path`), a
split is a folder, a list file, or several of them, and labels lie where images would, with `images` replaced.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml  # type: ignore[import-untyped]

from wegewart.errors import DatasetInvalid
from wegewart_datasets.progress import with_progress

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class YoloData:
    """A data.yaml: its folder, class names by index, and where each split is."""

    root: Path
    names: tuple[str, ...]
    splits: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Labels:
    """Boxes of one image: `classes` (N,), `boxes_unit` (N, 4) as centre x, y, width, height in 0..1."""

    classes: npt.NDArray[np.int64]
    boxes_unit: npt.NDArray[np.float64]
    repeated: int = 0
    """Boxes that stood there once more; they are left out."""

    def boxes_px(self, width_px: int, height_px: int) -> npt.NDArray[np.float64]:
        """Boxes as x1, y1, x2, y2 in pixels of an image of this size, shape (N, 4)."""
        half = self.boxes_unit[:, 2:] / 2
        corners = np.hstack([self.boxes_unit[:, :2] - half, self.boxes_unit[:, :2] + half])
        scaled: npt.NDArray[np.float64] = corners * np.array([width_px, height_px, width_px, height_px])
        return scaled


def read_data_yaml(path: Path) -> YoloData:
    """Splits and class names of a data.yaml.

    Raises:
        DatasetInvalid: If the file is missing, is no YAML mapping, or names no classes.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetInvalid(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise DatasetInvalid(f"{path} holds no mapping with train, val, test and names")
    root = (path.parent / str(content.get("path") or ".")).resolve()
    splits = {key: _as_tuple(content[key]) for key in ("train", "val", "test") if content.get(key)}
    if not splits:
        raise DatasetInvalid(f"{path} names no split: write train, val or test")
    return YoloData(root, _class_names(path, content.get("names")), splits)


def _as_tuple(value: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else (str(value),)


def _class_names(path: Path, names: object) -> tuple[str, ...]:
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))) or not names:
        raise DatasetInvalid(f"{path}: names must number the classes from 0 without a gap")
    return tuple(str(names[index]) for index in range(len(names)))


def images_of(data: YoloData, split: str) -> tuple[Path, ...]:
    """Image files of a split, sorted, without repeats.

    Raises:
        DatasetInvalid: If the split is not named, or holds no image.
    """
    if split not in data.splits:
        raise DatasetInvalid(f"{data.root} has no split {split!r}, only {', '.join(data.splits)}")
    found: set[Path] = set()
    for entry in data.splits[split]:
        found.update(_images_at(data.root / entry))
    if not found:
        raise DatasetInvalid(f"split {split!r} of {data.root} holds no image")
    return tuple(sorted(found))


def _images_at(place: Path) -> Iterable[Path]:
    if place.is_dir():
        return (path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not place.is_file():
        raise DatasetInvalid(f"{place} is missing: neither a folder of images nor a list file")
    lines = (line.strip() for line in _lines(place))
    return (Path(os.path.normpath(place.parent / line)) for line in lines if line)


def label_path_of(image: Path) -> Path:
    """Where the label file of an image is: the last folder `images` replaced by `labels`."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_labels(image: Path, class_count: int) -> Labels:
    """Boxes of an image; none if it has no label file, as Ultralytics has it.

    Raises:
        DatasetInvalid: If the file is no text in UTF-8, a line is no box, or it names a class that the data
            set does not have.
    """
    path = label_path_of(image)
    if not path.is_file():
        return Labels(np.zeros(0, np.int64), np.zeros((0, 4)))
    rows = [_row(path, number, line, class_count) for number, line in _filled_lines(path)]
    single = list(dict.fromkeys(rows))  # Ultralytics drops repeated lines, so does the score
    table = np.array(single, dtype=np.float64).reshape(-1, 5)
    return Labels(table[:, 0].astype(np.int64), table[:, 1:], len(rows) - len(single))


def _filled_lines(path: Path) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(_lines(path), start=1) if line.strip()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read as text in UTF-8: {error}") from error


def _row(path: Path, number: int, line: str, class_count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in line.split())
    except ValueError as error:
        raise DatasetInvalid(f"{path}, line {number}: {line!r} is not a list of numbers") from error
    if len(values) != 5:
        raise DatasetInvalid(f"{path}, line {number}: {len(values)} numbers, a box has 5")
    if values[0] not in range(class_count):
        raise DatasetInvalid(f"{path}, line {number}: class {values[0]:g} of {class_count} classes")
    if not all(0.0 <= value <= 1.0 + 1e-6 for value in values[1:]):
        raise DatasetInvalid(f"{path}, line {number}: {line!r} leaves the image")
    return values


def split_sha256(images: Iterable[Path], root: Path, progress: str = "") -> str:
    """Fingerprint of a split: SHA-256 over names and contents of its images and labels, sorted by name.

    `progress` is the title of a progress bar; without it there is none.

    Raises:
        DatasetInvalid: If an image or label cannot be read.
    """
    total = hashlib.sha256()
    ordered = sorted(images)
    for image in with_progress(ordered, progress, len(ordered)) if progress else ordered:
        label = label_path_of(image)
        total.update(os.path.relpath(image, root).encode())
        try:
            total.update(hashlib.sha256(image.read_bytes()).digest())
            total.update(hashlib.sha256(label.read_bytes() if label.is_file() else b"").digest())
        except OSError as error:
            raise DatasetInvalid(f"{error.filename} cannot be read: {error.strerror}") from error
    return total.hexdigest()
