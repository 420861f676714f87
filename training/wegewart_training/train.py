"""Train: recipe and data sets in, a run folder with checkpoints out. Called again, it continues."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from wegewart.errors import RecipeInvalid
from wegewart_datasets.settings import DataSettings
from wegewart_training.compose import compose
from wegewart_training.epoch_plan import epoch_rows, trained_seconds
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
    from wegewart_training.road_trainer import RoadTrainer

    last = run / "weights" / "last.pt"
    overrides = trainer_settings(recipe, run, data_yaml, device)
    if last.is_file():
        overrides |= {"model": str(last), "resume": str(last)}
        logger.info("going on after epoch %d of %s", len(epoch_rows(run)), run)
    RoadTrainer(recipe.trainer, run, overrides).train()  # type: ignore[no-untyped-call]


def trainer_settings(recipe: Recipe, run: Path, data_yaml: Path, device: str) -> dict[str, Any]:
    """What Ultralytics' trainer is told; whatever is not named here is its default."""
    plan = recipe.trainer
    settings: dict[str, Any] = {
        "model": str(recipe.checkpoint),
        "data": str(data_yaml),
        "save_dir": str(run),
        "epochs": plan.epochs,
        "time": None,
        "imgsz": plan.image_px,
        "batch": plan.batch,
        "nbs": plan.step_images,
        "seed": recipe.seed,
        "deterministic": True,
        "warmup_epochs": plan.warmup_epochs,
        "close_mosaic": plan.close_mosaic_epochs,
        "device": device,
        "workers": 2,
        # fp16 would be checked first with a picture from the network; bf16 needs no check, and on CPUs the
        # trainer switches it on itself
        "amp": "bf16" if device != "cpu" else False,
        "plots": False,
    }
    if plan.learning_rate is not None:
        settings |= {"optimizer": "AdamW", "lr0": plan.learning_rate, "cos_lr": True, "momentum": 0.9}
        settings |= {"warmup_bias_lr": 0.0}
    if recipe.road_weather > 0:
        from wegewart_training.road_weather import road_weather

        settings["augmentations"] = road_weather(recipe.road_weather)
    return settings


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
