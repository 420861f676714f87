"""Training recipes: one TOML file read into one frozen dataclass, all its mistakes reported together."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from wegewart.damage import shipped_taxonomy
from wegewart.errors import InvalidTaxonomy, RecipeInvalid


@dataclass(frozen=True)
class DataPart:
    """A split of a data set, named by manifest; `repeat` 2 shows every image twice per epoch.

    `empties` is how many images without a box are taken at most, drawn by the recipe's seed; None takes all.
    """

    manifest: str
    split: str
    repeat: int = 1
    empties: int | None = None


@dataclass(frozen=True)
class TrainerPlan:
    """How a run trains. A field that a recipe leaves out has the value given here."""

    image_px: int
    epochs: int
    budget_h: float | None
    """Hours for which epochs are planned, after each one anew. None: all epochs."""
    batch: int
    warmup_epochs: float
    close_mosaic_epochs: int
    precision: str = "fp32"
    """"bf16" computes the layers in bfloat16: 1.8 to 2.5 times faster on CPUs with AVX512-BF16."""
    learning_rate: float | None = None
    """Of AdamW, falling along a cosine. None: Ultralytics chooses optimiser and rate."""
    step_images: int = 64
    """Images per step of the optimiser; smaller batches are added up to it."""
    sizes_px: tuple[int, ...] = ()
    """Sizes that batches are drawn at, one at random for each. Empty: always `image_px`."""
    full_size_epochs: int = 0
    """Last epochs that are drawn at `image_px` only."""
    check_every_epochs: int = 1
    """Epochs from one look at val to the next; the last epoch is always looked at."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run makes."""

    name: str
    version: str
    taxonomy: str
    checkpoint: Path
    checkpoint_sha256: str
    train: tuple[DataPart, ...]
    val: tuple[DataPart, ...]
    trainer: TrainerPlan
    seed: int
    class_balance: float | None
    """Share of images below which a class is rare and its images are shown more often. None: never."""
    road_weather: float
    """How often an image meets rain, low sun, shadow, dirt on the lens and the like: 0 never, 1 mostly."""
    sha256: str
    """Of the recipe file itself: a run continues only under the very recipe it was started with."""


T = TypeVar("T", str, int, float)
Default = TypeVar("Default")
TOP = ("name", "version", "taxonomy", "seed", "start", "data", "trainer")
DATA = ("train", "val", "class_balance", "road_weather")
PART = ("manifest", "split", "repeat", "empties")
PRECISIONS = ("fp32", "bf16")


def read_recipe(path: Path) -> Recipe:
    """Recipe from a TOML file; the checkpoint's path is relative to the file.

    Raises:
        RecipeInvalid: With every mistake of the file, one per line.
    """
    try:
        text = path.read_bytes()
        content = tomllib.loads(text.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeInvalid(f"{path} cannot be read: {error}") from error
    check = _Check(content)
    recipe = _recipe(check, path, hashlib.sha256(text).hexdigest())
    if check.mistakes:
        raise RecipeInvalid(f"{path} has {len(check.mistakes)} mistakes:\n  " + "\n  ".join(check.mistakes))
    return recipe


class _Check:
    """Takes values out of the file and gathers what is wrong with them instead of stopping at the first."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.mistakes: list[str] = []

    def known(self, keys: tuple[str, ...], *table: str) -> None:
        for key in self.table(*table):
            if key not in keys:
                self.mistakes.append(
                    f"{'.'.join([*table, key])} is unknown here; known are {', '.join(keys)}"
                )

    def table(self, *names: str) -> Mapping[str, Any]:
        content: Any = self.content
        for name in names:
            content = content.get(name) if isinstance(content, Mapping) else None
        return content if isinstance(content, Mapping) else {}

    def value(self, kind: type[T], rule: str, fits: Callable[[T], bool], *names: str) -> T:
        """The value at this place, or the kind's empty value and one more mistake."""
        found = self.table(*names[:-1]).get(names[-1])
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if isinstance(found, kind) and not isinstance(found, bool) and fits(found):
            return found
        self.mistakes.append(f"{'.'.join(names)} = {found!r}: must be {rule}")
        return kind()

    def optional(
        self, kind: type[T], rule: str, fits: Callable[[T], bool], default: Default, *names: str
    ) -> T | Default:
        """The value at this place, or the default where the recipe says nothing."""
        if names[-1] not in self.table(*names[:-1]):
            return default
        return self.value(kind, f"{rule}, or left out", fits, *names)

    def sizes(self, *names: str) -> tuple[int, ...]:
        found = self.table(*names[:-1]).get(names[-1], [])
        if isinstance(found, list) and all(isinstance(px, int) and _is_a_size(px) for px in found):
            return tuple(found)
        self.mistakes.append(f"{'.'.join(names)} = {found!r}: must be a list of multiples of 32")
        return ()

    def parts(self, use: str) -> tuple[DataPart, ...]:
        found = self.table("data").get(use)
        if not isinstance(found, list) or not found:
            self.mistakes.append(f"data.{use} = {found!r}: must be a list of {{ manifest, split, repeat }}")
            return ()
        return tuple(self._part(f"data.{use}[{index}]", entry) for index, entry in enumerate(found))

    def _part(self, place: str, entry: object) -> DataPart:
        if not isinstance(entry, dict) or not {"manifest", "split"} <= set(entry) <= set(PART):
            self.mistakes.append(
                f"{place} = {entry!r}: must have manifest and split, and may have repeat and empties"
            )
            return DataPart("", "")
        repeat = entry.get("repeat", 1)
        if not isinstance(repeat, int) or not 1 <= repeat <= 20:
            self.mistakes.append(f"{place}.repeat = {repeat!r}: must be a whole number from 1 to 20")
            repeat = 1
        empties = entry.get("empties")
        if empties is not None and (not isinstance(empties, int) or empties < 0):
            self.mistakes.append(f"{place}.empties = {empties!r}: must be a whole number from 0 on")
            empties = None
        if entry["split"] == "test":
            self.mistakes.append(f"{place}.split = 'test': test images are for scores only")
        return DataPart(str(entry["manifest"]), str(entry["split"]), repeat, empties)

    def taxonomy(self) -> str:
        name = self.value(str, "a taxonomy's id", bool, "taxonomy")
        try:
            return shipped_taxonomy(name).id if name else ""
        except InvalidTaxonomy as error:
            self.mistakes.append(f"taxonomy = {name!r}: {error}")
            return ""

    def checkpoint(self, folder: Path, sha256: str) -> Path:
        path = folder / self.value(str, "a file relative to the recipe", bool, "start", "checkpoint")
        if not path.is_file():
            self.mistakes.append(f"start.checkpoint: {path} is missing")
        elif (found := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
            self.mistakes.append(f"start.sha256 = {sha256!r}: but {path.name} has {found}")
        return path.resolve()


def _recipe(check: _Check, path: Path, sha256: str) -> Recipe:
    check.known(TOP)
    check.known(("checkpoint", "sha256"), "start")
    check.known(DATA, "data")
    checkpoint_sha256 = check.value(
        str, "64 hexadecimal digits", lambda text: len(text) == 64, "start", "sha256"
    )
    return Recipe(
        name=check.value(str, "a word", bool, "name"),
        version=check.value(str, "like 0.1.0", lambda text: text.count(".") == 2, "version"),
        taxonomy=check.taxonomy(),
        checkpoint=check.checkpoint(path.parent, checkpoint_sha256),
        checkpoint_sha256=checkpoint_sha256,
        train=check.parts("train"),
        val=check.parts("val"),
        trainer=_trainer_plan(check),
        seed=check.value(int, "0 or more", lambda seed: seed >= 0, "seed"),
        class_balance=check.optional(
            float, "a share between 0 and 1", lambda share: 0 < share < 1, None, "data", "class_balance"
        ),
        road_weather=check.optional(
            float, "from 0 to 1", lambda often: 0 <= often <= 1, 0.0, "data", "road_weather"
        ),
        sha256=sha256,
    )


def _trainer_plan(check: _Check) -> TrainerPlan:
    check.known(tuple(field.name for field in fields(TrainerPlan)), "trainer")
    return TrainerPlan(
        image_px=check.value(int, "a multiple of 32 from 32 on", _is_a_size, "trainer", "image_px"),
        epochs=check.value(int, "1 or more", _is_positive, "trainer", "epochs"),
        budget_h=check.optional(float, "hours above 0", _is_positive, None, "trainer", "budget_h"),
        batch=check.value(int, "1 or more", _is_positive, "trainer", "batch"),
        warmup_epochs=check.value(float, "0 or more", lambda count: count >= 0, "trainer", "warmup_epochs"),
        close_mosaic_epochs=check.value(int, "0 or more", lambda n: n >= 0, "trainer", "close_mosaic_epochs"),
        precision=check.optional(
            str,
            f"one of {', '.join(PRECISIONS)}",
            lambda name: name in PRECISIONS,
            TrainerPlan.precision,
            "trainer",
            "precision",
        ),
        learning_rate=check.optional(
            float, "between 0 and 0.1", lambda rate: 0 < rate < 0.1, None, "trainer", "learning_rate"
        ),
        step_images=check.optional(
            int, "1 or more", _is_positive, TrainerPlan.step_images, "trainer", "step_images"
        ),
        sizes_px=check.sizes("trainer", "sizes_px"),
        full_size_epochs=check.optional(
            int, "0 or more", lambda n: n >= 0, TrainerPlan.full_size_epochs, "trainer", "full_size_epochs"
        ),
        check_every_epochs=check.optional(
            int, "1 or more", _is_positive, TrainerPlan.check_every_epochs, "trainer", "check_every_epochs"
        ),
    )


def _is_positive(number: float) -> bool:
    return number > 0


def _is_a_size(pixels: int) -> bool:
    return pixels >= 32 and pixels % 32 == 0
