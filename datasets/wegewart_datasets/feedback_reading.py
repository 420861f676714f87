"""Reads feedback lines, and keeps those that count: each decision once, without what was taken back."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from wegewart.errors import DatasetInvalid
from wegewart.feedback import Feedback, Verdict
from wegewart_datasets.feedback_deciding import FrameKey, frame_of

PROBLEMS_TOLD = 3  # of one line


class LineAt(NamedTuple):
    """Where a line stands; sorts in the order in which the files were given, counted by `file_number`."""

    file_number: int
    file: Path
    line: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.file} line {self.line}"


@dataclass(frozen=True)
class FaultyLine:
    """A line that cannot be used, and why; with the picture it is about, as far as that can be read."""

    at: LineAt
    reason: str
    picture_sha256: str | None = None


@dataclass(frozen=True)
class ReadFeedback:
    """Decisions that count, in the order of the lines, and what became of the other lines."""

    decisions: tuple[Feedback, ...]
    faulty: tuple[FaultyLine, ...]
    repeated: int
    """Lines that came again, word for word."""
    taken_back: int
    """Decisions that a later one supersedes, and withdrawals themselves."""
    without_target: tuple[Feedback, ...]
    """Those that take back a decision of which no line can be used: perhaps its file was not given."""
    barred: frozenset[FrameKey]
    """Frames that a line bars from training, whether that line counts or not."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a line says of its picture, as far as it can be read: its frame, and whether models may learn."""

    picture_sha256: str | None
    frame: FrameKey | None
    training_allowed: bool


def read_feedback(paths: Sequence[Path]) -> ReadFeedback:
    """Decisions of JSONL files, which are one history; faulty lines are told, not fatal.

    Raises:
        DatasetInvalid: If a file cannot be read, or none holds a line.
    """
    faulty: list[FaultyLine] = []
    found: dict[UUID, tuple[LineAt, Feedback]] = {}
    at_odds: set[UUID] = set()
    cuts: set[_Cut] = set()
    repeated = 0
    for at, line in _lines(paths):
        try:
            decision = Feedback.model_validate_json(line)
        except ValidationError as error:
            cut = _cut_in(line)
            cuts.add(cut)
            faulty.append(FaultyLine(at, _told(error), cut.picture_sha256))
            continue
        cuts.add(_Cut(decision.picture_sha256, frame_of(decision), decision.training_allowed))
        _, known = found.setdefault(decision.id, (at, decision))
        if known is not decision and known == decision:
            repeated += 1
        elif known is not decision:
            at_odds.add(decision.id)
            faulty.append(_fault(at, decision, f"decision {decision.id} came before with other content"))
    for one in at_odds:
        at, decision = found.pop(one)
        faulty.append(_fault(at, decision, f"decision {one} comes again with other content: none counts"))
    if not found and not faulty:
        names = ", ".join(map(str, paths))
        raise DatasetInvalid(f"no line of feedback in {names}: export it from the office again")
    return _without_taken_back(found, faulty, repeated, _barred(cuts))


def _barred(cuts: Collection[_Cut]) -> frozenset[FrameKey]:
    """Frames of which a picture is barred; a line without a frame bars those that other lines name."""
    pictures = {cut.picture_sha256 for cut in cuts if not cut.training_allowed} - {None}
    return frozenset(
        cut.frame
        for cut in cuts
        if cut.frame is not None and (cut.picture_sha256 in pictures or not cut.training_allowed)
    )


def _lines(paths: Sequence[Path]) -> Iterator[tuple[LineAt, str]]:
    for file_number, path in enumerate(paths):
        try:
            with path.open(encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield LineAt(file_number, path, number), line
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetInvalid(f"{path} cannot be read: {error}; name a JSONL file in UTF-8") from error


def _fault(at: LineAt, decision: Feedback, reason: str) -> FaultyLine:
    return FaultyLine(at, reason, decision.picture_sha256)


def _cut_in(line: str) -> _Cut:
    """What a faulty line names. Unless it says that training is allowed, it is not."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return _Cut(None, None, training_allowed=True)  # it names no picture that it could bar
    evidence = said.get("evidence")
    picture = evidence.get("sha256") if isinstance(evidence, dict) else None
    try:
        frame = (UUID(said["drive_id"]), str(said["camera_id"]), int(said["sequence"]))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        frame = None
    return _Cut(picture if isinstance(picture, str) else None, frame, said.get("training_allowed") is True)


def _told(error: ValidationError) -> str:
    problems = [
        ": ".join(filter(None, (".".join(str(part) for part in problem["loc"]), problem["msg"])))
        for problem in error.errors(include_url=False, include_input=False)
    ]
    more = f"; and {len(problems) - PROBLEMS_TOLD} more" if len(problems) > PROBLEMS_TOLD else ""
    return "; ".join(problems[:PROBLEMS_TOLD]) + more


def _without_taken_back(
    found: Mapping[UUID, tuple[LineAt, Feedback]],
    faulty: list[FaultyLine],
    repeated: int,
    barred: frozenset[FrameKey],
) -> ReadFeedback:
    gone: set[UUID] = set()
    for at, decision in found.values():
        if decision.supersedes is None or decision.supersedes not in found:
            continue
        _, earlier = found[decision.supersedes]
        if earlier.picture_sha256 != decision.picture_sha256:
            faulty.append(_fault(at, decision, f"takes back {earlier.id}, which is about another picture"))
            gone.add(decision.id)
        else:
            gone.add(earlier.id)
    left = [decision for _, decision in found.values() if decision.id not in gone]
    counting = tuple(one for one in left if one.verdict is not Verdict.WITHDRAWN)
    without_target = tuple(one for one in left if one.supersedes is not None and one.supersedes not in found)
    wrong = {fault.at for fault in faulty}
    idle = sum(one.verdict is Verdict.WITHDRAWN for one in without_target)
    taken_back = sum(at not in wrong for at, _ in found.values()) - len(counting) - idle
    in_order = tuple(sorted(faulty, key=lambda fault: fault.at))
    return ReadFeedback(counting, in_order, repeated, taken_back, without_target, barred)
