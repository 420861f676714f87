"""Scores as tables for people in a terminal."""

from collections.abc import Mapping, Sequence

from wegewart_training.comparison import AtEqualRecall, Comparison, Difference
from wegewart_training.curves import FalseAlarms
from wegewart_training.evaluation import Evaluation
from wegewart_training.intervals import Interval

COLUMNS = {
    "images": "images",
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "challenge_f1": "challenge",
    "recall_any_class_at_1_false_box": "R any",
    "images_with_false_box": "false on",
    "ece": "ECE",
}
LEGEND = """\
challenge: F1 of the five surest boxes of an image; R any: recall without regard to class at one false box an
image; false on: images with at least one false box; ECE: expected calibration error; the classes' columns are
AP50. The lower rows are 95 % intervals, by bootstrap over the groups (places, drives) or images named."""


def score_table(evaluations: Sequence[Evaluation]) -> str:
    """One row per data set and below it its intervals; "-" where there is nothing to score."""
    codes = dict.fromkeys(code for one in evaluations for code in one.codes)
    columns = COLUMNS | {f"ap50_{code}": code for code in codes}
    width = max(len(one.name) for one in evaluations) + 2
    lines = [" " * width + "".join(f"{title:>12}" for title in columns.values())]
    for one in evaluations:
        flat = one.flat()
        lines.append(f"{one.name:<{width}}" + "".join(f"{number(flat.get(name)):>12}" for name in columns))
    for one in evaluations:
        cells = "".join(f"{span(one.intervals.get(name)):>12}" for name in columns)
        lines.append(f"{one.name:<{width}}" + cells + f"  95 %, {one.draws.units} {one.draws.unit}")
    return "\n".join([*lines, LEGEND])


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Per data set and figure: ours, the other's, and the difference with its paired interval."""
    ours, other = comparisons[0].ours.model, comparisons[0].other.model
    lines = [f"{ours} against {other}; difference with its paired 95 % interval"]
    for one in comparisons:
        units = f"{one.ours.draws.units} {one.ours.draws.unit}"
        lines.append(f"{one.ours.name}, {len(one.ours.images)} images, {units}")
        flat, others = one.ours.flat(), one.other.flat()
        lines += [
            f"  {name:<34}{number(flat[name]):>8}{number(others[name]):>8}{difference(gap):>26}"
            for name, gap in one.differences().items()
        ]
        if not one.ours.has_truth:
            lines += [_alarms_line(side) for side in (one.ours, one.other)]
    return "\n".join(lines)


def _alarms_line(evaluation: Evaluation) -> str:
    alarms = FalseAlarms(len(evaluation.images), evaluation.scores.images_with_false_box)
    return f"  false box at its thresholds, {evaluation.model}: {share(alarms)}"


def equal_recall_table(rows: Sequence[AtEqualRecall]) -> str:
    """Share of undamaged photographs with a false box where both models find equally much."""
    lines = [
        "Undamaged photographs with a box, at the recall that the other has at its best F1 (one confidence):"
    ]
    for row in rows:
        ours = (
            "never finds that much"
            if row.ours is None or row.ours_alarms is None
            else f"ours {share(row.ours_alarms)} from {row.ours.confidence:.3f}"
        )
        other = f"other {share(row.other_alarms)} from {row.other.confidence:.3f}"
        lines.append(
            f"  {row.labelled}, recall {row.recall:.3f}, on {row.undamaged}: {ours}; {other}; "
            f"our recall at our thresholds {row.our_recall_at_thresholds:.3f}"
        )
    return "\n".join(lines)


def share(alarms: FalseAlarms) -> str:
    """For example "3 of 72 (4.2 %, 1.4–11.5 %)", with Wilson's interval."""
    if alarms.share is None or alarms.interval is None:
        return "no photographs"
    low, high = alarms.interval
    return (
        f"{alarms.with_false_box} of {alarms.images} "
        f"({100 * alarms.share:.1f} %, {100 * low:.1f}–{100 * high:.1f} %)"
    )


def difference(gap: Difference) -> str:
    """Signed difference and its interval; counts of images whole."""
    digits = 0 if max(abs(value) for value in (gap.value, *(gap.interval or ()))) > 1 else 3
    if gap.interval is None:
        return f"{gap.value:+.{digits}f}"
    return f"{gap.value:+.{digits}f} [{gap.interval[0]:+.{digits}f}, {gap.interval[1]:+.{digits}f}]"


def number(value: float | int | None) -> str:
    """A figure for a table: counts whole, shares with three digits, "-" for none."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def span(interval: Interval | None) -> str:
    """An interval for a table, without leading zeros: ".102–.171"."""
    if interval is None:
        return ""
    low, high = interval
    if high > 1:
        return f"{low:.0f}–{high:.0f}"
    return f"{low:.3f}–{high:.3f}".replace("0.", ".")


def json_row(evaluation: Evaluation, comparison: Comparison | None) -> Mapping[str, object]:
    """One object for a data set: flat figures, then intervals and parts, then what a comparison adds."""
    row: dict[str, object] = {"source": evaluation.name, "bundle": evaluation.model, **evaluation.flat()}
    row |= {
        "intervals": evaluation.intervals,
        "resampled": {"unit": evaluation.draws.unit, "units": evaluation.draws.units},
        "by_source": {
            name: {**scores.flat(), "intervals": evaluation.intervals_by_source.get(name)}
            for name, scores in evaluation.by_source.items()
        },
        "thresholds": dict(evaluation.thresholds),
    }
    if comparison is not None:
        row |= {
            "against": comparison.other.model,
            "against_figures": comparison.other.flat(),
            "differences": {
                name: {"value": gap.value, "interval": gap.interval}
                for name, gap in comparison.differences().items()
            },
        }
    return row


def json_equal_recall(row: AtEqualRecall) -> Mapping[str, object]:
    """One object for a labelled and an undamaged data set."""
    return {
        "at_equal_recall_on": row.labelled,
        "undamaged": row.undamaged,
        "recall": row.recall,
        "recall_at_thresholds": row.our_recall_at_thresholds,
        "confidence": None if row.ours is None else row.ours.confidence,
        "against_confidence": row.other.confidence,
        "images": row.other_alarms.images,
        "images_with_false_box": None if row.ours_alarms is None else row.ours_alarms.with_false_box,
        "against_images_with_false_box": row.other_alarms.with_false_box,
        "interval": None if row.ours_alarms is None else row.ours_alarms.interval,
        "against_interval": row.other_alarms.interval,
    }
