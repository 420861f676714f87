"""YOLO layout as a source and as a result: data.yaml, images, one text file of boxes per image."""

from collections.abc import Iterator
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.group_table import GROUPS, groups_of
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox
from wegewart_datasets.yolo import YoloData, images_of, read_data_yaml, read_labels


def read_yolo(source: Path) -> Iterator[LabelledImage | LeftOut]:
    """Every image of every split of a data.yaml, boxes in the frame (1, 1).

    Raises:
        DatasetInvalid: If the data.yaml or a split of it cannot be read.
    """
    path = source / "data.yaml" if source.is_dir() else source
    data = read_data_yaml(path)
    for split in data.splits:
        yield from read_split(data, split)


def read_split(data: YoloData, split: str) -> Iterator[LabelledImage | LeftOut]:
    """Every image of one split with its boxes under the class names of the data.yaml."""
    groups = groups_of(data.root / GROUPS)
    for image in images_of(data, split):
        try:
            labels = read_labels(image, len(data.names))
        except DatasetInvalid as error:
            yield LeftOut(str(image), str(error))
            continue
        boxes = tuple(
            SourceBox(data.names[number], *(float(side) for side in corners))
            for number, corners in zip(labels.classes, labels.boxes_px(1, 1), strict=True)
        )
        yield LabelledImage(image, boxes, (1.0, 1.0), split, groups.get(image.name))
