"""Curves of the evaluation report, drawn with matplotlib, which only the report needs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wegewart_training.calibration import BINS, LEAST_CONFIDENCE
from wegewart_training.comparison import Comparison, pooled, pooled_curves
from wegewart_training.curves import Curve, curve_of, false_alarm_curve
from wegewart_training.evaluation import Evaluation

LINES = ("-", "--", "-.", ":")  # colour never speaks alone
SIZE_INCHES = (4.6, 3.6)


def precision_recall(evaluation: Evaluation) -> str:
    """PR curve of each class, with the working point at the card's threshold."""
    figure, axes = _axes("Recall", "Precision")
    for index, code in enumerate(evaluation.codes):
        curve = curve_of(evaluation.judged.of_class(index))
        if not len(curve.recall):
            continue
        line = axes.plot(curve.recall, curve.precision, LINES[index % len(LINES)], label=code, linewidth=1.4)[
            0
        ]
        above = np.flatnonzero(curve.confidences >= np.float32(evaluation.thresholds[code]))
        if len(above):
            at = above[-1]
            axes.plot(curve.recall[at], curve.precision[at], "o", color=line.get_color())
    _unit(axes)
    return _picture(figure, axes, "Precision über Recall je Klasse; Punkt: Schwelle der Karte")


def reliability_diagram(evaluation: Evaluation) -> str:
    """Share of right boxes over confidence."""
    figure, axes = _axes("Konfidenz / confidence", "Anteil richtig / share right")
    bins = evaluation.reliability
    middles = (np.arange(BINS) + 0.5) / BINS
    axes.bar(middles, np.nan_to_num(bins.right), width=0.9 / BINS, color="#7aa6c2", label="richtig / right")
    axes.plot([0, 1], [0, 1], "k--", linewidth=1, label="ideal")
    for middle, right, count in zip(middles, np.nan_to_num(bins.right), bins.count, strict=True):
        axes.annotate(str(count), (middle, right), ha="center", va="bottom", fontsize=7)
    _unit(axes)
    error = bins.expected_error
    axes.set_title(
        f"ECE {'–' if error is None else f'{error:.3f}'}, ab / from {LEAST_CONFIDENCE}; Zahl: Kästen / boxes",
        fontsize=8,
    )
    return _picture(figure, axes, "Zuverlässigkeit der Konfidenz")


def false_boxes(curves: Sequence[tuple[str, Curve]]) -> str:
    """False boxes per image over recall, one line per model."""
    figure, axes = _axes("Recall", "falsche Kästen je Bild / false per image")
    for index, (name, curve) in enumerate(curves):
        if len(curve.recall):
            axes.plot(curve.recall, np.maximum(curve.false_per_image, 1e-3), LINES[index], label=name)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    return _picture(figure, axes, "Falsche Kästen je Bild über Recall")


def false_alarms(sound: Evaluation | Comparison, labelled: Sequence[Evaluation | Comparison]) -> str:
    """Share of undamaged photographs with a box, over the recall on all labelled photographs."""
    figure, axes = _axes("Recall (alle / all)", "Bilder mit Kasten / images with a box")
    if isinstance(sound, Comparison):
        ours, other = pooled_curves([one for one in labelled if isinstance(one, Comparison)])
        sides = [(sound.ours, ours), (sound.other, other)]
    else:
        sides = [(sound, curve_of(pooled([one for one in labelled if isinstance(one, Evaluation)])))]
    for index, (side, curve) in enumerate(sides):
        axes.plot(curve.recall, false_alarm_curve(side.judged, curve), LINES[index], label=side.model)
    _unit(axes)
    axes.set_title("Anteil unbeschädigter Bilder / share of undamaged images", fontsize=8)
    return _picture(figure, axes, "Anteil unbeschädigter Bilder mit Kasten über Recall")


def _axes(x_title: str, y_title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    axes.grid(alpha=0.3)
    return figure, axes


def _unit(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.04)


def _picture(figure: Figure, axes: Axes, words: str) -> str:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<figure><img class="plot" alt="{words}" src="data:image/png;base64,{encoded}"></figure>'
