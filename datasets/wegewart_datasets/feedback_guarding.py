"""Pictures that must never be trained on: named in a list, of a reserved drive, or (nearly) a test image."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wegewart.errors import DatasetInvalid
from wegewart_datasets.audit import TRAINED_ON, reserved_images
from wegewart_datasets.fingerprint import NEAR_BITS, WORDS, Hashes
from wegewart_datasets.looks import Look, LookBook
from wegewart_datasets.manifest import data_yaml_of, manifest_names, read_manifest
from wegewart_datasets.opening import OpenedData, open_data
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of


@dataclass(frozen=True)
class Reserved:
    """What is kept for scoring: pictures by content and by likeness, and drives and pictures by name."""

    contents: Mapping[bytes, str]
    """Data set by SHA-256 digest of a file."""
    hashes: Hashes
    """Perceptual hashes, shape (N, 4)."""
    hashes_of: tuple[str, ...]
    """Data set of each perceptual hash."""
    names: frozenset[str]
    """Hashes of pictures or drive ids, as a list names them."""
    data_sets: tuple[str, ...]

    def why(self, look: Look, drive_id: str) -> str | None:
        """Why a picture must not be used, None if it may."""
        if drive_id in self.names:
            return f"drive {drive_id} is reserved for scoring"
        if look.sha256.hex() in self.names:
            return "the picture is reserved for scoring"
        if look.sha256 in self.contents:
            return f"{self.contents[look.sha256]} keeps the same file for scoring"
        words = look.words()
        near = None if words is None else self.nearest(words)
        if near is None:
            return None
        return f"{near[1]} keeps nearly the same picture for scoring ({near[0]} of 256 bits differ)"

    def nearest(self, words: Hashes) -> tuple[int, str] | None:
        """Bits by which a perceptual hash, shape (4,), misses the nearest kept one, and that one's data set.

        None if none is near.
        """
        if not len(self.hashes):
            return None
        bits = np.bitwise_count(self.hashes ^ words).sum(axis=1)
        index = int(bits.argmin())
        return (int(bits[index]), self.hashes_of[index]) if bits[index] <= NEAR_BITS else None


def reserved_for_scoring(
    settings: DataSettings, book: LookBook, lists: Sequence[Path] = (), names: Sequence[str] | None = None
) -> Reserved:
    """Everything on this machine that is kept for scoring.

    Args:
        lists: CSV files with the columns part, and image (hash of a picture) or drive (its id), or both.
        names: Manifests or data.yaml files; None for every manifest whose data is on this machine.
    Raises:
        DatasetInvalid: If a data set or a list that is named cannot be read.
    """
    opened = _here(settings) if names is None else [open_data(name, settings) for name in names]
    contents, hashes, hashes_of = dict[bytes, str](), bytearray(), list[str]()
    for one in opened:
        images = _kept_images(one)
        for look in with_progress(book.looks(images), f"reserved in {one.name}", len(images)):
            contents[look.sha256] = one.name
            if look.hash is not None:
                hashes += look.hash
                hashes_of.append(one.name)
    named = {name for path in lists for name in _named(path)}
    table = np.frombuffer(bytes(hashes), np.uint64).reshape(-1, WORDS)
    data_sets = tuple(one.name for one in opened)
    return Reserved(contents, table, tuple(hashes_of), frozenset(named), data_sets)


def _here(settings: DataSettings) -> list[OpenedData]:
    names = []
    for name in manifest_names(settings):
        manifest = read_manifest(name, settings)
        try:
            data_yaml_of(manifest, settings)
        except DatasetInvalid:  # not on this machine; the command says which ones were looked at
            continue
        names.append(name)
    return [open_data(name, settings) for name in names]


def _kept_images(opened: OpenedData) -> list[Path]:
    """Images of the splits that are not trained on, and those that the manifest reserves by name."""
    kept = {
        image for split in opened.splits if split not in TRAINED_ON for image in images_of(opened.data, split)
    }
    if opened.manifest and opened.manifest.reserved:
        names = reserved_images(opened.data.root / opened.manifest.reserved)
        for split in opened.splits:
            kept.update(image for image in images_of(opened.data, split) if image.name in names)
    return sorted(kept)


def _named(path: Path) -> set[str]:
    """Pictures and drives of a list whose part is `reserved`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = {"image", "drive"} & set(rows.fieldnames or ())
            if not columns or "part" not in (rows.fieldnames or ()):
                raise DatasetInvalid(f"{path} needs the columns part, and image or drive: {rows.fieldnames}")
            kept = [row for row in rows if row["part"] == "reserved"]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read as a list of reserved pictures: {error}") from error
    return {Path(row[column]).stem.lower() for row in kept for column in columns if row[column]}
