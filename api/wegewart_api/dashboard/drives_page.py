"""Drives as their page shows them: what was looked at, and whether all that was made has arrived."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from wegewart.drive import Stretch
from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.repository import DriveRecord

PAGE_LENGTH = 20


@dataclass(frozen=True)
class InvalidLength:
    """How much of a drive does not count as inspected, and why, in words."""

    reason: str
    length: str


@dataclass(frozen=True)
class DriveRow:
    """One pass over a drive."""

    drive_id: str
    device_id: str
    bundle_id: str
    started_at: datetime
    lasted: str | None
    state: str
    state_word: str
    tone: str
    inspected: str
    invalid: list[InvalidLength]
    made: int | None
    stored: int
    missing: int | None
    photographs_missing: int


@dataclass(frozen=True)
class DrivesView:
    """Everything the page of drives shows."""

    rows: list[DriveRow]
    next_href: str | None
    first_href: str | None


def drive_row(record: DriveRecord, formats: Formats) -> DriveRow:
    """One pass as the page shows it."""
    state, tone = _state(record)
    lasted: timedelta | None = record.ended_at - record.started_at if record.ended_at else None
    return DriveRow(
        drive_id=str(record.drive_id),
        device_id=record.device_id,
        bundle_id=record.bundle_id,
        started_at=record.started_at,
        lasted=formats.duration(lasted) if lasted is not None else None,
        state=state,
        state_word=formats.words.of("drive_state", state),
        tone=tone,
        inspected=formats.kilometres(inspected_m(record.stretches)),
        invalid=_invalid(record.stretches, formats),
        made=record.made,
        stored=record.stored,
        missing=None if record.made is None else max(0, record.made - record.stored),
        photographs_missing=record.photographs_missing,
    )


def inspected_m(stretches: Iterable[Stretch]) -> float:
    """Length of road that at least one camera saw well, counted once."""
    return _union_m((stretch.from_station_m, stretch.to_station_m) for stretch in stretches if stretch.valid)


def _invalid(stretches: list[Stretch], formats: Formats) -> list[InvalidLength]:
    lengths_m: Counter[str] = Counter()
    for reason in {stretch.invalid_reason for stretch in stretches if stretch.invalid_reason}:
        lengths_m[reason.value] = round(  # in whole metres: the poses are not finer
            _union_m(
                (stretch.from_station_m, stretch.to_station_m)
                for stretch in stretches
                if stretch.invalid_reason is reason
            )
        )
    return [
        InvalidLength(formats.words.of("invalid", reason), formats.kilometres(length_m))
        for reason, length_m in lengths_m.most_common()
    ]


def _union_m(spans: Iterable[tuple[float, float]]) -> float:
    total_m, reached_m = 0.0, 0.0
    for start_m, end_m in sorted(spans):
        total_m += max(0.0, end_m - max(start_m, reached_m))
        reached_m = max(reached_m, end_m)
    return total_m


def _state(record: DriveRecord) -> tuple[str, str]:
    """Word and tone of how far a pass is: lost observations come before everything else."""
    if record.superseded or record.state == "superseded":
        return "superseded", "info"
    if record.state == "open":
        return "open", "info"
    if record.made is not None and record.stored < record.made:
        return "incomplete", "warning"
    if record.processed_at is None:
        return "waiting", "info"
    return "processed", "success"
