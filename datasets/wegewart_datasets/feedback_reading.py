"""Reads feedback lines, and keeps those that count: each decision once, without what was taken back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from wegewart.errors import DatasetInvalid
from wegewart.feedback import Feedback, Verdict

PROBLEMS_TOLD = 3  # of one line


@dataclass(frozen=True)
class FaultyLine:
    """A line that cannot be used, and why; with the picture it is about, as far as that can be read."""

    line: int
    reason: str
    picture_sha256: str | None = None


@dataclass(frozen=True)
class ReadFeedback:
    """Decisions that count, in the order of the file, and what became of the other lines."""

    decisions: tuple[Feedback, ...]
    faulty: tuple[FaultyLine, ...]
    repeated: int
    """Lines that came again, word for word."""
    taken_back: int
    """Decisions that a later one supersedes, and withdrawals themselves."""


def read_feedback(path: Path) -> ReadFeedback:
    """Decisions of a JSONL file; faulty lines are told, not fatal.

    Raises:
        DatasetInvalid: If the file cannot be read, or holds no line at all.
    """
    faulty: list[FaultyLine] = []
    found: dict[UUID, tuple[int, Feedback]] = {}
    at_odds: set[UUID] = set()
    repeated = 0
    for number, line in _lines(path):
        try:
            decision = Feedback.model_validate_json(line)
        except ValidationError as error:
            faulty.append(FaultyLine(number, _told(error), _picture_of(line)))
            continue
        _, known = found.setdefault(decision.id, (number, decision))
        if known is not decision and known == decision:
            repeated += 1
        elif known is not decision:
            at_odds.add(decision.id)
            faulty.append(_fault(number, decision, f"decision {decision.id} came before with other content"))
    for one in at_odds:
        number, decision = found.pop(one)
        faulty.append(_fault(number, decision, f"decision {one} comes again with other content: none counts"))
    if not found and not faulty:
        raise DatasetInvalid(f"{path} holds no line of feedback: export it from the office again")
    return _without_taken_back(found, faulty, repeated)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read: {error}; name a JSONL file in UTF-8") from error


def _fault(number: int, decision: Feedback, reason: str) -> FaultyLine:
    return FaultyLine(number, reason, decision.picture_sha256)


def _picture_of(line: str) -> str | None:
    """Picture that a faulty line names: what was decided about it is not wholly known."""
    try:
        named = json.loads(line)["evidence"]["sha256"]
    except (ValueError, KeyError, TypeError):
        return None
    return named if isinstance(named, str) else None


def _told(error: ValidationError) -> str:
    problems = [
        ": ".join(filter(None, (".".join(str(part) for part in problem["loc"]), problem["msg"])))
        for problem in error.errors(include_url=False, include_input=False)
    ]
    more = f"; and {len(problems) - PROBLEMS_TOLD} more" if len(problems) > PROBLEMS_TOLD else ""
    return "; ".join(problems[:PROBLEMS_TOLD]) + more


def _without_taken_back(
    found: Mapping[UUID, tuple[int, Feedback]], faulty: list[FaultyLine], repeated: int
) -> ReadFeedback:
    gone: set[UUID] = set()
    for number, decision in found.values():
        if decision.supersedes is None:
            continue
        _, earlier = found.get(decision.supersedes, (0, None))
        if earlier is not None and earlier.picture_sha256 != decision.picture_sha256:
            faulty.append(
                _fault(number, decision, f"takes back {earlier.id}, which is about another picture")
            )
            gone.add(decision.id)
        elif earlier is not None:
            gone.add(earlier.id)
    counting = tuple(
        decision
        for _, decision in found.values()
        if decision.id not in gone and decision.verdict is not Verdict.WITHDRAWN
    )
    wrong = {fault.line for fault in faulty}
    taken_back = sum(number not in wrong for number, _ in found.values()) - len(counting)
    return ReadFeedback(counting, tuple(sorted(faulty, key=lambda f: f.line)), repeated, taken_back)
