"""Select: frames to label next, from looks at all of them to a task for CVAT.

Look at every frame once (remembered), choose, then write the task: images, annotations.xml with the boxes
that the detector reports, selected.csv with figures and reasons, and sheet.html for people.
"""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from wegewart.errors import CalledWrongly, DatasetInvalid
from wegewart_datasets.feedback_guarding import Reserved
from wegewart_datasets.formats.cvat import write_cvat
from wegewart_datasets.labelled import LabelledImage, SourceBox
from wegewart_datasets.progress import with_progress
from wegewart_inference.detector import Detector
from wegewart_inference.frame import ImageU8
from wegewart_training.select_choice import Choice, ChoiceOptions, Pick, choose
from wegewart_training.select_frames import Candidate, loaded
from wegewart_training.select_likeness import Likeness
from wegewart_training.select_scan import FrameLook, Pool, ScanBook, Scanner, pool_of
from wegewart_training.select_sheet import sheet_figure, sheet_foot, sheet_head

MARK = "selection-of.txt"
JPEG_QUALITY = 95  # of frames taken out of a video
COLUMNS = (
    *("rank", "image", "why", "doubt_bits", "doubtful_places", "weight", "distance", "group", "unsure_about"),
    *("boxes", "bundle", "source"),
)


@dataclass(frozen=True)
class SelectJob:
    """One selection."""

    candidates: Sequence[Candidate]
    labelled: Sequence[Candidate]
    """Frames that are labelled already: nothing like them is wanted."""
    detector: Detector
    reserved: Reserved
    options: ChoiceOptions
    work: Path
    """Folder in which looks are remembered."""
    out: Path


@dataclass(frozen=True)
class Selection:
    """What was chosen from what."""

    pool: Pool
    choice: Choice
    fresh: int
    """Frames that were looked at in this run, not remembered from an earlier one."""


@dataclass(frozen=True)
class _Written:
    """A chosen frame on its way into the task."""

    rank: int
    pick: Pick
    candidate: Candidate
    look: FrameLook
    image: ImageU8
    target: Path


def select(job: SelectJob) -> Selection:
    """Look, choose and write; repeated after a kill, it goes on where it was.

    Raises:
        CalledWrongly: If the folder holds something else.
        DatasetInvalid: If no frame could be read at all, or one vanished meanwhile.
    """
    scanner = Scanner(job.detector, Likeness(job.detector.bundle))
    with ScanBook(job.work, scanner.bundle) as book:
        book.scan(job.labelled, scanner, "labelled")
        book.scan(job.candidates, scanner, "look")
        pool = pool_of(job.candidates, book)
        if not pool.candidates:
            first = f": {pool.faulty[0][0].key} {pool.faulty[0][1]}" if pool.faulty else ""
            raise DatasetInvalid(f"none of {len(job.candidates)} frames can be read{first}")
        labelled = pool_of(job.labelled, book) if job.labelled else None
        choice = choose(pool, labelled, job.reserved, job.options)
        _claim(job, pool, choice)
        _write(job, pool, choice, book)
        return Selection(pool, choice, book.fresh)


def check_out(out: Path) -> None:
    """Refuse a folder in which no selection can be or is.

    Raises:
        CalledWrongly: If it holds something else.
    """
    if not (out / MARK).is_file() and out.exists() and any(out.iterdir()):
        raise CalledWrongly(f"{out} is not empty: choose a new folder")


def _claim(job: SelectJob, pool: Pool, choice: Choice) -> None:
    """Make the folder this selection's, or refuse it: somebody may be labelling in it."""
    chosen = [pool.candidates[pick.number].key for pick in choice.picks]
    words = [job.detector.card.behaviour_sha256, json.dumps(asdict(job.options)), *chosen]
    print_of = hashlib.sha256("\n".join(words).encode()).hexdigest()
    check_out(job.out)
    mark = job.out / MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") != print_of:
        raise CalledWrongly(f"{job.out} holds another selection: choose a new folder")
    job.out.mkdir(parents=True, exist_ok=True)
    mark.write_text(print_of, encoding="utf-8")


def _write(job: SelectJob, pool: Pool, choice: Choice, book: ScanBook) -> None:
    """Task, table and page; images one at a time, files complete or not there."""
    task, sheet_part, table_part = (
        job.out / "task",
        job.out / "sheet.html.part",
        job.out / "selected.csv.part",
    )
    images = task / "images"
    images.mkdir(parents=True, exist_ok=True)
    names = list(job.detector.card.thresholds)
    with (
        sheet_part.open("w", encoding="utf-8") as sheet,
        table_part.open("w", encoding="utf-8", newline="") as table,
    ):
        rows: list[list[object]] = []
        sheet.write(sheet_head(job.detector.card.id, len(pool.candidates), choice))

        def written() -> Iterator[tuple[LabelledImage, int, int]]:
            for one in with_progress(_chosen(pool, choice, book, images), "write", len(choice.picks)):
                rows.append(_row(one, job))
                sheet.write(sheet_figure(one.rank, one.pick, one.candidate, one.look, one.image))
                yield _as_task(one), one.look.width_px, one.look.height_px

        annotations = task / "annotations.xml.part"
        write_cvat(annotations, f"{job.out.name}: label next", names, written(), images)
        sheet.writelines(sheet_foot())
        csv.writer(table).writerows([COLUMNS, *sorted(rows, key=lambda row: int(str(row[0])))])
    for part in (annotations, sheet_part, table_part):
        part.replace(part.with_suffix(""))


def _chosen(pool: Pool, choice: Choice, book: ScanBook, folder: Path) -> Iterator[_Written]:
    """Chosen frames, each with its image, after it was put into the task; in the order of their ranks.

    Frames of a video come in the order of the video, so that it is decoded once.
    """
    ranked = list(enumerate(choice.picks, start=1))
    ranked.sort(key=lambda entry: _in_file(pool.candidates[entry[1].number], entry[0]))
    candidates = (pool.candidates[pick.number] for _, pick in ranked)
    for (rank, pick), (candidate, image, reason) in zip(ranked, loaded(candidates), strict=True):
        look = book.remembered(candidate)
        if image is None or look is None:
            raise DatasetInvalid(f"{candidate.key}: {reason or 'it changed meanwhile'}; repeat the command")
        suffix = ".jpg" if candidate.index is not None else candidate.path.suffix.lower()
        target = folder / f"{rank:05d}-{candidate.stem}{suffix}"
        _put(candidate, image, target)
        yield _Written(rank, pick, candidate, look, image, target)


def _in_file(candidate: Candidate, rank: int) -> tuple[bool, str, int]:
    """Images by rank, then videos by frame."""
    return (False, "", rank) if candidate.index is None else (True, str(candidate.path), candidate.index)


def _put(candidate: Candidate, image: ImageU8, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    if candidate.index is None:
        shutil.copyfile(candidate.path, part)
    else:
        done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise DatasetInvalid(
                f"{candidate.key} cannot be written as JPEG: {image.shape[1]}x{image.shape[0]} px"
            )
        part.write_bytes(content.tobytes())
    part.replace(target)


def _as_task(one: _Written) -> LabelledImage:
    across, down = one.look.width_px, one.look.height_px
    boxes = tuple(
        SourceBox(code, x1 / across, y1 / down, x2 / across, y2 / down)
        for code, _, (x1, y1, x2, y2) in one.look.boxes_px()
    )
    return LabelledImage(one.target, boxes, (1.0, 1.0))


def _row(one: _Written, job: SelectJob) -> list[object]:
    figures = (one.pick.bits, one.look.places, one.pick.weight, one.pick.distance)
    rounded = [round(value, 4) for value in figures]
    return [
        *(one.rank, one.target.name, one.pick.why, *rounded, one.candidate.group, one.look.words),
        *(len(one.look.boxes_px()), job.detector.card.id, one.candidate.key),
    ]
