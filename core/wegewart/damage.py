"""The damage taxonomy: class codes, their names, and what is measured. It is data, not code."""

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wegewart.errors import InvalidTaxonomy

DEFAULT_TAXONOMY = "road-damage-1"


class Measured(StrEnum):
    """The size in which a damage of a class is counted."""

    LENGTH = "length"
    AREA = "area"
    WIDTH = "width"
    NONE = "none"


class DamageClass(BaseModel):
    """One class of the taxonomy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(min_length=1, max_length=16)
    name_de: str = Field(min_length=1)
    name_en: str = Field(min_length=1)
    measured: Measured
    damage: bool = True
    """False for known non-damage (a utility cover, a sealed crack), which never becomes a ticket."""


class Taxonomy(BaseModel):
    """The vocabulary in which a model speaks; its order is the order of the model's outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str = Field(pattern=r"^[a-z0-9-]+-[0-9]+$")
    title_de: str
    title_en: str
    source: str
    classes: tuple[DamageClass, ...] = Field(alias="class", min_length=1)

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        if len(set(self.codes)) != len(self.codes):
            raise ValueError(f"a class code stands twice in {self.codes}")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """Class codes in the model's order."""
        return tuple(damage_class.code for damage_class in self.classes)

    def of(self, code: str) -> DamageClass:
        """The class with this code.

        Raises:
            InvalidTaxonomy: If the taxonomy has no such class.
        """
        for damage_class in self.classes:
            if damage_class.code == code:
                return damage_class
        raise InvalidTaxonomy(f"taxonomy {self.id} has no class {code!r}, it knows {', '.join(self.codes)}")

    def index_of(self, code: str) -> int:
        """Position of a class among the model's outputs.

        Raises:
            InvalidTaxonomy: If the taxonomy has no such class.
        """
        return self.classes.index(self.of(code))

    def codes_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Codes for the class names of a data set or a graph, which may carry more words ("D00 crack").

        Raises:
            InvalidTaxonomy: If a name begins with no known code.
        """
        return tuple(self.of(name.split()[0] if name.split() else name).code for name in names)


def read_taxonomy(path: Path) -> Taxonomy:
    """Taxonomy from a TOML file.

    Raises:
        InvalidTaxonomy: If the file is missing, is no TOML, or lacks a field.
    """
    try:
        return Taxonomy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InvalidTaxonomy(f"{path}: {error}") from error


@cache
def shipped_taxonomy(taxonomy_id: str = DEFAULT_TAXONOMY) -> Taxonomy:
    """Taxonomy that ships with Wegewart, by its id ("road-damage-1").

    Raises:
        InvalidTaxonomy: If none of that id ships.
    """
    folder = files("wegewart") / "taxonomies"
    known = sorted(
        file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")
    )
    if taxonomy_id not in known:
        raise InvalidTaxonomy(f"no taxonomy {taxonomy_id!r} ships with Wegewart, only {', '.join(known)}")
    return Taxonomy.model_validate(
        tomllib.loads((folder / f"{taxonomy_id}.toml").read_text(encoding="utf-8"))
    )
