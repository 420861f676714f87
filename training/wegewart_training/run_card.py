"""The card of a trained model: first how it was made and is used, then what was chosen and how it scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wegewart.damage import shipped_taxonomy
from wegewart_inference.model_bundle import (
    BundleCard,
    Head,
    HeadKind,
    Preprocess,
    Role,
    SourceMetrics,
    Suppression,
    Training,
    TrainingPart,
    file_sha256,
)
from wegewart_training.calibration import fit_temperature, with_temperature
from wegewart_training.compose import PARTS
from wegewart_training.epoch_plan import epoch_rows, trained_seconds
from wegewart_training.evaluate import card_metrics
from wegewart_training.evaluation import evaluate_images, large_sources
from wegewart_training.judged import ScoredImage
from wegewart_training.onnx_graph import OPSET
from wegewart_training.recipe import Recipe
from wegewart_training.run_record import RunRecord
from wegewart_training.thresholds import ThresholdRule, choose_thresholds
from wegewart_training.validation import Looks, pooled

LICENCE = "AGPL-3.0 (trained from an AGPL-3.0 checkpoint)"
ALL_VAL = "all val"


@dataclass(frozen=True)
class TrainedRun:
    """A run and the recipe that made it."""

    folder: Path
    recipe: Recipe
    record: RunRecord

    @property
    def checkpoint(self) -> Path:
        """The weights of the best epoch (EMA)."""
        return self.folder / "weights" / "best.pt"

    def bundle_id(self, precision: str) -> str:
        """Name, version and precision."""
        return f"{self.recipe.name}-{self.recipe.version}-{precision}"


def first_card(
    run: TrainedRun, head: HeadKind, graph: Path, image_px: int, notes: tuple[str, ...]
) -> BundleCard:
    """Card without scores; its thresholds are replaced once the validation images were looked at."""
    recipe = run.recipe
    codes = shipped_taxonomy(recipe.taxonomy).codes
    ultralytics = run.record.versions["ultralytics"]
    trained = "trained from random weights" if recipe.from_random_weights else "fine-tuned"
    return BundleCard(
        name=recipe.name,
        version=recipe.version,
        precision="fp32",
        role=Role.DAMAGE,
        taxonomy=recipe.taxonomy,
        classes=codes,
        input_hw=(image_px, image_px),
        preprocess=Preprocess(),
        head=Head(kind=head, suppression=Suppression() if head is HeadKind.RAW else None),
        opset=OPSET,
        thresholds=dict.fromkeys(codes, 0.25),
        thresholds_chosen_on="not chosen yet",
        origin=f"{recipe.start_name}, {trained} with Ultralytics {ultralytics}",
        training=_training(run),
        notes=notes,
        licence=LICENCE,
        sha256=file_sha256(graph),
    )


def _training(run: TrainedRun) -> Training:
    parts = json.loads((run.folder / "data" / PARTS).read_text(encoding="utf-8"))
    record = run.record
    return Training(
        recipe=record.recipe,
        recipe_sha256=record.recipe_sha256,
        git_commit=record.git_commit,
        resumed_with=tuple(record.resumed_with),
        started_at=datetime.fromisoformat(record.started_at),
        epochs=record.epochs_done or len(epoch_rows(run.folder)),
        best_epoch=record.best_epoch or 1,
        seconds=record.seconds or trained_seconds(run.folder),
        device=record.device,
        versions=dict(record.versions),
        start_checkpoint_sha256=run.recipe.checkpoint_sha256,
        train=tuple(TrainingPart.model_validate(part) for part in parts["train"]),
        val=tuple(TrainingPart.model_validate(part) for part in parts["val"]),
    )


def final_card(
    card: BundleCard, looks: Looks, undamaged: Looks, rule: ThresholdRule, notes: Sequence[str]
) -> BundleCard:
    """The card with temperature and thresholds chosen on these images, and its scores on them.

    Args:
        looks: Validation images, looked at with temperature 1.
        undamaged: Photographs of sound road that may choose thresholds.
    """
    temperature = fit_temperature(pooled(looks))
    looks, undamaged = _tempered(looks, temperature), _tempered(undamaged, temperature)
    choice = choose_thresholds(looks, undamaged, card.classes, rule)
    updates = {
        "temperature": temperature,
        "thresholds": choice.thresholds,
        "thresholds_chosen_on": choice.chosen_on,
        "metrics": _metrics(looks, undamaged, card, choice.thresholds),
        "notes": (*card.notes, *notes),
    }
    return card.model_copy(update=updates)


def _tempered(looks: Looks, temperature: float) -> Looks:
    return {name: with_temperature(images, temperature) for name, images in looks.items()}


def _metrics(
    looks: Looks, undamaged: Looks, card: BundleCard, thresholds: Mapping[str, float]
) -> dict[str, SourceMetrics]:
    """Figures and intervals of all validation images, of each data set, and of each source within it."""
    sets: dict[str, Sequence[ScoredImage]] = {ALL_VAL: pooled(looks)} if len(looks) > 1 else {}
    for name, images in looks.items():
        sets[name] = images
        sets |= {f"{name}, {source}": part for source, part in large_sources(images).items()}
    metrics = {}
    for name, images in {**sets, **undamaged}.items():
        scored = evaluate_images(name, card.id, images, card.classes, thresholds)
        metrics[name] = card_metrics(scored.flat(), scored.intervals)
    return metrics
