"""The one catalogue of words, German first, and the language a reader gets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Language(StrEnum):
    """Languages the pages speak."""

    DE = "de"
    EN = "en"


@dataclass(frozen=True)
class Words:
    """The catalogue in one language: `words("overview.title")`, `words("overview.open", n=3)`."""

    language: Language
    entries: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Text of a key with its values filled in; with `n`, the form for one or for several.

        Raises:
            KeyError: If the catalogue has no such key.
        """
        if key not in self.entries and "n" in values:
            key = f"{key}.one" if values["n"] == 1 else f"{key}.other"
        return self.entries[key].format(**values) if values else self.entries[key]

    def of(self, family: str, member: str) -> str:
        """Text of one member of a family, such as the word for a ticket's state."""
        return self(f"{family}.{member}")

    def has(self, key: str) -> bool:
        """Whether the catalogue knows a key."""
        return key in self.entries


@cache
def words_in(language: Language) -> Words:
    """The catalogue in a language."""
    file = files("wegewart_api.dashboard") / "catalogue" / f"{language}.toml"
    return Words(language, _flat(tomllib.loads(file.read_text(encoding="utf-8"))))


def language_for(cookie: str | None, account: str | None, accepted: str | None, default: str) -> Language:
    """Language of a page: what the reader chose, else the account's, else the browser's, else the server's.

    Args:
        accepted: Header Accept-Language (RFC 9110, section 12.5.4).
    """
    for wish in (cookie, account, *_by_preference(accepted or ""), default):
        if wish in tuple(Language):
            return Language(wish)
    return Language.DE


def _by_preference(accepted: str) -> list[str]:
    weighted = []
    for part in accepted.split(","):
        tag, _, quality = part.partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighted.append((weight, tag.strip().lower().split("-")[0]))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    entries: dict[str, str] = {}
    for name, entry in table.items():
        if isinstance(entry, Mapping):
            entries |= _flat(entry, f"{prefix}{name}.")
        else:
            entries[f"{prefix}{name}"] = str(entry)
    return entries
