"""The commands of wegewart-data that write: arguments in, figures out."""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from wegewart.errors import CalledWrongly
from wegewart_datasets.exporting import EXPORT_FORMATS, export
from wegewart_datasets.importing import FORMATS, ImportReport, Job, import_source, read_source
from wegewart_datasets.labelled import LabelledImage
from wegewart_datasets.manifest import Manifest, manifest_text
from wegewart_datasets.mapping import read_mapping, shipped_mappings
from wegewart_datasets.opening import open_data
from wegewart_datasets.settings import DataSettings

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  argparse has no other name for it
USES = {"train": "training", "val": "choosing the epoch and the thresholds", "test": "scores only"}


def add_import_command(commands: Commands) -> None:
    """`import FORMAT SOURCE --out DIR`."""
    parser = commands.add_parser("import", help="write a labelled source in YOLO layout into a new folder")
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("source", type=Path, help="folder or annotation file; it is only read")
    parser.add_argument("--out", type=Path, required=True, help="new folder; its name names the data set")
    parser.add_argument("--mapping", help=f"TOML file, or one of: {shipped_mappings()}")
    parser.add_argument(
        "--images", type=Path, help="folder of the images, where the annotations lie elsewhere"
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="train", help="if none is stated"
    )
    parser.add_argument("--licence", help="licence of the images; needed for a manifest")
    parser.add_argument("--source-text", help="who made the data and where it was taken from; for a manifest")
    parser.add_argument("--title", help="of the manifest")
    parser.add_argument("--dry-run", action="store_true", help="read and count only, write nothing")
    parser.set_defaults(command=_import)


def _import(arguments: argparse.Namespace, _: DataSettings) -> int:
    mapping = read_mapping(arguments.mapping)
    job = Job(arguments.format, arguments.source, arguments.out, mapping, arguments.images, arguments.split)
    if arguments.dry_run:
        return _dry_run(job)
    report = import_source(job)
    _print_report(job, report)
    _write_manifest(arguments, job, report)
    return 0


def _dry_run(job: Job) -> int:
    images, labels, reasons = 0, Counter[str](), Counter[str]()
    for entry in read_source(job):
        if isinstance(entry, LabelledImage):
            images += 1
            labels.update(box.label for box in entry.boxes)
        else:
            reasons[entry.reason] += 1
    print(f"{images} images; nothing was written")
    for label, count in labels.most_common():
        number = job.mapping.index_of(label)
        meant = job.mapping.codes[number] if number is not None else "no class of the taxonomy"
        print(f"  {label!r}: {count} boxes -> {meant}")
    for reason, count in reasons.most_common():
        print(f"  left out: {count} x {reason}")
    return 0


def _print_report(job: Job, report: ImportReport) -> None:
    images = ", ".join(f"{split} {count}" for split, count in report.images.items())
    boxes = ", ".join(f"{code} {report.boxes[code]}" for code in job.mapping.codes)
    print(f"{job.out}: images {images}, {report.without_box} without a box; boxes {boxes}")
    for what, counts, where in (
        ("kept aside", report.aside, "extra/other_boxes.csv"),
        ("boxes outside their image or without extent", report.unusable, "extra/other_boxes.csv"),
        ("left out", report.left_out, "extra/left_out.csv"),
    ):
        if counts:
            print(f"  {what}: {_counts(counts)} ({where})")
    if report.clipped:
        print(f"  {report.clipped} boxes were cut off at the edge of their image")
    if report.only_other_boxes:
        print(f"  {report.only_other_boxes} images have boxes of other classes only: empty label files")
    if report.unknown:
        print(
            f"wegewart-data: unknown classes: {_counts(report.unknown)}. They are in extra/other_boxes.csv, "
            f"not in the labels; map them or name them under aside in a file for --mapping",
            file=sys.stderr,
        )


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _write_manifest(arguments: argparse.Namespace, job: Job, report: ImportReport) -> None:
    if not (arguments.licence and arguments.source_text):
        print(
            "wegewart-data: no manifest was written, it needs --licence and --source-text; repeating the "
            "command with them changes nothing else",
            file=sys.stderr,
        )
        return
    name = re.sub(r"[^a-z0-9]+", "-", job.out.resolve().name.lower()).strip("-")
    try:
        manifest = Manifest(
            name=name,
            title=arguments.title or job.out.resolve().name,
            folder=job.out.resolve().name,
            taxonomy=job.mapping.taxonomy,
            licence=arguments.licence,
            source=arguments.source_text,
            splits={split: USES[split] for split in ("train", "val", "test") if report.images[split]},
        )
    except ValidationError as error:
        raise CalledWrongly(f"no manifest can be made of this: {error}") from error
    path = job.out / f"{name}.toml"
    path.write_text(manifest_text(manifest), encoding="utf-8")
    print(f"  manifest: {path}; copy it to datasets/manifests and write down the known limits")


def add_export_command(commands: Commands) -> None:
    """`export FORMAT DATA --out DIR`."""
    parser = commands.add_parser("export", help="write a data set for labelling or for another training")
    parser.add_argument("format", choices=EXPORT_FORMATS)
    parser.add_argument("data", help="name of a manifest, or path of a data.yaml")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), help="default: all")
    parser.set_defaults(command=_export)


def _export(arguments: argparse.Namespace, settings: DataSettings) -> int:
    opened = open_data(arguments.data, settings)
    counts = export(arguments.format, opened, arguments.split or opened.splits, arguments.out)
    print(f"{arguments.out}: " + ", ".join(f"{split} {count} images" for split, count in counts.items()))
    return 0
