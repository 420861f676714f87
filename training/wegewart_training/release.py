"""Release: an exported bundle in, the same bundle with its papers, its sums and a signature out."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from wegewart.errors import CalledWrongly, DatasetInvalid
from wegewart_datasets.manifest import manifest_sha256
from wegewart_datasets.settings import DataSettings
from wegewart_inference.card_report import card_report
from wegewart_inference.model_bundle import BundleCard, read_bundle, write_card
from wegewart_inference.signature import SIGNATURE_FILE, is_signed, verify
from wegewart_training.signing import SigningKey, sign

logger = logging.getLogger(__name__)


def release(
    folder: Path, key: SigningKey, settings: DataSettings, keys: Path, report: Path | None = None
) -> None:
    """Complete and sign the bundle in this folder; it is replaced in one step.

    Args:
        keys: Folder of public keys, which must hold this key's half.
        report: An HTML report of `evaluate` to put beside the figures.
    Raises:
        CalledWrongly: If it is released already, or a release was interrupted here.
        DatasetInvalid: If a manifest is not the one that the bundle was trained with, or has no data sheet.
    """
    if is_signed(folder):
        raise CalledWrongly(f"{folder} is released already: a release does not change, give it a new version")
    card = read_bundle(folder, allow_unsigned=True).card
    staged = folder.parent / f".{folder.name}.release" / folder.name
    shutil.rmtree(staged.parent, ignore_errors=True)
    shutil.copytree(folder, staged)
    try:
        signed_card = card.model_copy(update={"signature": f"{SIGNATURE_FILE}, key {key.id}"})
        write_card(staged, signed_card)
        _write_papers(staged, signed_card, settings, report)
        sign(staged, key, keys)
        verify(staged, keys)
        _replace(folder, staged)
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)
    logger.info("%s is released, signed by %s", folder.name, key.id)


def _write_papers(folder: Path, card: BundleCard, settings: DataSettings, report: Path | None) -> None:
    """Evaluation for people; manifest and data sheet of every data set that the training took from."""
    (folder / "evaluation.txt").write_text(card_report(card) + "\n", encoding="utf-8")
    if report is not None:
        shutil.copyfile(report, folder / "evaluation.html")
    if card.training is None:
        return
    sheets = folder / "datasheets"
    sheets.mkdir(exist_ok=True)
    refuse_without_sheets({part.manifest for part in (*card.training.train, *card.training.val)}, settings)
    for part in {part.manifest: part for part in (*card.training.train, *card.training.val)}.values():
        found = manifest_sha256(part.manifest, settings)
        if found != part.manifest_sha256:
            raise DatasetInvalid(
                f"datasets/manifests/{part.manifest}.toml is no longer what {card.id} was trained with "
                f"(SHA-256 {found[:12]}…, not {part.manifest_sha256[:12]}…): restore it for the release"
            )
        shutil.copyfile(settings.manifests / f"{part.manifest}.toml", sheets / f"{part.manifest}.toml")
        shutil.copyfile(_sheet(part.manifest, settings), sheets / f"{part.manifest}.md")


def refuse_without_sheets(manifests: Iterable[str], settings: DataSettings) -> None:
    """Stop if one of these data sets has no data sheet.

    Raises:
        DatasetInvalid: With the command that writes it.
    """
    for name in sorted(set(manifests)):
        sheet = _sheet(name, settings)
        if not sheet.is_file():
            raise DatasetInvalid(f"{sheet} is missing: wegewart-data datasheet {name} --out {sheet}")


def _sheet(manifest: str, settings: DataSettings) -> Path:
    return settings.manifests.parent / "datasheets" / f"{manifest}.md"


def _replace(folder: Path, staged: Path) -> None:
    """Put the staged folder in the place of the other: for a moment there is none, but never half of one."""
    before = staged.parent / "before"
    folder.rename(before)
    try:
        staged.rename(folder)
    except OSError:
        before.rename(folder)
        raise
