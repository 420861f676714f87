"""`wegewart-data feedback`: decisions of the office become a data set; arguments in, figures out."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from wegewart_datasets.commands import Commands
from wegewart_datasets.feedback import FeedbackJob, FeedbackResult, take_feedback
from wegewart_datasets.feedback_groups import GroupBy
from wegewart_datasets.feedback_guarding import Reserved, reserved_for_scoring
from wegewart_datasets.feedback_tables import FeedbackReport, write_manifest, write_tables
from wegewart_datasets.looks import LookBook
from wegewart_datasets.mapping import read_mapping, shipped_mappings
from wegewart_datasets.settings import DataSettings

NAMED = 5  # faults named on the terminal
COLLAPSED = 0.5  # share of the pictures in one group above which no fair split is possible


def add_feedback_command(commands: Commands) -> None:
    """`feedback FILE... --evidence DIR --out DIR`."""
    parser = commands.add_parser("feedback", help="make a data set of what people in the office decided")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="JSONL files, one history: see docs/feedback.md"
    )
    parser.add_argument("--evidence", type=Path, required=True, help="folder of the evidence pictures")
    parser.add_argument("--out", type=Path, required=True, help="new folder; its name names the data set")
    parser.add_argument("--mapping", help=f"TOML file, or one of: {shipped_mappings()}")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    parser.add_argument(
        "--group-by", type=GroupBy, choices=list(GroupBy), default=GroupBy.BOTH, help="default: %(default)s"
    )
    parser.add_argument(
        "--take-unchecked",
        action="store_true",
        help="also pictures over which nobody looked as a whole: what is not listed counts as not there",
    )
    parser.add_argument(
        "--reserved",
        type=Path,
        action="append",
        default=[],
        help="CSV file of pictures or drives that are kept for scoring; may be repeated",
    )
    parser.add_argument(
        "--tests",
        action="append",
        metavar="DATA",
        help="manifest or data.yaml whose test images are refused; may be repeated (default: all here)",
    )
    parser.set_defaults(command=_feedback)


def _feedback(arguments: argparse.Namespace, settings: DataSettings) -> int:
    with LookBook(settings.work) as book:
        reserved = reserved_for_scoring(settings, book, arguments.reserved, arguments.tests)
    job = FeedbackJob(
        files=arguments.files,
        evidence=arguments.evidence,
        out=arguments.out,
        mapping=read_mapping(arguments.mapping),
        reserved=reserved,
        split=arguments.split,
        group_by=arguments.group_by,
        take_unchecked=arguments.take_unchecked,
    )
    result = take_feedback(job)
    report = write_tables(job, result)
    _print(job, report)
    _print_faults(result, report)
    _print_guard(reserved)
    if result.samples:
        path = write_manifest(job, result)
        print(f"  manifest: {path}; look it through, then copy it to datasets/manifests")
    return 1 if report.faulty_lines or report.faulty_pictures else 0


def _print(job: FeedbackJob, report: FeedbackReport) -> None:
    boxes = ", ".join(f"{code} {report.boxes[code]}" for code in job.mapping.codes)
    kinds = f" ({_counts(report.images_by_kind)})" if report.images else ""
    print(f"{job.out}: {report.decisions} decisions; {report.images} images{kinds}; boxes {boxes}")
    print(f"  {report.hard_negatives} boxes are no damage for people (extra/hard_negatives.csv)")
    print(f"  {report.groups} groups by {job.group_by}, {report.largest_group} images in the largest")
    if report.repeated_lines or report.taken_back:
        print(f"  {report.repeated_lines} lines came again, {report.taken_back} decisions were taken back")
    for what, counts, where in (
        ("pictures left out", report.outside, "extra/left_out.csv"),
        ("boxes of known other classes", report.aside, "extra/other_boxes.csv"),
    ):
        if counts:
            print(f"  {what}: {_counts(counts)} ({where})")
    if report.cut_off:
        print(f"  {report.cut_off} boxes are cut off at the edge of a picture (extra/other_boxes.csv)")
    if report.to_decide:
        print(f"  {report.to_decide} pictures wait in to-decide as a CVAT task")


def _print_faults(result: FeedbackResult, report: FeedbackReport) -> None:
    def say(text: str) -> None:
        print(f"wegewart-data: {text}", file=sys.stderr)

    for fault in result.read.faulty[:NAMED]:
        say(f"{fault.at}: {fault.reason}")
    if report.faulty_lines > NAMED:
        say(f"and {report.faulty_lines - NAMED} more lines, see extra/left_out.csv")
    if report.without_target:
        say(
            f"{report.without_target} decisions take back others of which no line here can be used: give the "
            "earlier files as well (extra/left_out.csv)"
        )
    faulty = [one for one in result.taken if one.outcome.faulty]
    for one in faulty[:NAMED]:
        say(f"picture {one.picture.sha256[:12]}…: {one.outcome.reasons[0]}")
    if len(faulty) > NAMED:
        say(f"and {len(faulty) - NAMED} more pictures, see extra/left_out.csv")
    if report.conflicts:
        say(f"people disagree on {report.conflicts} findings; their pictures are aside: extra/conflicts.csv")
    if report.unknown:
        say(
            f"unknown classes: {_counts(report.unknown)}. Their pictures are kept aside; map them or "
            "name them under aside in a file for --mapping"
        )
    if report.groups and report.largest_group > COLLAPSED * report.images and report.images > report.groups:
        say(
            f"{report.largest_group} of {report.images} images hang together in one group: no split can part "
            "them; --group-by place keeps only places together"
        )
    if not result.samples:
        say("no picture can be used: the reasons are in extra/left_out.csv")


def _print_guard(reserved: Reserved) -> None:
    names = ", ".join(reserved.data_sets) or "no data set"
    print(
        f"  compared with {len(reserved.contents)} test images of {names}, {len(reserved.names)} named ones"
    )


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
