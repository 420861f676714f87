"""One command from a run to its release: export, gate, head, thresholds, scores, report, papers, signature.

Nothing appears among the models before all of it is done: it is made in a hidden folder beside them.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import DataSettings
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import Bundle, Role, read_bundle, write_card
from wegewart_training.evaluate import card_metrics, record_scores
from wegewart_training.evaluation import Evaluation
from wegewart_training.export import ExportOptions, export_into, trained_run
from wegewart_training.recipe import Recipe
from wegewart_training.release import refuse_without_sheets, release
from wegewart_training.report import write_report
from wegewart_training.signing import SigningKey, check_public_half
from wegewart_training.sources import evaluation_of
from wegewart_training.start_weights import write_start_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReleasePlan:
    """What a release from a run consists of."""

    options: ExportOptions
    """With every precision that is to be released."""
    data_yamls: Sequence[Path]
    split: str = "test"
    weights: Path | None = None
    """Folder for the weights from which a later training can start; None leaves them out."""
    threads: int = 2


def release_run(
    run: Path,
    recipe: Recipe,
    models: Path,
    keys: Path,
    key: SigningKey,
    settings: DataSettings,
    plan: ReleasePlan,
) -> list[Path]:
    """Release a finished run into `models` and return the folders of its bundles.

    The full report with pictures stays in the run's folder `release`; the one in a bundle shows no street.
    Raises:
        CalledWrongly: If a bundle or the weights exist already, or the key's public half is not in `keys`.
        DatasetInvalid: If a data set has no data sheet, or is no longer what the run was trained with.
        ModelMismatch: If a graph does not see what the checkpoint sees; then nothing is released.
    """
    check_public_half(key, keys)
    refuse_without_sheets((part.manifest for part in (*recipe.train, *recipe.val)), settings)
    trained = trained_run(run, recipe, unfinished=plan.options.unfinished)
    targets = [models / trained.bundle_id(precision) for precision in plan.options.precisions]
    weights = None if plan.weights is None else plan.weights / f"{recipe.name}-{recipe.version}.pt"
    _refuse_existing([*targets, *([] if weights is None else [weights])])
    making = models / f".{recipe.name}-{recipe.version}.making"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        bundles = export_into(making, run, recipe, settings, plan.options)
        if weights is not None:
            _add_weights(trained.checkpoint, making / weights.name, bundles)
        for bundle in bundles:
            _complete(bundle.folder, run / "release", keys, key, settings, plan)
        if weights is not None:
            _put(making / weights.name, weights)
        for target in targets:
            (making / target.name).rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return targets


def _refuse_existing(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            raise CalledWrongly(f"{path} exists: a release does not change, give the recipe a new version")
        if not path.parent.is_dir():
            raise CalledWrongly(f"{path.parent} is no folder: make it first")


def _put(file: Path, target: Path) -> None:
    """Move a file, perhaps to another file system, and never leave half of it under its name."""
    begun = target.with_name(f".{target.name}.begun")
    shutil.copyfile(file, begun)
    begun.replace(target)


def _add_weights(checkpoint: Path, target: Path, bundles: Sequence[Bundle]) -> None:
    """Put the checkpoint beside the bundles and its hash into their cards."""
    sha256 = write_start_weights(checkpoint, target, bundles[0].card.input_hw[0])
    for bundle in bundles:
        if bundle.card.training is not None:
            training = bundle.card.training.model_copy(update={"weights_sha256": sha256})
            write_card(bundle.folder, bundle.card.model_copy(update={"training": training}))


def _complete(
    folder: Path, reports: Path, keys: Path, key: SigningKey, settings: DataSettings, plan: ReleasePlan
) -> None:
    """Score the bundle, write its reports, and sign it."""
    evaluations = _scored(folder, plan)
    reports.mkdir(exist_ok=True)
    write_report(reports / f"{folder.name}.html", evaluations, [])
    public = reports / f"{folder.name}-without-pictures.html"
    write_report(public, evaluations, [], pictures=False)
    release(folder, key, settings, keys, public)


def _scored(folder: Path, plan: ReleasePlan) -> list[Evaluation]:
    """Scores on every source, also written into the card."""
    bundle = read_bundle(folder, Role.DAMAGE, allow_unsigned=True)
    detector = Detector(bundle, threads=plan.threads)
    evaluations = [evaluation_of(detector, path, plan.split) for path in plan.data_yamls]
    record_scores(bundle, {one.name: card_metrics(one.flat(), one.intervals) for one in evaluations})
    return evaluations
