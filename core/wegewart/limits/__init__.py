"""Tables of limits as data: read, checked, and all their mistakes told together."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from wegewart.errors import LimitsInvalid

Table = TypeVar("Table", bound=BaseModel)


def read_limits(path: Path, kind: type[Table]) -> Table:
    """Table of a kind from a TOML file.

    Raises:
        LimitsInvalid: If the file is missing or no TOML, or has mistakes; the message names every one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LimitsInvalid(f"{path}: cannot be read: {error}") from error
    return _table(text, str(path), kind)


def shipped_limits(name: str, kind: type[Table]) -> Table:
    """Table of a kind that ships with Wegewart, by its file's name."""
    return _table((files(__name__) / name).read_text(encoding="utf-8"), name, kind)


def _table(text: str, named: str, kind: type[Table]) -> Table:
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise LimitsInvalid(f"{named}: is no TOML: {error}") from error
    except ValidationError as error:
        raise LimitsInvalid(f"{named}: mend these and try again:{_all_mistakes(error)}") from error


def _all_mistakes(error: ValidationError) -> str:
    """Every mistake on a line of its own; a rule that several entries break tells all of them."""
    lines: list[str] = []
    for mistake in error.errors():
        place = ".".join(str(part) for part in mistake["loc"])
        texts = mistake["msg"].removeprefix("Value error, ").splitlines()
        lines.extend(f"{place}: {text}" if place else text for text in texts)
    return "".join(f"\n  {line}" for line in lines)
