"""How far a confidence can be believed: reliability, its expected error, and the temperature that mends it.

A detection is right when it takes a box of its class at IoU 0.5. Only detections from `LEAST_CONFIDENCE` on
count: the thousands below it are all wrong and would make any detector look well calibrated.
Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wegewart.errors import DatasetInvalid
from wegewart_inference.detections import Detections
from wegewart_inference.detector import tempered
from wegewart_training.judged import Judged, ScoredImage, judge

LEAST_CONFIDENCE = 0.05
BINS = 10
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.25, 4.0


@dataclass(frozen=True)
class Reliability:
    """Detections in bins of equal width of confidence; NaN in bins without one."""

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    """Share of the bin's detections that are right."""
    count: npt.NDArray[np.int64]

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error: the gap between confidence and truth, over all detections."""
        total = int(self.count.sum())
        gaps = np.abs(np.nan_to_num(self.confidence) - np.nan_to_num(self.right))
        return float((gaps * self.count).sum() / total) if total else None


def reliability(judged: Judged) -> Reliability:
    """Confidence against truth on these images."""
    chosen = judged.confidences >= LEAST_CONFIDENCE
    confidences, right = judged.confidences[chosen].astype(np.float64), judged.hits[0, chosen]
    bins = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    whole = np.where(count > 0, count, np.nan)
    return Reliability(
        confidence=np.bincount(bins, weights=confidences, minlength=BINS) / whole,
        right=np.bincount(bins, weights=right.astype(np.float64), minlength=BINS) / whole,
        count=count.astype(np.int64),
    )


def fit_temperature(images: Sequence[ScoredImage]) -> float:
    """Temperature for a card: the one under which these (validation) images' hits are likeliest.

    The images must have been looked at with the card's temperature at 1.

    Raises:
        DatasetInvalid: If no detection is sure enough to learn from.
    """
    judged = judge(images)
    chosen = judged.confidences >= LEAST_CONFIDENCE
    if not chosen.any():
        raise DatasetInvalid(
            f"no detection of confidence {LEAST_CONFIDENCE} or more to fit a temperature on: train longer"
        )
    coarse = np.geomspace(LEAST_TEMPERATURE, MOST_TEMPERATURE, 81)
    best = _likeliest(coarse, judged.confidences[chosen], judged.hits[0, chosen])
    fine = np.clip(best * np.geomspace(0.96, 1.04, 81), LEAST_TEMPERATURE, MOST_TEMPERATURE)
    return round(_likeliest(fine, judged.confidences[chosen], judged.hits[0, chosen]), 3)


def _likeliest(
    temperatures: npt.NDArray[np.float64], scores: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]
) -> float:
    losses = []
    for temperature in temperatures:
        believed = np.clip(tempered(scores, float(temperature)).astype(np.float64), 1e-6, 1 - 1e-6)
        losses.append(-np.log(np.where(right, believed, 1 - believed)).mean())
    return float(temperatures[int(np.argmin(losses))])


def with_temperature(images: Sequence[ScoredImage], temperature: float) -> list[ScoredImage]:
    """The images as a detector with this temperature in its card sees them; choose thresholds on these."""
    return [
        replace(
            image,
            found=Detections(
                image.found.boxes_px, image.found.classes, tempered(image.found.confidences, temperature)
            ),
        )
        for image in images
    ]
