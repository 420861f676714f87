"""All that one data set says about one detector: figures, their intervals, and the parts of the whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wegewart_training.calibration import Reliability, reliability
from wegewart_training.intervals import Draws, Interval, draw, intervals_of
from wegewart_training.judged import IntArray, Judged, ScoredImage, judge, without_class
from wegewart_training.score import Figures, Scores, figures, recall_at_false_boxes, scores_of

SIZES_PX2 = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}
"""Area of the box in the photograph's own pixels; COCO's limits."""
LEAST_IMAGES, MOST_SOURCES = 10, 12  # for intervals of a source
MOST_LISTED, OTHERS = 48, "other sources"  # above that a table of sources says nothing, and costs memory
ANY_CLASS = "recall_any_class_at_1_false_box"


@dataclass(frozen=True)
class SizeScores:
    """Boxes of one size; a right detection has the size of the truth, a wrong one its own."""

    boxes: int
    map50: float | None
    recall: float | None


@dataclass(frozen=True)
class Evaluation:
    """One detector on one data set."""

    name: str
    model: str
    images: Sequence[ScoredImage]
    codes: tuple[str, ...]
    thresholds: Mapping[str, float]
    judged: Judged
    any_class: Judged
    draws: Draws
    point: Figures
    """Each figure over all images, (1,)."""
    resampled: Figures
    """Each figure over the resamples, (B,)."""

    @cached_property
    def scores(self) -> Scores:
        """The figures over all images."""
        return scores_of(self.point, self.codes)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % interval by name of the figure."""
        return intervals_of(self.resampled)

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against truth."""
        return reliability(self.judged)

    @property
    def has_truth(self) -> bool:
        """Whether there is any damage in these images."""
        return len(self.judged.truth_images) > 0

    @cached_property
    def by_source(self) -> dict[str, Scores]:
        """Scores of each of the `listed_sources` of the photographs."""
        sources = np.array(listed_sources(self.images))
        names = sorted(set(sources.tolist()))
        rows = np.array([sources == name for name in names], np.int64).reshape(-1, len(self.images))
        found = figures(self.judged, self.codes, self.thresholds, rows)
        return {name: scores_of(found, self.codes, row) for row, name in enumerate(names)}

    @cached_property
    def intervals_by_source(self) -> dict[str, dict[str, Interval]]:
        """95 % intervals of each of the `large_sources`, by draws within it."""
        return {
            name: evaluate_images(name, self.model, images, self.codes, self.thresholds).intervals
            for name, images in large_sources(self.images).items()
        }

    @cached_property
    def by_size(self) -> dict[str, SizeScores]:
        """Scores of small, medium and large boxes (`SIZES_PX2`)."""
        return {name: self._of_size(*limits) for name, limits in SIZES_PX2.items()}

    def _of_size(self, least_px2: float, below_px2: float) -> SizeScores:
        judged = self.judged
        within = judged.only(
            _between(judged.areas_px, least_px2, below_px2),
            _between(judged.truth_areas_px, least_px2, below_px2),
        )
        found = figures(within, self.codes, self.thresholds, _once(len(self.images)))
        scores = scores_of(found, self.codes)
        return SizeScores(len(within.truth_images), scores.map50, scores.recall)

    def flat(self) -> dict[str, float | int | None]:
        """Figures over all images under flat keys."""
        any_class = float(self.point[ANY_CLASS][0])
        flat = self.scores.flat()
        flat[ANY_CLASS] = None if np.isnan(any_class) else any_class
        flat["ece"] = self.reliability.expected_error
        for size, scores in self.by_size.items():
            flat |= {
                f"map50_{size}": scores.map50,
                f"recall_{size}": scores.recall,
                f"boxes_{size}": scores.boxes,
            }
        return flat


def listed_sources(images: Sequence[ScoredImage]) -> list[str]:
    """Under which source each image is listed: among too many sources, small ones share one row."""
    counts = Counter(image.source for image in images)
    if len(counts) <= MOST_LISTED:
        return [image.source for image in images]
    large = {name for name, count in counts.most_common(MOST_LISTED - 1) if count >= LEAST_IMAGES}
    return [image.source if image.source in large else OTHERS for image in images]


def large_sources(images: Sequence[ScoredImage]) -> dict[str, list[ScoredImage]]:
    """Images by source where there are several sources, those of some size only.

    None where there are too many: file names without a pattern make every image a source.
    """
    found: dict[str, list[ScoredImage]] = {}
    for image in images:
        found.setdefault(image.source, []).append(image)
    large = {name: part for name, part in sorted(found.items()) if len(part) >= LEAST_IMAGES}
    return large if 1 < len(found) <= MOST_SOURCES else {}


def _between(areas: npt.NDArray[np.float64], least: float, below: float) -> npt.NDArray[np.bool_]:
    return (areas >= least) & (areas < below)


def _once(count: int) -> IntArray:
    return np.ones((1, count), np.int64)


def evaluate_images(
    name: str,
    model: str,
    images: Sequence[ScoredImage],
    codes: Sequence[str],
    thresholds: Mapping[str, float],
) -> Evaluation:
    """Evaluation of images that a detector has looked at.

    Args:
        name: Of the data set.
        model: Of the detector.
        thresholds: By class code, frozen before these images were seen.
    """
    judged, any_class, draws = judge(images), without_class(images), draw(images)

    def of(weights: IntArray) -> Figures:
        recall = recall_at_false_boxes(any_class, weights, per_image=1.0)
        return {**figures(judged, codes, thresholds, weights), ANY_CLASS: recall}

    return Evaluation(
        name=name,
        model=model,
        images=images,
        codes=tuple(codes),
        thresholds=thresholds,
        judged=judged,
        any_class=any_class,
        draws=draws,
        point=of(_once(len(images))),
        resampled=_per_set(of(draws.weights), len(images)),
    )


def _per_set(resampled: Figures, image_count: int) -> Figures:
    """Counts of images scaled to the whole set: groups differ in size, so resamples do too."""
    share = resampled["images_with_false_box"] / np.maximum(resampled["images"], 1)
    return {**resampled, "images_with_false_box": share * image_count}
