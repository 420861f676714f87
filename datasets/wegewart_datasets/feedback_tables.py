"""What lies beside the pictures of a feedback data set: data.yaml, tables of all origins, manifest."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wegewart.damage import shipped_taxonomy
from wegewart.feedback import Feedback
from wegewart_datasets.feedback import (
    TO_DECIDE,
    FeedbackJob,
    FeedbackResult,
    Taken,
    cxywh_of,
    is_unknown,
    labels_of,
    name_of,
)
from wegewart_datasets.feedback_deciding import PictureBox, State
from wegewart_datasets.feedback_groups import drive_of, groups_of_pictures, place_of
from wegewart_datasets.formats.cvat import write_cvat
from wegewart_datasets.labelled import LabelledImage, SourceBox
from wegewart_datasets.manifest import Manifest, manifest_text

SOURCE = "feedback"
PROVENANCE = (
    *("image", "split", "group", "kind", "sha256", "drive_id", "camera_id", "sequence", "captured_at"),
    *("place", "defects", "observations", "bundles", "mask_bundle", "decisions", "verdicts", "roles"),
    *("last_decided_at", "licence", "consent", "damages", "refuted"),
)
GROUPS = ("image", "source", "group", "split", "drive", "place")
HARD_NEGATIVES = ("image", "class", "cx", "cy", "w", "h", "confidence", "bundle", "instead")
OTHER_BOXES = ("image", "split", "class", "cx", "cy", "w", "h", "reason")
CONFLICTS = ("sha256", "class", "detail", "decisions", "roles", "verdicts")
LIMITS = (
    "Pictures show only what a bundle reported or a person added: shares do not mirror the road.",
    "A confirmed box is the bundle's own: people correct what is wrong, not what is loose.",
    "Pictures are road strips cut out of frames, with people and vehicles masked in grey.",
)


@dataclass
class FeedbackReport:
    """Counts of a run; written to extra/feedback.json."""

    decisions: int = 0
    repeated_lines: int = 0
    taken_back: int = 0
    without_target: int = 0
    faulty_lines: int = 0
    images: int = 0
    images_by_kind: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    hard_negatives: int = 0
    conflicts: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    aside: Counter[str] = field(default_factory=Counter)
    cut_off: int = 0
    outside: Counter[str] = field(default_factory=Counter)
    to_decide: int = 0
    faulty_pictures: int = 0
    groups: int = 0
    largest_group: int = 0


def write_tables(job: FeedbackJob, result: FeedbackResult) -> FeedbackReport:
    """Write all tables anew from what is known, and return the counts."""
    groups = groups_of_pictures([one.picture.decisions for one in result.samples], job.group_by)
    extra = job.out / "extra"
    _write(extra / "groups.csv", GROUPS, _groups(job, result, groups))
    _write(extra / "provenance.csv", PROVENANCE, _provenance(job, result, groups))
    _write(extra / "hard_negatives.csv", HARD_NEGATIVES, _hard_negatives(result))
    _write(extra / "other_boxes.csv", OTHER_BOXES, _other_boxes(job, result))
    _write(extra / "conflicts.csv", CONFLICTS, _conflicts(result))
    _write(extra / "left_out.csv", ("what", "reason"), _left_out(result))
    if result.samples:
        _write_data_yaml(job)
    report = _report(job, result, groups)
    report.to_decide = _write_task(job, result)
    (extra / "feedback.json").write_text(json.dumps(vars(report), indent=2) + "\n", encoding="utf-8")
    return report


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def _groups(job: FeedbackJob, result: FeedbackResult, groups: Sequence[str]) -> Iterator[Sequence[object]]:
    for one, group in zip(result.samples, groups, strict=True):
        decisions = one.picture.decisions
        yield one.outcome.image, SOURCE, group, job.split, drive_of(decisions), place_of(decisions)


def kind_of(taken: Taken, job: FeedbackJob) -> str:
    """What a picture teaches: damage, that there is none, or both."""
    damage, refuted = bool(labels_of(taken.picture, job.mapping)), bool(taken.picture.of(State.NO_DAMAGE))
    if damage:
        return "damage and hard negative" if refuted else "damage"
    return "hard negative" if refuted else "other classes only"


def _provenance(
    job: FeedbackJob, result: FeedbackResult, groups: Sequence[str]
) -> Iterator[Sequence[object]]:
    for one, group in zip(result.samples, groups, strict=True):
        decisions = _all_decisions(one)
        own, first = one.picture.decisions, one.picture.decisions[0]
        yield (
            *(one.outcome.image, job.split, group, kind_of(one, job), one.picture.sha256),
            *(first.drive_id, first.camera_id, first.sequence, first.captured_at.isoformat()),
            place_of(own).removeprefix("place-"),
            _words(decision.defect_id for decision in decisions),
            _words(decision.seen.observation_id for decision in decisions if decision.seen),
            _words(decision.bundle.id for decision in decisions),
            first.evidence.mask_bundle.id,
            _words(decision.id for decision in decisions),
            _words(decision.verdict for decision in decisions),
            _words(decision.role for decision in decisions),
            max(decision.decided_at for decision in decisions).isoformat(),
            _words((decision.licence for decision in decisions), "; "),
            _words((decision.consent for decision in decisions), "; "),
            len(one.picture.damage),
            len(one.picture.of(State.NO_DAMAGE)),
        )


def _all_decisions(taken: Taken) -> list[Feedback]:
    """Decisions about the picture, and those about other cuts of its frame that it shows as well."""
    found = {decision.id: decision for decision in taken.picture.decisions}
    for box in taken.picture.boxes:
        found |= {decision.id: decision for decision in box.finding.decisions}
    return list(found.values())


def _words(values: Iterable[object], between: str = " ") -> str:
    return between.join(dict.fromkeys(str(value) for value in values if value is not None))


def _hard_negatives(result: FeedbackResult) -> Iterator[Sequence[object]]:
    for one in result.samples:
        for box in one.picture.of(State.NO_DAMAGE):
            last = max(box.finding.decisions, key=lambda decision: decision.decided_at)
            confidence = last.seen.confidence if last.seen else ""
            yield (
                *(one.outcome.image, box.finding.label, *_rounded(one, box)),
                *(confidence, last.bundle.id, last.instead or ""),
            )


def _rounded(taken: Taken, box: PictureBox) -> list[float]:
    return [round(value, 6) for value in cxywh_of(taken.picture, box)]


def _other_boxes(job: FeedbackJob, result: FeedbackResult) -> Iterator[Sequence[object]]:
    """True boxes that are in no label file, also those of pictures that stayed outside (by their hash)."""
    for one in result.taken:
        image = one.outcome.image or one.picture.sha256
        for box in one.picture.of(State.DAMAGE):
            reason = _why_no_label(job, one, box)
            if reason:
                yield image, job.split, box.finding.label, *_rounded(one, box), reason


def _why_no_label(job: FeedbackJob, taken: Taken, box: PictureBox) -> str:
    if is_unknown(box, job.mapping):
        return "unknown"
    if job.mapping.index_of(box.finding.label) is None:
        return "aside"
    return "cut off" if box in taken.picture.cut_off else ""


def _conflicts(result: FeedbackResult) -> Iterator[Sequence[object]]:
    for one in result.taken:
        for box in one.picture.of(State.CONFLICT):
            decisions = box.finding.decisions
            yield (
                *(one.picture.sha256, box.finding.label, box.finding.detail),
                _words(decision.id for decision in decisions),
                " ".join(decision.role for decision in decisions),
                " ".join(decision.verdict for decision in decisions),
            )


def _left_out(result: FeedbackResult) -> Iterator[Sequence[object]]:
    yield from ((str(fault.at), fault.reason) for fault in result.read.faulty)
    for decision in result.read.without_target:
        reason = f"takes back {decision.supersedes}, of which no line here can be used"
        yield f"decision {decision.id}", reason
    for one in result.taken:
        yield from ((f"picture {one.picture.sha256}", reason) for reason in one.outcome.reasons)


def _write_data_yaml(job: FeedbackJob) -> None:
    taxonomy = shipped_taxonomy(job.mapping.taxonomy)
    lines = [f"{job.split}: images/{job.split}", "names:"]
    lines += [f"  {number}: {one.code} {one.name_en.lower()}" for number, one in enumerate(taxonomy.classes)]
    (job.out / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_task(job: FeedbackJob, result: FeedbackResult) -> int:
    """A CVAT task of the pictures that somebody can settle, with every box that anybody claims."""
    folder = job.out / TO_DECIDE / "images"
    open_ones = [one for one in result.taken if (folder / name_of(one.picture)).is_file()]
    if not open_ones:
        return 0
    labels = dict.fromkeys([*job.mapping.codes, *_labels(open_ones)])
    images = (_as_task(one, folder) for one in open_ones)
    return write_cvat(job.out / TO_DECIDE / "annotations.xml", "to decide", list(labels), images, folder)


def _labels(taken: Sequence[Taken]) -> list[str]:
    return sorted({box.finding.label for one in taken for box in one.picture.boxes})


def _as_task(taken: Taken, folder: Path) -> tuple[LabelledImage, int, int]:
    across, down = taken.picture.evidence.width_px, taken.picture.evidence.height_px
    boxes = tuple(
        SourceBox(
            box.finding.label, *(c / side for c, side in zip(box.corners_px, (across, down) * 2, strict=True))
        )
        for box in taken.picture.boxes
        if box.finding.state is not State.NO_DAMAGE
    )
    return LabelledImage(folder / name_of(taken.picture), boxes, (1.0, 1.0)), across, down


def _report(job: FeedbackJob, result: FeedbackResult, groups: Sequence[str]) -> FeedbackReport:
    read, samples = result.read, result.samples
    report = FeedbackReport(
        decisions=len(read.decisions),
        repeated_lines=read.repeated,
        taken_back=read.taken_back,
        without_target=len(read.without_target),
        faulty_lines=len(read.faulty),
        images=len(samples),
    )
    for one in samples:
        report.images_by_kind[kind_of(one, job)] += 1
        report.hard_negatives += len(one.picture.of(State.NO_DAMAGE))
        report.boxes.update(job.mapping.codes[number] for number, _ in labels_of(one.picture, job.mapping))
    for one in result.taken:
        report.faulty_pictures += one.outcome.faulty
        report.outside.update(reason.split(":")[0] for reason in one.outcome.reasons)
        report.cut_off += len(one.picture.cut_off)
        for box in one.picture.of(State.DAMAGE):
            reason = _why_no_label(job, one, box)
            if reason in {"unknown", "aside"}:
                (report.unknown if reason == "unknown" else report.aside)[box.finding.label] += 1
    report.conflicts = len({box.finding for one in result.taken for box in one.picture.of(State.CONFLICT)})
    sizes = Counter(groups)
    report.groups, report.largest_group = len(sizes), max(sizes.values(), default=0)
    return report


def write_manifest(job: FeedbackJob, result: FeedbackResult) -> Path:
    """Write the manifest of the data set into its folder: to be looked through and copied."""
    name = re.sub(r"[^a-z0-9]+", "-", job.out.resolve().name.lower()).strip("-") or SOURCE
    decisions = [decision for one in result.samples for decision in _all_decisions(one)]
    drives = {decision.drive_id for decision in decisions}
    bundles = _words((decision.bundle.id for decision in decisions), ", ")
    manifest = Manifest(
        name=name,
        title=f"Feedback of the office: {len(result.samples)} pictures of {len(drives)} drives",
        folder=job.out.resolve().name,
        taxonomy=job.mapping.taxonomy,
        licence=_words((decision.licence for decision in decisions), "; "),
        source=f"Decisions of people on what {bundles} reported; extra/provenance.csv names each",
        limits=LIMITS,
        splits={job.split: "training"},
    )
    path = job.out / f"{name}.toml"
    path.write_text(manifest_text(manifest), encoding="utf-8")
    return path
