"""Training recipes: one TOML file read into one frozen dataclass, all its mistakes reported together."""

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from wegewart.damage import shipped_taxonomy
from wegewart.errors import InvalidTaxonomy, RecipeInvalid
from wegewart_inference.model_bundle import GRAPH_NAME


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
    one_to_one: bool = True
    """Whether YOLO26's end-to-end head is trained as well. Without it a step is a quarter cheaper, and the
    other head, which wins in short trainings, keeps its full weight to the end."""
    check_every_epochs: int = 1
    """Epochs from one look at val to the next; the last epoch is always looked at."""


@dataclass(frozen=True)
class Teacher:
    """A trained checkpoint to whose features the student is drawn while it learns.

    Ultralytics calls it `distill_model`. Any YOLO checkpoint with the same number of levels will do, of any
    size and with any classes.
    """

    checkpoint: Path
    sha256: str
    weight: float = 6.0
    """Of this loss beside the student's own; Ultralytics' default."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run makes."""

    name: str
    version: str
    taxonomy: str
    checkpoint: Path
    """Weights to start from, or the graph of a released bundle to go on from, or the name of a model
    description (yolo26s.yaml) to start from random ones."""
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
    teacher: Teacher | None = None

    @property
    def from_random_weights(self) -> bool:
        """Whether training starts from a description instead of a checkpoint."""
        return self.checkpoint.suffix == ".yaml"

    @property
    def start_name(self) -> str:
        """What training starts from, for people."""
        return (self.checkpoint.parent if self.from_bundle else self.checkpoint).name

    @property
    def from_bundle(self) -> bool:
        """Whether training goes on from a released bundle, whose folder holds `checkpoint`."""
        return self.checkpoint.suffix == ".onnx"


T = TypeVar("T", str, int, float)
Default = TypeVar("Default")
TOP = ("name", "version", "taxonomy", "seed", "start", "teacher", "data", "trainer")
START = ("checkpoint", "bundle", "sha256", "model")
STARTS = ("checkpoint", "bundle", "model")
TEACHER = ("checkpoint", "sha256", "weight")
MODELS = ("yolo26n.yaml", "yolo26s.yaml", "yolo26m.yaml")
DATA = ("train", "val", "class_balance", "road_weather")
PART = ("manifest", "split", "repeat", "empties")
PRECISIONS = ("fp32", "bf16")
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")  # as a bundle's card wants it: it becomes the name of a folder
VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


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
        if isinstance(found, float) and not math.isfinite(found):
            self.mistakes.append(f"{'.'.join(names)} = {found!r}: must be a finite number, {rule}")
            return kind()
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

    def flag(self, default: bool, *names: str) -> bool:
        found = self.table(*names[:-1]).get(names[-1], default)
        if not isinstance(found, bool):
            self.mistakes.append(f"{'.'.join(names)} = {found!r}: must be true or false, or left out")
        return bool(found)

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
        if type(repeat) is not int or not 1 <= repeat <= 20:
            self.mistakes.append(f"{place}.repeat = {repeat!r}: must be a whole number from 1 to 20")
            repeat = 1
        empties = entry.get("empties")
        if empties is not None and (type(empties) is not int or empties < 0):
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

    def weights(self, folder: Path, table: str, key: str) -> tuple[Path, str]:
        """Path and hash of the checkpoint, or of the graph of the bundle, that a table names."""
        sha256 = self.value(str, "64 hexadecimal digits", lambda text: len(text) == 64, table, "sha256")
        path = folder / self.value(str, "a path relative to the recipe", bool, table, key)
        if key == "bundle":
            path /= GRAPH_NAME
        if not path.is_file():
            self.mistakes.append(f"{table}.{key}: {path} is missing")
        elif (found := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
            self.mistakes.append(f"{table}.sha256 = {sha256!r}: but {path.name} has {found}")
        return path.resolve(), sha256

    def start(self, folder: Path) -> tuple[Path, str]:
        """What training starts from, with its hash: weights, or a description that Ultralytics ships."""
        named = [key for key in STARTS if key in self.table("start")]
        if len(named) > 1:
            self.mistakes.append(f"start: one of {', '.join(STARTS)}, not {' and '.join(named)}")
        if "model" not in named:
            return self.weights(folder, "start", named[0] if named else "checkpoint")
        name = self.value(str, f"one of {', '.join(MODELS)}", lambda name: name in MODELS, "start", "model")
        return Path(name or MODELS[0]), _description_sha256(self.mistakes)

    def teacher(self, folder: Path) -> Teacher | None:
        if "teacher" not in self.content:
            return None
        self.known(TEACHER, "teacher")
        weight = self.optional(float, "above 0", _is_positive, Teacher.weight, "teacher", "weight")
        return Teacher(*self.weights(folder, "teacher", "checkpoint"), weight)


def _recipe(check: _Check, path: Path, sha256: str) -> Recipe:
    check.known(TOP)
    check.known(START, "start")
    check.known(DATA, "data")
    checkpoint, checkpoint_sha256 = check.start(path.parent)
    return Recipe(
        name=check.value(
            str, "a word of a-z, 0-9 and -", lambda text: NAME.fullmatch(text) is not None, "name"
        ),
        version=check.value(
            str, "three numbers like 0.1.0", lambda text: VERSION.fullmatch(text) is not None, "version"
        ),
        taxonomy=check.taxonomy(),
        checkpoint=checkpoint,
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
        teacher=check.teacher(path.parent),
    )


def _description_sha256(mistakes: list[str]) -> str:
    """Hash of the installed Ultralytics' description of all YOLO26 sizes; Ultralytics is not imported."""
    found = find_spec("ultralytics")
    if found is None or found.origin is None:
        mistakes.append("start.model: Ultralytics is missing: install wegewart[train]")
        return "0" * 64
    path = Path(found.origin).parent / "cfg" / "models" / "26" / "yolo26.yaml"
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
        one_to_one=check.flag(TrainerPlan.one_to_one, "trainer", "one_to_one"),
    )


def _is_positive(number: float) -> bool:
    return number > 0


def _is_a_size(pixels: int) -> bool:
    return pixels >= 32 and pixels % 32 == 0
