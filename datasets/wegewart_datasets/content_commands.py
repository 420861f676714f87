"""`wegewart-data split`, `hash` and `datasheet`."""

import argparse
import sys
from pathlib import Path

from wegewart.errors import CalledWrongly, DatasetInvalid
from wegewart_datasets.audit import audit
from wegewart_datasets.commands import Commands
from wegewart_datasets.datasheet import datasheet
from wegewart_datasets.fingerprint import NEAR_BITS
from wegewart_datasets.group_table import groups_of, name_pattern
from wegewart_datasets.locking import (
    content_sha256,
    differences,
    fingerprints,
    lock_path,
    lock_text,
    read_lock,
)
from wegewart_datasets.looks import LookBook
from wegewart_datasets.opening import open_data
from wegewart_datasets.out_folder import make_room
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.splitting import SPLITS, all_images, plan_splits, stated_groups, write_plan


def add_content_commands(commands: Commands) -> None:
    """Commands that need every image: split, hash, datasheet."""
    split = commands.add_parser("split", help="deal places, drives or sequences to train, val and test")
    split.add_argument(
        "data", help="name of a manifest, or path of a data.yaml; all its images are dealt anew"
    )
    split.add_argument("--out", type=Path, required=True, help="new folder for list files and data.yaml")
    split.add_argument("--groups", type=Path, help="CSV file with a column image (default: the data set's)")
    split.add_argument("--column", default="group", help="of the CSV file (default: %(default)s)")
    split.add_argument("--group-by", help="pattern for file names; its first bracket is the group")
    split.add_argument("--fractions", default="0.7,0.15,0.15", help="train, val, test (default: %(default)s)")
    split.add_argument("--seed", type=int, default=0)
    split.add_argument("--near", type=int, default=NEAR_BITS, help="of 256 bits (default: %(default)s)")
    split.set_defaults(command=_split)
    hashing = commands.add_parser("hash", help="hash a data set's content and compare it with its lock")
    hashing.add_argument("data", help="name of a manifest, or path of a data.yaml")
    hashing.add_argument("--write", action="store_true", help="write the lock beside the manifest")
    hashing.set_defaults(command=_hash)
    sheet = commands.add_parser("datasheet", help="source, licence, counts, hashes and limits as Markdown")
    sheet.add_argument("name", help="of a manifest")
    sheet.add_argument("--out", type=Path, help="file (default: stdout)")
    sheet.set_defaults(command=_datasheet)


def _split(arguments: argparse.Namespace, settings: DataSettings) -> int:
    opened = open_data(arguments.data, settings)
    fractions = _fractions(arguments.fractions)
    pattern = None if arguments.group_by is None else name_pattern(arguments.group_by)
    if arguments.groups:
        table = groups_of(arguments.groups, arguments.column)
        if not table:
            raise DatasetInvalid(f"{arguments.groups} is missing or names no group")
    else:
        table = opened.groups(arguments.column)
    groups = stated_groups(all_images(opened), table, pattern)
    with LookBook(settings.work) as book:
        plan = plan_splits(opened, groups, fractions, arguments.seed, book, arguments.near)
    write_plan(plan, opened, arguments.out)
    print(f"{len(set(plan.groups))} groups, {plan.joined} joined to others by near-duplicates")
    for split in (split for split in SPLITS if split in plan.splits):
        of_images, *of_classes = plan.shares[split]
        classes = ", ".join(f"{c} {100 * s:.1f} %" for c, s in zip(opened.codes, of_classes, strict=True))
        print(f"  {split:<6}{plan.splits.count(split):>7} images ({100 * of_images:.1f} %); {classes}")
    return 0


def _fractions(text: str) -> tuple[float, ...]:
    try:
        fractions = tuple(float(word) for word in text.split(","))
    except ValueError:
        fractions = ()
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise CalledWrongly(f"--fractions {text}: three shares that make 1 are needed, as 0.7,0.15,0.15")
    return fractions


def _hash(arguments: argparse.Namespace, settings: DataSettings) -> int:
    opened = open_data(arguments.data, settings)
    found = fingerprints(opened)
    print(f"{opened.name} {content_sha256(found)}")
    for split, one in found.items():
        print(f"  {split:<6}{one.images:>7} images {one.sha256}")
    if opened.manifest is None:
        return 0
    path = lock_path(opened.name, settings)
    if arguments.write:
        path.write_text(lock_text(found), encoding="utf-8")
        print(f"wegewart-data: locked in {path}", file=sys.stderr)
        return 0
    locked = read_lock(path)
    if locked is None:
        print(f"wegewart-data: no lock {path.name}; write one with --write", file=sys.stderr)
        return 0
    said = differences(locked, found)
    for line in said:
        print(f"wegewart-data: {opened.name}, {line}: the data changed since it was locked", file=sys.stderr)
    return 1 if said else 0


def _datasheet(arguments: argparse.Namespace, settings: DataSettings) -> int:
    make_room(arguments.out)
    opened = open_data(arguments.name, settings)
    locked = read_lock(lock_path(opened.name, settings))
    if locked and (said := differences(locked, fingerprints(opened))):
        raise DatasetInvalid(
            f"{opened.name}, {said[0]}: the data changed since it was locked. Bring back the locked data, or "
            f"lock what is there with wegewart-data hash {opened.name} --write"
        )
    with LookBook(settings.work) as book:
        text = datasheet(audit([opened], book), locked)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
