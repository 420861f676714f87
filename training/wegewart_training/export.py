"""Export: a finished run in, a model bundle out, with a card that says how it was made and how it scores.

Nothing is written unless the bundle sees what its checkpoint sees (parity.py)."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from wegewart.damage import shipped_taxonomy
from wegewart.errors import CalledWrongly, DatasetInvalid, RecipeInvalid
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, read_data_yaml
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame, ImageU8
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
from wegewart_training.epoch_plan import epoch_rows, trained_seconds
from wegewart_training.evaluate import look_at, source_metrics
from wegewart_training.judged import ScoredImage
from wegewart_training.onnx_graph import OPSET, Float32Array, export_graph
from wegewart_training.parity import (
    LIMITS,
    Parity,
    check_map50,
    check_parity,
    checkpoint_sees,
    frames_of_every_shape,
)
from wegewart_training.recipe import DataPart, Recipe
from wegewart_training.run_record import RunRecord, read_record
from wegewart_training.score import Scores, score
from wegewart_training.thresholds import best_f1_thresholds
from wegewart_training.train import finished

logger = logging.getLogger(__name__)
COMPARED_IMAGES = 4  # of each validation source, each in four shapes, for the parity gate
CALIBRATION_IMAGES = 64  # of the train parts together; 16 to 100 give the same (docs/releases.md)
Precision = Literal["fp32", "fp16", "int8"]
LICENCE = "AGPL-3.0 (trained from an AGPL-3.0 checkpoint)"


@dataclass(frozen=True)
class ExportOptions:
    """What can be chosen at export."""

    heads: tuple[HeadKind, ...] = (HeadKind.RAW, HeadKind.END2END)
    """With several, the one with the better mAP50-95 on the validation images is kept."""
    image_px: int | None = None
    precision: Precision = "fp32"
    unfinished: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One head's bundle with what it sees on the validation sources."""

    bundle: Bundle
    looks: dict[str, list[ScoredImage]]
    pooled: Scores
    parity: str
    """What the gate found, for the card."""


def export(run: Path, recipe: Recipe, out: Path, settings: DataSettings, options: ExportOptions) -> Bundle:
    """Write the run's best checkpoint as a bundle into folder `out`.

    Raises:
        RecipeInvalid: If the run is of another recipe.
        CalledWrongly: If the run is not finished, or `out` has another name than the bundle or exists.
        ModelMismatch: If the bundle does not see what the checkpoint sees; then nothing is written.
    """
    record = _record_of(run, recipe, options)
    bundle_id = f"{recipe.name}-{recipe.version}-{options.precision}"
    if out.name != bundle_id:
        raise CalledWrongly(f"--out {out} must end in the bundle's name, {bundle_id}")
    if out.exists():
        raise CalledWrongly(f"{out} exists: remove it, or give the recipe a new version")
    candidates = [_candidate(run, recipe, record, head, settings, options) for head in options.heads]
    best = max(candidates, key=lambda candidate: candidate.pooled.map50_95 or 0.0)
    chosen = best if options.precision == "fp32" else _in_other_numbers(best, run, recipe, settings, options)
    card = _final_card(chosen, candidates)
    shutil.copytree(chosen.bundle.folder, out)
    write_card(out, card)
    return read_bundle(out, Role.DAMAGE, allow_unsigned=True)


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
    image_px = options.image_px or recipe.trainer.image_px
    codes = shipped_taxonomy(recipe.taxonomy).codes
    metadata = {"bundle": folder.name, "classes": ",".join(codes), "license": LICENCE, "head": head}
    export_graph(checkpoint, graph, image_px, head, metadata)
    write_card(folder, _first_card(run, recipe, record, head, graph, image_px, options))
    detector = Detector(read_bundle(folder, Role.DAMAGE, allow_unsigned=True), threads=2)
    sources = _validation_sources(recipe, settings)
    parity = _gate(checkpoint, detector, sources, "fp32")
    logger.info("%s: %s", head, parity)
    return _looked_at(detector, sources, f"parity with the checkpoint: {parity}")


def _in_other_numbers(
    best: Candidate, run: Path, recipe: Recipe, settings: DataSettings, options: ExportOptions
) -> Candidate:
    """The candidate in float16 or INT8, held against the float32 graph on the validation images."""
    from wegewart_training.quantise import quantise, to_float16  # onnxruntime's tools load slowly

    card, precision = best.bundle.card, options.precision
    folder = best.bundle.folder.parent / f"{recipe.name}-{recipe.version}-{precision}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    graph, note = folder / "model.onnx", "float16 weights"
    if precision == "int8":
        images = calibration_images(recipe, settings)
        tensors = [_tensor(image, card) for image in _decoded(images)]
        quantise(best.bundle.model_path, graph, tensors)
        note = f"INT8 ranges from {len(tensors)} train images, evenly from each train part"
    else:
        to_float16(best.bundle.model_path, graph)
    updates = {"precision": precision, "sha256": file_sha256(graph), "notes": (*card.notes, note)}
    write_card(folder, card.model_copy(update=updates))
    detector = Detector(read_bundle(folder, Role.DAMAGE, allow_unsigned=True), threads=2)
    sources = _validation_sources(recipe, settings)
    if precision == "fp16":
        logger.info("fp16: %s", _gate(run / "weights" / "best.pt", detector, sources, precision))
    candidate = _looked_at(detector, sources, best.parity)
    change = check_map50(folder.name, best.pooled.map50, candidate.pooled.map50)
    logger.info("%s: mAP50 changes by %+.4f on the validation images", precision, change)
    images_count = sum(len(looks) for looks in candidate.looks.values())
    note = f"{precision} against fp32: mAP50 {change:+.4f} on {images_count} validation images"
    return replace(candidate, parity=f"fp32 graph: {best.parity}; {note}")


def _gate(
    checkpoint: Path, detector: Detector, sources: Sequence[tuple[str, Path, str]], precision: Precision
) -> Parity:
    paths = [
        path
        for _, data_yaml, split in sources
        for path in _evenly(images_of(read_data_yaml(data_yaml), split), COMPARED_IMAGES)
    ]
    frames = list(frames_of_every_shape(_decoded(paths)))
    return check_parity(
        checkpoint_sees(checkpoint, detector.card, frames), detector, frames, LIMITS[precision]
    )


def _looked_at(detector: Detector, sources: Sequence[tuple[str, Path, str]], parity: str) -> Candidate:
    looks = {name: list(look_at(detector, data_yaml, split)) for name, data_yaml, split in sources}
    pooled = [image for images in looks.values() for image in images]
    scores = score(pooled, detector.class_codes, detector.card.thresholds)
    return Candidate(detector.bundle, looks, scores, parity)


def calibration_images(recipe: Recipe, settings: DataSettings) -> list[Path]:
    """Images of the train parts and of nothing else, evenly from each part and over each part."""
    share = -(-CALIBRATION_IMAGES // len(recipe.train))
    return [path for part in recipe.train for path in _evenly(_images_of_part(part, settings), share)]


def _images_of_part(part: DataPart, settings: DataSettings) -> Sequence[Path]:
    data_yaml = data_yaml_of(read_manifest(part.manifest, settings), settings)
    return images_of(read_data_yaml(data_yaml), part.split)


def _evenly(paths: Sequence[Path], count: int) -> Sequence[Path]:
    """So many of the paths, at equal distances; all of them where there are fewer."""
    count = min(count, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def _decoded(paths: Sequence[Path]) -> Iterator[ImageU8]:
    for path in paths:
        frame = image_frame(path, "export", 0)
        if isinstance(frame, Frame):
            yield frame.image
        else:
            raise DatasetInvalid(f"{path}: {frame.reason}; restore it or take it out of the set")


def _tensor(image: ImageU8, card: BundleCard) -> Float32Array:
    """The graph's input as the vehicle makes it."""
    letterbox = letterbox_for((image.shape[0], image.shape[1]), card.input_hw, card.preprocess)
    return input_tensor(image, letterbox, card.preprocess)


def _validation_sources(recipe: Recipe, settings: DataSettings) -> list[tuple[str, Path, str]]:
    return [
        (
            f"{part.manifest} {part.split}",
            data_yaml_of(read_manifest(part.manifest, settings), settings),
            part.split,
        )
        for part in recipe.val
    ]


def _first_card(
    run: Path,
    recipe: Recipe,
    record: RunRecord,
    head: HeadKind,
    graph: Path,
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
        preprocess=Preprocess(),
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
    by_head = f"fp32 mAP50 / mAP50-95 on the pooled validation images, by head: {heads}"
    notes = (*card.notes, by_head, best.parity)
    updates = {
        "thresholds": thresholds,
        "thresholds_chosen_on": chosen_on,
        "metrics": metrics,
        "notes": notes,
    }
    return card.model_copy(update=updates)
