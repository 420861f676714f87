"""Train: recipe and data sets in, a run folder with checkpoints out. Called again, it continues."""

import csv
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wegewart.errors import RecipeInvalid
from wegewart_datasets.settings import DataSettings
from wegewart_training.compose import compose
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.recipe import Recipe, read_recipe
from wegewart_training.run_record import RunRecord, begin, now, write_record

if TYPE_CHECKING:  # importing it costs ten seconds and talks unless silenced first
    from ultralytics.models.yolo.detect import DetectionTrainer

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
        logger.info("going on after epoch %d of %s", len(epoch_rows(run)), run)
    trainer = DetectionTrainer(overrides=overrides)
    _plan(trainer, recipe, run)
    trainer.add_callback("on_fit_epoch_end", lambda trainer: _plan_again(trainer, recipe, run))
    trainer.train()  # type: ignore[no-untyped-call]


def _plan(trainer: "DetectionTrainer", recipe: Recipe, run: Path) -> None:
    """Tell the trainer after how many epochs to end, which is what its learning rate falls towards."""
    trainer.epochs = trainer.args.epochs = planned_epochs(recipe, len(epoch_rows(run)), trained_seconds(run))


def _plan_again(trainer: "DetectionTrainer", recipe: Recipe, run: Path) -> None:
    """After an epoch: a new plan from its duration, so that the last epoch is whole and has the lowest rate.

    Ultralytics' own time limit stops in the middle of an epoch, mostly before the rate is down.
    """
    if trainer.stop or recipe.budget_h is None:
        return
    _plan(trainer, recipe, run)
    # What Ultralytics itself does when it plans anew.
    trainer._setup_scheduler()  # type: ignore[no-untyped-call]  # noqa: SLF001
    scheduler: Any = trainer.scheduler
    scheduler.last_epoch = trainer.epoch
    trainer.stop = trainer.epoch + 1 >= trainer.epochs


def planned_epochs(recipe: Recipe, done: int, spent_s: float) -> int:
    """Epochs to train in all: as many as fit the budget best at the speed so far, at most the recipe's."""
    if recipe.budget_h is None or done == 0:
        return recipe.epochs
    return min(max(round(recipe.budget_h * 3600 / (spent_s / done)), done), recipe.epochs)


def trainer_settings(recipe: Recipe, run: Path, data_yaml: Path, device: str) -> dict[str, Any]:
    """What Ultralytics' trainer is told; whatever is not named here is its default."""
    return {
        "model": str(recipe.checkpoint),
        "data": str(data_yaml),
        "save_dir": str(run),
        "epochs": recipe.epochs,
        "time": None,
        "imgsz": recipe.image_px,
        "batch": recipe.batch,
        "seed": recipe.seed,
        "deterministic": True,
        "warmup_epochs": recipe.warmup_epochs,
        "close_mosaic": recipe.close_mosaic_epochs,
        "device": device,
        "workers": 2,
        "amp": "bf16" if device != "cpu" else False,  # the check before fp16 wants a download
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
