"""`wegewart-data places`: which photographs show a place that another data set keeps for scoring."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from wegewart.errors import CalledWrongly
from wegewart_datasets.commands import Commands
from wegewart_datasets.opening import open_data
from wegewart_datasets.out_folder import make_room
from wegewart_datasets.place_match import SamePlace, same_places
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of

LIKELY = (
    12  # of our Czech photographs two thirds of unrelated pairs have fewer, one place driven twice has more
)


def add_places_command(commands: Commands) -> None:
    """`places DATA:SPLIT --against DATA:SPLIT…`."""
    parser = commands.add_parser(
        "places", help="find photographs that show a place of another split, from another spot or cropped"
    )
    parser.add_argument("data", help="manifest or data.yaml, a colon, and the split: norway:train")
    parser.add_argument("--against", nargs="+", required=True, metavar="DATA:SPLIT", help="what is known")
    parser.add_argument("--min", type=int, default=LIKELY, help="matched points (default: %(default)s)")
    parser.add_argument(
        "--rows",
        default="0,1",
        help="shares of the height to look at, as 0.17,0.83 without sun strip and bonnet",
    )
    parser.add_argument("--out", type=Path, help="CSV file: image, matches, other")
    parser.set_defaults(command=_places)


def _places(arguments: argparse.Namespace, settings: DataSettings) -> int:
    make_room(arguments.out)
    images = _images(arguments.data, settings)
    known = [image for name in arguments.against for image in _images(name, settings)]
    rows = _rows(arguments.rows)
    print(f"{len(images)} photographs against {len(known)}", file=sys.stderr)

    def progress(paths: Sequence[Path]) -> Iterator[Path]:
        return with_progress(paths, "compare", len(paths))

    found = [same for same in same_places(images, known, rows, progress) if same.matches >= arguments.min]
    for same in sorted(found, key=lambda same: -same.matches):
        print(f"{same.image.name}  {same.matches} points of {same.other.name if same.other else ''}")
    if arguments.out:
        _write(found, arguments.out)
    return 1 if found else 0


def _images(name: str, settings: DataSettings) -> list[Path]:
    data, _, split = name.rpartition(":")
    if not data:
        raise CalledWrongly(f"{name}: name a split as well, as {name}:train")
    opened = open_data(data, settings)
    if split not in opened.splits:
        raise CalledWrongly(f"{name}: {data} has {', '.join(opened.splits)}")
    return list(images_of(opened.data, split))


def _rows(text: str) -> tuple[float, float]:
    try:
        top, bottom = (float(word) for word in text.split(","))
    except ValueError:
        top, bottom = 1.0, 0.0
    if not 0 <= top < bottom <= 1:
        raise CalledWrongly(f"--rows {text}: two rising shares of the height are needed, as 0.17,0.83")
    return top, bottom


def _write(found: Sequence[SamePlace], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image", "matches", "other"])
        writer.writerows(
            (same.image.name, same.matches, same.other.name if same.other else "") for same in found
        )
