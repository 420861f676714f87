"""Evaluate: a detector on labelled images, with the code that the vehicle runs. No torch, nothing written."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from wegewart.damage import shipped_taxonomy
from wegewart.errors import DatasetInvalid, InvalidTaxonomy
from wegewart_datasets.yolo import YoloData, images_of, read_data_yaml, read_labels
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector, tempered
from wegewart_inference.model_bundle import Bundle, SourceMetrics, write_card
from wegewart_inference.sources import decode_image
from wegewart_training.intervals import Interval
from wegewart_training.judged import IntArray, ScoredImage
from wegewart_training.origin import Origin, origin_of, read_origins
from wegewart_training.score import DETECTIONS_PER_IMAGE, SCORE_FLOOR, Scores, score

logger = logging.getLogger(__name__)
PROGRESS_EVERY = 100  # images between two lines of progress
NEVER = -1


def evaluate(detector: Detector, data_yaml: Path, split: str) -> Scores:
    """Scores of the detector on one split.

    Raises:
        DatasetInvalid: If the split is missing, an image is broken, or a class is not the taxonomy's.
    """
    images = list(look_at(detector, data_yaml, split))
    return score(images, scored_codes(detector), scored_thresholds(detector))


def scored_codes(detector: Detector) -> tuple[str, ...]:
    """Classes that scores speak of: the taxonomy's, also where a foreign graph knows fewer or others."""
    return shipped_taxonomy(detector.card.taxonomy).codes


def scored_thresholds(detector: Detector) -> dict[str, float]:
    """Threshold of every scored class; of one that the detector does not know, a confidence never reached."""
    return {code: detector.card.thresholds.get(code, 1.0) for code in scored_codes(detector)}


def look_at(detector: Detector, data_yaml: Path, split: str) -> Iterator[ScoredImage]:
    """Truth and detections, image by image, with classes in the order of `scored_codes`."""
    data = read_data_yaml(data_yaml)
    look = _Look(detector, _truth_map(detector, data, data_yaml))
    origins = read_origins(data)
    images = images_of(data, split)
    for number, path in enumerate(images, start=1):
        yield look.at(path, origin_of(path, origins))
        if number % PROGRESS_EVERY == 0:
            logger.info("%s %s: %d of %d images", data_yaml.parent.name, split, number, len(images))


class _Look:
    """One detector on images of one data set."""

    def __init__(self, detector: Detector, truth_map: IntArray) -> None:
        self.detector, self.truth_map = detector, truth_map
        self.found_map = _found_map(detector)
        # The same boxes whatever the card's temperature: it must not move the end of the ranking.
        floor = tempered(np.array([SCORE_FLOOR], np.float32), detector.card.temperature)
        self.floor = float(floor[0])

    def at(self, path: Path, origin: Origin) -> ScoredImage:
        image, reason = decode_image(path.read_bytes()) if path.is_file() else (None, "the file is missing")
        if image is None:
            raise DatasetInvalid(
                f"{path}: {reason}; scores need every image, restore it or take it out of the set"
            )
        labels = read_labels(path, len(self.truth_map))
        return ScoredImage(
            truth_boxes_px=labels.boxes_px(image.shape[1], image.shape[0]),
            truth_classes=self.truth_map[labels.classes],
            found=self._scored(self.detector.detect(image, min_confidence=self.floor)),
            path=path,
            source=origin.source,
            group=origin.group,
        )

    def _scored(self, found: Detections) -> Detections:
        classes = self.found_map[found.classes]
        kept = np.flatnonzero(classes != NEVER)[:DETECTIONS_PER_IMAGE]
        return Detections(found.boxes_px[kept], classes[kept], found.confidences[kept])


def _truth_map(detector: Detector, data: YoloData, path: Path) -> IntArray:
    """Class index of the data set to index among the scored classes, by class code."""
    try:
        codes = shipped_taxonomy(detector.card.taxonomy).codes_of(data.names)
    except InvalidTaxonomy as error:
        raise DatasetInvalid(f"{path} has classes that {detector.card.id} does not know: {error}") from error
    scored = scored_codes(detector)
    return np.array([scored.index(code) for code in codes], np.int64)


def _found_map(detector: Detector) -> IntArray:
    """Class index of the graph to index among the scored classes; `NEVER` for a class outside them."""
    scored = scored_codes(detector)
    outside = [code for code in detector.class_codes if code not in scored]
    if outside:
        logger.warning(
            "%s: not scored, no class of the taxonomy: %s", detector.card.origin, ", ".join(outside)
        )
    return np.array(
        [scored.index(code) if code in scored else NEVER for code in detector.class_codes], np.int64
    )


def record_scores(bundle: Bundle, by_source: Mapping[str, SourceMetrics]) -> None:
    """Write scores into the bundle's card, beside those of other sources."""
    metrics = dict(bundle.card.metrics) | dict(by_source)
    write_card(bundle.folder, bundle.card.model_copy(update={"metrics": metrics}))


def source_metrics(scores: Scores) -> SourceMetrics:
    """Scores as a card has them, rounded to what some hundred images can tell."""
    return card_metrics(scores.flat(), {})


def card_metrics(flat: Mapping[str, float | int | None], intervals: Mapping[str, Interval]) -> SourceMetrics:
    """Flat figures and their intervals as a card has them."""
    figures = {
        name: None if value is None else round(value, 4) for name, value in flat.items() if name != "images"
    }
    rounded = {name: (round(low, 4), round(high, 4)) for name, (low, high) in intervals.items()}
    return SourceMetrics(images=int(flat["images"] or 0), figures=figures, intervals=rounded or None)
