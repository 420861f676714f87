"""The data of one run, laid out in the run folder, so that nothing is written beside the data sets.

Ultralytics writes *.cache files beside the labels and rewrites JPEG files that it finds damaged. The run
therefore gets folders of its own with links to the images, and a damaged JPEG file stops the run first.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from wegewart.damage import shipped_taxonomy
from wegewart.errors import DatasetInvalid
from wegewart_datasets.locking import lock_path, read_lock
from wegewart_datasets.manifest import data_yaml_of, manifest_sha256, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, label_path_of, read_data_yaml, read_labels, split_sha256
from wegewart_training.photographs import refuse_reserved
from wegewart_training.recipe import DataPart, Recipe
from wegewart_training.sampling import repeat_factors, some_empties, whole_repeats

JPEG_END = b"\xff\xd9"


@dataclass(frozen=True)
class UsedPart:
    """What a run took from one data set; card.json repeats it."""

    manifest: str
    manifest_sha256: str
    split: str
    repeat: int
    images: int
    of_images: int
    """Images of the split; fewer are shown where the recipe takes only some without a box."""
    content_sha256: str


@dataclass(frozen=True)
class ComposedData:
    """A data.yaml inside the run folder, and what went into it."""

    data_yaml: Path
    train: tuple[UsedPart, ...]
    val: tuple[UsedPart, ...]


def compose(recipe: Recipe, settings: DataSettings, folder: Path) -> ComposedData:
    """Lay out the recipe's data below `folder`; what lies there is replaced.

    Raises:
        DatasetInvalid: If a data set is not on this machine, differs from its lock, has other classes, or
            holds a damaged JPEG or label file, or a train image is, or nearly is, kept for scoring by any
            data set on this machine.
    """
    shutil.rmtree(folder, ignore_errors=True)
    train = _compose_split(recipe, settings, folder, "train")
    val = _compose_split(recipe, settings, folder, "val")
    codes = shipped_taxonomy(recipe.taxonomy).codes
    lines = [f"path: {json.dumps(str(folder.resolve()))}", "train: images/train", "val: images/val", "names:"]
    lines += [f"  {index}: {code}" for index, code in enumerate(codes)]
    data_yaml = folder / "data.yaml"
    data_yaml.write_text("\n".join(lines) + "\n", encoding="utf-8")
    composed = ComposedData(data_yaml, train, val)
    parts = {"train": [asdict(part) for part in train], "val": [asdict(part) for part in val]}
    (folder / "parts.json").write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    return composed


def _compose_split(recipe: Recipe, settings: DataSettings, folder: Path, use: str) -> tuple[UsedPart, ...]:
    for kind in ("images", "labels"):
        (folder / kind / use).mkdir(parents=True)
    used = recipe.train if use == "train" else recipe.val
    taken = [_take(part, recipe, settings) for part in used]
    if use == "train":
        refuse_reserved({f"{one.part.manifest} {one.part.split}": one.offered for one in taken}, settings)
    shown = [image for part in taken for image in part.images for _ in range(part.part.repeat)]
    if use == "train" and recipe.class_balance is not None:
        count = len(shipped_taxonomy(recipe.taxonomy).codes)
        factors = repeat_factors([_classes_of(image, count) for image in shown], recipe.class_balance)
        repeats = whole_repeats(factors, recipe.seed)
    else:
        repeats = [1] * len(shown)
    numbered = [image for image, times in zip(shown, repeats, strict=True) for _ in range(times)]
    for number, image in enumerate(numbered):
        _link(image, folder, use, f"{number:06d}__")
    return tuple(part.used for part in taken)


@dataclass(frozen=True)
class _Taken:
    """The images of one part that a run shows, and what is written down of them."""

    part: DataPart
    images: list[Path]
    offered: tuple[Path, ...]
    """All images of the split; fewer are shown where the recipe takes only some without a box."""
    used: UsedPart


def _take(part: DataPart, recipe: Recipe, settings: DataSettings) -> _Taken:
    manifest = read_manifest(part.manifest, settings)
    if part.split not in manifest.splits:
        raise DatasetInvalid(f"manifest {part.manifest!r} offers no split {part.split!r}")
    data = read_data_yaml(data_yaml_of(manifest, settings))
    expected = shipped_taxonomy(recipe.taxonomy)
    if expected.codes_of(data.names) != expected.codes:
        raise DatasetInvalid(
            f"data set {part.manifest!r} has classes {data.names}, not those of {recipe.taxonomy}"
        )
    images = images_of(data, part.split)
    for image in images:
        _refuse_damaged_jpeg(image)
    sha256 = split_sha256(images, data.root)
    _refuse_changed(part, sha256, settings)
    classes = [_classes_of(image, len(data.names)) for image in images]
    most = len(images) if part.empties is None else part.empties
    taken = [images[index] for index in some_empties(images, classes, most, recipe.seed)]
    used = UsedPart(
        part.manifest,
        manifest_sha256(part.manifest, settings),
        part.split,
        part.repeat,
        len(taken),
        len(images),
        sha256,
    )
    return _Taken(part, taken, images, used)


def _refuse_changed(part: DataPart, sha256: str, settings: DataSettings) -> None:
    locked = read_lock(lock_path(part.manifest, settings))
    if locked is not None and part.split in locked and locked[part.split].sha256 != sha256:
        raise DatasetInvalid(
            f"data set {part.manifest!r}, {part.split} is not what its lock names: see "
            f"`wegewart-data hash {part.manifest}`"
        )


def _classes_of(image: Path, class_count: int) -> frozenset[int]:
    return frozenset(read_labels(image, class_count).classes.tolist())


def _refuse_damaged_jpeg(image: Path) -> None:
    if image.suffix.lower() not in {".jpg", ".jpeg"}:
        return
    with image.open("rb") as file:
        file.seek(-2, os.SEEK_END)
        if file.read() != JPEG_END:
            raise DatasetInvalid(
                f"{image} ends in the middle of a JPEG file: restore it or take it out of the set"
            )


def _link(image: Path, folder: Path, use: str, prefix: str) -> None:
    label = label_path_of(image)
    (folder / "images" / use / f"{prefix}{image.name}").symlink_to(image.resolve())
    if label.is_file():
        (folder / "labels" / use / f"{prefix}{image.stem}.txt").symlink_to(label.resolve())
