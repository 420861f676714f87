"""What is in a data set: images, labels, boxes by class, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from wegewart.damage import shipped_taxonomy
from wegewart.errors import DatasetInvalid
from wegewart_datasets.manifest import Manifest, data_yaml_of
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import YoloData, images_of, label_path_of, read_data_yaml, read_labels


@dataclass(frozen=True)
class SplitCount:
    """Counts of one split, and its mistakes."""

    split: str
    images: int
    without_label_file: int
    without_box: int
    boxes_by_class: dict[str, int]
    mistakes: tuple[str, ...]


def count_splits(manifest: Manifest, settings: DataSettings) -> tuple[SplitCount, ...]:
    """Every split that the manifest offers, image by image.

    Raises:
        DatasetInvalid: If the data set is not on this machine, or its classes are not the taxonomy's.
    """
    data = read_data_yaml(data_yaml_of(manifest, settings))
    codes = shipped_taxonomy(manifest.taxonomy).codes_of(data.names)
    missing = [split for split in manifest.splits if split not in data.splits]
    if missing:
        raise DatasetInvalid(f"{manifest.name}: {data.root} has no split {', '.join(missing)}")
    return tuple(_count_split(data, split, codes) for split in manifest.splits)


def _count_split(data: YoloData, split: str, codes: Sequence[str]) -> SplitCount:
    images = images_of(data, split)
    boxes: Counter[str] = Counter(dict.fromkeys(codes, 0))
    mistakes: list[str] = []
    without_file = without_box = 0
    for image in images:
        without_file += not label_path_of(image).is_file()
        mistakes += _image_mistakes(image)
        try:
            classes = read_labels(image, len(codes)).classes
        except DatasetInvalid as error:
            mistakes.append(str(error))
            continue
        without_box += len(classes) == 0
        boxes.update(codes[index] for index in classes)
    return SplitCount(split, len(images), without_file, without_box, dict(boxes), tuple(mistakes))


def _image_mistakes(image: Path) -> Iterator[str]:
    if not image.is_file():
        yield f"{image} is missing"
    elif (
        cv2.imdecode(np.frombuffer(image.read_bytes() or b"\0", np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        is None
    ):
        yield f"{image} cannot be decoded"
