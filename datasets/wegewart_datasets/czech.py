"""`wegewart-data czech`: the Czech photographs that may be trained on, whole, from their public source.

road-damage-europe holds some of them, cropped to the road. Its list of places says which of all 2829 are kept
for scoring. Of the others, those that show a place of a kept or a val photograph all the same were found by
place_match.py and stand in czech_left_out.csv; they stay out too.
"""

import argparse
import csv
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.commands import Commands
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings

EUROPE = "road-damage-europe"
SOURCE_FOLDERS = ("data/rdd2022_yolo/train", "data/rdd2022_yolo/val")
PLACES = "czech-places.csv"
DATA_YAML = """train: images/train
names:
  0: D00 longitudinal crack
  1: D10 transverse crack
  2: D20 alligator crack
  3: D40 pothole
"""


@dataclass(frozen=True)
class Place:
    """A photograph, its place group, the part it was given to, and its split in road-damage-europe."""

    image: str
    group: str
    part: str
    here: str


def add_czech_command(commands: Commands) -> None:
    """`czech CLONE --out DIR`."""
    parser = commands.add_parser(
        "czech", help="bring in the rest of the Czech photographs from a clone of their public source"
    )
    parser.add_argument("clone", type=Path, help="checkout of github.com/AbderrahimNeji/devopsProject")
    parser.add_argument("--out", type=Path, required=True, help="new folder, named road-damage-czech")
    parser.set_defaults(command=_czech)


def _czech(arguments: argparse.Namespace, settings: DataSettings) -> int:
    europe = data_yaml_of(read_manifest(EUROPE, settings), settings).parent
    places = list(read_places(europe / "extra" / PLACES))
    taken = write_czech(places, arguments.clone, arguments.out)
    shutil.copyfile(europe / "extra" / PLACES, arguments.out / "extra" / PLACES)
    print(f"{taken} photographs in {arguments.out}")
    print("compare it with its lock: wegewart-data hash road-damage-czech", file=sys.stderr)
    return 0


def read_places(path: Path) -> Iterator[Place]:
    """Rows of the list of places.

    Raises:
        DatasetInvalid: If it is missing or lacks a column.
    """
    if not path.is_file():
        raise DatasetInvalid(f"{path} is missing: it says which photographs are kept for scoring")
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            try:
                yield Place(row["image"], row["group"], row["part"], row["here"])
            except KeyError as error:
                raise DatasetInvalid(f"{path} lacks the column {error}") from error


def trainable(places: list[Place]) -> list[Place]:
    """Photographs of the training part, without those that show a place of a scored or a val photograph."""
    left_out = {row["image"] for row in _left_out()}
    groups_of_val = {place.group for place in places if place.here == "val"}
    return [
        place
        for place in places
        if place.part == "train" and place.group not in groups_of_val and place.image not in left_out
    ]


def write_czech(places: list[Place], clone: Path, out: Path) -> int:
    """Copy the trainable photographs and their labels into YOLO layout; how many there are.

    Raises:
        DatasetInvalid: If the folder is not empty, or the clone lacks one of them; then nothing is written.
    """
    refuse_filled(out)
    taken = sorted(trainable(places), key=lambda place: place.image)
    sources = [_source(clone, place.image) for place in taken]
    for kind in ("images/train", "labels/train", "extra"):
        (out / kind).mkdir(parents=True, exist_ok=True)
    for image, label in with_progress(sources, "copy", len(sources)):
        shutil.copyfile(image, out / "images/train" / image.name)
        shutil.copyfile(label, out / "labels/train" / label.name)
    groups = "".join(f"{place.image},{place.group}\n" for place in taken)
    (out / "extra" / "groups.csv").write_text(f"image,group\n{groups}", encoding="utf-8")
    (out / "data.yaml").write_text(DATA_YAML, encoding="utf-8")
    return len(taken)


def _left_out() -> list[dict[str, str]]:
    text = files("wegewart_datasets").joinpath("czech_left_out.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _source(clone: Path, name: str) -> tuple[Path, Path]:
    for folder in SOURCE_FOLDERS:
        image = clone / folder / "images" / name
        label = (clone / folder / "labels" / name).with_suffix(".txt")
        if image.is_file() and label.is_file():
            return image, label
    raise DatasetInvalid(f"{clone} lacks {name}: check out commit 9445f5166df8 of the repository, whole")
