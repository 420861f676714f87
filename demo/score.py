"""Holds what the office stored against the truth of the sample drive: what was seen again, merged, mixed up.

The truth is a table of labelled boxes; boxes of one physical damage share a `damage_id` over frames and
passes. An observation is of that damage whose box, in the frame of its best view, it overlaps most.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MIN_OVERLAP = 0.3  # IoU; below the usual 0.5 because the labels are loose (rule-made boxes), class ignored

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the whole frame."""


@dataclass(frozen=True, slots=True)
class TruthBox:
    """One labelled box."""

    damage_id: str
    drive_pass: int
    sequence: int
    box_px: Box


@dataclass(frozen=True, slots=True)
class Seen:
    """One stored observation, as far as scoring needs it."""

    drive_pass: int
    sequence: int
    box_px: Box
    defect_id: str | None


@dataclass(frozen=True, slots=True)
class MergeScore:
    """How well the second pass was recognised."""

    matched: int
    """Observations that lie on a labelled damage."""
    seen_again: int
    """Damages of pass 1 that pass 2 saw again."""
    merged_second_pass: int
    """Of those, the ones whose observations of both passes are in one defect."""
    wrong_merges: int
    """Damages too many in a defect: a defect that holds three different damages counts two."""


def read_truth(path: Path) -> list[TruthBox]:
    """Labelled boxes from truth.csv (columns damage_id, pass, sequence, class, x1, y1, x2, y2)."""
    with path.open(newline="", encoding="utf-8") as rows:
        return [
            TruthBox(
                row["damage_id"],
                int(row["pass"]),
                int(row["sequence"]),
                (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"])),
            )
            for row in csv.DictReader(rows)
        ]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def score_merging(observations: Iterable[Seen], truth: Iterable[TruthBox]) -> MergeScore:
    """Score of two passes over the same street."""
    by_frame: Mapping[tuple[int, int], list[TruthBox]] = _by_frame(truth)
    defects_of: dict[tuple[int, str], set[str]] = defaultdict(set)
    damages_in: dict[str, set[str]] = defaultdict(set)
    matched = 0
    for seen in observations:
        damage_id = _damage_under(seen, by_frame.get((seen.drive_pass, seen.sequence), []))
        if damage_id is None:
            continue
        matched += 1
        of_damage = defects_of[seen.drive_pass, damage_id]  # created even without a defect: it was seen
        if seen.defect_id is not None:
            of_damage.add(seen.defect_id)
            damages_in[seen.defect_id].add(damage_id)
    again = [damage for drive_pass, damage in defects_of if drive_pass == 1 and (2, damage) in defects_of]
    return MergeScore(
        matched=matched,
        seen_again=len(again),
        merged_second_pass=sum(bool(defects_of[1, damage] & defects_of[2, damage]) for damage in again),
        wrong_merges=sum(len(damages) - 1 for damages in damages_in.values()),
    )


def _by_frame(truth: Iterable[TruthBox]) -> dict[tuple[int, int], list[TruthBox]]:
    frames: dict[tuple[int, int], list[TruthBox]] = defaultdict(list)
    for box in truth:
        frames[box.drive_pass, box.sequence].append(box)
    return frames


def _damage_under(seen: Seen, labelled: list[TruthBox]) -> str | None:
    best = max(labelled, key=lambda truth: overlap(seen.box_px, truth.box_px), default=None)
    if best is None or overlap(seen.box_px, best.box_px) < MIN_OVERLAP:
        return None
    return best.damage_id
