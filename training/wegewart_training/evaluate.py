"""Evaluate: a bundle on a labelled split, with the code that the vehicle runs. No torch, nothing written."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from wegewart.damage import Taxonomy, shipped_taxonomy
from wegewart.errors import DatasetInvalid, InvalidTaxonomy
from wegewart_datasets.yolo import YoloData, images_of, read_data_yaml, read_labels
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import Bundle, SourceMetrics, write_card
from wegewart_inference.sources import decode_image
from wegewart_training.score import DETECTIONS_PER_IMAGE, SCORE_FLOOR, ScoredImage, Scores, score

logger = logging.getLogger(__name__)
PROGRESS_EVERY = 100  # images between two lines of progress


def evaluate(detector: Detector, data_yaml: Path, split: str) -> Scores:
    """Scores of the detector on one split.

    Raises:
        DatasetInvalid: If the split is missing, an image is broken, or a class is not the detector's.
    """
    images = list(look_at(detector, data_yaml, split))
    return score(images, detector.class_codes, detector.card.thresholds)


def look_at(detector: Detector, data_yaml: Path, split: str) -> Iterator[ScoredImage]:
    """Truth and detections, image by image."""
    data = read_data_yaml(data_yaml)
    class_map = _class_map(detector, data, data_yaml)
    images = images_of(data, split)
    for number, path in enumerate(images, start=1):
        yield _look_at_image(detector, path, class_map)
        if number % PROGRESS_EVERY == 0:
            logger.info("%s %s: %d of %d images", data_yaml.parent.name, split, number, len(images))


def _look_at_image(
    detector: Detector, path: Path, class_map: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> ScoredImage:
    image, reason = decode_image(path.read_bytes()) if path.is_file() else (None, "the file is missing")
    if image is None:
        raise DatasetInvalid(
            f"{path}: {reason}; scores need every image, restore it or take it out of the set"
        )
    labels = read_labels(path, len(class_map))
    found = detector.detect(image, min_confidence=SCORE_FLOOR)
    return ScoredImage(
        truth_boxes_px=labels.boxes_px(image.shape[1], image.shape[0]),
        truth_classes=class_map[labels.classes],
        found=found.only(np.arange(min(len(found), DETECTIONS_PER_IMAGE))),
    )


def _class_map(detector: Detector, data: YoloData, path: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Class index of the data set to class index of the detector, by class code."""
    taxonomy: Taxonomy = shipped_taxonomy(detector.card.taxonomy)
    try:
        codes = taxonomy.codes_of(data.names)
    except InvalidTaxonomy as error:
        raise DatasetInvalid(f"{path} has classes that {detector.card.id} does not know: {error}") from error
    return np.array([detector.class_codes.index(code) for code in codes], np.int64)


def record_scores(bundle: Bundle, by_source: Mapping[str, Scores]) -> None:
    """Write scores into the bundle's card, beside those of other sources."""
    metrics = dict(bundle.card.metrics)
    metrics |= {source: source_metrics(scores) for source, scores in by_source.items()}
    write_card(bundle.folder, bundle.card.model_copy(update={"metrics": metrics}))


def source_metrics(scores: Scores) -> SourceMetrics:
    """Scores as a card has them, rounded to what some hundred images can tell."""
    figures = {
        name: None if value is None else round(value, 4)
        for name, value in scores.flat().items()
        if name != "images"
    }
    return SourceMetrics(images=scores.images, figures=figures)
