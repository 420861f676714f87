"""Photographs that a model may look at for a training: never one that is kept for scoring."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import CalledWrongly, DatasetInvalid
from wegewart_datasets.audit import reserved_images
from wegewart_datasets.feedback_guarding import reserved_for_scoring
from wegewart_datasets.looks import LookBook
from wegewart_datasets.manifest import data_yaml_of, manifest_names, read_manifest
from wegewart_datasets.opening import open_data
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import IMAGE_SUFFIXES, images_of


@dataclass(frozen=True)
class Photographs:
    """Images of one folder, or of one split of a data set."""

    name: str
    images: tuple[Path, ...]
    licence: str
    source: str
    labelled: bool
    """Whether they are of a data set, where a label file means that a person looked."""


def photographs_in(place: str, split: str, settings: DataSettings) -> Photographs:
    """Images of a folder, or of a data set by manifest or data.yaml.

    Raises:
        CalledWrongly: If the split is for scores only.
        DatasetInvalid: If there is no such folder or data set, or it holds no image.
    """
    if Path(place).is_dir():
        images = tuple(sorted(p for p in Path(place).rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES))
        if not images:
            raise DatasetInvalid(f"{place} holds no image")
        return Photographs(Path(place).resolve().name, images, "", "", labelled=False)
    if split == "test":
        raise CalledWrongly("--split test: test images are for scores only")
    opened = open_data(place, settings)
    manifest = opened.manifest
    licence, source = (manifest.licence, manifest.source) if manifest else ("", "")
    return Photographs(opened.name, images_of(opened.data, split), licence, source, labelled=True)


def refuse_reserved(images_by_name: Mapping[str, Sequence[Path]], settings: DataSettings) -> None:
    """Stop if one of the images is kept for scoring by any data set on this machine.

    By name where a manifest reserves names; by content and by likeness against all test splits. What was seen
    of an image is remembered (`LookBook`), so the second time costs next to nothing.

    Args:
        images_by_name: Images, by name of the folder or data set that holds them.
    Raises:
        DatasetInvalid: With the images and the reasons.
    """
    found = list(_reserved(images_by_name, settings))
    if found:
        more = f"\n  and {len(found) - 10} more" if len(found) > 10 else ""
        raise DatasetInvalid(
            f"{len(found)} of {sum(map(len, images_by_name.values()))} images are kept for scoring, take "
            "them out of their data set:\n  " + "\n  ".join(found[:10]) + more
        )


def _reserved(images_by_name: Mapping[str, Sequence[Path]], settings: DataSettings) -> Iterator[str]:
    names = _reserved_names(settings)
    with LookBook(settings.work) as book:
        reserved = reserved_for_scoring(settings, book)
        for name, images in images_by_name.items():
            for look in with_progress(book.looks(images), f"kept for scoring? {name}", len(images)):
                reason = reserved.why(look, "")
                if look.path.name in names:
                    reason = f"{names[look.path.name]} reserves it for scoring"
                if reason is not None:
                    yield f"{name}: {look.path}: {reason}"


def _reserved_names(settings: DataSettings) -> dict[str, str]:
    """Data set by the name of the image that it reserves, of the data sets on this machine."""
    names: dict[str, str] = {}
    for name in manifest_names(settings):
        manifest = read_manifest(name, settings)
        if manifest.reserved is None:
            continue
        try:
            folder = data_yaml_of(manifest, settings).parent
        except DatasetInvalid:  # not on this machine
            continue
        names |= dict.fromkeys(reserved_images(folder / manifest.reserved), name)
    return names
