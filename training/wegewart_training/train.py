"""Train: recipe and data sets in, a run folder with checkpoints out. Called again, it continues."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from wegewart.errors import CalledWrongly, RecipeInvalid
from wegewart_datasets.settings import DataSettings
from wegewart_inference.model_bundle import Role, read_bundle
from wegewart_training.compose import compose, refuse_other_data
from wegewart_training.epoch_plan import drop_rows_after, epoch_rows, planned_epochs_of, trained_seconds
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.recipe import Recipe, read_recipe
from wegewart_training.run_environment import note_environment
from wegewart_training.run_record import RunRecord, begin, now, read_record, write_record
from wegewart_training.validation import examples, tensors, train_sources
from wegewart_training.workers import ALONE, Workers, done_by_first

logger = logging.getLogger(__name__)
START = "start.pt"  # of a run that goes on from a released bundle


def train(
    recipe_path: Path,
    run: Path,
    settings: DataSettings,
    device: str = "cpu",
    workers: Workers = ALONE,
    mlflow_uri: str | None = None,
) -> RunRecord:
    """Run a recipe to its end, or go on where this run folder stopped.

    Args:
        run: Folder of the run; checkpoints are in weights/, after every epoch.
        device: As Ultralytics names them: "cpu", "0", "0,1".
        workers: The processes of this training.
        mlflow_uri: Where Ultralytics' own MLflow callback reports to. None: nowhere.
    Returns:
        The run's record; a finished run is not trained again.
    Raises:
        RecipeInvalid: If the recipe has mistakes, or the folder holds a run of another recipe.
        DatasetInvalid: If a data set is missing or damaged, or not what the run was begun with.
        CalledWrongly: If there is no such device, or another process trains in this folder.
    """
    recipe = read_recipe(recipe_path)
    # Processes of one training do not share a settings file: each writes its own, then imports Ultralytics.
    room = run / "ultralytics" if workers.first else run / "ultralytics" / f"process-{workers.rank}"
    with _alone(run, workers), quiet_ultralytics(room, mlflow_uri, run.resolve().name):
        _check_device(device)
        done_by_first(workers, "prepare", lambda: _prepare(recipe, recipe_path, run, settings, device))
        record = read_record(run)
        if record is None:
            raise RecipeInvalid(f"{run / 'run.json'} vanished: start again")
        if record.finished_at is not None:
            logger.info("%s is finished since %s", run, record.finished_at)
            return record
        _train_with_ultralytics(recipe, run.resolve(), device, workers)
    if workers.first:
        record = finished(record, run)
        write_record(run, record)
    return record


@contextmanager
def _alone(run: Path, workers: Workers) -> Iterator[None]:
    """Keep other trainings out of the run folder; the lock ends with its process, whatever ends that."""
    if not workers.first:
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CalledWrongly(
                f"another process trains in {run}: wait for its end, stop it, or name a folder with --run"
            ) from error
        yield


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    import torch

    there = [str(index) for index in range(torch.cuda.device_count())]
    if not set(device.split(",")) <= set(there):
        raise CalledWrongly(f"--device {device}: there is cpu{''.join(f', {index}' for index in there)}")


def _prepare(recipe: Recipe, recipe_path: Path, run: Path, settings: DataSettings, device: str) -> None:
    """Lay out record, recipe, environment and data in the run folder."""
    earlier = read_record(run)
    if earlier is not None and earlier.finished_at is None and earlier.recipe_sha256 == recipe.sha256:
        _tidy(run)
    record = begin(run, recipe_path, recipe.sha256, device)
    if record.finished_at is None:
        shutil.copyfile(recipe_path, run / "recipe.toml")
        note_environment(run, record)
        if epoch_rows(run):
            refuse_other_data(run / "data", settings)
        compose(recipe, settings, run / "data")
        if recipe.from_bundle:
            _write_start(recipe, run / START, settings)


def _write_start(recipe: Recipe, target: Path, settings: DataSettings) -> None:
    """The bundle's graph as a checkpoint."""
    from wegewart_training.start_weights import write_bundle_weights

    bundle = read_bundle(recipe.checkpoint.parent, Role.DAMAGE)
    if bundle.card.taxonomy != recipe.taxonomy:
        raise RecipeInvalid(f"{bundle.folder.name} knows {bundle.card.taxonomy}, not {recipe.taxonomy}")
    write_bundle_weights(bundle, tensors(examples(train_sources(recipe, settings)), bundle.card), target)


def _tidy(run: Path) -> None:
    """Drop what an interrupted run left behind its last checkpoint."""
    last = run / "weights" / "last.pt"
    if not last.is_file():
        (run / "results.csv").unlink(missing_ok=True)
        return
    done = _epochs_in(last)
    if done > 0:
        drop_rows_after(run, done)


def _epochs_in(checkpoint: Path) -> int:
    """Epochs after which it was written; 0 once training is over and only the end of the run may be missing.

    Raises:
        RecipeInvalid: If it cannot be read.
    """
    from ultralytics.nn.tasks import load_checkpoint

    try:
        _, content = load_checkpoint(str(checkpoint))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, EOFError, TypeError, UnpicklingError) as error:
        raise RecipeInvalid(
            f"{checkpoint} cannot be read, as after a kill while it was written: put a copy in its place, or "
            f"remove {checkpoint.parent.parent} and begin anew ({error})"
        ) from error
    return int(content["epoch"]) + 1


def _train_with_ultralytics(recipe: Recipe, run: Path, device: str, workers: Workers) -> None:
    from torch import distributed

    from wegewart_training.road_trainer import RoadTrainer

    last = run / "weights" / "last.pt"
    overrides = trainer_settings(recipe, run, run / "data" / "data.yaml", device, workers.count)
    if last.is_file():
        done = len(epoch_rows(run))
        if not _epochs_in(last) or done >= planned_epochs_of(recipe.trainer, run):
            done_by_first(workers, "strip", lambda: _strip(run))  # stopped between the last epoch and the end
            return
        overrides |= {"model": str(last), "resume": str(last)}
        logger.info("going on after epoch %d of %s", done, run)
    try:
        RoadTrainer(recipe.trainer, run, overrides).train()  # type: ignore[no-untyped-call]
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def _strip(run: Path) -> None:
    """Leave the weights alone in the checkpoints, as the end of a training does."""
    from ultralytics.utils.torch_utils import strip_optimizer

    for name in ("last.pt", "best.pt"):
        strip_optimizer(str(run / "weights" / name))


def trainer_settings(
    recipe: Recipe, run: Path, data_yaml: Path, device: str, processes: int = 1
) -> dict[str, Any]:
    """What Ultralytics' trainer is told; whatever is not named here is its default."""
    plan = recipe.trainer
    settings: dict[str, Any] = {
        "model": str(run / START if recipe.from_bundle else recipe.checkpoint),
        "data": str(data_yaml),
        "save_dir": str(run),
        "epochs": plan.epochs,
        "time": None,
        "patience": 0,  # the recipe says when it ends
        "imgsz": plan.image_px,
        "batch": plan.batch,
        "nbs": plan.step_images,
        "seed": recipe.seed,
        "deterministic": True,
        "warmup_epochs": plan.warmup_epochs,
        "close_mosaic": plan.close_mosaic_epochs,
        "device": device,
        "workers": max(1, min(8, len(os.sched_getaffinity(0)) // processes)),  # on CPUs the trainer takes one
        # fp16 would be checked first with a picture from the network; bf16 needs no check, and on CPUs the
        # trainer switches it on itself
        "amp": "bf16" if device != "cpu" else False,
        "plots": False,
    }
    if plan.learning_rate is not None:
        settings |= {"optimizer": "AdamW", "lr0": plan.learning_rate, "cos_lr": True, "momentum": 0.9}
        settings |= {"warmup_bias_lr": 0.0}
    if recipe.teacher is not None:
        settings |= {"distill_model": str(recipe.teacher.checkpoint), "dis": recipe.teacher.weight}
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
