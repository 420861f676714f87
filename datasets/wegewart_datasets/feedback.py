"""Feedback of the office → a data set: pictures with the boxes that people vouch for, and hard negatives.

Read the lines, settle every finding, take each picture that is wholly known, write down where everything
came from and what stayed outside and why. A journal holds what is done, so that a killed run goes on behind
it; the memory holds decisions, never pictures.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.feedback_deciding import Aside, Picture, PictureBox, State, decide
from wegewart_datasets.feedback_groups import GroupBy
from wegewart_datasets.feedback_guarding import Reserved
from wegewart_datasets.feedback_reading import ReadFeedback, read_feedback
from wegewart_datasets.looks import look_at
from wegewart_datasets.mapping import ClassMapping
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress

JOURNAL = Path("extra/feedback-journal.jsonl")
MARK = Path("extra/feedback-of.txt")
TO_DECIDE = "to-decide"
SHOWN_TO_PEOPLE = frozenset(
    {Aside.CONFLICT, Aside.OPEN, Aside.UNKNOWN_CLASS, Aside.NOT_CHECKED, Aside.CUT_OFF, Aside.FAULTY}
)
"""Reasons that somebody can settle by looking at the picture."""
SUFFIXES = {"image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class FeedbackJob:
    """One run: which lines and pictures become which data set."""

    files: Sequence[Path]
    """One history: a line may take back a decision of any of them."""
    evidence: Path
    out: Path
    mapping: ClassMapping
    reserved: Reserved
    split: str = "train"
    group_by: GroupBy = GroupBy.BOTH
    take_unchecked: bool = False
    """Also pictures over which nobody looked as a whole: what is not listed counts as not there."""

    def fingerprint(self) -> str:
        """Changes with everything that decides the result but the pictures."""
        kept = hashlib.sha256()
        for content in sorted(self.reserved.contents):
            kept.update(content)
        words = (
            *(hashlib.sha256(file.read_bytes()).hexdigest() for file in self.files),
            self.mapping.model_dump_json(),
            *(self.split, self.group_by, str(self.take_unchecked)),
            *(kept.hexdigest(), *sorted(self.reserved.names)),
        )
        return hashlib.sha256("\n".join(words).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a picture: a sample under a name, or outside with the reasons."""

    image: str | None = None
    reasons: tuple[str, ...] = ()
    faulty: bool = False
    """Whether something is wrong that should not be: a missing or a changed file."""


@dataclass(frozen=True)
class Taken:
    """A picture and its outcome."""

    picture: Picture
    outcome: Outcome


@dataclass(frozen=True)
class FeedbackResult:
    """All lines and all pictures of a run."""

    read: ReadFeedback
    taken: tuple[Taken, ...]

    @property
    def samples(self) -> tuple[Taken, ...]:
        """Pictures that are in the data set."""
        return tuple(one for one in self.taken if one.outcome.image is not None)


def take_feedback(job: FeedbackJob) -> FeedbackResult:
    """Write the pictures and labels of a data set, going on where a killed run stopped.

    Raises:
        DatasetInvalid: If a file cannot be read, or the folder holds something else.
    """
    if not job.evidence.is_dir():
        raise DatasetInvalid(f"{job.evidence} is no folder: name the one that holds the evidence pictures")
    read = read_feedback(job.files)
    faulty = {fault.picture_sha256 for fault in read.faulty if fault.picture_sha256 is not None}
    pictures = [_with_classes(picture, job) for picture in decide(read.decisions, faulty, read.barred)]
    _claim(job)
    done = _done(job.out / JOURNAL)
    with (job.out / JOURNAL).open("a", encoding="utf-8") as journal:
        for picture in with_progress(pictures, "feedback", len(pictures)):
            if picture.sha256 not in done:
                done[picture.sha256] = _take(job, picture)
                row = {"sha256": picture.sha256, **asdict(done[picture.sha256])}
                journal.write(json.dumps(row) + "\n")
                journal.flush()
    return FeedbackResult(read, tuple(Taken(picture, done[picture.sha256]) for picture in pictures))


def _with_classes(picture: Picture, job: FeedbackJob) -> Picture:
    """The picture, aside if it holds damage of an unknown class, or if nobody looked over all of it."""
    aside = set(picture.aside)
    if any(is_unknown(box, job.mapping) for box in picture.of(State.DAMAGE)):
        aside.add(Aside.UNKNOWN_CLASS)
    if job.take_unchecked:
        aside.discard(Aside.NOT_CHECKED)
    in_order = tuple(reason for reason in Aside if reason in aside)
    return Picture(picture.sha256, picture.evidence, picture.decisions, picture.boxes, in_order)


def is_unknown(box: PictureBox, mapping: ClassMapping) -> bool:
    """Whether nothing is known of the class: neither its place in the taxonomy, nor that it has none."""
    label = box.finding.label
    return mapping.index_of(label) is None and label not in mapping.aside


def _claim(job: FeedbackJob) -> None:
    """Make the folder this job's, or refuse it."""
    mark = job.out / MARK
    if mark.is_file():
        if mark.read_text(encoding="utf-8") != job.fingerprint():
            raise DatasetInvalid(
                f"{job.out} was made from other feedback, options or test images: choose a new folder"
            )
    else:
        refuse_filled(job.out)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(job.fingerprint(), encoding="utf-8")


def _done(journal: Path) -> dict[str, Outcome]:
    """What a killed run had done, by picture; a line torn by the kill is cut off.

    A faulty picture is not done: its file may be there by now.
    """
    if not journal.is_file():
        return {}
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        journal.write_bytes(whole)
    rows = map(json.loads, whole.splitlines())
    return {row["sha256"]: Outcome(row["image"], tuple(row["reasons"])) for row in rows if not row["faulty"]}


def _take(job: FeedbackJob, picture: Picture) -> Outcome:
    """Write one picture, or say why not. Nothing is even read of one that must not be used."""

    if Aside.NOT_ALLOWED in picture.aside:
        return Outcome(reasons=(Aside.NOT_ALLOWED,))
    path = _file_of(job.evidence, picture.sha256)
    if path is None:
        return _faulty("its file is missing")
    look = look_at(path)
    stated = (picture.evidence.width_px, picture.evidence.height_px)
    if look.sha256.hex() != picture.sha256:
        return _faulty("its file was changed: the hash differs")
    if look.fault:
        return _faulty(f"its file {look.fault}")
    if (look.width_px, look.height_px) != stated:
        size = f"{look.width_px} x {look.height_px} px, its lines say {stated[0]} x {stated[1]}"
        return _faulty(f"it has another size: {size}")
    kept = job.reserved.why(look, str(picture.decisions[0].drive_id))
    if kept is not None:
        return Outcome(reasons=(f"reserved: {kept}",))
    if picture.aside:
        if set(picture.aside) <= SHOWN_TO_PEOPLE:
            _write(path, job.out / TO_DECIDE / "images" / name_of(picture), picture.sha256)
        return Outcome(reasons=picture.aside)
    name = name_of(picture)
    label = (job.out / "labels" / job.split / name).with_suffix(".txt")
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text("".join(f"{line}\n" for line in _label_lines(picture, job.mapping)), encoding="utf-8")
    _write(path, job.out / "images" / job.split / name, picture.sha256)
    return Outcome(name)


def _faulty(reason: str) -> Outcome:
    return Outcome(reasons=(reason,), faulty=True)


def _file_of(folder: Path, sha256: str) -> Path | None:
    """A picture by its hash, as the office keeps it (two digits / hash), or as a file of that name."""
    names = [sha256, *(f"{sha256}{suffix}" for suffix in (".jpg", ".jpeg", ".webp"))]
    places = (place / name for place in (folder, folder / sha256[:2]) for name in names)
    return next((path for path in places if path.is_file()), None)


def name_of(picture: Picture) -> str:
    """File name of a picture: end of the drive's id, camera, frame, begin of its hash."""
    first = picture.decisions[0]
    stem = f"{first.drive_id.hex[-8:]}-{first.camera_id}-{first.sequence:06d}-{picture.sha256[:12]}"
    return stem + SUFFIXES[picture.evidence.media_type]


def _write(source: Path, target: Path, sha256: str) -> None:
    content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DatasetInvalid(f"{source} changes while it is read: nobody may write there meanwhile")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.replace(target)


def _label_lines(picture: Picture, mapping: ClassMapping) -> Iterator[str]:
    for number, cxywh in labels_of(picture, mapping):
        yield f"{number} " + " ".join(f"{value:.6f}" for value in cxywh)


def labels_of(picture: Picture, mapping: ClassMapping) -> list[tuple[int, Sequence[float]]]:
    """Class numbers and boxes (centre x, y, width, height as shares of the picture) for the label file."""
    numbered = ((mapping.index_of(box.finding.label), box) for box in picture.damage)
    return [(number, cxywh_of(picture, box)) for number, box in numbered if number is not None]


def cxywh_of(picture: Picture, box: PictureBox) -> tuple[float, float, float, float]:
    """A box as shares of the picture: centre x, centre y, width, height."""
    x1, y1, x2, y2 = box.corners_px
    across, down = picture.evidence.width_px, picture.evidence.height_px
    return ((x1 + x2) / 2 / across, (y1 + y2) / 2 / down, (x2 - x1) / across, (y2 - y1) / down)
