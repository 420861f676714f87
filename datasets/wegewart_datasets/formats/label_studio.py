"""Label Studio: the JSON export of a project (not JSON-MIN). Values are percent of the image.

Of several annotations of a task the last one that was not cancelled counts. Rectangles are taken, turned ones
and polygons by the upright box around them; brush strokes and key points are reported and left out. A task
without an annotation is unlabelled, not undamaged: it is reported and left out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wegewart.errors import DatasetInvalid
from wegewart_datasets.formats.coco import find_image, read_json
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox, box_around, turned_box

SHAPES = {"rectanglelabels": "rectanglelabels", "rectangle": "labels", "polygonlabels": "polygonlabels"}
UPLOAD_PREFIX_LENGTH = 9  # Label Studio names an upload "a1b2c3d4-name.jpg"


def read_label_studio(source: Path, images: Path | None = None) -> Iterator[LabelledImage | LeftOut]:
    """Every annotated image of an export; `images` is the folder of the image files.

    Raises:
        DatasetInvalid: If the file is no JSON export of Label Studio.
    """
    tasks = read_json(source)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise DatasetInvalid(f"{source} is no Label Studio export: export the project as JSON, not JSON-MIN")
    for task in tasks:
        try:
            yield from _task(source, images or source.parent, task)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DatasetInvalid(
                f"{source}: task {task.get('id')} is not as Label Studio writes it: {error!r}"
            ) from error


def _task(source: Path, root: Path, task: Mapping[str, Any]) -> Iterator[LabelledImage | LeftOut]:
    name = _file_name(task["data"])
    where = f"{source.name}: task {task.get('id')} ({name})"
    kept = [entry for entry in task.get("annotations") or () if not entry.get("was_cancelled")]
    if not kept:
        yield LeftOut(where, "unlabelled: no annotation that was not cancelled")
        return
    image = find_image(name, root) or find_image(name[UPLOAD_PREFIX_LENGTH:] or name, root)
    if image is None:
        yield LeftOut(where, "its image is missing")
        return
    frame: tuple[float, float] | None = None
    boxes: list[SourceBox] = []
    for result in kept[-1].get("result") or ():
        if result.get("type") not in SHAPES:
            yield LeftOut(where, f"a {result.get('type')} has no box")
            continue
        frame = (float(result["original_width"]), float(result["original_height"]))
        if min(frame) <= 0:
            raise ValueError(f"its image has {frame[0]:g}x{frame[1]:g} pixels")
        boxes += _boxes(result, frame)
    yield LabelledImage(image, tuple(boxes), frame)


def _file_name(fields: Mapping[str, Any]) -> str:
    address = fields.get("image") or fields.get("img") or next(iter(fields.values()))
    parts = urlsplit(str(address))
    local = parse_qs(parts.query).get("d")
    return PurePosixPath(unquote(local[0] if local else parts.path)).name


def _boxes(result: Mapping[str, Any], frame: tuple[float, float]) -> list[SourceBox]:
    """The box once under each of its labels: a tool may be set to take several."""
    labels = result["value"].get(SHAPES[result["type"]]) or result["value"].get("labels") or [""]
    return [_box(str(label), result["value"], frame) for label in labels]


def _box(label: str, value: Mapping[str, Any], frame: tuple[float, float]) -> SourceBox:
    width, height = frame
    if "points" in value:
        return box_around(label, ((x * width / 100, y * height / 100) for x, y in value["points"]))
    x, y = value["x"] * width / 100, value["y"] * height / 100
    size = (value["width"] * width / 100, value["height"] * height / 100)
    return turned_box(label, (x, y), (x, y), size, float(value.get("rotation") or 0))
