"""The chosen frames as one page for people: German first, no foreign request, written frame by frame."""

from collections.abc import Iterator
from html import escape

import cv2
import numpy as np

from wegewart_datasets.words import both
from wegewart_inference.detections import Detections
from wegewart_inference.drawing import drawn
from wegewart_inference.frame import ImageU8
from wegewart_training.picture_sheet import jpeg_uri
from wegewart_training.select_choice import Choice, Pick, Skipped, Why
from wegewart_training.select_frames import Candidate
from wegewart_training.select_scan import FrameLook

WIDTH_PX = 360
STYLE = """
:root{--ink:#1b1f24;--soft:#5a6472;--line:#d5dae1;--wash:#f3f5f8}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);margin:0 auto;
max-width:96rem;padding:1.5rem}h1{margin:0 0 .5rem}.en{color:var(--soft);font-size:.85em}
.en::before{content:"/ "}.sheet{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;width:360px;border:1px solid var(--line);background:var(--wash)}
figure img{display:block;width:100%}figcaption{padding:.4rem .6rem;font-size:.8rem;overflow-wrap:anywhere}
figcaption b{font-size:1rem}
"""
SKIPPED_DE = {
    Skipped.NEAR_DUPLICATE: "fast gleich wie ein beschriftetes oder gewähltes Bild",
    Skipped.GROUP_FULL: "Ort oder Fahrt hat ihren Anteil",
    Skipped.RESERVED: "fast gleich wie ein Testbild",
}
WHY_DE = {Why.DOUBT: "unsicher und anders", Why.NOVEL: "anders als alle bisherigen"}
WHY_EN = {Why.DOUBT: "unsure and different", Why.NOVEL: "unlike all before"}


def sheet_head(model: str, frames: int, choice: Choice) -> str:
    """Begin of the page: what was chosen, from how many, and what fell out."""
    count = len(choice.picks)
    words = both(
        f"{count} von {frames} Bildern, gewählt mit {model}; höchstens {choice.per_group} je Ort oder Fahrt",
        f"{count} of {frames} frames, chosen with {model}; at most {choice.per_group} of a place or drive",
    )
    skipped = "".join(
        f"<li>{number} × {both(SKIPPED_DE[reason], str(reason))}</li>"
        for reason, number in (+choice.skipped).most_common()
    )
    return (
        '<!doctype html><html lang="de"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Als Nächstes beschriften</title>'
        f"<style>{STYLE}</style></head><body><main>"
        f"<h1>{both('Als Nächstes beschriften', 'label these next')}</h1><p>{words}</p>"
        f'<ul>{skipped}</ul><div class="sheet">\n'
    )


def sheet_figure(rank: int, pick: Pick, candidate: Candidate, look: FrameLook, image: ImageU8) -> str:
    """One frame with the boxes that the detector reports, and why it was chosen."""
    unsure = (
        escape(look.words) if look.words else both("nichts Zweifelhaftes gesehen", "saw nothing doubtful")
    )
    figures = both(
        f"Zweifel {pick.bits:.1f} bit, Abstand {pick.distance:.2f}",
        f"doubt {pick.bits:.1f} bits, distance {pick.distance:.2f}",
    )
    why = both(WHY_DE[pick.why], WHY_EN[pick.why])
    alt = f"{rank}: {candidate.stem}"
    return (
        f'<figure><img loading="lazy" alt="{escape(alt)}" src="{jpeg_uri(_small(image, look))}">'
        f"<figcaption><b>{rank}.</b> {why}<br>{figures}<br>{unsure}<br>"
        f"{escape(candidate.group)}<br>{escape(candidate.stem)}</figcaption></figure>\n"
    )


def sheet_foot() -> Iterator[str]:
    """End of the page."""
    yield "</div></main></body></html>\n"


def _small(image: ImageU8, look: FrameLook) -> ImageU8:
    scale = WIDTH_PX / image.shape[1]
    height = max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, (WIDTH_PX, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    rows = look.boxes_px()
    labels = tuple(dict.fromkeys(code for code, _, _ in rows))
    if not rows:
        return small
    found = Detections(
        np.array([corners for _, _, corners in rows], np.float32) * np.float32(scale),
        np.array([labels.index(code) for code, _, _ in rows], np.int64),
        np.array([sure for _, sure, _ in rows], np.float32),
    )
    return drawn(small, found, labels)
