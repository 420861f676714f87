"""Import of a labelled source into YOLO layout: images, labels, data.yaml, and what stayed outside and why.

A journal holds one line per image that was taken. An import that was killed goes on behind it, what was left
out is looked at again; the memory holds names only, never images or boxes. Class names without a place in the
taxonomy, boxes outside their image and everything unreadable are kept in `extra/other_boxes.csv` and
`extra/left_out.csv`: nothing is lost silently.
"""

import csv
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from wegewart.damage import shipped_taxonomy
from wegewart.errors import DatasetInvalid
from wegewart_datasets.formats.coco import read_coco
from wegewart_datasets.formats.cvat import read_cvat
from wegewart_datasets.formats.label_studio import read_label_studio
from wegewart_datasets.formats.masks import read_masks
from wegewart_datasets.formats.voc import read_voc
from wegewart_datasets.formats.yolo_layout import read_yolo
from wegewart_datasets.group_table import source_of_name
from wegewart_datasets.labelled import LabelledImage, LeftOut, SourceBox
from wegewart_datasets.looks import file_mark
from wegewart_datasets.mapping import ClassMapping
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress

FORMATS = ("voc", "coco", "yolo", "cvat", "label-studio", "masks")
JOURNAL = Path("extra/import-journal.jsonl")
LEFT_OUT = Path("extra/left_out.csv")
REPORT = Path("extra/import.json")
MIN_SIDE_PX = 1.0  # a thinner box holds no pixel of its own
SLACK = 1e-6  # rounding of six decimals in label files


@dataclass(frozen=True)
class Job:
    """One import: what from where, under which mapping, into which folder."""

    format: str
    source: Path
    out: Path
    mapping: ClassMapping
    images: Path | None = None
    default_split: str = "train"

    def fingerprint(self) -> str:
        """Changes with everything that decides the result but the source's content."""
        words = (self.format, str(self.source.resolve()), str(self.images), self.default_split)
        return hashlib.sha256("\n".join([*words, self.mapping.model_dump_json()]).encode()).hexdigest()


@dataclass
class ImportReport:
    """Counts of an import; written to extra/import.json."""

    images: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    aside: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    clipped: int = 0
    without_box: int = 0
    only_other_boxes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def read_source(job: Job) -> Iterator[LabelledImage | LeftOut]:
    """Images of the job's source in a fixed order.

    Raises:
        DatasetInvalid: If the source is not in that format.
    """
    if not job.source.exists():
        raise DatasetInvalid(f"{job.source} does not exist: name the folder or file to import")
    match job.format:
        case "voc":
            return read_voc(job.source)
        case "coco":
            return read_coco(job.source, job.images)
        case "yolo":
            return read_yolo(job.source)
        case "cvat":
            return read_cvat(job.source, job.images)
        case "label-studio":
            return read_label_studio(job.source, job.images)
        case "masks":
            return read_masks(job.source, job.mapping.masks)
    raise DatasetInvalid(f"unknown format {job.format!r}, known are {', '.join(FORMATS)}")


def import_source(job: Job) -> ImportReport:
    """Write the source in YOLO layout into `job.out`, going on where a killed import stopped.

    Raises:
        DatasetInvalid: If the source cannot be read, the folder holds something else, or an image that was
            taken before has changed or is gone.
    """
    if job.out.resolve().is_relative_to(job.source.resolve()):
        raise DatasetInvalid(f"{job.out} lies inside {job.source}: nothing is written beside a source")
    _claim(job)
    done, taken = _done(job.out / JOURNAL)
    left_out: Counter[str] = Counter()
    with (
        (job.out / JOURNAL).open("a", encoding="utf-8") as journal,
        (job.out / LEFT_OUT).open("w", encoding="utf-8", newline="") as left_file,
    ):
        left = csv.writer(left_file)
        left.writerow(["what", "reason"])
        for entry in with_progress(_told_once(job), "import"):
            row = _take_new(job, entry, done, taken) if isinstance(entry, LabelledImage) else entry
            if isinstance(row, LeftOut):
                left.writerow([row.where, row.reason])
                left_out[row.reason.split(":")[0]] += 1
            elif row:
                journal.write(json.dumps(row) + "\n")
                journal.flush()
    if done:
        raise DatasetInvalid(
            f"{len(done)} images that were taken are no longer in {job.source}, as {next(iter(done))}: "
            f"import into a new folder"
        )
    return _finish(job, left_out)


def _told_once(job: Job) -> Iterator[LabelledImage | LeftOut]:
    """Entries of the source; an image that it lists again (in two splits, say) is left out and named."""
    seen: set[str] = set()
    for entry in read_source(job):
        if isinstance(entry, LeftOut):
            yield entry
        elif (key := _key(job, entry)) in seen:
            yield LeftOut(key, f"listed twice: again in {entry.split or job.default_split}, the first counts")
        else:
            seen.add(key)
            yield entry


def _claim(job: Job) -> None:
    """Make the folder this job's, or refuse it."""
    mark = job.out / "extra" / "import-of.txt"
    if mark.is_file():
        if mark.read_text(encoding="utf-8") != job.fingerprint():
            raise DatasetInvalid(f"{job.out} holds an import with other arguments: choose a new folder")
    else:
        refuse_filled(job.out)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(job.fingerprint(), encoding="utf-8")


def _done(journal: Path) -> tuple[dict[str, str], set[str]]:
    """Marks of the images that were taken, by key, and stems in use; a line torn by a kill is cut off."""
    done: dict[str, str] = {}
    taken: set[str] = set()
    if journal.is_file():
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            journal.write_bytes(whole)
    for row in _rows(journal):
        done[row["key"]] = row["mark"]
        taken.add(_stem(row["split"], row["image"]))
    return done, taken


def _rows(journal: Path) -> Iterator[dict]:  # type: ignore[type-arg]  # rows of this file alone
    if journal.is_file():
        with journal.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _key(job: Job, entry: LabelledImage) -> str:
    return os.path.relpath(entry.image, job.source if job.source.is_dir() else job.source.parent)


def _mark(entry: LabelledImage) -> str:
    """Changes with the labels of an image, and with the size and the time of change of its file."""
    said = (entry.boxes, entry.frame, entry.split, entry.group, file_mark(entry.image))
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _take_new(
    job: Job, entry: LabelledImage, done: dict[str, str], taken: set[str]
) -> dict[str, object] | LeftOut | None:
    """The journal's row of an image, None for one that was taken before; that one is struck off `done`."""
    key = _key(job, entry)
    if (mark := done.pop(key, None)) is None:
        return _take(job, entry, taken)
    if mark != _mark(entry):
        raise DatasetInvalid(f"{key} or its labels changed since it was taken: import into a new folder")
    return None


def _take(job: Job, entry: LabelledImage, taken: set[str]) -> dict[str, object] | LeftOut:
    size = image_size_px(entry.image)
    if size is None:
        return LeftOut(str(entry.image), "the image cannot be decoded")
    width_px, height_px = size
    frame: tuple[float, float] = entry.frame or size
    if not all(0 < side < np.inf for side in frame):
        frame = size
    if abs(frame[0] * height_px - frame[1] * width_px) > 0.01 * frame[1] * width_px and frame != (1, 1):
        said = f"{frame[0]:g}x{frame[1]:g}"
        reason = f"its labels are for {said}, the image has {width_px}x{height_px} pixels"
        return LeftOut(str(entry.image), reason)
    split = entry.split or job.default_split
    key = _key(job, entry)
    name = _free_name(key, split, taken)
    boxes = _sorted_out(job, entry.boxes, frame, size)
    _copy(entry.image, job.out / "images" / split / name)
    label = (job.out / "labels" / split / name).with_suffix(".txt")
    label.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{number} " + " ".join(f"{v:.6f}" for v in unit) for number, unit in boxes.kept]
    label.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {
        "key": key,
        "mark": _mark(entry),
        "image": name,
        "split": split,
        "group": entry.group,
        "source": source_of_name(entry.image.name),
        "folder": Path(key).parent.as_posix(),
        "boxes": Counter(job.mapping.codes[number] for number, _ in boxes.kept),
        "clipped": boxes.clipped,
        "other": boxes.other,
    }


@dataclass(frozen=True)
class _SortedBoxes:
    kept: list[tuple[int, tuple[float, float, float, float]]]
    other: list[tuple[str, str, list[float]]]
    clipped: int


def _sorted_out(
    job: Job, boxes: tuple[SourceBox, ...], frame: tuple[float, float], size: tuple[int, int]
) -> _SortedBoxes:
    """Boxes as centre, width, height in 0..1; those of other classes, or without extent, with the reason."""
    kept, other, clipped = [], [], 0
    for box in boxes:
        raw = np.array([box.x1, box.y1, box.x2, box.y2]) / np.tile(frame, 2)
        unit = np.clip(raw, 0, 1)
        cxywh = [(unit[0] + unit[2]) / 2, (unit[1] + unit[3]) / 2, unit[2] - unit[0], unit[3] - unit[1]]
        number = job.mapping.index_of(box.label)
        if not np.isfinite(raw).all():
            other.append((box.label, "no numbers", [0.0] * 4))
        elif cxywh[2] * size[0] < MIN_SIDE_PX - SLACK or cxywh[3] * size[1] < MIN_SIDE_PX - SLACK:
            other.append((box.label, "degenerate or outside", _cxywh(raw)))
        elif number is None:
            known = box.label in job.mapping.aside or box.label.startswith("speck of ")
            other.append((box.label, "aside" if known else "unknown", _cxywh(raw)))
        else:
            clipped += bool(np.abs(raw - unit).max() > SLACK)
            kept.append((number, (cxywh[0], cxywh[1], cxywh[2], cxywh[3])))
    return _SortedBoxes(kept, other, clipped)


def _cxywh(corners: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = map(float, corners)
    return [round(value, 6) for value in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)]


def image_size_px(path: Path) -> tuple[int, int] | None:
    """Width and height as OpenCV shows the image (turned as its EXIF says); None if it cannot be decoded."""
    try:
        content = np.frombuffer(path.read_bytes() or b"\0", np.uint8)
        decoded = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        return None
    return None if decoded is None else (decoded.shape[1], decoded.shape[0])


def _free_name(key: str, split: str, taken: set[str]) -> str:
    """The file's own name, or its whole path in one word where two files share a name (or a label file)."""
    if not key.isprintable():
        raise DatasetInvalid(f"the file name {key!r} holds control characters: rename the file")
    name = Path(key).name
    if _stem(split, name) in taken:
        name = key.replace("../", "").replace("/", "__")
    if _stem(split, name) in taken:
        name = f"{Path(name).stem}-{Path(name).suffix[1:]}{Path(name).suffix}"
    if _stem(split, name) in taken:
        raise DatasetInvalid(f"two images would be called {name!r}: rename one of them")
    taken.add(_stem(split, name))
    return name


def _stem(split: str, name: str) -> str:
    return f"{split}/{Path(name).stem.lower()}"


def _copy(image: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(image, part)
    part.replace(target)


def _finish(job: Job, left_out: Counter[str]) -> ImportReport:
    report = ImportReport(left_out=left_out)
    extra = job.out / "extra"
    with (
        (extra / "other_boxes.csv").open("w", encoding="utf-8", newline="") as other_file,
        (extra / "groups.csv").open("w", encoding="utf-8", newline="") as group_file,
    ):
        other, groups = csv.writer(other_file), csv.writer(group_file)
        other.writerow(["image", "split", "class", "cx", "cy", "w", "h", "reason"])
        groups.writerow(["image", "source", "group", "split", "folder"])
        for row in _rows(job.out / JOURNAL):
            _count(report, row)
            noted = (row["image"], row["source"], row["group"] or "", row["split"], row["folder"])
            groups.writerow(noted)
            for label, reason, cxywh in row["other"]:
                other.writerow([row["image"], row["split"], label, *cxywh, reason])
    if not report.images:
        raise DatasetInvalid(f"{job.source}: no image was taken, see {job.out / LEFT_OUT} ({dict(left_out)})")
    _write_data_yaml(job, report)
    (job.out / REPORT).write_text(json.dumps(vars(report), indent=2) + "\n", encoding="utf-8")
    return report


def _count(report: ImportReport, row: dict) -> None:  # type: ignore[type-arg]
    report.images[row["split"]] += 1
    report.boxes.update(row["boxes"])
    report.clipped += row["clipped"]
    report.without_box += not row["boxes"]
    report.only_other_boxes += bool(row["other"]) and not row["boxes"]
    for label, reason, _ in row["other"]:
        kind = {"unknown": report.unknown, "aside": report.aside}.get(reason, report.unusable)
        kind[label] += 1


def _write_data_yaml(job: Job, report: ImportReport) -> None:
    taxonomy = shipped_taxonomy(job.mapping.taxonomy)
    lines = [f"{split}: images/{split}" for split in ("train", "val", "test") if report.images[split]]
    lines.append("names:")
    for number, damage in enumerate(taxonomy.classes):
        lines.append(f"  {number}: {damage.code} {damage.name_en.lower()}")
    (job.out / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
