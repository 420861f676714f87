"""Audit of data sets, alone or together: broken images, bad boxes, near-duplicates, leaks between splits.

A leak is what makes a score too good: the same file, nearly the same picture, or the same place (group) in
two splits, or an image in training that the data set reserves for scoring. Pictures and reserved images are
compared across all audited data sets at once, groups within one; across two only those that feedback names
after a drive, a damage or a place: other names need not mean the same in both. The perceptual hash finds
copies and neighbouring frames; it does not find the same place from elsewhere, which only groups can tell.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import numpy as np

from wegewart.errors import DatasetInvalid
from wegewart_datasets.fingerprint import NEAR_BITS, WORDS, near_pairs
from wegewart_datasets.group_table import rows_of
from wegewart_datasets.looks import Look, LookBook
from wegewart_datasets.opening import OpenedData
from wegewart_datasets.progress import with_progress
from wegewart_datasets.yolo import Labels, images_of, label_path_of, read_labels

OUTSIDE_PX = 1.0  # more is no rounding
SMALL_PX, LARGE_PX = 32.0, 96.0  # side of a square of equal area, as COCO divides sizes
TOLD_PER_IMAGE = 3
TRAINED_ON = ("train", "val")
NAMED_BY_ID = re.compile(r"(drive|defect)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAMED_BY_OFFICE = "place-"  # another office may call another place so


class Level(StrEnum):
    """What a finding asks for."""

    ERROR = "error"
    """The data set must not be used as it is."""
    WARNING = "warning"
    """Somebody should look."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with an image, or with several together."""

    level: Level
    kind: str
    detail: str
    images: tuple[Path, ...] = ()


@dataclass
class SplitFigures:
    """Counts of one split of one data set, taken image by image."""

    data: str
    split: str
    codes: tuple[str, ...]
    images: int = 0
    without_box: int = 0
    without_label_file: int = 0
    groups: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    sides_px: dict[str, "array[float]"] = field(default_factory=dict)
    """By class code: width and height of each box in turn."""
    sizes_px: Counter[tuple[int, int]] = field(default_factory=Counter)

    def by_size(self, code: str) -> tuple[int, int, int]:
        """Boxes of a class below 32, below 96 and from 96 pixels on (side of the square of equal area)."""
        sides = np.array(self.sides_px.get(code, ()), np.float64).reshape(-1, 2)
        side = np.sqrt(sides.prod(axis=1))
        small, large = int((side < SMALL_PX).sum()), int((side >= LARGE_PX).sum())
        return small, len(side) - small - large, large

    def median_px(self, code: str) -> tuple[float, float]:
        """Median width and height of a class's boxes; (0, 0) without a box."""
        sides = np.array(self.sides_px.get(code, ()), np.float64).reshape(-1, 2)
        if not len(sides):
            return 0.0, 0.0
        width, height = np.median(sides, axis=0)
        return float(width), float(height)


@dataclass(frozen=True)
class Audit:
    """The result: figures by data set and split, and findings, errors first."""

    opened: tuple[OpenedData, ...]
    figures: tuple[SplitFigures, ...]
    findings: tuple[Finding, ...]

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Findings of one level."""
        return tuple(finding for finding in self.findings if finding.level is level)


@dataclass
class _Memory:
    """What is kept of every image until all were seen: some 200 bytes each."""

    named_groups: dict[str, dict[str, tuple[str, Path]]] = field(default_factory=lambda: defaultdict(dict))
    """Of groups whose name means the same in every data set: data set and first image, by split."""
    images: list[Path] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    contents: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    hashed: "array[int]" = field(default_factory=lambda: array("L"))
    hashes: bytearray = field(default_factory=bytearray)

    def add(self, look: Look, split: str) -> None:
        number = len(self.images)
        self.images.append(look.path)
        self.splits.append(split)
        same = self.contents[look.sha256 or str(look.path).encode()]  # a file that is gone has no content
        same.append(number)
        if look.hash is not None and same[0] == number:  # equal files need one hash among them
            self.hashed.append(number)
            self.hashes += look.hash


def audit(all_opened: Sequence[OpenedData], book: LookBook, near_bits: int = NEAR_BITS) -> Audit:
    """Look at every image and label of the data sets.

    Raises:
        DatasetInvalid: If a split or a CSV file that a manifest names cannot be read at all.
    """
    memory = _Memory()
    figures: list[SplitFigures] = []
    findings: list[Finding] = []
    for opened in all_opened:
        groups = opened.groups()
        for split in opened.splits:
            one = SplitFigures(opened.name, split, opened.codes)
            findings += _audit_split(opened, one, book, memory)
            names = {image.name for image in memory.images[-one.images :]}
            one.groups = len({group for image, group in groups.items() if image in names})
            figures.append(one)
        count = sum(one.images for one in figures[-len(opened.splits) :])
        findings += _group_leaks(opened, groups, memory, count)
    findings += _reserved_in_training(all_opened, memory)
    findings += _repeats(memory, near_bits)
    order = {level: number for number, level in enumerate(Level)}
    return Audit(tuple(all_opened), tuple(figures), tuple(sorted(findings, key=lambda f: order[f.level])))


def _audit_split(
    opened: OpenedData, figures: SplitFigures, book: LookBook, memory: _Memory
) -> Iterator[Finding]:
    images = images_of(opened.data, figures.split)
    looks = with_progress(book.looks(images), f"{opened.name} {figures.split}", len(images))
    for look in looks:
        figures.images += 1
        memory.add(look, figures.split)
        figures.sizes_px[look.width_px, look.height_px] += 1
        if look.fault:
            kind = "truncated" if "truncated" in look.fault else "broken image"
            yield Finding(Level.ERROR, kind, f"the image {look.fault}", (look.path,))
        elif look.remark:
            yield Finding(Level.WARNING, "odd image", look.remark, (look.path,))
        yield from _audit_labels(look, figures)
    for code in figures.codes:
        if figures.boxes.total() and not figures.boxes[code]:
            yield Finding(Level.WARNING, "class without a box", f"{figures.data} {figures.split}: no {code}")


def _audit_labels(look: Look, figures: SplitFigures) -> Iterator[Finding]:
    path = label_path_of(look.path)
    if not path.is_file():
        figures.without_label_file += 1
        yield Finding(Level.WARNING, "no label file", "counts as undamaged; is it?", (look.path,))
    try:
        labels = read_labels(look.path, len(figures.codes))
    except DatasetInvalid as error:
        yield Finding(Level.ERROR, "bad label", str(error), (look.path,))
        return
    if labels.repeated:
        detail = f"{labels.repeated} boxes stand twice in {path.name}; trainer and score take them once"
        yield Finding(Level.WARNING, "repeated box", detail, (look.path,))
    figures.without_box += len(labels.classes) == 0
    if look.width_px:
        yield from _audit_boxes(look, labels, figures)


def _audit_boxes(look: Look, labels: Labels, figures: SplitFigures) -> Iterator[Finding]:
    size = np.array([look.width_px, look.height_px])
    for number, box in zip(labels.classes, labels.boxes_px(*map(int, size)), strict=True):
        code, sides = figures.codes[number], box[2:] - box[:2]
        figures.boxes[code] += 1
        figures.sides_px.setdefault(code, array("f")).extend(map(float, sides))
        where = f"{code} at x {box[0]:.0f} to {box[2]:.0f}, y {box[1]:.0f} to {box[3]:.0f} px"
        if sides.min() < 1.0:
            yield Finding(Level.ERROR, "degenerate box", f"{where}: below one pixel", (look.path,))
        if (box[:2] < -OUTSIDE_PX).any() or (box[2:] > size + OUTSIDE_PX).any():
            yield Finding(Level.ERROR, "box outside", f"{where} leaves {size[0]}x{size[1]} px", (look.path,))


def _group_leaks(
    opened: OpenedData, groups: dict[str, str], memory: _Memory, count: int
) -> Iterator[Finding]:
    first: dict[str, dict[str, Path]] = defaultdict(dict)
    start = len(memory.images) - count
    for image, split in zip(memory.images[start:], memory.splits[start:], strict=True):
        if image.name in groups:
            first[groups[image.name]].setdefault(split, image)
    for group, by_split in first.items():
        if len(by_split) > 1:
            detail = f"{opened.name}: group {group} is in {' and '.join(by_split)}"
            yield Finding(Level.ERROR, "leak by group", detail, tuple(by_split.values()))
        if NAMED_BY_ID.fullmatch(group):
            yield from _leaks_across(Level.ERROR, opened.name, group, by_split, memory)
        elif group.startswith(NAMED_BY_OFFICE):
            yield from _leaks_across(Level.WARNING, opened.name, group, by_split, memory)


def _leaks_across(
    level: Level, data: str, group: str, by_split: dict[str, Path], memory: _Memory
) -> Iterator[Finding]:
    """Leaks of a group into other splits of the data sets before this one."""
    known = memory.named_groups[group]
    for split, image in by_split.items():
        for other_split, (other, other_image) in known.items():
            if split != other_split:
                detail = f"group {group} is in {other_split} of {other} and in {split} of {data}"
                yield Finding(level, "leak by group", detail, (other_image, image))
    for split, image in by_split.items():
        known.setdefault(split, (data, image))


def _reserved_in_training(all_opened: Sequence[OpenedData], memory: _Memory) -> Iterator[Finding]:
    reserved: dict[str, str] = {}
    for opened in all_opened:
        if opened.manifest and opened.manifest.reserved:
            names = reserved_images(opened.data.root / opened.manifest.reserved)
            reserved.update(dict.fromkeys(names, opened.name))
    for image, split in zip(memory.images, memory.splits, strict=True):
        if split in TRAINED_ON and image.name in reserved:
            detail = f"{reserved[image.name]} reserves {image.name} for scoring, it is in {split}"
            yield Finding(Level.ERROR, "reserved image in training", detail, (image,))


def reserved_images(path: Path) -> set[str]:
    """Names of the images that must never be trained on: rows whose column part is `reserved`.

    Raises:
        DatasetInvalid: If the file is missing or lacks the columns.
    """
    if not path.is_file():
        raise DatasetInvalid(f"{path} is missing, the manifest names it as its list of reserved images")
    return {row["image"] for row in rows_of(path, "image", "part") if row["part"] == "reserved"}


def _repeats(memory: _Memory, near_bits: int) -> Iterator[Finding]:
    """Equal files in a chain, near pictures with at most a few earlier ones each: a video has very many."""
    for numbers in memory.contents.values():
        for one, other in pairwise(numbers):
            yield _repeat(memory, one, other, "the same file")
    hashes = np.frombuffer(bytes(memory.hashes), np.uint64).reshape(-1, WORDS)
    told: Counter[tuple[int, bool]] = Counter()
    for i, j, bits in near_pairs(hashes, near_bits):
        one, other = memory.hashed[i], memory.hashed[j]
        key = (other, memory.splits[one] == memory.splits[other])
        told[key] += 1
        if told[key] <= TOLD_PER_IMAGE:
            yield _repeat(memory, one, other, f"nearly the same picture, {bits} of 256 bits differ")


def _repeat(memory: _Memory, one: int, other: int, how: str) -> Finding:
    images = (memory.images[one], memory.images[other])
    splits = (memory.splits[one], memory.splits[other])
    if splits[0] != splits[1]:
        return Finding(Level.ERROR, "leak by picture", f"{how}, in {splits[0]} and {splits[1]}", images)
    return Finding(Level.WARNING, "near-duplicate", f"{how}, both in {splits[0]}", images)
