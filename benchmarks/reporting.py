"""What every benchmark prints: the machine, the versions, a table for people, one JSON line for scripts."""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path


def arguments_of(description: str, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """`--quick` (about a minute) and `--json` (one JSON object as the last line)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, about a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    return parser.parse_args(argv)


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "onnxruntime", "opencv-python-headless", "sqlalchemy")},
    }


def _cpu_name() -> str:
    cpu_file = Path("/proc/cpuinfo")
    if cpu_file.exists():
        for line in cpu_file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def print_heading(title: str, **settings: str | int) -> None:
    """Title, machine, versions, and the settings of this run (rounds, seed, threads)."""
    print(f"# {title}\n")
    for name, value in {**machine(), **settings}.items():
        print(f"{name:<24}{value}")
    print()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under their columns; the first column is text, the others figures."""
    cells = [[*map(str, columns)], *([*map(str, row)] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for number, row in enumerate(cells):
        first, *rest = row
        print(
            "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))])
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print()


def print_json(figures: Mapping[str, float | int | str | None]) -> None:
    """The figures as the last line, flat, raw numbers."""
    sys.stdout.write(json.dumps(dict(figures)) + "\n")


def median(values: Sequence[float]) -> float:
    """Median of the rounds."""
    return statistics.median(values)
