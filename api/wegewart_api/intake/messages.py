"""Batches as vehicles send them: each item is checked by itself, so one bad item never spoils the rest."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from wegewart.drive import DriveTrack
from wegewart.observation import Observation
from wegewart_api.errors import BadRequest, TooLarge

MOST_OBSERVATIONS = 200
MOST_DRIVES = 20
MOST_MISTAKES_TOLD = 5
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Unreadable:
    """An item of a batch that breaks the rules of its message."""

    named: str | None
    """Its id as sent, if it has one."""
    detail: str


def _or_unreadable(sent: Any, check: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401
    try:
        checked = check(sent)
    except ValidationError as error:
        return Unreadable(_name(sent), _told(error))
    except OverflowError as error:  # a time at the edge of the calendar, which no zone can be taken from
        return Unreadable(_name(sent), str(error))
    unstorable = _unstorable(sent)
    return checked if unstorable is None else Unreadable(_name(sent), unstorable)


def _name(sent: Any) -> str | None:  # noqa: ANN401
    named = sent.get("id", sent.get("drive_id")) if isinstance(sent, dict) else None
    return CONTROL_CHARACTER.sub("\ufffd", str(named)[:64]) if named is not None else None


def _unstorable(sent: Any, where: str = "item") -> str | None:  # noqa: ANN401
    """What no store keeps, or gives back as something else: control characters, and numbers that are none."""
    if isinstance(sent, str):
        return f"{where}: holds a control character" if CONTROL_CHARACTER.search(sent) else None
    if isinstance(sent, float):
        return None if math.isfinite(sent) else f"{where}: {sent} is no number"
    if isinstance(sent, dict):
        parts = [(str(name), one) for name, one in sent.items()]
    elif isinstance(sent, list):
        parts = [(str(index), one) for index, one in enumerate(sent)]
    else:
        return None
    named = (_unstorable(name, where) or _unstorable(one, name) for name, one in parts)
    return next((mistake for mistake in named if mistake is not None), None)


def _told(error: ValidationError) -> str:
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    told = [
        f"{'.'.join(str(part) for part in mistake['loc']) or 'item'}: {mistake['msg']}"
        for mistake in mistakes[:MOST_MISTAKES_TOLD]
    ]
    more = len(mistakes) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


class ObservationBatch(BaseModel):
    """Observations, at most 200 at a time."""

    observations: list[Annotated[Observation, WrapValidator(_or_unreadable)]]


class DriveBatch(BaseModel):
    """Drives, each in one revision, at most 20 at a time."""

    drives: list[Annotated[DriveTrack, WrapValidator(_or_unreadable)]]


def read_observations(body: bytes) -> list[Observation | Unreadable]:
    """Items of a batch of observations, each read or explained.

    Raises:
        BadRequest: If the body is no such batch at all.
        TooLarge: If it holds more than 200.
    """
    return list(_limited(_read(ObservationBatch, body).observations, MOST_OBSERVATIONS, "observations"))


def read_drives(body: bytes) -> list[DriveTrack | Unreadable]:
    """Items of a batch of drives, each read or explained.

    Raises:
        BadRequest: If the body is no such batch at all.
        TooLarge: If it holds more than 20.
    """
    return list(_limited(_read(DriveBatch, body).drives, MOST_DRIVES, "drives"))


Batch = TypeVar("Batch", ObservationBatch, DriveBatch)
Item = TypeVar("Item")


def _read(batch: type[Batch], body: bytes) -> Batch:
    try:
        return batch.model_validate_json(body)
    except ValidationError as error:
        raise BadRequest(f"the body is no batch of this kind: {_told(error)}") from error


def _limited(items: Sequence[Item], most: int, what: str) -> Sequence[Item]:
    if len(items) > most:
        raise TooLarge(f"{len(items)} {what} at once: send at most {most}")
    return items


class Outcome(BaseModel):
    """What became of one item of a batch."""

    model_config = ConfigDict(frozen=True)

    index: int
    id: str | None = Field(description="of the observation or the drive, as sent")
    status: Literal["stored", "known", "refused"]
    code: Literal[409, 422] | None = None
    detail: str | None = None
    stored_sha256: str | None = None
    sent_sha256: str | None = None


class Results(BaseModel):
    """What became of each item of a batch."""

    results: list[Outcome]


@dataclass(frozen=True)
class PassKey:
    """Names one pass: a drive as one bundle saw it."""

    tenant_id: UUID
    drive_id: UUID
    bundle_sha256: str


@dataclass(frozen=True)
class Accepted:
    """Outcomes of a batch, and the passes it touched."""

    outcomes: list[Outcome]
    touched: set[PassKey]
