"""Which images belong together: the table extra/groups.csv, and what file names say of group and source."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from wegewart.errors import CalledWrongly, DatasetInvalid

GROUPS = "extra/groups.csv"
BEFORE_THE_NUMBER = re.compile(r"^(\D*?)[-_ ]*(\d.*)?$")


def rows_of(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV table that has at least these columns; a byte order mark is no part of a name.

    Raises:
        DatasetInvalid: If the table lacks one of the columns, or is no CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if missing := [column for column in columns if column not in (rows.fieldnames or ())]:
                raise DatasetInvalid(f"{path} has no column {', '.join(missing)}: it has {rows.fieldnames}")
            yield from rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetInvalid(f"{path} cannot be read as CSV in UTF-8: {error}") from error


def groups_of(path: Path, column: str = "group") -> dict[str, str]:
    """Group (place, drive, sequence) by image name; empty without the table.

    Raises:
        DatasetInvalid: If the table lacks the columns image and `column`.
    """
    if not path.is_file():
        return {}
    return {row["image"]: row[column] for row in rows_of(path, "image", column) if row[column]}


def source_of_name(name: str) -> str:
    """Where a photograph is from by its file name before the number: "Japan" for "Japan_000012.jpg"."""
    found = BEFORE_THE_NUMBER.match(Path(name).stem)
    return (found.group(1) if found else "") or "unnamed"


def name_pattern(text: str) -> re.Pattern[str]:
    """The pattern of --group-by, for `group_of_name`.

    Raises:
        CalledWrongly: If it is no regular expression.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise CalledWrongly(f"--group-by {text} is no regular expression: {error}") from error


def group_of_name(name: str, pattern: re.Pattern[str]) -> str | None:
    """What the pattern's first bracket, or the whole of it, matches in a file name; None if it does not."""
    found = pattern.search(name)
    return None if found is None else found.group(1 if pattern.groups else 0)
