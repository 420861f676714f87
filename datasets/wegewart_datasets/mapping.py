"""Class mapping: which names of a source mean which class of the taxonomy, and how masks become boxes."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wegewart.damage import DEFAULT_TAXONOMY, shipped_taxonomy
from wegewart.errors import DatasetInvalid, InvalidTaxonomy


class MaskRule(BaseModel):
    """How pixels become boxes: pixels of a class whose gap is at most `join_px` are one damage, one box."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    join_px: float = Field(default=0.0, ge=0)
    """Regions whose gap is at most so many pixels are joined; 0 joins only what touches, corners included."""
    min_area_px: int = Field(default=1, ge=1)
    """Smaller damages than this many mask pixels are kept aside, not labelled."""
    image_suffix: str = ""
    """Images are named <stem><image_suffix>.jpg; needed where masks lie beside them, as DNIT's `_RAW`."""
    per_class_files: bool = False
    """True: one mask file per class, <stem>_<name>.png, any pixel above 0. False: one mask per image, whose
    pixel value is the class name ("1", "2"), 0 is background."""


class ClassMapping(BaseModel):
    """Names of a source → codes of a taxonomy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    taxonomy: str = DEFAULT_TAXONOMY
    classes: Mapping[str, str] = Field(default_factory=dict)
    aside: tuple[str, ...] = ()
    """Names known to have no place in the taxonomy: kept in extra/other_boxes.csv without a warning."""
    masks: MaskRule = MaskRule()

    @model_validator(mode="after")
    def _codes_are_known(self) -> Self:
        for name, code in self.classes.items():
            if code not in self.codes:
                raise ValueError(f"{name!r} is mapped to {code!r}, {self.taxonomy} knows {self.codes}")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """Class codes of the taxonomy in its order, which is the order of the labels' numbers."""
        return shipped_taxonomy(self.taxonomy).codes

    def index_of(self, name: str) -> int | None:
        """Class number of a source's name; None if the mapping does not know it.

        A name that begins with a code of the taxonomy ("D00 crack") needs no line of its own.
        """
        code = self.classes.get(name)
        if code is None and name not in self.aside:
            first = name.split(maxsplit=1)[0] if name.split() else ""
            code = first if first in self.codes else None
        return None if code is None else self.codes.index(code)


def read_mapping(name: str | None) -> ClassMapping:
    """Mapping from a TOML file, or a shipped one by its name ("rdd2022"); None maps equal codes only.

    Raises:
        DatasetInvalid: If there is none, or it has mistakes.
    """
    if name is None:
        return ClassMapping()
    shipped = files("wegewart_datasets") / "mappings" / f"{name}.toml"
    try:
        text = (
            Path(name).read_text(encoding="utf-8") if name.endswith(".toml") else shipped.read_text("utf-8")
        )
        return ClassMapping.model_validate(tomllib.loads(text))
    except FileNotFoundError as error:
        raise DatasetInvalid(f"no mapping {name!r}: give a .toml file, or one of {shipped_mappings()}") from (
            error
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, InvalidTaxonomy) as error:
        raise DatasetInvalid(f"mapping {name}: {error}") from error


def shipped_mappings() -> str:
    """Names of the mappings that come with the package."""
    folder = files("wegewart_datasets") / "mappings"
    return ", ".join(sorted(file.name.removesuffix(".toml") for file in folder.iterdir()))
