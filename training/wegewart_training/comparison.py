"""Two detectors on the same images: paired differences, and false alarms where both find equally much."""

from collections.abc import Sequence
from dataclasses import dataclass

from wegewart.errors import CalledWrongly
from wegewart_training.curves import (
    Curve,
    FalseAlarms,
    WorkingPoint,
    best_f1_point,
    curve_of,
    false_alarms,
    point_at_recall,
)
from wegewart_training.evaluation import ANY_CLASS, Evaluation
from wegewart_training.intervals import Interval, percentile_interval
from wegewart_training.judged import Judged, judge

POOLED = "all labelled"
COMPARED = ("map50", "map50_95", "f1", "challenge_f1", "recall", "images_with_false_box", ANY_CLASS)


@dataclass(frozen=True)
class Difference:
    """Ours minus the other's; the interval is of the difference, over the same resamples."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Comparison:
    """Both detectors on one data set."""

    ours: Evaluation
    other: Evaluation

    def differences(self) -> dict[str, Difference]:
        """By name of the figure; only those that both have."""
        found = {}
        for name in (*COMPARED, *(f"ap50_{code}" for code in self.ours.codes)):
            value = float(self.ours.point[name][0] - self.other.point[name][0])
            gaps = self.ours.resampled[name] - self.other.resampled[name]
            if value == value:  # NaN is unlike itself
                found[name] = Difference(value, percentile_interval(gaps))
        return found


@dataclass(frozen=True)
class AtEqualRecall:
    """False alarms on sound road where each detector finds as much as the other does at its best F1."""

    labelled: str
    undamaged: str
    recall: float
    """The other's recall at its own best F1 on the labelled images."""
    ours: WorkingPoint | None
    """None if we never find that much."""
    other: WorkingPoint
    ours_alarms: FalseAlarms | None
    other_alarms: FalseAlarms
    our_recall_at_thresholds: float
    """At our own thresholds, to be held against `recall`."""


def compare(ours: Evaluation, other: Evaluation) -> Comparison:
    """Pair two evaluations.

    Raises:
        CalledWrongly: If they are not of the same images and classes.
    """
    same_images = [image.path for image in ours.images] == [image.path for image in other.images]
    if not same_images or ours.codes != other.codes:
        raise CalledWrongly(f"{ours.model} and {other.model} were not scored on the same images and classes")
    return Comparison(ours, other)


def at_equal_recall(comparisons: Sequence[Comparison]) -> list[AtEqualRecall]:
    """Every labelled data set, and all of them pooled, against every one without any damage."""
    labelled = [one for one in comparisons if one.ours.has_truth]
    undamaged = [one for one in comparisons if not one.ours.has_truth]
    sets = [(one.ours.name, [one]) for one in labelled]
    if len(labelled) > 1:
        sets.append((POOLED, labelled))
    curves = [(name, pooled_curves(ones), recall_at_thresholds(ones)) for name, ones in sets]
    rows = [
        _at_equal_recall(name, pair, recall, sound) for sound in undamaged for name, pair, recall in curves
    ]
    return [row for row in rows if row is not None]


def pooled_curves(labelled: Sequence[Comparison]) -> tuple[Curve, Curve]:
    """Curves of ours and the other over the images of several data sets together."""
    return curve_of(pooled([one.ours for one in labelled])), curve_of(pooled([one.other for one in labelled]))


def pooled(evaluations: Sequence[Evaluation]) -> Judged:
    """The images of several evaluations judged as one set."""
    return judge([image for one in evaluations for image in one.images])


def recall_at_thresholds(labelled: Sequence[Comparison]) -> float:
    """Our recall over several data sets together, each at our thresholds."""
    boxes = [len(one.ours.judged.truth_images) for one in labelled]
    found = [(one.ours.scores.recall or 0.0) * count for one, count in zip(labelled, boxes, strict=True)]
    return sum(found) / max(sum(boxes), 1)


def _at_equal_recall(
    name: str, curves: tuple[Curve, Curve], our_recall: float, sound: Comparison
) -> AtEqualRecall | None:
    ours, other = curves
    reference = best_f1_point(other)
    if reference is None:
        return None
    here = point_at_recall(ours, reference.recall)
    return AtEqualRecall(
        labelled=name,
        undamaged=sound.ours.name,
        recall=reference.recall,
        ours=here,
        other=reference,
        ours_alarms=None if here is None else false_alarms(sound.ours.judged, here.confidence),
        other_alarms=false_alarms(sound.other.judged, reference.confidence),
        our_recall_at_thresholds=our_recall,
    )
