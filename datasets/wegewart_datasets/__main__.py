"""wegewart-data: which data sets there are, whether they are whole, and how new ones come in."""

import argparse
import sys
from collections.abc import Sequence

from wegewart.errors import DatasetInvalid, WegewartError
from wegewart_datasets.audit_command import add_audit_command
from wegewart_datasets.commands import add_export_command, add_import_command
from wegewart_datasets.content_commands import add_content_commands
from wegewart_datasets.counting import SplitCount, count_splits
from wegewart_datasets.czech import add_czech_command
from wegewart_datasets.feedback_command import add_feedback_command
from wegewart_datasets.manifest import data_yaml_of, manifest_names, read_manifest
from wegewart_datasets.place_command import add_places_command
from wegewart_datasets.settings import DataSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed or a data set with mistakes, 2 called wrongly."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments, DataSettings.load()))
    except WegewartError as error:
        print(f"wegewart-data: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("wegewart-data: stopped; repeated, it goes on where it was", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wegewart-data", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="data sets by manifest, and which of them are on this machine")
    listing.set_defaults(command=_list)
    check = commands.add_parser("check", help="count images and boxes of a data set and name its mistakes")
    check.add_argument("name", help="of a manifest")
    check.set_defaults(command=_check)
    add_import_command(commands)
    add_export_command(commands)
    add_audit_command(commands)
    add_content_commands(commands)
    add_feedback_command(commands)
    add_places_command(commands)
    add_czech_command(commands)
    return parser


def _list(_: argparse.Namespace, settings: DataSettings) -> int:
    for name in manifest_names(settings):
        manifest = read_manifest(name, settings)
        try:
            data_yaml_of(manifest, settings)
            here = "here"
        except DatasetInvalid:
            here = "not here"
        print(
            f"{name:<20}  {here:<8}  {','.join(manifest.splits):<15}  {manifest.title} ({manifest.licence})"
        )
    if settings.data_root is None:
        print("WEGEWART_DATA is not set: only data sets inside the repository can be here", file=sys.stderr)
    return 0


def _check(arguments: argparse.Namespace, settings: DataSettings) -> int:
    manifest = read_manifest(arguments.name, settings)
    counts = count_splits(manifest, settings)
    print(f"{manifest.name}: {manifest.title}")
    for split in counts:
        print(_split_line(split))
    mistakes = [mistake for split in counts for mistake in split.mistakes]
    for mistake in mistakes:
        print(f"wegewart-data: {mistake}", file=sys.stderr)
    return 1 if mistakes else 0


def _split_line(split: SplitCount) -> str:
    boxes = ", ".join(f"{code} {count}" for code, count in split.boxes_by_class.items())
    return (
        f"  {split.split:<6} {split.images:>6} images, {split.without_box} without a box, "
        f"{split.without_label_file} without a label file; {boxes}"
    )


if __name__ == "__main__":
    sys.exit(main())
