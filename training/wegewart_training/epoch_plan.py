"""How many epochs a run has done, how long they took, and how many more its budget allows."""

import csv
from pathlib import Path

from wegewart_training.recipe import TrainerPlan


def planned_epochs(plan: TrainerPlan, done: int, spent_s: float) -> int:
    """Epochs to train in all: as many as fit the budget best at the speed so far, at most the recipe's."""
    if plan.budget_h is None or done == 0:
        return plan.epochs
    return min(max(round(plan.budget_h * 3600 / (spent_s / done)), done), plan.epochs)


def epoch_rows(run: Path) -> list[dict[str, str]]:
    """Rows of results.csv, one per finished epoch."""
    path = run / "results.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def trained_seconds(run: Path) -> float:
    """Seconds spent in finished epochs; the clock in results.csv starts again with every resume."""
    seconds, before = 0.0, 0.0
    for row in epoch_rows(run):
        clock = float(row["time"])
        seconds += clock - before if clock > before else clock
        before = clock
    return seconds
