"""The evaluation report: one HTML file without a foreign request, for engineers and for the release."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from wegewart.errors import CalledWrongly
from wegewart_training.comparison import Comparison, at_equal_recall
from wegewart_training.curves import curve_of
from wegewart_training.evaluation import SIZES_PX2, Evaluation
from wegewart_training.intervals import RESAMPLES, SEED
from wegewart_training.mistakes import confusion, worst_false_boxes, worst_misses
from wegewart_training.picture_sheet import picture_sheet
from wegewart_training.report_plots import (
    false_alarms,
    false_boxes,
    precision_recall,
    reliability_diagram,
)
from wegewart_training.score_report import difference, number, share, span

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
body{color:#1c1c1c;background:#fff}
h1,h2,h3{line-height:1.2}
h2{margin-top:3rem;border-top:2px solid #555;padding-top:1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #bbb;padding:.25rem .6rem;text-align:right}
th:first-child{text-align:left}
thead th{background:#eee}
small{color:#555}
.plots,.sheet,.tables{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.tables{column-gap:2rem}
figure{margin:0}
.sheet img{width:300px;height:225px}
.plot{max-width:100%}
figcaption{font-size:12px;max-width:300px;overflow-wrap:anywhere}
"""
NOTE = """
<p>Intervalle sind 95 %, durch {resamples} Ziehungen ganzer Orte oder Fahrten (sonst einzelner Bilder),
Startwert {seed}; bei zwei Modellen gepaart. Schwellen wurden vor diesen Bildern festgelegt.</p>
<p lang="en">Intervals are 95 %, by {resamples} draws of whole places or drives (else single images), seed
{seed}; paired for two models. Thresholds were frozen before these images were seen. AP50, recall and
precision at IoU 0.5; challenge: F1 of the five surest boxes of an image; sizes by the area of the box in the
photograph: small below {small:.0f}, large from {large:.0f} pixels.</p>
"""
PRIVACY = """
<p>Die Ausschnitte zeigen öffentlichen Raum und können Personen zeigen: vor einer Veröffentlichung prüfen.</p>
<p lang="en">The excerpts show public space and may show people: check before publishing.</p>
"""


def check_report_path(path: Path) -> None:
    """Refuse, before anything is scored, what no report can be written to.

    Raises:
        CalledWrongly: If its folder does not exist, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise CalledWrongly(f"--report {path}: the folder {path.parent} does not exist, make it first")
    if path.is_dir():
        raise CalledWrongly(f"--report {path} is a folder: name a file")


def write_report(
    path: Path, evaluations: Sequence[Evaluation], comparisons: Sequence[Comparison], *, pictures: bool = True
) -> None:
    """Write the report.

    Args:
        pictures: Also the worst mistakes; without them the report shows no street and nobody on it.
    Raises:
        CalledWrongly: If its folder does not exist, or it is a folder itself.
    """
    check_report_path(path)
    path.write_text(report_html(evaluations, comparisons, pictures=pictures), encoding="utf-8")


def report_html(
    evaluations: Sequence[Evaluation], comparisons: Sequence[Comparison], *, pictures: bool = True
) -> str:
    """The whole page."""
    model = escape(evaluations[0].model)
    note = NOTE.format(
        resamples=RESAMPLES, seed=SEED, small=SIZES_PX2["small"][1], large=SIZES_PX2["large"][0]
    )
    pairs: list[Comparison | None] = [*comparisons] or [None] * len(evaluations)
    privacy = PRIVACY if pictures else ""
    sections = "".join(_section(one, pair, pictures) for one, pair in zip(evaluations, pairs, strict=True))
    return (
        f'<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Auswertung {model}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>Auswertung / Evaluation: {model}</h1>{note}{privacy}{_overview(evaluations)}"
        f"{_equal_recall(comparisons)}{_alarm_plots(evaluations, comparisons)}{sections}</body></html>\n"
    )


def _overview(evaluations: Sequence[Evaluation]) -> str:
    names = ("map50", "map50_95", "challenge_f1", "f1", "recall", "recall_any_class_at_1_false_box", "ece")
    rows = []
    for one in evaluations:
        flat = one.flat()
        cells = [_with_interval(number(flat[name]), span(one.intervals.get(name))) for name in names]
        alarms = f"{one.scores.images_with_false_box} / {len(one.images)}"
        rows.append([escape(one.name), *cells, alarms])
    heads = ["Datensatz / data set", "mAP50", "mAP50-95", "challenge F1", "F1", "Recall"]
    heads += ["Recall ohne Klasse / any class, 1 false box", "ECE", "Bilder mit falschem Kasten / false on"]
    return _table("Überblick / Overview", heads, rows)


def _section(one: Evaluation, pair: Comparison | None, pictures: bool) -> str:
    plots = ""
    if one.has_truth:
        curves = [(one.model, curve_of(one.judged))]
        if pair is not None:
            curves.append((pair.other.model, curve_of(pair.other.judged)))
        plots = precision_recall(one) + reliability_diagram(one) + false_boxes(curves)
    parts = [
        f"<h2>{escape(one.name)}</h2>",
        f"<p>{len(one.images)} Bilder / images, {one.draws.units} {one.draws.unit}</p>",
        f'<div class="tables">{_tables(one, pair)}</div>',
        f'<div class="plots">{plots}</div>',
    ]
    return "".join(parts) + (_sheets(one) if pictures else "")


def _sheets(one: Evaluation) -> str:
    parts = [
        "<h3>Schlimmste falsche Kästen / Worst false boxes</h3>",
        "<p><small>Orange: gefunden / found; blau / blue: Schaden / damage</small></p>",
        picture_sheet(worst_false_boxes(one), one.codes),
    ]
    if one.has_truth:
        parts += [
            "<h3>Größte übersehene Schäden / Largest misses</h3>",
            picture_sheet(worst_misses(one), one.codes),
        ]
    return "".join(parts)


def _tables(one: Evaluation, pair: Comparison | None) -> str:
    own = _classes(one) + _parts(one) + _confusion(one) if one.has_truth else ""
    return own + ("" if pair is None else _differences(pair))


def _classes(one: Evaluation) -> str:
    rows = [
        [
            code,
            str(int((one.judged.truth_classes == index).sum())),
            _with_interval(number(one.scores.ap50_by_class[code]), span(one.intervals.get(f"ap50_{code}"))),
            f"{one.thresholds[code]:.3f}",
        ]
        for index, code in enumerate(one.codes)
    ]
    return _table(
        "Klassen / Classes", ["Klasse / class", "Schäden / boxes", "AP50", "Schwelle / threshold"], rows
    )


def _parts(one: Evaluation) -> str:
    sources = [
        [
            escape(name),
            str(scores.images),
            number(scores.map50),
            number(scores.challenge_f1),
            number(scores.recall),
        ]
        for name, scores in one.by_source.items()
    ]
    sizes = [
        [name, str(scores.boxes), number(scores.map50), number(scores.recall)]
        for name, scores in one.by_size.items()
    ]
    return _table(
        "Quellen / Sources",
        ["Quelle / source", "Bilder / images", "mAP50", "challenge F1", "Recall"],
        sources,
    ) + _table("Größen / Sizes", ["Größe / size", "Schäden / boxes", "mAP50", "Recall"], sizes)


def _confusion(one: Evaluation) -> str:
    counts = confusion(one).tolist()
    heads = ["wirklich / true", *one.codes, "nicht gefunden / missed"]
    names = [*one.codes, "nichts / nothing"]
    rows = [[name, *(str(count) for count in row)] for name, row in zip(names, counts, strict=True)]
    rows[-1][-1] = ""
    return _table("Verwechslungen / Confusion (gefunden / found →)", heads, rows)


def _differences(pair: Comparison) -> str:
    flat, others = pair.ours.flat(), pair.other.flat()
    rows = [
        [escape(name), number(flat[name]), number(others[name]), escape(difference(gap))]
        for name, gap in pair.differences().items()
    ]
    heads = ["Kennzahl / figure", escape(pair.ours.model), escape(pair.other.model), "Differenz / difference"]
    return _table("Vergleich / Comparison", heads, rows)


def _equal_recall(comparisons: Sequence[Comparison]) -> str:
    rows = [
        [
            escape(row.labelled),
            f"{row.recall:.3f}",
            f"{row.our_recall_at_thresholds:.3f}",
            "nie erreicht / never reached" if row.ours_alarms is None else share(row.ours_alarms),
            share(row.other_alarms),
        ]
        for row in at_equal_recall(comparisons)
    ]
    if not rows:
        return ""
    ours, other = escape(comparisons[0].ours.model), escape(comparisons[0].other.model)
    heads = ["Recall auf / on", "Recall", "an eigenen Schwellen / ours at its thresholds", ours, other]
    return _table(
        "Unbeschädigte Bilder mit Kasten bei gleichem Recall / Undamaged with a box at equal recall",
        heads,
        rows,
    )


def _alarm_plots(evaluations: Sequence[Evaluation], comparisons: Sequence[Comparison]) -> str:
    """Curves of false alarms over recall; nothing without both labelled and undamaged photographs."""
    labelled = [index for index, one in enumerate(evaluations) if one.has_truth]
    whole: Sequence[Evaluation | Comparison] = comparisons or evaluations
    if not labelled:
        return ""
    chosen = [whole[index] for index in labelled]
    sound = [one for index, one in enumerate(whole) if index not in labelled]
    return f'<div class="plots">{"".join(false_alarms(one, chosen) for one in sound)}</div>'


def _with_interval(figure: str, interval: str) -> str:
    return f"{figure}<br><small>{interval}</small>" if interval else figure


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML: whoever fills them escapes what comes from outside."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
