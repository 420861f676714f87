"""Pascal VOC: one XML file per image, as RDD2018 to RDD2022 are published, folder by country.

Found below the source, at any depth: `annotations/xmls` beside `images` (RDD2020, RDD2022), `Annotations`
beside `JPEGImages` (RDD2018, VOC), XML files beside their images. Corners are taken as pixel edges as they
stand, as every published conversion of RDD does. Images without an XML file are unlabelled, not undamaged:
they are reported and left out.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from wegewart.errors import DatasetInvalid
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox, inside, split_of_word
from wegewart_datasets.xml_reading import elements_of, number_of
from wegewart_datasets.yolo import IMAGE_SUFFIXES


def read_voc(source: Path) -> Iterator[LabelledImage | LeftOut]:
    """Every annotated image below a folder, in the order of the paths.

    Raises:
        DatasetInvalid: If the folder holds no annotation.
    """
    folders = sorted(_folders_with_xml(source))
    if not folders:
        raise DatasetInvalid(f"{source} holds no XML annotation: name the folder of a country, or of all")
    for folder in folders:
        images = {path.stem: path for path in _images_of(folder)}
        for path in sorted(folder.glob("*.xml")):
            yield _one(source, path, images)
            images.pop(path.stem, None)
        for image in sorted(images.values()):
            yield LeftOut(str(image), "unlabelled: no annotation file")


def _folders_with_xml(source: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(source):
        if any(name.endswith(".xml") for name in names):
            yield Path(folder)


def _images_of(folder: Path) -> list[Path]:
    above = folder.parent.parent if folder.name.lower() == "xmls" else folder.parent
    for place in (above / "images", above / "JPEGImages", folder):
        if place.is_dir() and (found := [p for p in place.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]):
            return found
    return []


def _one(source: Path, path: Path, images: dict[str, Path]) -> LabelledImage | LeftOut:
    try:
        roots = list(elements_of(path, "annotation"))
        if len(roots) != 1:
            return LeftOut(str(path), "no Pascal VOC: it has no <annotation>")
        image = images.get(path.stem) or images.get(Path(roots[0].findtext("filename") or "").stem)
        if image is None:
            return LeftOut(str(path), "its image is missing")
        boxes = tuple(_box(entry, path) for entry in roots[0].iter("object"))
        inside(source, str(image.relative_to(source)))
    except DatasetInvalid as error:
        return LeftOut(str(path), str(error))
    split = next((word for part in path.relative_to(source).parts if (word := split_of_word(part))), None)
    return LabelledImage(image, boxes, _frame(roots[0], path), split)


def _box(entry: Element, path: Path) -> SourceBox:
    corners = entry.find("bndbox")
    if corners is None:
        raise DatasetInvalid(f"{path}: an <object> has no <bndbox>")
    x1, y1, x2, y2 = (number_of(corners, name, path) for name in ("xmin", "ymin", "xmax", "ymax"))
    return SourceBox((entry.findtext("name") or "").strip(), x1, y1, x2, y2)


def _frame(root: Element, path: Path) -> tuple[float, float] | None:
    size = root.find("size")
    if size is None:
        return None
    return number_of(size, "width", path), number_of(size, "height", path)
