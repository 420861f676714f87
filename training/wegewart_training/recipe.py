"""Training recipes: one TOML file read into one frozen dataclass, all its mistakes reported together."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wegewart.damage import shipped_taxonomy
from wegewart.errors import InvalidTaxonomy, RecipeInvalid


@dataclass(frozen=True)
class DataPart:
    """A split of a data set, named by manifest; `repeat` 2 shows every image twice per epoch."""

    manifest: str
    split: str
    repeat: int = 1


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
    image_px: int
    epochs: int
    budget_h: float | None
    """Hours for which epochs are planned, after each one anew. None: all epochs."""
    batch: int
    seed: int
    warmup_epochs: float
    close_mosaic_epochs: int
    sha256: str
    """Of the recipe file itself: a run continues only under the very recipe it was started with."""


T = TypeVar("T", str, int, float)
TOP = ("name", "version", "taxonomy", "seed", "start", "data", "trainer")
TRAINER = ("image_px", "epochs", "budget_h", "batch", "warmup_epochs", "close_mosaic_epochs")


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

    def parts(self, use: str) -> tuple[DataPart, ...]:
        found = self.table("data").get(use)
        if not isinstance(found, list) or not found:
            self.mistakes.append(f"data.{use} = {found!r}: must be a list of {{ manifest, split, repeat }}")
            return ()
        return tuple(self._part(f"data.{use}[{index}]", entry) for index, entry in enumerate(found))

    def _part(self, place: str, entry: object) -> DataPart:
        if not isinstance(entry, dict) or not {"manifest", "split"} <= set(entry) <= {
            "manifest",
            "split",
            "repeat",
        }:
            self.mistakes.append(f"{place} = {entry!r}: must have manifest and split, and may have repeat")
            return DataPart("", "")
        repeat = entry.get("repeat", 1)
        if not isinstance(repeat, int) or not 1 <= repeat <= 20:
            self.mistakes.append(f"{place}.repeat = {repeat!r}: must be a whole number from 1 to 20")
            repeat = 1
        if entry["split"] == "test":
            self.mistakes.append(f"{place}.split = 'test': test images are for scores only")
        return DataPart(str(entry["manifest"]), str(entry["split"]), repeat)

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
    check.known(("train", "val"), "data")
    check.known(TRAINER, "trainer")
    checkpoint_sha256 = check.value(
        str, "64 hexadecimal digits", lambda text: len(text) == 64, "start", "sha256"
    )
    trainer = check.table("trainer")
    return Recipe(
        name=check.value(str, "a word", bool, "name"),
        version=check.value(str, "like 0.1.0", lambda text: text.count(".") == 2, "version"),
        taxonomy=check.taxonomy(),
        checkpoint=check.checkpoint(path.parent, checkpoint_sha256),
        checkpoint_sha256=checkpoint_sha256,
        train=check.parts("train"),
        val=check.parts("val"),
        image_px=check.value(
            int, "a multiple of 32 from 32 on", lambda px: px >= 32 and px % 32 == 0, "trainer", "image_px"
        ),
        epochs=check.value(int, "1 or more", lambda count: count >= 1, "trainer", "epochs"),
        budget_h=check.value(
            float, "hours above 0, or left out", lambda hours: hours > 0, "trainer", "budget_h"
        )
        if "budget_h" in trainer
        else None,
        batch=check.value(int, "1 or more", lambda count: count >= 1, "trainer", "batch"),
        seed=check.value(int, "0 or more", lambda seed: seed >= 0, "seed"),
        warmup_epochs=check.value(float, "0 or more", lambda count: count >= 0, "trainer", "warmup_epochs"),
        close_mosaic_epochs=check.value(int, "0 or more", lambda n: n >= 0, "trainer", "close_mosaic_epochs"),
        sha256=sha256,
    )
