"""Splits by place, drive or sequence: whole groups go to one split, never single images.

Near-duplicates join the groups they connect, whatever the group column says. Groups are dealt from the
largest share of any class down to the smallest, each to the split where the shares of images and of every
class then lie nearest to what was asked for; the seed decides between equals. A random split by image leaks:
the frames before and after a test image would be in training.
"""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wegewart.errors import DatasetInvalid
from wegewart_datasets.fingerprint import NEAR_BITS, WORDS, near_pairs
from wegewart_datasets.group_table import group_of_name
from wegewart_datasets.looks import LookBook
from wegewart_datasets.opening import OpenedData
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress
from wegewart_datasets.yolo import images_of, read_labels

SPLITS = ("train", "val", "test")
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Which image goes where. `shares`: by split the share of images, then of each class."""

    images: tuple[Path, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    shares: dict[str, tuple[float, ...]]
    joined: int
    """Groups that near-duplicates joined to others."""


def all_images(opened: OpenedData) -> tuple[Path, ...]:
    """Images of all splits of a data set, sorted, without repeats."""
    return tuple(sorted({image for split in opened.splits for image in images_of(opened.data, split)}))


def stated_groups(
    images: Sequence[Path], by_name: Mapping[str, str], pattern: re.Pattern[str] | None
) -> list[str]:
    """Group of each image: from the table, or what the first bracket of `pattern` matches in its name.

    Raises:
        DatasetInvalid: If an image has none; the message says how to give one.
    """
    groups: list[str] = []
    missing: list[str] = []
    for image in images:
        group = by_name.get(image.name) if pattern is None else group_of_name(image.name, pattern)
        groups.append(group or "")
        if not group:
            missing.append(image.name)
    if missing:
        raise DatasetInvalid(
            f"{len(missing)} of {len(images)} images have no group, as {missing[0]}: name a CSV file with "
            f"--groups, or a pattern for the file name with --group-by"
        )
    return groups


def plan_splits(
    opened: OpenedData,
    groups: Sequence[str],
    fractions: Sequence[float],
    seed: int,
    book: LookBook,
    near_bits: int = NEAR_BITS,
) -> Plan:
    """Deal the groups of all images of a data set to train, val and test.

    Raises:
        DatasetInvalid: If an image or label is broken, or there are fewer groups than splits.
    """
    images = all_images(opened)
    joined = _join_near(images, groups, book, near_bits)
    weights = _weights(images, joined, opened)
    wanted = sum(fraction > 0 for fraction in fractions)
    if len(weights) < wanted:
        raise DatasetInvalid(f"{len(weights)} groups cannot fill {wanted} splits without tearing one apart")
    split_of = _deal(weights, np.array(fractions, np.float64), seed)
    splits = tuple(split_of[group] for group in joined)
    return Plan(images, tuple(joined), splits, _shares(weights, split_of), len(set(groups)) - len(weights))


def _shares(weights: Mapping[str, FloatArray], split_of: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    table = np.array(list(weights.values()))
    owners = np.array([split_of[group] for group in weights])
    total = np.maximum(table.sum(axis=0), 1)
    return {split: tuple(map(float, table[owners == split].sum(axis=0) / total)) for split in SPLITS}


def _join_near(images: Sequence[Path], groups: Sequence[str], book: LookBook, near_bits: int) -> list[str]:
    """Groups after joining those that equal or near pictures connect; the first name stands for all."""
    above = {group: group for group in groups}

    def root(group: str) -> str:
        while above[group] != group:
            above[group] = above[above[group]]
            group = above[group]
        return group

    def join(one: int, other: int) -> None:
        first, second = sorted((root(groups[one]), root(groups[other])))
        above[second] = first

    hashes, hashed, first_of = bytearray(), [], dict[bytes, int]()
    for number, look in enumerate(with_progress(book.looks(images), "look", len(images))):
        if look.fault:
            raise DatasetInvalid(f"{look.path} {look.fault}: run audit and take it out before splitting")
        join(first_of.setdefault(look.sha256, number), number)
        if look.hash is not None:
            hashed.append(number)
            hashes += look.hash
    table = np.frombuffer(bytes(hashes), np.uint64).reshape(-1, WORDS)
    for i, j, _ in near_pairs(table, near_bits):
        join(hashed[i], hashed[j])
    return [root(group) for group in groups]


def _weights(images: Sequence[Path], groups: Sequence[str], opened: OpenedData) -> dict[str, FloatArray]:
    """By group: number of images, then of boxes of each class."""
    weights: dict[str, FloatArray] = defaultdict(lambda: np.zeros(1 + len(opened.codes)))
    for image, group in zip(images, groups, strict=True):
        classes = read_labels(image, len(opened.codes)).classes
        weights[group][0] += 1
        weights[group][1:] += np.bincount(classes, minlength=len(opened.codes))
    return dict(weights)


def _deal(weights: Mapping[str, FloatArray], fractions: FloatArray, seed: int) -> dict[str, str]:
    total = np.maximum(np.array(list(weights.values())).sum(axis=0), 1)
    names = sorted(weights)
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -float((weights[name] / total).max()))  # stable: the seed orders equals
    have = np.zeros((len(SPLITS), len(total)))
    target = fractions[:, None] * np.ones(len(total))
    split_of: dict[str, str] = {}
    for number, name in enumerate(names):
        share = weights[name] / total
        gain = ((have + share - target) ** 2 - (have - target) ** 2).sum(axis=1)
        gain[fractions == 0] = np.inf
        empty = (fractions > 0) & ~have.any(axis=1)
        if len(names) - number <= empty.sum():  # the last groups go where nothing is yet
            gain[~empty] = np.inf
        best = int(gain.argmin())
        have[best] += share
        split_of[name] = SPLITS[best]
    return split_of


def write_plan(plan: Plan, opened: OpenedData, out: Path) -> None:
    """Write list files, groups.csv and data.yaml into a new folder; images and labels stay where they are.

    Raises:
        DatasetInvalid: If the folder is not empty.
    """
    refuse_filled(out)
    (out / "extra").mkdir(parents=True, exist_ok=True)
    used = [split for split in SPLITS if split in plan.splits]
    real = out.resolve()  # as whoever reads data.yaml resolves it: `..` leads elsewhere from a link
    for split in used:
        lines = (
            os.path.relpath(i, real) for i, s in zip(plan.images, plan.splits, strict=True) if s == split
        )
        (out / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with (out / "extra" / "groups.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "group", "split"])
        rows.writerows(
            (image.name, group, split)
            for image, group, split in zip(plan.images, plan.groups, plan.splits, strict=True)
        )
    parts = [f"{split}: {split}.txt" for split in used]
    names = [f"  {number}: {name}" for number, name in enumerate(opened.data.names)]
    (out / "data.yaml").write_text("\n".join([*parts, "names:", *names]) + "\n", encoding="utf-8")
