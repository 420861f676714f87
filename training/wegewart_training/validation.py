"""Which images decide about a trained model: val for choices, train for ranges and sound road, never test."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame, ImageU8
from wegewart_inference.model_bundle import BundleCard
from wegewart_inference.preprocess import input_tensor, letterbox_for
from wegewart_inference.sources import image_frame
from wegewart_training.evaluate import look_at
from wegewart_training.judged import ScoredImage
from wegewart_training.onnx_graph import Float32Array
from wegewart_training.recipe import DataPart, Recipe

logger = logging.getLogger(__name__)

EXAMPLE_IMAGES = 64  # of the train parts together; 16 to 100 give the same INT8 ranges (docs/releases.md)
Looks = Mapping[str, Sequence[ScoredImage]]
"""What a detector sees, by name of the source."""


@dataclass(frozen=True)
class Source:
    """One split of one data set on this machine."""

    name: str
    data_yaml: Path
    split: str

    @property
    def images(self) -> tuple[Path, ...]:
        """Its image files."""
        return images_of(read_data_yaml(self.data_yaml), self.split)

    @property
    def has_boxes(self) -> bool:
        """Whether one of its images has a box."""
        count = len(read_data_yaml(self.data_yaml).names)
        return any(len(read_labels(image, count).classes) for image in self.images)


def validation_sources(recipe: Recipe, settings: DataSettings) -> list[Source]:
    """What the recipe validates on."""
    return [_source(part, settings) for part in recipe.val]


def train_sources(recipe: Recipe, settings: DataSettings) -> list[Source]:
    """What the recipe trains on."""
    return [_source(part, settings) for part in recipe.train]


def undamaged_sources(recipe: Recipe, settings: DataSettings) -> list[Source]:
    """Train parts without a single box: they were seen in training, but no test image may choose anything.

    Without mined parts: chosen by a model's false alarms, they would make sound road look worse than it is.
    """
    sources = []
    for part in recipe.train:
        source, mined_with = _source(part, settings), read_manifest(part.manifest, settings).mined_with
        if mined_with is not None:
            logger.info(
                "%s does not count as sound road: the false alarms of %s chose it", source.name, mined_with
            )
        elif not source.has_boxes:
            sources.append(source)
    return sources


def _source(part: DataPart, settings: DataSettings) -> Source:
    data_yaml = data_yaml_of(read_manifest(part.manifest, settings), settings)
    return Source(f"{part.manifest} {part.split}", data_yaml, part.split)


def looks_of(detector: Detector, sources: Sequence[Source]) -> dict[str, list[ScoredImage]]:
    """What the detector sees on every image of these sources."""
    return {source.name: list(look_at(detector, source.data_yaml, source.split)) for source in sources}


def pooled(looks: Looks) -> list[ScoredImage]:
    """The images of all sources."""
    return [image for images in looks.values() for image in images]


def evenly(paths: Sequence[Path], count: int) -> Sequence[Path]:
    """So many of the paths, at equal distances; all of them where there are fewer."""
    count = min(count, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def examples(sources: Sequence[Source]) -> list[Path]:
    """Images of the train parts and of nothing else, evenly from each part and over each part."""
    share = -(-EXAMPLE_IMAGES // len(sources))
    return [path for source in sources for path in evenly(source.images, share)]


def tensors(paths: Sequence[Path], card: BundleCard) -> Iterator[Float32Array]:
    """The graph's inputs (1, 3, H, W) for these images, as the vehicle makes them.

    Raises:
        DatasetInvalid: If one cannot be decoded.
    """
    for image in decoded(paths):
        letterbox = letterbox_for((image.shape[0], image.shape[1]), card.input_hw, card.preprocess)
        yield input_tensor(image, letterbox, card.preprocess)


def decoded(paths: Sequence[Path]) -> Iterator[ImageU8]:
    """The images, as the vehicle decodes them.

    Raises:
        DatasetInvalid: If one cannot be decoded.
    """
    for path in paths:
        frame = image_frame(path, "export", 0)
        if not isinstance(frame, Frame):
            raise DatasetInvalid(f"{path}: {frame.reason}; restore it or take it out of the set")
        yield frame.image
