"""Mask images → boxes, by a stated rule.

Per class, mask pixels whose distance is at most `join_px` + 1 (a gap of at most `join_px` pixels) belong to
one damage; its box is the smallest upright one around its pixels. Joining grows every pixel by half of that
distance (Euclidean) and takes connected components with 8 neighbours. A mask must have its image's shape.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.errors import DatasetInvalid
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox
from wegewart_datasets.mapping import MaskRule
from wegewart_datasets.yolo import IMAGE_SUFFIXES

SPECK = "speck of "  # smaller than min_area_px
Mask = npt.NDArray[np.bool_]


def read_masks(source: Path, rule: MaskRule) -> Iterator[LabelledImage | LeftOut]:
    """Every image with a mask: `images` and `masks` in the source, or masks per class beside the images.

    Raises:
        DatasetInvalid: If no image with a mask is found.
    """
    if rule.per_class_files:
        found = _beside(source, rule)
    elif (source / "masks").is_dir() and (source / "images").is_dir():
        found = _by_value(source, rule)
    else:
        raise DatasetInvalid(f"{source} has no folders images and masks; or set masks.per_class_files")
    empty = True
    for entry in found:
        empty = False
        yield entry
    if empty:
        raise DatasetInvalid(f"{source} holds no image with a mask")


def _by_value(source: Path, rule: MaskRule) -> Iterator[LabelledImage | LeftOut]:
    for image in _images(source / "images"):
        stem = image.stem.removesuffix(rule.image_suffix)
        path = source / "masks" / f"{stem}.png"
        mask = _read(path, cv2.IMREAD_UNCHANGED)
        if mask is None:
            yield LeftOut(str(image), f"unlabelled: {path.name} is missing or cannot be read")
            continue
        if mask.ndim != 2:
            yield LeftOut(
                str(image), f"unlabelled: {path.name} has colours, each grey value must name a class"
            )
            continue
        values = [int(value) for value in np.unique(mask) if value]
        boxes = [box for value in values for box in boxes_of_mask(mask == value, str(value), rule)]
        yield LabelledImage(image, tuple(boxes), (mask.shape[1], mask.shape[0]))


def _beside(source: Path, rule: MaskRule) -> Iterator[LabelledImage | LeftOut]:
    for image in _images(source):
        if not image.stem.endswith(rule.image_suffix) or image.suffix.lower() == ".png":
            continue
        stem = image.stem.removesuffix(rule.image_suffix)
        files = sorted(image.parent.glob(f"{stem}_*.png"))
        boxes: list[SourceBox] = []
        frame: tuple[float, float] | None = None
        broken = None
        for path in files:
            mask = _read(path, cv2.IMREAD_ANYDEPTH)
            if mask is None:
                broken = path.name
                break
            frame = (mask.shape[1], mask.shape[0])
            boxes += boxes_of_mask(mask.astype(np.bool_), path.stem.removeprefix(f"{stem}_"), rule)
        if not files or broken:
            yield LeftOut(str(image), f"unlabelled: {broken or 'its mask'} is missing or cannot be read")
        else:
            yield LabelledImage(image, tuple(boxes), frame)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


def _read(path: Path, flags: int) -> npt.NDArray[np.generic] | None:
    """Pixel values of a mask, 16 bits as 16 bits; IMREAD_ANYDEPTH makes colours grey."""
    if not path.is_file():
        return None
    return cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), flags)


def boxes_of_mask(mask: Mask, label: str, rule: MaskRule) -> list[SourceBox]:
    """Boxes of one class in pixels, in the order of their upper left corners.

    Damages below `min_area_px` keep their box under a name of their own, so that they end up aside.
    """
    if not mask.any():
        return []
    grown = mask
    if rule.join_px > 0:
        distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        grown = distance <= (rule.join_px + 1) / 2
    _, numbers = cv2.connectedComponents(grown.astype(np.uint8), connectivity=8)
    ys, xs = np.nonzero(mask)
    owners = numbers[ys, xs]
    boxes = []
    for owner in np.unique(owners):
        x, y = xs[owners == owner], ys[owners == owner]
        name = label if len(x) >= rule.min_area_px else SPECK + label
        boxes.append(SourceBox(name, float(x.min()), float(y.min()), float(x.max()) + 1, float(y.max()) + 1))
    return sorted(boxes, key=lambda box: (box.y1, box.x1))
