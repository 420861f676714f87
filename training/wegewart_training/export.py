"""Export: a finished run in, a model bundle out, with a card that says how it was made and how it scores.

Nothing is written unless the bundle sees what its checkpoint sees (parity.py)."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from wegewart.damage import shipped_taxonomy
from wegewart.errors import CalledWrongly, RecipeInvalid
from wegewart_datasets.settings import DataSettings
from wegewart_inference.detector import Detector
from wegewart_inference.frame import ImageU8
from wegewart_inference.model_bundle import (
    GRAPH_NAME,
    Bundle,
    HeadKind,
    Role,
    file_sha256,
    read_bundle,
    write_card,
)
from wegewart_training.compose import refuse_other_data
from wegewart_training.onnx_graph import export_graph
from wegewart_training.parity import (
    LIMITS,
    Parity,
    check_map50,
    check_parity,
    checkpoint_sees,
    frames_of_every_shape,
)
from wegewart_training.recipe import Recipe
from wegewart_training.run_card import LICENCE, TrainedRun, final_card, first_card
from wegewart_training.run_record import RunRecord, read_record
from wegewart_training.score import Scores, score
from wegewart_training.thresholds import ThresholdRule
from wegewart_training.train import finished
from wegewart_training.validation import (
    Looks,
    Source,
    decoded,
    evenly,
    examples,
    looks_of,
    pooled,
    tensors,
    train_sources,
    undamaged_sources,
    validation_sources,
)

logger = logging.getLogger(__name__)
COMPARED_IMAGES = 4  # of each validation source, each in four shapes, for the parity gate
Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class ExportOptions:
    """What can be chosen at export."""

    heads: tuple[HeadKind, ...] = (HeadKind.RAW, HeadKind.END2END)
    """With several, the one with the better mAP50-95 on the validation images is kept."""
    image_px: int | None = None
    precisions: tuple[Precision, ...] = ("fp32",)
    rule: ThresholdRule = field(default_factory=ThresholdRule)
    unfinished: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One graph's bundle with what it sees on the validation sources."""

    bundle: Bundle
    looks: Looks
    pooled: Scores
    parity: str
    """What the gate found, for the card."""


def export(run: Path, recipe: Recipe, out: Path, settings: DataSettings, options: ExportOptions) -> Bundle:
    """Write the run's best checkpoint as a bundle into folder `out`, in one precision.

    Raises:
        RecipeInvalid: If the run is of another recipe.
        CalledWrongly: If the run is not finished, or `out` has another name than the bundle or exists.
        ModelMismatch: If the bundle does not see what the checkpoint sees; then nothing is written.
    """
    (precision,) = options.precisions
    bundle_id = trained_run(run, recipe, unfinished=options.unfinished).bundle_id(precision)
    if out.name != bundle_id:
        raise CalledWrongly(f"--out {out} must end in the bundle's name, {bundle_id}")
    if out.exists():
        raise CalledWrongly(f"{out} exists: remove it, or give the recipe a new version")
    return export_into(out.parent, run, recipe, settings, options)[0]


def export_into(
    folder: Path, run: Path, recipe: Recipe, settings: DataSettings, options: ExportOptions
) -> list[Bundle]:
    """Write one bundle of each precision into `folder`; their names are free there.

    Raises:
        RecipeInvalid, CalledWrongly, ModelMismatch: As for `export`.
        DatasetInvalid: If a data set is no longer what the run was trained with.
    """
    trained = trained_run(run, recipe, unfinished=options.unfinished)
    refuse_other_data(run / "data", settings)
    sources = validation_sources(recipe, settings)
    heads = [_candidate(trained, head, sources, options) for head in _trained_heads(recipe, options)]
    best = max(heads, key=lambda candidate: candidate.pooled.map50_95 or 0.0)
    bundles = []
    for precision in options.precisions:
        chosen = best
        if precision != "fp32":
            chosen = _in_other_numbers(best, trained, precision, sources, settings)
        bundles.append(_written(folder, chosen, _heads_note(heads), trained, settings, options.rule))
    return bundles


def _trained_heads(recipe: Recipe, options: ExportOptions) -> list[HeadKind]:
    """Of the heads asked for, those that the recipe trains.

    Raises:
        CalledWrongly: If that leaves none.
    """
    heads = [head for head in options.heads if recipe.trainer.one_to_one or head is HeadKind.RAW]
    if not heads:
        raise CalledWrongly(f"{recipe.name} trains no end-to-end head (one_to_one = false): use --head raw")
    return heads


def trained_run(run: Path, recipe: Recipe, *, unfinished: bool = False) -> TrainedRun:
    """The run in this folder.

    Raises:
        RecipeInvalid: If it is of another recipe.
        CalledWrongly: If there is none, it is not finished and need be, or no epoch has looked at val.
    """
    record = read_record(run)
    if record is None:
        raise CalledWrongly(f"{run} holds no run: there is no run.json")
    if record.recipe_sha256 != recipe.sha256:
        raise RecipeInvalid(
            f"{run} is a run of another version of {record.recipe}: give that one with --recipe"
        )
    trained = TrainedRun(run, recipe, _finished(record, run, unfinished))
    if not trained.checkpoint.is_file():
        raise CalledWrongly(
            f"{trained.checkpoint} is missing: no epoch of {run} has looked at val yet, train on "
            f"(check_every_epochs = {recipe.trainer.check_every_epochs})"
        )
    return trained


def _finished(record: RunRecord, run: Path, unfinished: bool) -> RunRecord:
    if record.finished_at is not None:
        return record
    if not unfinished:
        raise CalledWrongly(f"{run} is not finished: run it to its end, or export it with --unfinished")
    return finished(record, run)


def _candidate(
    run: TrainedRun, head: HeadKind, sources: Sequence[Source], options: ExportOptions
) -> Candidate:
    """Bundle of one head in the run folder, looked at on every validation source."""
    folder = _empty(run.folder / "export" / head / run.bundle_id("fp32"))
    graph = folder / GRAPH_NAME
    image_px = options.image_px or run.recipe.trainer.image_px
    codes = shipped_taxonomy(run.recipe.taxonomy).codes
    metadata = {"bundle": folder.name, "classes": ",".join(codes), "license": LICENCE, "head": head}
    export_graph(run.checkpoint, graph, image_px, head, metadata)
    write_card(folder, first_card(run, head, graph, image_px, options.notes))
    detector = _detector(folder)
    parity = _gate(run.checkpoint, detector, sources, "fp32")
    logger.info("%s: %s", head, parity)
    return _looked_at(detector, sources, f"parity with the checkpoint: {parity}")


def _in_other_numbers(
    best: Candidate, run: TrainedRun, precision: Precision, sources: Sequence[Source], settings: DataSettings
) -> Candidate:
    """The candidate in float16 or INT8, held against the float32 graph on the validation images."""
    from wegewart_training.quantise import quantise, to_float16  # onnxruntime's tools load slowly

    card = best.bundle.card
    folder = _empty(best.bundle.folder.parent / run.bundle_id(precision))
    graph, note = folder / GRAPH_NAME, "float16 weights"
    if precision == "int8":
        images = examples(train_sources(run.recipe, settings))
        quantise(best.bundle.model_path, graph, list(tensors(images, card)))
        note = f"INT8 ranges from {len(images)} train images, evenly from each train part"
    else:
        to_float16(best.bundle.model_path, graph)
    updates = {"precision": precision, "sha256": file_sha256(graph), "notes": (*card.notes, note)}
    write_card(folder, card.model_copy(update=updates))
    detector = _detector(folder)
    if precision == "fp16":
        logger.info("fp16: %s", _gate(run.checkpoint, detector, sources, precision))
    candidate = _looked_at(detector, sources, best.parity)
    change = check_map50(folder.name, best.pooled.map50, candidate.pooled.map50)
    logger.info("%s: mAP50 changes by %+.4f on the validation images", precision, change)
    note = f"{precision} against fp32: mAP50 {change:+.4f} on {candidate.pooled.images} validation images"
    return replace(candidate, parity=f"fp32 graph: {best.parity}; {note}")


def _written(
    folder: Path,
    chosen: Candidate,
    heads_note: str,
    run: TrainedRun,
    settings: DataSettings,
    rule: ThresholdRule,
) -> Bundle:
    """The candidate with its final card, copied into `folder`."""
    detector = Detector(chosen.bundle, threads=2)
    undamaged = looks_of(detector, undamaged_sources(run.recipe, settings))
    card = final_card(chosen.bundle.card, chosen.looks, undamaged, rule, (heads_note, chosen.parity))
    logger.info("%s: %s", card.id, card.thresholds_chosen_on)
    out = folder / card.id
    shutil.copytree(chosen.bundle.folder, out)
    write_card(out, card)
    return read_bundle(out, Role.DAMAGE, allow_unsigned=True)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _detector(folder: Path) -> Detector:
    return Detector(read_bundle(folder, Role.DAMAGE, allow_unsigned=True), threads=2)


def _gate(checkpoint: Path, detector: Detector, sources: Sequence[Source], precision: Precision) -> Parity:
    frames = compared_frames(sources)
    expected = checkpoint_sees(checkpoint, detector.card, frames)
    return check_parity(expected, detector, frames, LIMITS[precision])


def compared_frames(sources: Sequence[Source]) -> list[ImageU8]:
    """Frames for the gate: a few images of every source, each in four shapes."""
    paths = [path for source in sources for path in evenly(source.images, COMPARED_IMAGES)]
    return list(frames_of_every_shape(decoded(paths)))


def _looked_at(detector: Detector, sources: Sequence[Source], parity: str) -> Candidate:
    looks = looks_of(detector, sources)
    scores = score(pooled(looks), detector.class_codes, detector.card.thresholds)
    return Candidate(detector.bundle, looks, scores, parity)


def _heads_note(heads: Sequence[Candidate]) -> str:
    scores = ", ".join(
        f"{one.bundle.card.head.kind} {one.pooled.map50 or 0:.3f} / {one.pooled.map50_95 or 0:.3f}"
        for one in heads
    )
    return f"fp32 mAP50 / mAP50-95 on the pooled validation images, by head: {scores}"
