"""Model bundles: a graph (model.onnx) and a card (card.json) that says how to use it and how it was made."""

import hashlib
import json
import logging
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from wegewart.damage import shipped_taxonomy
from wegewart.errors import BundleInvalid, BundleUntrusted, CalledWrongly, InvalidTaxonomy, ModelMismatch
from wegewart.identity import content_sha256
from wegewart.wire import BundleRef, Sha256
from wegewart_inference.signature import KEYS_FOLDER, is_signed, verify

logger = logging.getLogger(__name__)
Unit = Annotated[float, Field(ge=0, le=1)]

GRAPH_NAME = "model.onnx"


class CardModel(BaseModel):
    """Base of everything in a card: frozen, and unknown fields or NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Role(StrEnum):
    """What a bundle is for."""

    DAMAGE = "damage"
    MASK = "mask"


class HeadKind(StrEnum):
    """How a graph speaks: finished boxes, or candidates that need suppression."""

    END2END = "end2end"
    """(1, N, 6): x1, y1, x2, y2, confidence, class."""
    RAW = "raw"
    """(1, 4 + classes, N): centre x, centre y, width, height, then one score per class."""


class Crop(CardModel):
    """Rows of the frame that the graph sees, as fractions of its height; the whole width is used."""

    from_row: Unit = 0.0
    to_row: Unit = 1.0

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if self.to_row <= self.from_row:
            raise ValueError("to_row must be below from_row in the image, thus the larger number")
        return self


class Preprocess(CardModel):
    """From the frame to the graph's input."""

    crop: Crop = Crop()
    resize: Literal["letterbox"] = "letterbox"
    pad_value: int = Field(default=114, ge=0, le=255)
    colour_order: Literal["RGB", "BGR"] = "RGB"
    scale: float = Field(default=1 / 255, gt=0)


class Suppression(CardModel):
    """Non-maximum suppression of a raw head, class by class; one candidate may speak for several classes."""

    iou: Unit = 0.7
    max_candidates: int = Field(default=30000, gt=0)
    max_detections: int = Field(default=300, gt=0)


class Head(CardModel):
    """The graph's output and what it needs."""

    kind: HeadKind
    suppression: Suppression | None = None

    @model_validator(mode="after")
    def _raw_has_suppression(self) -> Self:
        if (self.kind is HeadKind.RAW) != (self.suppression is not None):
            raise ValueError("a raw head needs suppression, an end2end head must have none")
        return self


class TrainingPart(CardModel):
    """What the training took from one data set."""

    manifest: str
    manifest_sha256: Sha256
    split: str
    repeat: int = Field(ge=1)
    images: int = Field(ge=1)
    of_images: int | None = Field(default=None, ge=1)
    """Images of the split, where the recipe may take fewer."""
    content_sha256: Sha256


class Training(CardModel):
    """How the weights were made."""

    recipe: str
    recipe_sha256: Sha256
    git_commit: str
    resumed_with: tuple[str, ...] = ()
    """Commits of the code with which an interrupted training went on."""
    started_at: AwareDatetime
    epochs: int = Field(ge=1)
    best_epoch: int = Field(ge=1)
    seconds: float = Field(ge=0)
    device: str
    versions: dict[str, str]
    start_checkpoint_sha256: Sha256
    weights_sha256: Sha256 | None = None
    """Of the checkpoint that was released with the graph, from which a training can start."""
    train: tuple[TrainingPart, ...]
    val: tuple[TrainingPart, ...]


class SourceMetrics(CardModel):
    """Scores on one source; None where there is no truth to score against."""

    images: int = Field(ge=0)
    figures: dict[str, int | float | None]
    intervals: dict[str, tuple[float, float]] | None = None


BEHAVIOUR = frozenset(
    {"role", "taxonomy", "classes", "masked_classes", "input_hw", "preprocess", "head"}
    | {"thresholds", "temperature", "sha256"}
)
"""Fields of a card that decide what is reported."""


class BundleCard(CardModel):
    """card.json of a bundle."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    precision: Literal["fp32", "fp16", "int8"]
    role: Role
    taxonomy: str
    classes: tuple[str, ...] = Field(min_length=1)
    masked_classes: tuple[str, ...] = ()
    input_hw: tuple[int, int]
    preprocess: Preprocess
    head: Head
    opset: int = Field(ge=1)
    thresholds: dict[str, Unit]
    """Class to the confidence from which it is reported; a class that is not here is never reported."""
    thresholds_chosen_on: str
    temperature: float = Field(default=1.0, gt=0)
    origin: str
    training: Training | None = None
    metrics: dict[str, SourceMetrics] = {}
    notes: tuple[str, ...] = ()
    licence: str
    sha256: Sha256
    signature: str | None = None

    @property
    def id(self) -> str:
        """Name, version and precision, which is also the folder's name."""
        return f"{self.name}-{self.version}-{self.precision}"

    @property
    def behaviour_sha256(self) -> str:
        """Hash of the graph and of every field that changes what is reported.

        Observation ids are derived from it, so the same graph with other thresholds is another bundle, whose
        pass over a drive supersedes the earlier one's; metrics, notes and a signature leave it as it is.
        """
        return content_sha256(self, BEHAVIOUR)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class stands twice in classes")
        reported = self.classes if self.role is Role.DAMAGE else self.masked_classes
        if not reported or set(self.thresholds) != set(reported):
            raise ValueError(f"thresholds must name exactly {', '.join(reported) or 'the masked classes'}")
        if not set(self.thresholds) <= set(self.classes):
            raise ValueError("masked_classes names a class that the graph does not know")
        return self


@dataclass(frozen=True)
class Bundle:
    """A bundle on this machine whose files are those that its card names."""

    folder: Path
    card: BundleCard

    @property
    def model_path(self) -> Path:
        """The graph."""
        return self.folder / GRAPH_NAME

    @property
    def ref(self) -> BundleRef:
        """How messages name this bundle: by all that decides what it reports, not by the graph alone."""
        return BundleRef(id=self.card.id, sha256=self.card.behaviour_sha256)


@dataclass(frozen=True)
class DefaultBundles:
    """Folders of the damage bundle and the mask bundle in use."""

    damage: Path
    mask: Path


def read_bundle(
    folder: Path, role: Role | None = None, *, keys: Path | None = None, allow_unsigned: bool = False
) -> Bundle:
    """Bundle in a folder: its graph is the card's, its classes the taxonomy's, all its files the release's.

    Args:
        keys: Folder of public keys (default: `keys` beside the bundle).
        allow_unsigned: Take a bundle that is unsigned or wrongly signed, with a warning. For those who make
            models; a vehicle should not.
    Raises:
        BundleUntrusted: If no key in the folder of keys has signed the bundle as it is.
        BundleInvalid: If a file is missing, the card is incomplete, or the graph is not the card's.
        ModelMismatch: If the role or the classes are not the expected ones.
    """
    card = _read_card(folder)
    bundle = Bundle(folder, card)
    if card.id != folder.name:
        raise BundleInvalid(f"{folder} holds the bundle {card.id}: folder and bundle must have the same name")
    if not bundle.model_path.is_file():
        raise BundleInvalid(f"{bundle.model_path} is missing: copy the whole bundle again")
    found = file_sha256(bundle.model_path)
    if found != card.sha256:
        raise BundleInvalid(
            f"{bundle.model_path} was changed after its card was written (SHA-256 {found[:12]}…, not "
            f"{card.sha256[:12]}…): copy the whole bundle again"
        )
    if role is not None and card.role is not role:
        raise ModelMismatch(f"{card.id} is a {card.role} bundle, a {role} bundle is needed: name another one")
    _check_taxonomy(card)
    _check_signature(folder, keys or folder.parent / KEYS_FOLDER, allow_unsigned)
    return bundle


def _check_signature(folder: Path, keys: Path, allow_unsigned: bool) -> None:
    try:
        verify(folder, keys)
    except BundleUntrusted as error:
        if not allow_unsigned:
            raise
        logger.warning("unsigned bundles are allowed: %s", error)


def _read_card(folder: Path) -> BundleCard:
    path = folder / "card.json"
    try:
        return BundleCard.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BundleInvalid(f"{path} is missing: {folder} is no complete model bundle") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
        raise BundleInvalid(f"{path} is no valid card, export the bundle again: {error}") from error


def _check_taxonomy(card: BundleCard) -> None:
    if card.role is not Role.DAMAGE:
        return
    try:
        expected = shipped_taxonomy(card.taxonomy).codes
    except InvalidTaxonomy as error:
        raise ModelMismatch(f"{card.id}: {error}") from error
    if card.classes != expected:
        raise ModelMismatch(
            f"{card.id} knows the classes {', '.join(card.classes)}, taxonomy {card.taxonomy} has "
            f"{', '.join(expected)}: export it again"
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_changeable(folder: Path) -> None:
    """Refuse to change a bundle that is signed.

    Raises:
        CalledWrongly: If it is.
    """
    if is_signed(folder):
        raise CalledWrongly(f"{folder.name} is released and does not change: give it a new version")


def write_card(folder: Path, card: BundleCard) -> None:
    """Write card.json for people to read: indented, and ending in a line feed.

    Raises:
        CalledWrongly: If the bundle is signed.
    """
    check_changeable(folder)
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


def default_bundles(models_dir: Path) -> DefaultBundles:
    """Bundles that models/default.toml names.

    Raises:
        BundleInvalid: If the file is missing or names a folder that is not there.
    """
    path = models_dir / "default.toml"
    try:
        names = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BundleInvalid(f"{path} cannot be read, name the bundle yourself: {error}") from error
    folders = {role: models_dir / str(names.get(role, "")) for role in Role}
    for role, folder in folders.items():
        if not names.get(role) or not folder.is_dir():
            raise BundleInvalid(
                f'{path}: {role} = "{names.get(role, "")}" must name a bundle in {models_dir}'
            )
    return DefaultBundles(damage=folders[Role.DAMAGE], mask=folders[Role.MASK])
