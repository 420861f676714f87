"""Words of the reports in German and English: German first, as everywhere."""

from html import escape

KINDS_DE = {
    "broken image": "kaputtes Bild",
    "truncated": "abgeschnittene Bilddatei",
    "odd image": "auffälliges Bild",
    "no label file": "keine Labeldatei",
    "bad label": "fehlerhafte Labeldatei",
    "degenerate box": "Rahmen ohne Fläche",
    "box outside": "Rahmen ragt aus dem Bild",
    "repeated box": "Rahmen steht doppelt",
    "class without a box": "Klasse ohne Rahmen",
    "leak by group": "Leck: eine Gruppe (Ort) in mehreren Teilen",
    "leak by picture": "Leck: gleiches Bild in mehreren Teilen",
    "reserved image in training": "Leck: vorbehaltenes Bild im Training",
    "near-duplicate": "fast gleiche Bilder in einem Teil",
}


def both(german: str, english: str) -> str:
    """German with its English below, as HTML."""
    return f'{escape(german)} <span class="en" lang="en">{escape(english)}</span>'


def kind_in_both(kind: str) -> str:
    """A kind of finding in both languages, as HTML."""
    return both(KINDS_DE[kind], kind)
