"""Sources of scores: the test parts of all data sets, how tables call them, and a detector on one of them."""

from collections.abc import Mapping
from pathlib import Path

from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_inference.detector import Detector
from wegewart_training.evaluate import look_at, scored_codes, scored_thresholds
from wegewart_training.evaluation import Evaluation, evaluate_images
from wegewart_training.foreign import ForeignGraph

TEST_SOURCES = (
    ("road-damage-europe", "data.yaml"),
    ("road-damage", "data-rdd2022.yaml"),
    ("road-damage", "data-dnit.yaml"),
    ("road-damage-more", "data-drdd.yaml"),
    ("road-damage-more", "data-rdd2022-more.yaml"),
    ("road-negatives", "data.yaml"),
)
"""Manifest and YAML of every test part, the nearest to the customers' streets first."""


def evaluation_of(
    detector: Detector, data_yaml: Path, split: str, thresholds: Mapping[str, float] | None = None
) -> Evaluation:
    """The detector on one split, at these thresholds or its own.

    Raises:
        DatasetInvalid: If the split is missing, an image is broken, or a class is not the taxonomy's.
    """
    images = list(look_at(detector, data_yaml, split))
    at = scored_thresholds(detector) if thresholds is None else thresholds
    name = source_name(data_yaml, split)
    return evaluate_images(name, model_name(detector), images, scored_codes(detector), at)


def model_name(detector: Detector) -> str:
    """How tables call a detector: the bundle's id, or the file of a graph without a card."""
    return detector.card.origin if isinstance(detector.bundle, ForeignGraph) else detector.card.id


def all_test_sources(settings: DataSettings) -> list[Path]:
    """The data.yaml of every test source on this machine.

    Raises:
        DatasetInvalid: If one is missing; name what there is with --data.
    """
    return [
        data_yaml_of(read_manifest(manifest, settings), settings).with_name(name)
        for manifest, name in TEST_SOURCES
    ]


def source_name(data_yaml: Path, split: str) -> str:
    """How a source is called in tables and cards: folder, part of the YAML's name, split."""
    part = data_yaml.stem.removeprefix("data").removeprefix("-")
    return " ".join(word for word in (data_yaml.resolve().parent.name, part, split) if word)
