"""Train: recipe and data sets in, a run folder with checkpoints out. Called again, it continues."""

import csv
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from wegewart.errors import RecipeInvalid
from wegewart_datasets.settings import DataSettings
from wegewart_training.compose import compose
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.recipe import Recipe, read_recipe
from wegewart_training.run_record import RunRecord, begin, now, write_record

logger = logging.getLogger(__name__)


def train(recipe_path: Path, run: Path, settings: DataSettings, device: str = "cpu") -> RunRecord:
    """Run a recipe to its end, or go on where this run folder stopped.

    Args:
        run: Folder of the run; checkpoints are in weights/, after every epoch.
        device: As Ultralytics names them: "cpu", "0", "0,1".
    Returns:
        The run's record; a finished run is not trained again.
    Raises:
        RecipeInvalid: If the recipe has mistakes, or the folder holds a run of another recipe.
        DatasetInvalid: If a data set is missing or damaged.
    """
    recipe = read_recipe(recipe_path)
    record = begin(run, recipe_path, recipe.sha256, device)
    if record.finished_at is not None:
        logger.info("%s is finished since %s", run, record.finished_at)
        return record
    composed = compose(recipe, settings, run / "data")
    with quiet_ultralytics(run / "ultralytics"):
        _train_with_ultralytics(recipe, run.resolve(), composed.data_yaml.resolve(), device)
    record = finished(record, run)
    write_record(run, record)
    return record


def _train_with_ultralytics(recipe: Recipe, run: Path, data_yaml: Path, device: str) -> None:
    from ultralytics.models.yolo.detect import DetectionTrainer

    last = run / "weights" / "last.pt"
    overrides = trainer_settings(recipe, run, data_yaml, device)
    if last.is_file():
        overrides |= {"model": str(last), "resume": str(last)}
        if recipe.budget_h is not None:
            overrides["time"] = remaining_budget_h(recipe.budget_h, run)
        logger.info("going on after epoch %d of %s", len(epoch_rows(run)), run)
    DetectionTrainer(overrides=overrides).train()  # type: ignore[no-untyped-call]


def trainer_settings(recipe: Recipe, run: Path, data_yaml: Path, device: str) -> dict[str, Any]:
    """What Ultralytics' trainer is told; whatever is not named here is its default."""
    return {
        "model": str(recipe.checkpoint),
        "data": str(data_yaml),
        "save_dir": str(run),
        "epochs": recipe.epochs,
        "time": recipe.budget_h,
        "imgsz": recipe.image_px,
        "batch": recipe.batch,
        "seed": recipe.seed,
        "deterministic": True,
        "warmup_epochs": recipe.warmup_epochs,
        "close_mosaic": recipe.close_mosaic_epochs,
        "device": device,
        "workers": 2,
        "amp": device != "cpu",
        "plots": False,
    }


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


def remaining_budget_h(budget_h: float, run: Path) -> float:
    """Hours of the budget that finished epochs have left, at least a second, so that Ultralytics can end."""
    return max(budget_h - trained_seconds(run) / 3600, 1 / 3600)


def finished(record: RunRecord, run: Path) -> RunRecord:
    """The record with what the finished epochs came to."""
    rows = epoch_rows(run)
    if not rows:
        raise RecipeInvalid(
            f"{run} ended without a finished epoch: give the recipe more time or fewer images"
        )
    return replace(
        record,
        finished_at=now(),
        epochs_done=len(rows),
        best_epoch=int(max(rows, key=_fitness_of)["epoch"]),
        seconds=round(trained_seconds(run), 1),
    )


def _fitness_of(row: dict[str, str]) -> float:
    """What Ultralytics picks the best epoch by: mAP50-95."""
    return float(row["metrics/mAP50-95(B)"])
