"""The data of one run, laid out in the run folder, so that nothing is written beside the data sets.

Ultralytics writes *.cache files beside the labels and rewrites JPEG files that it finds damaged. The run
therefore gets folders of its own with links to the images, and a damaged JPEG file stops the run first.
"""

import json
import os
import shutil
from collections.abc import Sequence
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
PARTS = "parts.json"  # what a run took from which data set


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
    """Lay out the recipe's data below `folder`; what lies there is replaced, once all of it is in order.

    Raises:
        DatasetInvalid: If a data set is not on this machine, differs from its lock, has other classes, or
            holds a damaged JPEG or label file, or a train image is, or nearly is, kept for scoring by any
            data set on this machine, or chooses in this recipe's val.
    """
    taken = [_take(part, recipe, settings) for part in recipe.train]
    chosen = [_take(part, recipe, settings) for part in recipe.val]
    _refuse_shared(taken, chosen)
    refuse_reserved({f"{one.part.manifest} {one.part.split}": one.offered for one in taken}, settings)
    for kind in ("images", "labels"):
        shutil.rmtree(folder / kind, ignore_errors=True)
    _link_all(_balanced(_shown(taken), recipe), folder, "train")
    _link_all(_shown(chosen), folder, "val")
    train, val = (tuple(one.used for one in parts) for parts in (taken, chosen))
    codes = shipped_taxonomy(recipe.taxonomy).codes
    lines = [f"path: {json.dumps(str(folder.resolve()))}", "train: images/train", "val: images/val", "names:"]
    lines += [f"  {index}: {code}" for index, code in enumerate(codes)]
    data_yaml = folder / "data.yaml"
    data_yaml.write_text("\n".join(lines) + "\n", encoding="utf-8")
    composed = ComposedData(data_yaml, train, val)
    parts = {"train": [asdict(part) for part in train], "val": [asdict(part) for part in val]}
    half = folder / f"{PARTS}.half"
    half.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    half.replace(folder / PARTS)
    return composed


def refuse_other_data(folder: Path, settings: DataSettings) -> None:
    """Stop if a data set is no longer what was laid out in this folder of a run.

    Raises:
        DatasetInvalid: With its name.
    """
    parts = json.loads((folder / PARTS).read_text(encoding="utf-8"))
    for part in (*parts["train"], *parts["val"]):
        data = read_data_yaml(data_yaml_of(read_manifest(part["manifest"], settings), settings))
        if split_sha256(images_of(data, part["split"]), data.root) != part["content_sha256"]:
            raise DatasetInvalid(
                f"data set {part['manifest']!r}, {part['split']} is no longer what {folder.parent} was "
                "trained with: restore it, or train anew in another folder (--run)"
            )


@dataclass(frozen=True)
class _Taken:
    """The images of one part that a run shows, and what is written down of them."""

    part: DataPart
    images: list[Path]
    offered: tuple[Path, ...]
    """All images of the split; fewer are shown where the recipe takes only some without a box."""
    used: UsedPart


def _shown(taken: Sequence[_Taken]) -> list[Path]:
    """The images of these parts, each as often as its part says."""
    return [image for one in taken for image in one.images for _ in range(one.part.repeat)]


def _balanced(shown: list[Path], recipe: Recipe) -> list[Path]:
    """The images, those of rare classes more often where the recipe asks for it."""
    if recipe.class_balance is None:
        return shown
    count = len(shipped_taxonomy(recipe.taxonomy).codes)
    factors = repeat_factors([_classes_of(image, count) for image in shown], recipe.class_balance)
    repeats = whole_repeats(factors, recipe.seed)
    return [image for image, times in zip(shown, repeats, strict=True) for _ in range(times)]


def _refuse_shared(taken: Sequence[_Taken], chosen: Sequence[_Taken]) -> None:
    """What was trained on chooses no epoch, head or threshold."""
    train = {image.resolve() for one in taken for image in one.images}
    for one in chosen:
        shared = [image for image in one.images if image.resolve() in train]
        if shared:
            raise DatasetInvalid(
                f"{one.part.manifest} {one.part.split}, a part of val, shows {len(shared)} images that are "
                f"in train too, as {shared[0]}: leave them out of one of the two"
            )


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
        _refuse_damaged(image)
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


def _refuse_damaged(image: Path) -> None:
    try:
        with image.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - len(JPEG_END), 0))
            end = file.read()
    except OSError as error:
        raise DatasetInvalid(
            f"{image} cannot be read, restore it or take it out of the set: {error}"
        ) from error
    if image.suffix.lower() in {".jpg", ".jpeg"} and end != JPEG_END:
        raise DatasetInvalid(
            f"{image} ends in the middle of a JPEG file: restore it or take it out of the set"
        )


def _link_all(images: Sequence[Path], folder: Path, use: str) -> None:
    for kind in ("images", "labels"):
        (folder / kind / use).mkdir(parents=True)
    for number, image in enumerate(images):
        _link(image, folder, use, f"{number:06d}__")


def _link(image: Path, folder: Path, use: str, prefix: str) -> None:
    label = label_path_of(image)
    (folder / "images" / use / f"{prefix}{image.name}").symlink_to(image.resolve())
    if label.is_file():
        (folder / "labels" / use / f"{prefix}{image.stem}.txt").symlink_to(label.resolve())
