"""Export: a finished run in, a model bundle out, with a card that says how it was made and how it scores."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np

from wegewart.damage import shipped_taxonomy
from wegewart.errors import CalledWrongly, RecipeInvalid
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, read_data_yaml
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.model_bundle import (
    Bundle,
    BundleCard,
    Head,
    HeadKind,
    Preprocess,
    Role,
    Suppression,
    Training,
    TrainingPart,
    file_sha256,
    read_bundle,
    write_card,
)
from wegewart_inference.preprocess import input_tensor, letterbox_for
from wegewart_inference.sources import image_frame
from wegewart_training.evaluate import look_at, source_metrics
from wegewart_training.judged import ScoredImage
from wegewart_training.onnx_graph import OPSET, check_agreement, export_graph
from wegewart_training.recipe import Recipe
from wegewart_training.run_record import RunRecord, read_record
from wegewart_training.score import Scores, score
from wegewart_training.thresholds import best_f1_thresholds
from wegewart_training.train import epoch_rows, finished, trained_seconds

logger = logging.getLogger(__name__)
COMPARED_IMAGES = 8  # of each validation source, for the comparison of graph and checkpoint
LICENCE = "AGPL-3.0 (trained from an AGPL-3.0 checkpoint)"


@dataclass(frozen=True)
class ExportOptions:
    """What can be chosen at export."""

    heads: tuple[HeadKind, ...] = (HeadKind.RAW, HeadKind.END2END)
    """With several, the one with the better mAP50-95 on the validation images is kept."""
    image_px: int | None = None
    unfinished: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One head's bundle with what it sees on the validation sources."""

    bundle: Bundle
    looks: dict[str, list[ScoredImage]]
    pooled: Scores


def export(run: Path, recipe: Recipe, out: Path, settings: DataSettings, options: ExportOptions) -> Bundle:
    """Write the run's best checkpoint as a bundle into folder `out`.

    Raises:
        RecipeInvalid: If the run is of another recipe.
        CalledWrongly: If the run is not finished, or `out` has another name than the bundle or exists.
        ModelMismatch: If the graph does not answer as the checkpoint does.
    """
    record = _record_of(run, recipe, options)
    bundle_id = f"{recipe.name}-{recipe.version}-fp32"
    if out.name != bundle_id:
        raise CalledWrongly(f"--out {out} must end in the bundle's name, {bundle_id}")
    if out.exists():
        raise CalledWrongly(f"{out} exists: remove it, or give the recipe a new version")
    candidates = [_candidate(run, recipe, record, head, settings, options) for head in options.heads]
    best = max(candidates, key=lambda candidate: candidate.pooled.map50_95 or 0.0)
    card = _final_card(best, candidates)
    shutil.copytree(best.bundle.folder, out)
    write_card(out, card)
    return read_bundle(out, Role.DAMAGE)


def _record_of(run: Path, recipe: Recipe, options: ExportOptions) -> RunRecord:
    record = read_record(run)
    if record is None:
        raise CalledWrongly(f"{run} holds no run: there is no run.json")
    if record.recipe_sha256 != recipe.sha256:
        raise RecipeInvalid(
            f"{run} is a run of another version of {record.recipe}: give that one with --recipe"
        )
    if record.finished_at is None:
        if not options.unfinished:
            raise CalledWrongly(f"{run} is not finished: run it to its end, or export it with --unfinished")
        record = finished(record, run)
    return record


def _candidate(
    run: Path,
    recipe: Recipe,
    record: RunRecord,
    head: HeadKind,
    settings: DataSettings,
    options: ExportOptions,
) -> Candidate:
    """Bundle of one head in the run folder, looked at on every validation source."""
    folder = run / "export" / head / f"{recipe.name}-{recipe.version}-fp32"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkpoint, graph = run / "weights" / "best.pt", folder / "model.onnx"
    image_px = options.image_px or recipe.image_px
    codes = shipped_taxonomy(recipe.taxonomy).codes
    metadata = {"bundle": folder.name, "classes": ",".join(codes), "license": LICENCE, "head": head}
    export_graph(checkpoint, graph, image_px, head, metadata)
    preprocess = Preprocess()
    sources = _validation_sources(recipe, settings)
    tensors = list(_tensors(sources, (image_px, image_px), preprocess))
    logger.info("%s: %s", head, check_agreement(checkpoint, graph, head, tensors))
    write_card(folder, _first_card(run, recipe, record, head, graph, preprocess, image_px, options))
    detector = Detector(read_bundle(folder, Role.DAMAGE), threads=2)
    looks = {name: list(look_at(detector, data_yaml, split)) for name, data_yaml, split in sources}
    pooled = [image for images in looks.values() for image in images]
    return Candidate(detector.bundle, looks, score(pooled, codes, detector.card.thresholds))


def _validation_sources(recipe: Recipe, settings: DataSettings) -> list[tuple[str, Path, str]]:
    return [
        (
            f"{part.manifest} {part.split}",
            data_yaml_of(read_manifest(part.manifest, settings), settings),
            part.split,
        )
        for part in recipe.val
    ]


def _tensors(
    sources: Sequence[tuple[str, Path, str]], input_hw: tuple[int, int], preprocess: Preprocess
) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Graph inputs of the first images of every validation source."""
    for _, data_yaml, split in sources:
        for path in islice(images_of(read_data_yaml(data_yaml), split), COMPARED_IMAGES):
            frame = image_frame(path, "export", 0)
            if isinstance(frame, Frame):
                letterbox = letterbox_for((frame.height_px, frame.width_px), input_hw, preprocess)
                yield input_tensor(frame.image, letterbox, preprocess)


def _first_card(
    run: Path,
    recipe: Recipe,
    record: RunRecord,
    head: HeadKind,
    graph: Path,
    preprocess: Preprocess,
    image_px: int,
    options: ExportOptions,
) -> BundleCard:
    """Card without scores; its thresholds are replaced once the validation images were looked at."""
    codes = shipped_taxonomy(recipe.taxonomy).codes
    ultralytics = record.versions["ultralytics"]
    return BundleCard(
        name=recipe.name,
        version=recipe.version,
        precision="fp32",
        role=Role.DAMAGE,
        taxonomy=recipe.taxonomy,
        classes=codes,
        input_hw=(image_px, image_px),
        preprocess=preprocess,
        head=Head(kind=head, suppression=Suppression() if head is HeadKind.RAW else None),
        opset=OPSET,
        thresholds=dict.fromkeys(codes, 0.25),
        thresholds_chosen_on="not chosen yet",
        origin=f"{recipe.checkpoint.name}, fine-tuned with Ultralytics {ultralytics}",
        training=_training(run, recipe, record),
        notes=options.notes,
        licence=LICENCE,
        sha256=file_sha256(graph),
    )


def _training(run: Path, recipe: Recipe, record: RunRecord) -> Training:
    parts = json.loads((run / "data" / "parts.json").read_text(encoding="utf-8"))
    return Training(
        recipe=record.recipe,
        recipe_sha256=record.recipe_sha256,
        git_commit=record.git_commit,
        resumed_with=tuple(record.resumed_with),
        started_at=datetime.fromisoformat(record.started_at),
        epochs=record.epochs_done or len(epoch_rows(run)),
        best_epoch=record.best_epoch or 1,
        seconds=record.seconds or trained_seconds(run),
        device=record.device,
        versions=dict(record.versions),
        start_checkpoint_sha256=recipe.checkpoint_sha256,
        train=tuple(TrainingPart.model_validate(part) for part in parts["train"]),
        val=tuple(TrainingPart.model_validate(part) for part in parts["val"]),
    )


def _final_card(best: Candidate, candidates: Sequence[Candidate]) -> BundleCard:
    """The best candidate's card with thresholds, scores on its validation sources, and why this head."""
    card = best.bundle.card
    images = [image for looks in best.looks.values() for image in looks]
    thresholds = best_f1_thresholds(images, card.classes)
    metrics = {
        name: source_metrics(score(looks, card.classes, thresholds)) for name, looks in best.looks.items()
    }
    heads = ", ".join(
        f"{one.bundle.card.head.kind} {one.pooled.map50 or 0:.3f} / {one.pooled.map50_95 or 0:.3f}"
        for one in candidates
    )
    chosen_on = f"best F1 per class on {' and '.join(best.looks)}, {len(images)} images pooled"
    notes = (*card.notes, f"mAP50 / mAP50-95 on the pooled validation images, by head: {heads}")
    updates = {
        "thresholds": thresholds,
        "thresholds_chosen_on": chosen_on,
        "metrics": metrics,
        "notes": notes,
    }
    return card.model_copy(update=updates)
