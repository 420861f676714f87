"""Ticket facts in words: where it is, how it stands."""

from dataclasses import dataclass

from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.text import Words

# KERN's four tones of feedback; each brings its own icon, so that no state speaks by colour alone.
_STATE_TONES = {
    "new": "info",
    "checked": "info",
    "ordered": "warning",
    "in_progress": "warning",
    "repaired": "success",
    "verified": "success",
    "rejected": "danger",
    "reopened": "danger",
}


@dataclass(frozen=True)
class StateLabel:
    """A ticket's state as a badge."""

    code: str
    word: str
    tone: str


def state_label(code: str, words: Words) -> StateLabel:
    """Badge of a ticket's state."""
    return StateLabel(code, words.of("state", code), _STATE_TONES[code])


def place_words(street: str | None, house_number: str | None, words: Words) -> str:
    """Street and the nearest house number, as far as they are known."""
    if street is None:
        return words("place.no_street")
    if house_number is None:
        return street
    return words("place.near", street=street, house_number=house_number)


def coordinates(lat: float, lon: float, formats: Formats) -> str:
    """Degrees north and east to five decimals, about a metre."""
    return formats.words(
        "place.coordinates",
        lat=formats.number(abs(lat), 5),
        lon=formats.number(abs(lon), 5),
        north=formats.words("place.north" if lat >= 0 else "place.south"),
        east=formats.words("place.east" if lon >= 0 else "place.west"),
    )
