"""Shapes that speak beside the colour: one for each damage class, one for each urgency.

Each is one SVG path in a box of 24 × 24; the map draws the same paths (map/marks.ts reads them off the page).
"""

from dataclasses import dataclass

from wegewart.damage import Taxonomy
from wegewart_api.dashboard.text import Language


@dataclass(frozen=True)
class Symbol:
    """A shape and the number of its colour (CSS variable --damage-N)."""

    name: str
    path: str
    colour: int


_DIAMOND = Symbol("other", "M12 3 21 12 12 21 3 12Z", 0)
_NET = "M7 3h3v4h4V3h3v4h4v3h-4v4h4v3h-4v4h-3v-4h-4v4H7v-4H3v-3h4v-4H3V7h4ZM10 10v4h4v-4Z"
_RING = "M12 4.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15ZM12 8.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7Z"
_BY_CODE = {
    "D00": Symbol("D00", "M10 3h4v18h-4Z", 1),  # a bar along the road
    "D10": Symbol("D10", "M3 10h18v4H3Z", 2),  # a bar across it
    "D20": Symbol("D20", _NET, 3),
    "D40": Symbol("D40", _RING, 4),
}

PRIORITY_PATHS = {
    1: "M12 2 23 21H1ZM10.8 9v6h2.4V9ZM10.8 16.5v2.4h2.4v-2.4Z",
    2: "M12 1 23 12 12 23 1 12ZM10.8 7v6h2.4V7ZM10.8 14.5v2.4h2.4v-2.4Z",
    3: "M12 4a8 8 0 1 0 0 16a8 8 0 1 0 0-16ZM12 6.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11Z",
    4: "M4 10.5h16v3H4Z",
}


@dataclass(frozen=True)
class ClassLabel:
    """A damage class as pages show it: code, word, and shape."""

    code: str
    name: str
    symbol: Symbol


def symbol_of(code: str) -> Symbol:
    """Shape of a class; a class that a city added itself has the diamond."""
    return _BY_CODE.get(code, _DIAMOND)


def class_label(code: str, taxonomy: Taxonomy, language: Language) -> ClassLabel:
    """Label of a class code; a code the taxonomy does not know stands for itself."""
    known = {damage_class.code: damage_class for damage_class in taxonomy.classes}.get(code)
    if known is None:
        return ClassLabel(code, code, _DIAMOND)
    return ClassLabel(code, known.name_de if language is Language.DE else known.name_en, symbol_of(code))


def class_labels(taxonomy: Taxonomy, language: Language) -> list[ClassLabel]:
    """Labels of all classes of a taxonomy, in its order."""
    return [class_label(code, taxonomy, language) for code in taxonomy.codes]
