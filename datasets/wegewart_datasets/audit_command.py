"""`wegewart-data audit`: figures and findings of data sets, as text, JSON and HTML."""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from wegewart_datasets.audit import Audit, Level, audit
from wegewart_datasets.audit_report import audit_html, audit_json
from wegewart_datasets.commands import Commands
from wegewart_datasets.fingerprint import NEAR_BITS
from wegewart_datasets.looks import LookBook
from wegewart_datasets.opening import open_data
from wegewart_datasets.out_folder import make_room
from wegewart_datasets.settings import DataSettings

NAMED = 5  # findings of a kind named on the terminal


def add_audit_command(commands: Commands) -> None:
    """`audit DATA...`."""
    parser = commands.add_parser("audit", help="find broken images, bad boxes, near-duplicates and leaks")
    parser.add_argument("data", nargs="+", help="names of manifests, or paths of data.yaml, audited together")
    parser.add_argument("--html", type=Path, help="write the report with pictures to this file")
    parser.add_argument("--json", action="store_true", help="figures and all findings as one JSON object")
    parser.add_argument("--near", type=int, default=NEAR_BITS, help="of 256 bits (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="folder in which looks at images are remembered")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="threads that decode images")
    parser.set_defaults(command=_audit)


def _audit(arguments: argparse.Namespace, settings: DataSettings) -> int:
    make_room(arguments.html)
    opened = [open_data(name, settings) for name in arguments.data]
    with LookBook(arguments.work or settings.work, max(1, arguments.jobs)) as book:
        result = audit(opened, book, arguments.near)
    if arguments.html:
        arguments.html.write_text(audit_html(result), encoding="utf-8")
        print(f"wegewart-data: report written to {arguments.html}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(audit_json(result), ensure_ascii=False))
    else:
        _print(result)
    return 1 if result.of(Level.ERROR) else 0


def _print(result: Audit) -> None:
    for one in result.figures:
        boxes = ", ".join(f"{code} {one.boxes[code]}" for code in one.codes)
        print(f"{one.data} {one.split}: {one.images} images, {one.without_box} without a box; {boxes}")
    for opened in result.opened:
        for limit in opened.manifest.limits if opened.manifest else ():
            print(f"limit of {opened.name}: {limit}")
    named: Counter[str] = Counter()
    for finding in result.findings:
        named[finding.kind] += 1
        if named[finding.kind] <= NAMED:
            images = ", ".join(str(image) for image in finding.images)
            print(f"{finding.level}: {finding.kind}: {finding.detail}" + (f" ({images})" if images else ""))
    for kind, count in named.items():
        if count > NAMED:
            print(f"{kind}: {count} in all, see --json or --html")
    print(f"{len(result.of(Level.ERROR))} errors, {len(result.of(Level.WARNING))} warnings")
