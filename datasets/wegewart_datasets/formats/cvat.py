"""CVAT for images 1.1: one XML file for a task. Read, and written as a task for labelling.

Boxes are taken, turned ones by the upright box around them; polygons, polylines, ellipses and masks become
the upright box around them. Points, skeletons, cuboids and tags have no box: they are reported and left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from wegewart.errors import DatasetInvalid
from wegewart_datasets.formats.coco import find_image
from wegewart_datasets.labelled import (
    LabelledImage,
    LeftOut,
    SourceBox,
    box_around,
    split_of_word,
    turned_box,
)
from wegewart_datasets.xml_reading import elements_of

COLOURS = ("#33ddff", "#fa3253", "#ffcc33", "#66ff66", "#b83df5", "#ff6a4d", "#aaf0d1", "#f078f0")


def read_cvat(source: Path, images: Path | None = None) -> Iterator[LabelledImage | LeftOut]:
    """Every image of a CVAT task; `images` is where file names begin, else the folder of the XML file.

    Raises:
        DatasetInvalid: If the file is no XML, or holds no image.
    """
    path = source / "annotations.xml" if source.is_dir() else source
    empty = True
    for element in elements_of(path, "image"):
        empty = False
        yield from _image(path, images or path.parent, element)
    if empty:
        raise DatasetInvalid(f"{path} holds no <image>: export the task as 'CVAT for images 1.1'")


def _image(path: Path, root: Path, element: Element) -> Iterator[LabelledImage | LeftOut]:
    name = element.get("name", "")
    found = find_image(name, root)
    if found is None:
        yield LeftOut(f"{path.name}: {name}", "its image is missing")
        return
    boxes: list[SourceBox] = []
    try:
        for shape in element:
            box = _box(shape)
            if box is None:
                yield LeftOut(f"{path.name}: {name}", f"a {shape.tag} has no box")
            else:
                boxes.append(box)
        frame = (float(element.attrib["width"]), float(element.attrib["height"]))
    except (KeyError, ValueError) as error:
        raise DatasetInvalid(f"{path}: <image name={name!r}> is not as CVAT writes it: {error!r}") from error
    yield LabelledImage(found, tuple(boxes), frame, split_of_word(element.get("subset", "")))


def _box(shape: Element) -> SourceBox | None:
    label, get = shape.get("label", ""), shape.attrib.__getitem__
    if shape.tag == "box":
        x1, y1, x2, y2 = (float(get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))
        turn = float(shape.get("rotation", "0"))
        return turned_box(label, ((x1 + x2) / 2, (y1 + y2) / 2), (x1, y1), (x2 - x1, y2 - y1), turn)
    if shape.tag in {"polygon", "polyline"}:
        pairs = (point.split(",") for point in get("points").split(";"))
        return box_around(label, ((float(x), float(y)) for x, y in pairs))
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (float(get(side)) for side in ("cx", "cy", "rx", "ry"))
        turn = float(shape.get("rotation", "0"))
        return turned_box(label, (cx, cy), (cx - rx, cy - ry), (2 * rx, 2 * ry), turn)
    if shape.tag == "mask":
        left, top, w, h = (float(get(side)) for side in ("left", "top", "width", "height"))
        return SourceBox(label, left, top, left + w, top + h)
    return None


def write_cvat(
    path: Path, task: str, names: Sequence[str], images: Iterable[tuple[LabelledImage, int, int]], base: Path
) -> int:
    """Write a CVAT task of images (with width and height in pixels) and their boxes; returns the images.

    Boxes come in the frame (1, 1) and may be none: then people draw them. File names are relative to `base`.
    """
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        file.write(_meta(task, names))
        for count, (image, width_px, height_px) in enumerate(images, start=1):
            name = quoteattr(image.image.relative_to(base).as_posix())
            subset = f" subset={quoteattr(image.split)}" if image.split else ""
            file.write(f'  <image id="{count - 1}" name={name}{subset} width="{width_px}"')
            file.write(f' height="{height_px}">\n')
            file.writelines(_box_line(box, width_px, height_px) for box in image.boxes)
            file.write("  </image>\n")
        file.write("</annotations>\n")
    return count


def _box_line(box: SourceBox, width_px: int, height_px: int) -> str:
    x1, x2 = box.x1 * width_px, box.x2 * width_px
    y1, y2 = box.y1 * height_px, box.y2 * height_px
    return (
        f'    <box label={quoteattr(box.label)} source="file" occluded="0" xtl="{x1:.3f}" ytl="{y1:.3f}" '
        f'xbr="{x2:.3f}" ybr="{y2:.3f}" z_order="0"></box>\n'
    )


def _meta(task: str, names: Sequence[str]) -> str:
    labels = "".join(
        f"<label><name>{quoteattr(name)[1:-1]}</name><color>{COLOURS[index % len(COLOURS)]}</color>"
        "<type>rectangle</type><attributes></attributes></label>"
        for index, name in enumerate(names)
    )
    return f"  <meta><task><name>{quoteattr(task)[1:-1]}</name><labels>{labels}</labels></task></meta>\n"
