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
from wegewart_datasets.manifest import data_yaml_of, manifest_sha256, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, label_path_of, read_data_yaml, split_sha256
from wegewart_training.recipe import DataPart, Recipe

JPEG_END = b"\xff\xd9"


@dataclass(frozen=True)
class UsedPart:
    """What a run took from one data set; card.json repeats it."""

    manifest: str
    manifest_sha256: str
    split: str
    repeat: int
    images: int
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
        DatasetInvalid: If a data set is not on this machine, has other classes, or holds a damaged JPEG file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    train = _compose_split(recipe.train, recipe.taxonomy, settings, folder, "train")
    val = _compose_split(recipe.val, recipe.taxonomy, settings, folder, "val")
    codes = shipped_taxonomy(recipe.taxonomy).codes
    lines = [f"path: {json.dumps(str(folder.resolve()))}", "train: images/train", "val: images/val", "names:"]
    lines += [f"  {index}: {code}" for index, code in enumerate(codes)]
    data_yaml = folder / "data.yaml"
    data_yaml.write_text("\n".join(lines) + "\n", encoding="utf-8")
    composed = ComposedData(data_yaml, train, val)
    parts = {"train": [asdict(part) for part in train], "val": [asdict(part) for part in val]}
    (folder / "parts.json").write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    return composed


def _compose_split(
    parts: Sequence[DataPart], taxonomy: str, settings: DataSettings, folder: Path, use: str
) -> tuple[UsedPart, ...]:
    for kind in ("images", "labels"):
        (folder / kind / use).mkdir(parents=True)
    return tuple(_compose_part(part, taxonomy, settings, folder, use) for part in parts)


def _compose_part(part: DataPart, taxonomy: str, settings: DataSettings, folder: Path, use: str) -> UsedPart:
    manifest = read_manifest(part.manifest, settings)
    if part.split not in manifest.splits:
        raise DatasetInvalid(f"manifest {part.manifest!r} offers no split {part.split!r} for {use}")
    data = read_data_yaml(data_yaml_of(manifest, settings))
    expected = shipped_taxonomy(taxonomy)
    if expected.codes_of(data.names) != expected.codes:
        raise DatasetInvalid(f"data set {part.manifest!r} has classes {data.names}, not those of {taxonomy}")
    images = images_of(data, part.split)
    for image in images:
        _refuse_damaged_jpeg(image)
        for turn in range(part.repeat):
            _link(image, folder, use, f"{part.manifest}__{turn}__")
    return UsedPart(
        part.manifest,
        manifest_sha256(part.manifest, settings),
        part.split,
        part.repeat,
        len(images),
        split_sha256(images, data.root),
    )


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
