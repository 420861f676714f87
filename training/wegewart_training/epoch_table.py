"""epochs.csv and curves.png of a run: what each epoch came to, made from Ultralytics' results.csv.

Ultralytics repeats the last scores in the row of an epoch that did not look at val; here its cells are empty.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wegewart_training.epoch_plan import OF_VAL, epoch_rows, epoch_seconds, looked_at
from wegewart_training.recipe import TrainerPlan

LINES = ("-", "--", "-.", ":")  # colour never speaks alone


@dataclass(frozen=True)
class Epoch:
    """One finished epoch; figures by the names of results.csv."""

    number: int
    seconds: float
    checked: bool
    """Whether it looked at val."""
    figures: Mapping[str, float]

    def __getitem__(self, name: str) -> float | None:
        return self.figures.get(name)


def epochs_of(run: Path, plan: TrainerPlan) -> list[Epoch]:
    """The finished epochs of a run."""
    rows = epoch_rows(run)
    return [
        _epoch(row, took_s, checked)
        for row, took_s, checked in zip(rows, epoch_seconds(run), looked_at(plan, rows), strict=True)
    ]


def _epoch(row: Mapping[str, str], seconds: float, checked: bool) -> Epoch:
    figures = {name: float(value) for name, value in row.items() if name not in {"epoch", "time"}}
    if not checked:
        figures = {name: value for name, value in figures.items() if not name.startswith(OF_VAL)}
    return Epoch(int(row["epoch"]), seconds, checked, figures)


def write_epochs(run: Path, plan: TrainerPlan) -> None:
    """Write epochs.csv and curves.png anew; nothing before the first epoch."""
    epochs = epochs_of(run, plan)
    if not epochs:
        return
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.figures))
    half = run / "epochs.csv.half"
    with half.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "seconds", "looked_at_val", *names])
        for epoch in epochs:
            figures = ["" if (value := epoch[name]) is None else f"{value:.6g}" for name in names]
            table.writerow([epoch.number, f"{epoch.seconds:.1f}", "yes" if epoch.checked else "no", *figures])
    half.replace(run / "epochs.csv")
    _draw(epochs, names).savefig(run / "curves.png", dpi=110)


def _draw(epochs: Sequence[Epoch], names: Sequence[str]) -> Figure:
    figure = Figure(figsize=(12, 7.2), layout="constrained")
    (train, val), (scores, rate) = figure.subplots(2, 2)
    _lines(train, epochs, [n for n in names if n.startswith("train/")], "Verlust Training / training loss")
    _lines(val, epochs, [n for n in names if n.startswith("val/")], "Verlust Val / validation loss")
    _lines(scores, epochs, [n for n in names if n.startswith("metrics/")], "Güte auf Val / scores on val")
    scores.set_ylim(0, 1)
    _lines(rate, epochs, [n for n in names if n.startswith("lr/")][:1], "Lernrate / learning rate")
    unchecked = [str(epoch.number) for epoch in epochs if not epoch.checked]
    if unchecked:
        figure.suptitle(f"ohne Blick auf Val / without a look at val: {', '.join(unchecked)}", fontsize=8)
    return figure


def _lines(axes: Axes, epochs: Sequence[Epoch], names: Sequence[str], title: str) -> None:
    for index, name in enumerate(names):
        seen = [(epoch.number, value) for epoch in epochs if (value := epoch[name]) is not None]
        if seen:
            label = name.partition("/")[2].removesuffix("(B)")
            axes.plot(
                *zip(*seen, strict=True), LINES[index % len(LINES)], marker="o", markersize=3, label=label
            )
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("Epoche / epoch")
    axes.set_xlim(0.5, epochs[-1].number + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
