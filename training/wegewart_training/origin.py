"""Where the photographs of a data set come from: their source, and the place or drive that they share."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.yolo import YoloData

TABLES = ("extra/groups.csv", "images.csv")  # the first that is there counts; both have the same columns
BEFORE_THE_NUMBER = re.compile(r"^(\D*?)[-_ ]*(\d.*)?$")


@dataclass(frozen=True)
class Origin:
    """Source and group of one photograph; group "" when nobody noted it."""

    source: str
    group: str


def read_origins(data: YoloData) -> Mapping[str, Origin]:
    """Origin by file name, from the data set's table; empty if it has none.

    Raises:
        DatasetInvalid: If the table lacks one of the columns image and group. Without a column source, as
            `wegewart-data split` writes it, file names tell the source.
    """
    for path in (data.root / name for name in TABLES):
        if path.is_file():
            return _read_table(path)
    return {}


def _read_table(path: Path) -> Mapping[str, Origin]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        missing = {"image", "group"} - set(rows.fieldnames or ())
        if missing:
            raise DatasetInvalid(
                f"{path} has no column {', '.join(sorted(missing))}: add it, or remove the table"
            )
        return {
            row["image"]: Origin(row.get("source") or _prefix(Path(row["image"]).stem), row["group"] or "")
            for row in rows
        }


def origin_of(image: Path, origins: Mapping[str, Origin]) -> Origin:
    """Origin by the table, else by the file name before its number: "Japan_000012.jpg" is of Japan."""
    return origins.get(image.name) or Origin(_prefix(image.stem), "")


def _prefix(stem: str) -> str:
    found = BEFORE_THE_NUMBER.match(stem)
    return (found.group(1) if found else "") or "unnamed"
