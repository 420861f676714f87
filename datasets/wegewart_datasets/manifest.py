"""Manifests: what a data set is, where it came from, and which folder holds it. They give it its name."""

import hashlib
import json
import tomllib
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wegewart.errors import DatasetInvalid
from wegewart_datasets.settings import DataSettings


class Location(StrEnum):
    """Below what a manifest's folder is looked for."""

    DATA = "data"
    """The folder named by WEGEWART_DATA."""
    REPOSITORY = "repository"
    """The repository itself: small sets that are committed."""


class Manifest(BaseModel):
    """One data set: name, place, licence, source, and what its splits may be used for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    location: Location = Location.DATA
    folder: str = Field(min_length=1)
    data_yaml: str = "data.yaml"
    taxonomy: str = "road-damage-1"
    licence: str = Field(min_length=1)
    source: str = Field(min_length=1)
    notes: str = ""
    limits: tuple[str, ...] = ()
    """Known limits, one sentence each: what must not be concluded from this data set."""
    groups: str = "extra/groups.csv"
    """CSV with the columns image and group: images of one place, drive or sequence share a group."""
    reserved: str | None = None
    """CSV with the columns image and part: images of part `reserved` must never be trained on, anywhere."""
    mined_with: str | None = None
    """Model whose false alarms chose the images: their share of alarms says nothing of other roads."""
    splits: dict[str, str] = Field(min_length=1)
    """Split (train, val, test) to what it is for; a split that is not named here must not be used."""


def manifest_names(settings: DataSettings) -> tuple[str, ...]:
    """Names of all manifests, sorted.

    Raises:
        DatasetInvalid: If the folder of manifests is missing.
    """
    if not settings.manifests.is_dir():
        raise DatasetInvalid(
            f"{settings.manifests} is missing: set WEGEWART_MANIFESTS to the folder of manifests"
        )
    return tuple(sorted(path.stem for path in settings.manifests.glob("*.toml")))


def read_manifest(name: str, settings: DataSettings) -> Manifest:
    """Manifest of a data set, by its name.

    Raises:
        DatasetInvalid: If there is none of that name, or it lacks a field.
    """
    path = settings.manifests / f"{name}.toml"
    if name not in manifest_names(settings):
        known = ", ".join(manifest_names(settings))
        raise DatasetInvalid(f"no manifest {name!r} in {settings.manifests}, it knows {known}")
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise DatasetInvalid(f"{path}: {error}") from error
    if manifest.name != name:
        raise DatasetInvalid(f"{path} calls itself {manifest.name!r}: name and file name must be the same")
    return manifest


def manifest_sha256(name: str, settings: DataSettings) -> str:
    """SHA-256 of a manifest file, which a model's card names as its training data."""
    return hashlib.sha256((settings.manifests / f"{name}.toml").read_bytes()).hexdigest()


def data_yaml_of(manifest: Manifest, settings: DataSettings) -> Path:
    """Path of the data set's YAML file on this machine.

    Raises:
        DatasetInvalid: If the data set is not on this machine; the message says what to set.
    """
    if manifest.location is Location.REPOSITORY:
        root = settings.repository
    elif settings.data_root is None:
        raise DatasetInvalid(
            f"data set {manifest.name!r} is not in the repository: set WEGEWART_DATA to the folder "
            f"that holds {manifest.folder!r}"
        )
    else:
        root = settings.data_root
    path = root / manifest.folder / manifest.data_yaml
    if not path.is_file():
        raise DatasetInvalid(
            f"data set {manifest.name!r}: {path} is missing. Set WEGEWART_DATA to the folder that holds "
            f"{manifest.folder!r}"
        )
    return path


def manifest_text(manifest: Manifest) -> str:
    """A manifest as TOML, to be put into the folder of manifests."""
    fields = manifest.model_dump(mode="json", exclude_defaults=True, exclude={"splits"})
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    lines += ["", "[splits]"]
    lines += [f"{key} = {json.dumps(use, ensure_ascii=False)}" for key, use in manifest.splits.items()]
    return "\n".join(lines) + "\n"
