"""What one confidence for all classes buys: recall, false boxes, and pictures of sound road with a box.

Two models give their confidences different meanings, so their false alarms are compared where they find
equally much, never at equal confidence.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wegewart_training.intervals import Interval, wilson
from wegewart_training.judged import Judged


@dataclass(frozen=True)
class Curve:
    """From the surest detection down: what has been found by then, and at what price."""

    confidences: npt.NDArray[np.float32]
    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    false_per_image: npt.NDArray[np.float64]


@dataclass(frozen=True)
class WorkingPoint:
    """One confidence for all classes, with what it gives on labelled images."""

    confidence: float
    recall: float
    precision: float
    f1: float
    false_per_image: float


@dataclass(frozen=True)
class FalseAlarms:
    """Photographs without damage that get a box at one confidence."""

    images: int
    with_false_box: int

    @property
    def share(self) -> float | None:
        """Share of the photographs."""
        return self.with_false_box / self.images if self.images else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's interval of the share."""
        return wilson(self.with_false_box, self.images)


def curve_of(judged: Judged) -> Curve:
    """Curve over the ranking of all classes together; empty without truth or detections.

    Detections of equal confidence cannot be told apart by a threshold, so they share one point.
    """
    truths = len(judged.truth_images)
    last = np.append(np.diff(judged.confidences) != 0, True)[: len(judged.confidences)]
    if not truths:
        last = np.zeros(len(judged.confidences), bool)
    hits, ranks = np.cumsum(judged.hits[0])[last], np.arange(1, len(judged.confidences) + 1)[last]
    return Curve(
        confidences=judged.confidences[last],
        recall=hits / max(truths, 1),
        precision=hits / ranks,
        false_per_image=(ranks - hits) / max(judged.image_count, 1),
    )


def best_f1_point(curve: Curve) -> WorkingPoint | None:
    """Where F1 is highest; None without any hit."""
    total = curve.recall + curve.precision
    if not (total > 0).any():
        return None
    f1 = np.divide(2 * curve.recall * curve.precision, total, out=np.zeros_like(total), where=total > 0)
    return _point(curve, int(np.argmax(f1)))


def point_at_recall(curve: Curve, recall: float) -> WorkingPoint | None:
    """Highest confidence with at least this recall; None if the model never gets there."""
    reached = np.flatnonzero(curve.recall >= recall - 1e-12)
    return _point(curve, int(reached[0])) if len(reached) else None


def _point(curve: Curve, at: int) -> WorkingPoint:
    recall, precision = float(curve.recall[at]), float(curve.precision[at])
    return WorkingPoint(
        confidence=float(curve.confidences[at]),
        recall=recall,
        precision=precision,
        f1=2 * recall * precision / (recall + precision) if recall + precision else 0.0,
        false_per_image=float(curve.false_per_image[at]),
    )


def false_alarms(undamaged: Judged, confidence: float) -> FalseAlarms:
    """Photographs of sound road on which something reaches this confidence, whatever its class."""
    sure = undamaged.confidences >= np.float32(confidence)
    return FalseAlarms(undamaged.image_count, len(np.unique(undamaged.images[sure])))


def false_alarm_curve(undamaged: Judged, curve: Curve) -> npt.NDArray[np.float64]:
    """Share of the undamaged photographs with a box, at each confidence of the curve."""
    surest = np.zeros(undamaged.image_count, np.float32)
    np.maximum.at(surest, undamaged.images, undamaged.confidences)
    above = len(surest) - np.searchsorted(np.sort(surest), curve.confidences, side="left")
    return above / max(len(surest), 1)
