"""Places and their uncertainty against known truth: ours, the vehicle's position, and naive projection.

Simulated streets (benchmarks/simulation), each driven 10 times, looks at 4 to 12 m, receivers of 2.5 m, 1 m
and 2 cm per axis. The vehicle's own code places and follows the boxes; its defaults are not changed for this.
docs/location.md explains the method and has the figures.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from reporting import print_heading, print_json, print_table
from simulation.campaign import PLACES_PER_STREET, Measured, measure
from simulation.commanded import street_by_command
from simulation.scoring import (
    GATE95,
    Rows,
    averaged,
    ellipse95_area_m2,
    horizontal_m,
    median_interval_m,
    nees,
)
from simulation.setting import GnssSetting, Setting
from simulation.variants import VARIANTS
from simulation.world import Array

from wegewart_edge.settings import EdgeSettings

PASSES = 10
PLAIN_M, GOOD_M, RTK_M = 2.5, 1.0, 0.02  # sigma per axis of the receivers
SEEDS, QUICK_SEEDS = 200, 20
COMMANDED, QUICK_COMMANDED = 5, 2  # streets that also go through `wegewart-edge locate`
Errors = Callable[[Rows], Array]


@dataclass(frozen=True)
class Method:
    """A way to a place, by its error and the covariance that it states."""

    name: str
    error_m: Errors
    covariance_m2: Errors


METHODS = (
    Method("ours", lambda rows: rows.error_m, lambda rows: rows.cov_relative_m2 + rows.cov_gnss_m2),
    Method("vehicle position", lambda rows: rows.vehicle_m, lambda rows: rows.cov_gnss_m2),
    Method("flat ground, fixed tilt, single frame", lambda rows: rows.naive_m, lambda rows: rows.cov_gnss_m2),
)
RELATIVE = Method("ours", lambda rows: rows.relative_m, lambda rows: rows.cov_relative_m2)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: the benchmark measures, it does not judge."""
    arguments = _parser().parse_args(argv)
    arguments.seeds = arguments.seeds or (QUICK_SEEDS if arguments.quick else SEEDS)
    if arguments.commanded is None:
        arguments.commanded = QUICK_COMMANDED if arguments.quick else COMMANDED
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    sigmas_m = (PLAIN_M, RTK_M) if arguments.json and not arguments.all else (PLAIN_M, GOOD_M, RTK_M)
    with contextlib.ExitStack() as stack:
        if arguments.json:  # the tables are talk then
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        folder = arguments.keep or Path(stack.enter_context(TemporaryDirectory(prefix="wegewart-location-")))
        folder.mkdir(parents=True, exist_ok=True)
        print_heading("location", streets=len(seeds), seeds=f"{seeds[0]} to {seeds[-1]}", passes=PASSES)
        by_sigma = {
            sigma_m: _measured(_with_receiver(sigma_m), f"{sigma_m} m", seeds, folder, arguments.workers)
            for sigma_m in sigmas_m
        }
        _print_tables(by_sigma)
        _print_commanded(by_sigma, seeds[: arguments.commanded], folder)
        if arguments.variants:
            _print_variants(range(seeds[0], seeds[0] + arguments.variants), folder, arguments.workers)
        if arguments.plots is not None:
            from simulation.plots import draw_plots  # matplotlib comes with the training extra

            for path in draw_plots(arguments.plots, Setting(), EdgeSettings()):
                print(f"drawn: {path}")
    if arguments.json:
        print_json(figures_of(by_sigma[PLAIN_M], by_sigma[RTK_M]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help=f"streets (default {SEEDS})")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="of the streets")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} streets, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object alone on standard output")
    parser.add_argument("--all", action="store_true", help="with --json: measure the 1 m receiver too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep results there, and go on from them")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument(
        "--commanded", type=int, metavar="N", help="streets that also go through `wegewart-edge locate`"
    )
    parser.add_argument(
        "--variants", type=int, default=0, metavar="N", help="also change one thing at a time, N streets each"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the plots there (needs matplotlib)")
    return parser


def _with_receiver(sigma_m: float) -> Setting:
    return Setting(gnss=GnssSetting.of_sigma(sigma_m), passes=PASSES)


def _measured(setting: Setting, name: str, seeds: Sequence[int], folder: Path, workers: int) -> Measured:
    """All streets in one setting; progress goes to standard error."""
    measured, begin_s = Measured(), time.monotonic()
    for done, part in measure(setting, EdgeSettings(), seeds, folder, workers):
        measured.add(part)
        taken_s = time.monotonic() - begin_s
        print(f"{name}: {done} of {len(seeds)} streets, {taken_s:.0f} s", file=sys.stderr, flush=True)
    return measured


def _print_tables(by_sigma: dict[float, Measured]) -> None:
    """Absolute errors of all methods, then what is ours alone, then what was counted."""
    columns = ("method", "GNSS sigma", "passes", "median m", "p90 m", "in 95 % ellipse", "NEES", "n")
    rows = [
        (method.name, f"{sigma_m} m", passes, *_summary(those, method))
        for sigma_m, measured in by_sigma.items()
        for passes, those in ((1, measured.all_rows), (PASSES, averaged(measured.all_rows, PASSES)))
        for method in METHODS
    ]
    print("Absolute error of a damage's place\n")
    print_table(columns, rows)
    print("Error less the receiver's true bias at the best view: what differs from damage to damage\n")
    print_table(
        (
            "receiver",
            "median m",
            "p90 m",
            "in 95 % ellipse",
            "NEES",
            "n",
            "ellipse m²",
            "ours / vehicle's own",
        ),
        [
            (
                f"{sigma_m} m",
                *_summary(measured.all_rows, RELATIVE),
                f"{np.median(ellipse95_area_m2(measured.all_rows.cov_relative_m2)):.2f}",
                f"{over_gnss(measured.all_rows):.3f}",
            )
            for sigma_m, measured in by_sigma.items()
        ],
    )
    _print_counts(by_sigma)


def _print_counts(by_sigma: dict[float, Measured]) -> None:
    print(
        "What was counted: a split damage has more than one track in a drive; a mixed track began elsewhere\n"
    )
    columns = ("receiver", "boxes", "tracks", "false", "split", "mixed", "damages seen", "missed")
    print_table(
        columns,
        [
            (
                f"{sigma_m} m",
                measured.effort.detections,
                counts.tracks,
                counts.false_tracks,
                counts.split_tracks,
                counts.mixed_tracks,
                counts.damages_seen,
                counts.damages_missed,
            )
            for sigma_m, measured in by_sigma.items()
            for counts in (measured.counts,)
        ],
    )
    print("Processor time of one core, frames as they came (most with no box, else one or two)\n")
    print_table(
        ("receiver", "located/s", "located and followed/s", "pose, ms a frame"),
        [
            (
                f"{sigma_m} m",
                f"{measured.effort.detections_per_s:.0f}",
                f"{measured.effort.tracked_per_s:.0f}",
                f"{measured.effort.pose_ms_per_frame:.2f}",
            )
            for sigma_m, measured in by_sigma.items()
        ],
    )


def _summary(rows: Rows, method: Method) -> tuple[str, ...]:
    """Median with its 95 % interval, 90th percentile, coverage of the 95 % ellipses, mean NEES, number."""
    error_m, squared = method.error_m(rows), nees(method.error_m(rows), method.covariance_m2(rows))
    median_m, p90_m = np.percentile(horizontal_m(error_m), (50, 90))
    inside = (squared <= GATE95).mean()
    half_m = median_interval_m(horizontal_m(error_m), rows.place // PLACES_PER_STREET)
    return (
        f"{median_m:.3f} ± {half_m:.3f}",
        f"{p90_m:.3f}",
        f"{inside:.1%}",
        f"{squared.mean():.2f}",
        str(len(rows)),
    )


def _print_commanded(by_sigma: dict[float, Measured], seeds: Sequence[int], folder: Path) -> None:
    """The same streets through the command and in memory."""
    if not seeds:
        return
    rows = []
    for sigma_m, measured in by_sigma.items():
        commanded = Measured()
        with TemporaryDirectory(dir=folder) as drives:
            for seed in seeds:
                commanded.add(street_by_command(_with_receiver(sigma_m), seed, Path(drives)))
        in_memory = measured.all_rows
        same = in_memory.chosen(np.isin(in_memory.place // PLACES_PER_STREET, seeds))
        for name, those in (("wegewart-edge locate", commanded.all_rows), ("in memory", same)):
            rows.append((f"{name}, {sigma_m} m", *_summary(those, RELATIVE)))
    print(f"The first {len(seeds)} streets as recorded drives through the command, relative error\n")
    print_table(("way, receiver", "median m", "p90 m", "in 95 % ellipse", "NEES", "n"), rows)


def _print_variants(seeds: Sequence[int], folder: Path, workers: int) -> None:
    """Relative error and ten passes with one thing changed at a time, at 2.5 m per axis."""
    rows = []
    for name, setting in VARIANTS.items():
        measured = _measured(setting, name, seeds, folder, workers)
        mean = averaged(measured.all_rows, PASSES)
        split = measured.counts.split_tracks / max(measured.counts.tracks, 1)
        ten_m = np.median(horizontal_m(mean.error_m))
        rows.append((name, *_summary(measured.all_rows, RELATIVE), f"{split:.1%}", f"{ten_m:.2f}"))
    print(f"One thing changed at a time, {len(seeds)} streets each, relative error at 2.5 m per axis\n")
    columns = ("setting", "median m", "p90 m", "in 95 % ellipse", "NEES", "n", "split", "10 passes median m")
    print_table(columns, rows)


def over_gnss(rows: Rows) -> float:
    """Median of our absolute error over the median of the receiver's own at the same moments."""
    return float(np.median(horizontal_m(rows.error_m)) / np.median(horizontal_m(rows.own_m)))


def figures_of(plain: Measured, rtk: Measured) -> dict[str, float | int | str | None]:
    """The figures of the issue, per fused track; ellipses and NEES are those of the relative covariance.

    With 2.5 m per axis the receiver's share of the whole ellipse is 100 times ours and would hide it; the
    table has both.
    """
    rows = plain.all_rows
    squared = nees(rows.relative_m, rows.cov_relative_m2)
    return {
        "relative_median_m": float(np.median(horizontal_m(rows.relative_m))),
        "single_pass_over_gnss": over_gnss(rows),
        "ten_pass_median_m": float(np.median(horizontal_m(averaged(rows, PASSES).error_m))),
        "rtk_median_m": float(np.median(horizontal_m(rtk.all_rows.error_m))),
        "ellipse95_coverage": float((squared <= GATE95).mean()),
        "ellipse95_median_area_m2": float(np.median(ellipse95_area_m2(rows.cov_relative_m2))),
        "nees_mean": float(squared.mean()),
        "detections_per_s": plain.effort.detections_per_s,
    }


if __name__ == "__main__":
    sys.exit(main())
