"""COCO detection: one JSON file per split, boxes as x, y, width, height in pixels. Read and written.

The annotation file is read as a whole (some 300 bytes per box); images are streamed.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wegewart.errors import DatasetInvalid
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox, inside, split_of_word


def read_coco(source: Path, images: Path | None = None) -> Iterator[LabelledImage | LeftOut]:
    """Every image of a COCO file, or of all COCO files in a folder; `images` is where file names begin.

    Raises:
        DatasetInvalid: If a file is no COCO detection file.
    """
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not files:
        raise DatasetInvalid(f"{source} holds no .json file")
    for path in files:
        yield from _read_file(path, images)


def _read_file(path: Path, images: Path | None) -> Iterator[LabelledImage | LeftOut]:
    content = read_json(path)
    if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
        raise DatasetInvalid(f"{path} is no COCO detection file: images, annotations, categories are needed")
    try:
        names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        boxes: dict[Any, list[SourceBox]] = defaultdict(list)
        known = {entry["id"] for entry in content["images"]}
        for entry in content["annotations"]:
            if entry["image_id"] not in known:
                yield LeftOut(f"{path.name}: annotation {entry.get('id')}", "its image is not listed")
            elif len(entry.get("bbox") or ()) != 4:
                yield LeftOut(f"{path.name}: annotation {entry.get('id')}", "it has no bbox")
            else:
                x, y, w, h = map(float, entry["bbox"])
                label = names.get(entry["category_id"], f"category {entry['category_id']}")
                boxes[entry["image_id"]].append(SourceBox(label, x, y, x + w, y + h))
        for entry in content["images"]:
            yield _image(path, images, entry, tuple(boxes.get(entry["id"], ())))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetInvalid(f"{path} is no COCO detection file: {error!r}") from error


def _image(
    path: Path, images: Path | None, entry: Mapping[str, Any], boxes: tuple[SourceBox, ...]
) -> LabelledImage | LeftOut:
    name = str(entry["file_name"])
    found = find_image(name, images or path.parent)
    if found is None:
        return LeftOut(f"{path.name}: {name}", "its image is missing")
    words = path.stem.replace("-", "_").replace(".", "_").split("_")
    split = next((split for word in words if (split := split_of_word(word.rstrip("0123456789")))), None)
    return LabelledImage(found, boxes, (float(entry["width"]), float(entry["height"])), split)


def find_image(name: str, root: Path) -> Path | None:
    """The file that a source names, below `root` or below `images` in it or beside it; None if missing."""
    for place in (root, root / "images", root.parent / "images"):
        if place.is_dir() and (path := inside(place, name)).is_file():
            return path
    return None


def read_json(path: Path) -> Any:  # noqa: ANN401  what a file holds is checked by its reader
    """Content of a JSON file.

    Raises:
        DatasetInvalid: If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetInvalid(f"{path} cannot be read as JSON: {error}") from error


def write_coco(
    path: Path, names: Sequence[str], images: Iterable[tuple[LabelledImage, int, int]], base: Path
) -> int:
    """Write images (with width and height in pixels) and their boxes as one COCO file; returns the images.

    Category ids are class numbers plus 1. Boxes come in the frame (1, 1); file names are relative to `base`.
    """
    listed: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for number, (image, width_px, height_px) in enumerate(images, start=1):
        name = image.image.relative_to(base).as_posix()
        listed.append({"id": number, "file_name": name, "width": width_px, "height": height_px})
        for box in image.boxes:
            w, h = (box.x2 - box.x1) * width_px, (box.y2 - box.y1) * height_px
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": number,
                    "category_id": names.index(box.label) + 1,
                    "bbox": [round(v, 3) for v in (box.x1 * width_px, box.y1 * height_px, w, h)],
                    "area": round(w * h, 3),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    content = {"images": listed, "annotations": boxes, "categories": categories}
    path.write_text(json.dumps(content), encoding="utf-8")
    return len(listed)
