"""Where the photographs of a data set come from: their source, and the place or drive that they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wegewart_datasets.group_table import GROUPS, rows_of, source_of_name
from wegewart_datasets.yolo import YoloData

TABLES = (GROUPS, "images.csv")  # the first that is there counts; both have the same columns


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
    return {
        row["image"]: Origin(row.get("source") or source_of_name(row["image"]), row["group"] or "")
        for row in rows_of(path, "image", "group")
    }


def origin_of(image: Path, origins: Mapping[str, Origin]) -> Origin:
    """Origin by the table, else by the file name before its number: "Japan_000012.jpg" is of Japan."""
    return origins.get(image.name) or Origin(source_of_name(image.name), "")
