"""How unsure a detector is of a frame, in bits. Pure: detections in, a number and its reasons out.

A place is what overlapping boxes (IoU 0.5) claim together. Its doubt has two parts. Is there anything? The
binary entropy of the surest confidence after its logit is moved so that the class's threshold lies at one
half: 1 bit where the detector might as well have reported it as not. Which class? The entropy of the classes
claimed there over that of all classes, weighted by how near the surest comes to its threshold. The doubt of
a frame is the sum over its places: the bits that a person who labels it would settle. The sum, not the mean
or the largest: measured against the mistakes that a frame really holds it ranks best (docs/feedback.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_inference.detections import Detections
from wegewart_training.judged import iou_matrix

FLOOR = 0.02  # detections below are noise of the ranking; a tenth of the usual threshold
SAME_PLACE_IOU = 0.5
EDGE = 1e-4  # keeps logits finite

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """What is unsure in one frame."""

    bits: float
    places: int
    """Places that contribute at least half a bit."""
    words: str
    """The most doubtful places: class and confidence, or rival classes."""


def doubt_of(found: Detections, codes: Sequence[str], thresholds: Mapping[str, float]) -> Doubt:
    """Doubt about a frame, given all its detections from `FLOOR` on.

    Args:
        codes: Of the classes, in the detector's order; a class without a threshold is not reported at all.
        thresholds: From which confidence a class is reported.
    """
    reported = np.array([code in thresholds for code in codes], bool)
    found = found.only((found.confidences >= FLOOR) & reported[found.classes])
    floors = np.array([thresholds.get(code, 1.0) for code in codes], np.float64)
    places = [_place(found, members, codes, floors) for members in _places(found.boxes_px)]
    places.sort(key=lambda place: -place[0])
    unsure = [words for bits, words in places if bits >= 0.5]
    return Doubt(float(sum(bits for bits, _ in places)), len(unsure), ", ".join(unsure[:4]))


def _places(boxes_px: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the boxes at each place; boxes come the surest first."""
    if not len(boxes_px):
        return
    near = iou_matrix(boxes_px, boxes_px) >= SAME_PLACE_IOU
    free = np.ones(len(boxes_px), bool)
    for first in range(len(boxes_px)):
        if free[first]:
            members = np.flatnonzero(near[first] & free)
            free[members] = False
            yield members


def _place(
    found: Detections, members: npt.NDArray[np.int64], codes: Sequence[str], floors: FloatArray
) -> tuple[float, str]:
    """Bits of doubt at one place, and how to say it."""
    by_class = np.zeros(len(codes))
    np.maximum.at(by_class, found.classes[members], found.confidences[members].astype(np.float64))
    best = int(by_class.argmax())
    whether = float(binary_entropy(moved(by_class[best], floors[best])))
    shares = by_class[by_class > 0] / by_class.sum()
    which = float(-(shares * np.log2(shares)).sum()) / np.log2(max(len(codes), 2))
    bits = whether + min(by_class[best] / floors[best], 1.0) * which
    claimed = np.argsort(-by_class)[: max(int((by_class > by_class[best] / 2).sum()), 1)]
    return bits, "/".join(f"{codes[index]} {by_class[index]:.2f}" for index in claimed)


def moved(confidence: float, threshold: float) -> float:
    """Confidence after its logit is moved by that of the threshold: at the threshold it is one half."""
    odds = np.clip([confidence, threshold], EDGE, 1 - EDGE)
    odds = odds / (1 - odds)
    return float(odds[0] / (odds[0] + odds[1]))


def binary_entropy(share: float) -> float:
    """Entropy in bits of something that is so with this probability."""
    share = float(np.clip(share, 1e-12, 1 - 1e-12))
    return float(-share * np.log2(share) - (1 - share) * np.log2(1 - share))
