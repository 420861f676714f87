"""Lock files: the contents of a data set by hash, so that a training run names its data exactly.

A split's hash is `yolo.split_sha256`, the same that a run writes into its parts.json and a model into its
card: SHA-256 over names and contents of all images and labels, sorted by name. The lock lies beside the
manifest.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.opening import OpenedData
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, split_sha256


@dataclass(frozen=True)
class SplitPrint:
    """What one split holds: number of images, hash over all of them and their labels."""

    images: int
    sha256: str


def fingerprints(opened: OpenedData) -> dict[str, SplitPrint]:
    """Hash of every split of a data set as it lies on this machine; reads every file."""
    prints = {}
    for split in opened.splits:
        images = images_of(opened.data, split)
        sha256 = split_sha256(images, opened.data.root, f"hash {opened.name} {split}")
        prints[split] = SplitPrint(len(images), sha256)
    return prints


def content_sha256(prints: dict[str, SplitPrint]) -> str:
    """One hash for a whole data set, from those of its splits."""
    lines = (f"{split} {prints[split].sha256}\n" for split in sorted(prints))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def lock_path(name: str, settings: DataSettings) -> Path:
    """Where the lock of a manifest lies."""
    return settings.manifests / f"{name}.lock"


def lock_text(prints: dict[str, SplitPrint]) -> str:
    """A lock as TOML."""
    lines = [f'content_sha256 = "{content_sha256(prints)}"']
    for split, one in prints.items():
        lines += ["", f"[splits.{split}]", f"images = {one.images}", f'sha256 = "{one.sha256}"']
    return "\n".join(lines) + "\n"


def read_lock(path: Path) -> dict[str, SplitPrint] | None:
    """Locked splits; None where there is no lock.

    Raises:
        DatasetInvalid: If the lock cannot be read, or was changed by hand.
    """
    if not path.is_file():
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        prints = {
            split: SplitPrint(int(one["images"]), str(one["sha256"]))
            for split, one in content["splits"].items()
        }
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DatasetInvalid(f"{path} is no lock of a data set: {error!r}") from error
    if content.get("content_sha256") != content_sha256(prints):
        raise DatasetInvalid(f"{path} contradicts itself: write it anew with wegewart-data hash --write")
    return prints


def differences(locked: dict[str, SplitPrint], found: dict[str, SplitPrint]) -> list[str]:
    """What differs between a lock and the data, one sentence per split."""
    said = []
    for split in sorted({*locked, *found}):
        one, other = locked.get(split), found.get(split)
        if one is None or other is None:
            said.append(f"split {split} is {'not locked' if one is None else 'locked, but not there'}")
        elif one != other:
            said.append(
                f"split {split}: {other.images} images with hash {other.sha256[:12]}, "
                f"locked are {one.images} with {one.sha256[:12]}"
            )
    return said
