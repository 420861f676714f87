"""Export of a data set: YOLO and COCO for other trainings, a CVAT task for labelling. Images are copied."""

import csv
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.formats.coco import write_coco
from wegewart_datasets.formats.cvat import write_cvat
from wegewart_datasets.formats.yolo_layout import read_split
from wegewart_datasets.group_table import GROUPS, rows_of
from wegewart_datasets.importing import image_size_px
from wegewart_datasets.labelled import LabelledImage, LeftOut
from wegewart_datasets.opening import OpenedData
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress
from wegewart_datasets.yolo import images_of, label_path_of

EXPORT_FORMATS = ("yolo", "coco", "cvat")
Measured = tuple[LabelledImage, int, int]


def export(format_name: str, opened: OpenedData, splits: Sequence[str], out: Path) -> dict[str, int]:
    """Write the splits below a new folder; returns the number of images by split.

    Raises:
        DatasetInvalid: If the folder is not empty, a split is not offered, or an image or label is broken.
    """
    refuse_filled(out)
    for split in splits:
        if split not in opened.splits:
            raise DatasetInvalid(f"{opened.name} offers no split {split!r}, only {', '.join(opened.splits)}")
    out.mkdir(parents=True, exist_ok=True)
    _write_groups(opened, splits, out / GROUPS)
    if format_name == "cvat":
        path = out / "annotations.xml"
        all_images = (entry for split in splits for entry in _copied(opened, split, out))
        return {"task": write_cvat(path, opened.name, opened.codes, all_images, out / "images")}
    counts = {}
    for split in splits:
        images = _copied(opened, split, out)
        if format_name == "coco":
            path = out / f"instances_{split}.json"
            counts[split] = write_coco(path, opened.codes, images, out / "images")
        else:
            counts[split] = sum(_write_label(entry, opened.codes) for entry, _, _ in images)
    if format_name == "yolo":
        _write_data_yaml(opened, splits, out)
    return counts


def _write_groups(opened: OpenedData, splits: Sequence[str], path: Path) -> None:
    """Rows of the images that go along, as they stand: a split after labelling needs their groups."""
    if not opened.group_table.is_file():
        return
    names = {image.name for split in splits for image in images_of(opened.data, split)}
    rows = [row for row in rows_of(opened.group_table, "image") if row["image"] in names]
    if rows:
        path.parent.mkdir()
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)


def _copied(opened: OpenedData, split: str, out: Path) -> Iterator[Measured]:
    """Images of a split under the classes' codes, each copied before it is yielded."""
    code_of = dict(zip(opened.data.names, opened.codes, strict=True))
    for entry in with_progress(read_split(opened.data, split), f"export {split}"):
        if isinstance(entry, LeftOut):
            raise DatasetInvalid(f"{entry.where}: {entry.reason}")
        size = image_size_px(entry.image)
        if size is None:
            raise DatasetInvalid(f"{entry.image} cannot be decoded: take it out of the data set")
        target = out / "images" / split / entry.image.name
        if target.exists():
            raise DatasetInvalid(f"two images of split {split} are called {entry.image.name}: rename one")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry.image, target)
        boxes = tuple(replace(box, label=code_of[box.label]) for box in entry.boxes)
        yield replace(entry, image=target, boxes=boxes), *size


def _write_label(entry: LabelledImage, codes: Sequence[str]) -> int:
    path = label_path_of(entry.image)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (
        (codes.index(b.label), (b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1, b.y2 - b.y1)
        for b in entry.boxes
    )
    lines = (f"{number} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n" for number, cx, cy, w, h in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return 1


def _write_data_yaml(opened: OpenedData, splits: Sequence[str], out: Path) -> None:
    lines = [f"{split}: images/{split}" for split in splits]
    lines += ["names:", *(f"  {number}: {name}" for number, name in enumerate(opened.codes))]
    (out / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
