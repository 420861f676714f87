"""Registry: a folder of released bundles with an index, in which versions only rise."""

import json
import shutil
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from wegewart.errors import BundleInvalid, CalledWrongly
from wegewart.wire import Sha256
from wegewart_inference.model_bundle import BundleCard, Role, read_bundle
from wegewart_inference.signature import verify

INDEX = "index.json"


class Entry(BaseModel):
    """One release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    version: str
    precision: str
    role: Role
    sha256: Sha256
    """Of the graph."""
    key: str
    signed_at: AwareDatetime

    @property
    def line(self) -> tuple[str, str]:
        """Within which versions must rise."""
        return self.name, self.precision


class Index(BaseModel):
    """index.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    releases: tuple[Entry, ...] = ()


def version_of(text: str) -> tuple[int, ...]:
    """A version that can be compared: 0.10.0 is above 0.9.0."""
    return tuple(int(part) for part in text.split("."))


def read_index(registry: Path) -> Index:
    """Index of the registry; empty where there is none yet.

    Raises:
        BundleInvalid: If it cannot be read.
    """
    path = registry / INDEX
    if not path.exists():
        return Index()
    try:
        return Index.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise BundleInvalid(f"{path} is no index of releases, restore it: {error}") from error


def add(registry: Path, folder: Path, keys: Path) -> Entry:
    """Copy a released bundle into the registry and enter it.

    Raises:
        BundleUntrusted: If its signature does not hold.
        CalledWrongly: If its version is not above every release of the same name and precision.
    """
    verified = verify(folder, keys)
    entry = _entry(read_bundle(folder).card, verified.key, verified.signed_at)
    index = read_index(registry)
    check_rises(entry, index)
    target = registry / entry.id
    half = registry / f".{entry.id}.half"
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(folder, half)
    shutil.rmtree(target, ignore_errors=True)  # of an addition that never reached the index
    half.rename(target)
    _write_index(registry, Index(releases=(*index.releases, entry)))
    return entry


def check_rises(entry: Entry, index: Index) -> None:
    """Refuse a version that is not above all earlier ones.

    Raises:
        CalledWrongly: If it is not.
    """
    earlier = [other for other in index.releases if other.line == entry.line]
    if not earlier:
        return
    highest = max(earlier, key=lambda other: version_of(other.version))
    if version_of(entry.version) <= version_of(highest.version):
        raise CalledWrongly(f"{entry.id} is not above {highest.id}: versions only rise, give it a higher one")


def _entry(card: BundleCard, key: str, signed_at: datetime) -> Entry:
    return Entry(
        id=card.id,
        name=card.name,
        version=card.version,
        precision=card.precision,
        role=card.role,
        sha256=card.sha256,
        key=key,
        signed_at=signed_at,
    )


def _write_index(registry: Path, index: Index) -> None:
    """Replace the index in one step, so that a kill leaves the old one or the new one."""
    half = registry / f"{INDEX}.half"
    half.write_text(json.dumps(index.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    half.replace(registry / INDEX)
