"""How many epochs a run has done, how long they took, and how many more its budget allows."""

import csv
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from wegewart_training.recipe import TrainerPlan
from wegewart_training.run_record import epoch_clocks_s, read_record
from wegewart_training.run_record import trained_seconds as seconds_on_clocks

OF_VAL = ("metrics/", "val/")


def planned_epochs(plan: TrainerPlan, done: int, spent_s: float) -> int:
    """Epochs to train in all: as many as fit the budget best at the speed so far, at most the recipe's."""
    if plan.budget_h is None or done == 0:
        return plan.epochs
    return min(max(round(plan.budget_h * 3600 / (spent_s / done)), done), plan.epochs)


def planned_epochs_of(plan: TrainerPlan, run: Path) -> int:
    """Epochs of a run as its folder stands: one more where the last one done was never looked at on val."""
    rows = epoch_rows(run)
    planned = planned_epochs(plan, len(rows), trained_seconds(run))
    if planned > len(rows) or len(rows) >= plan.epochs or looked_at(plan, rows)[-1]:
        return planned
    return len(rows) + 1


def looked_at(plan: TrainerPlan, rows: Sequence[Mapping[str, str]]) -> list[bool]:
    """Whether each of these rows of results.csv tells of an epoch that looked at val.

    In the others Ultralytics repeats the scores of the row before, or writes 0 where it has none: at the
    beginning and after every resume.
    """
    scores = [[value for name, value in row.items() if name.startswith(OF_VAL)] for row in rows]
    return [
        int(row["epoch"]) % plan.check_every_epochs == 0
        or (values != before and any(float(value) != 0 for value in values))
        for row, values, before in zip(rows, scores, [[], *scores], strict=False)
    ]


def drawn_size_px(plan: TrainerPlan, seed: int, epoch: int, epochs: int, batch: int) -> int:
    """Side at which a batch is trained, drawn by seed, epoch and number: a resumed run draws the same.

    Args:
        epoch: From 0 on, of `epochs`.
        batch: Its number within the epoch.
    """
    if not plan.sizes_px or epoch >= epochs - plan.full_size_epochs:
        return plan.image_px
    return random.Random(f"{seed} {epoch} {batch}").choice(plan.sizes_px)  # noqa: S311


def epoch_rows(run: Path) -> list[dict[str, str]]:
    """Rows of results.csv, one per finished epoch."""
    path = run / "results.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def drop_rows_after(run: Path, epochs: int) -> None:
    """Leave the rows of the first epochs: a kill between row and checkpoint leaves one row too many."""
    path = run / "results.csv"
    if not path.is_file():
        return
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if int(row.split(",")[0]) <= epochs]
    if len(kept) < len(rows):
        half = run / "results.csv.half"
        half.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
        half.replace(path)


def trained_seconds(run: Path) -> float:
    """Seconds spent in finished epochs; the clock in results.csv starts again with every resume."""
    return seconds_on_clocks(epoch_clocks_s(run), _resumed_after(run))


def epoch_seconds(run: Path) -> list[float]:
    """Seconds of each finished epoch."""
    clocks_s, resumed_after = epoch_clocks_s(run), _resumed_after(run)
    totals = [seconds_on_clocks(clocks_s[:count], resumed_after) for count in range(len(clocks_s) + 1)]
    return [after - before for before, after in pairwise(totals)]


def _resumed_after(run: Path) -> tuple[int, ...]:
    record = read_record(run)
    return tuple(record.resumed_after) if record else ()
