"""Registry: released bundles with an index, in a folder or in an S3 bucket; versions only rise.

Several people may add at once: the index is written only if nobody else wrote it since it was read, else the
addition is examined anew. A bundle lies under the hash of its sums, so that two of the same name never mix.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from wegewart.errors import BundleInvalid, BundleUntrusted, CalledWrongly
from wegewart.wire import Sha256
from wegewart_inference.model_bundle import Role, file_sha256, read_bundle
from wegewart_inference.signature import SUMS_FILE, verify
from wegewart_training.whole_folder import made_whole

INDEX = "index.json"
ATTEMPTS = 20  # so many others would have to get in between, one after the other


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
    sums_sha256: Sha256
    """Of SHA256SUMS, thus of every file."""

    @property
    def line(self) -> tuple[str, str]:
        """Within which versions must rise."""
        return self.name, self.precision

    @property
    def place(self) -> str:
        """Where its files lie in the registry."""
        return f"{self.id}/{self.sums_sha256[:16]}"


class Index(BaseModel):
    """index.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 2
    releases: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Read:
    """An index, and the mark of the state in which it was read; None where there is none yet."""

    index: Index
    mark: str | None


class Registry(Protocol):
    """Where releases are kept."""

    def read(self) -> Read:
        """The index as it is now."""

    def write(self, index: Index, mark: str | None) -> bool:
        """Replace the index if it still has this mark; False if it has another.

        Also False where a write went through, its answer was lost, and it was repeated: read what is there.
        """

    def put(self, folder: Path, place: str) -> None:
        """Copy a bundle's files to a place; what lies there already is the same."""

    def get(self, place: str, folder: Path) -> None:
        """Copy a bundle's files from a place into an empty folder."""


def open_registry(place: str) -> Registry:
    """Registry in a folder, or in a bucket where the place is s3://BUCKET/PREFIX."""
    if place.startswith("s3://"):
        from wegewart_training.registry_s3 import S3Registry  # boto3 is an extra of its own

        return S3Registry.at(place)
    from wegewart_training.registry_folder import FolderRegistry

    return FolderRegistry(Path(place))


def version_of(text: str) -> tuple[int, ...]:
    """A version that can be compared: 0.10.0 is above 0.9.0."""
    return tuple(int(part) for part in text.split("."))


def index_from(content: bytes, place: str) -> Index:
    """Index from its file.

    Raises:
        BundleInvalid: If it cannot be read.
    """
    try:
        return Index.model_validate_json(content)
    except ValidationError as error:
        raise BundleInvalid(f"{place} is no index of releases, restore it: {error}") from error


def index_text(index: Index) -> bytes:
    """The index as its file has it."""
    return (index.model_dump_json(indent=2) + "\n").encode()


def add(registry: Registry, folder: Path, keys: Path) -> Entry:
    """Copy a released bundle into the registry and enter it.

    Raises:
        BundleUntrusted: If its signature does not hold.
        CalledWrongly: If its version is not above every release of the same name and precision.
    """
    entry = _entry(folder, keys)
    check_rises(entry, registry.read().index)
    registry.put(folder, entry.place)
    for attempt in range(ATTEMPTS):
        now = registry.read()
        if attempt and entry in now.index.releases:
            return entry  # our own write, whose answer was lost
        check_rises(entry, now.index)
        if registry.write(Index(releases=(*now.index.releases, entry)), now.mark):
            return entry
    raise CalledWrongly(f"{entry.id} is not entered: others wrote the index {ATTEMPTS} times; try again")


def fetch(registry: Registry, bundle_id: str, models: Path, keys: Path) -> Path:
    """Copy a release into a folder of models, once its signature was verified.

    Raises:
        CalledWrongly: If there is no such release, or its folder exists already.
        BundleUntrusted: If its signature does not hold, or it is another release than the index says; then
            nothing is copied.
    """
    entries = {entry.id: entry for entry in registry.read().index.releases}
    if bundle_id not in entries:
        raise CalledWrongly(f"no release {bundle_id}; there are {', '.join(entries) or 'none yet'}")
    target = models / bundle_id
    if target.exists():
        raise CalledWrongly(f"{target} exists: a release does not change, remove it to fetch it again")

    def fill(folder: Path) -> None:
        registry.get(entries[bundle_id].place, folder)
        _refuse_another(_entry(folder, keys), entries[bundle_id])

    made_whole(target, fill)
    return target


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


def _refuse_another(found: Entry, entered: Entry) -> None:
    """An older release under the name of a newer one is signed validly, but it is not what was asked for."""
    differing = [name for name in Entry.model_fields if getattr(found, name) != getattr(entered, name)]
    if differing:
        said = ", ".join(f"{name} {getattr(entered, name)}" for name in differing)
        is_there = ", ".join(str(getattr(found, name)) for name in differing)
        raise BundleUntrusted(
            f"{entered.id}: the index says {said}, the files say {is_there}: ask who keeps the registry"
        )


def _entry(folder: Path, keys: Path) -> Entry:
    """What the index has of a bundle.

    Raises:
        BundleUntrusted: If its signature does not hold.
    """
    verified = verify(folder, keys)
    card = read_bundle(folder, keys=keys).card
    return Entry(
        id=card.id,
        name=card.name,
        version=card.version,
        precision=card.precision,
        role=card.role,
        sha256=card.sha256,
        key=verified.key,
        signed_at=verified.signed_at,
        sums_sha256=file_sha256(folder / SUMS_FILE),
    )
