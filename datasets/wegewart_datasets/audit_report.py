"""The audit as one HTML file with pictures, without any foreign request; and the same as JSON."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from wegewart_datasets.audit import Audit, Finding, Level, SplitFigures
from wegewart_datasets.pictures import picture
from wegewart_datasets.words import both, kind_in_both
from wegewart_datasets.yolo import images_of

ROWS_SHOWN, PICTURES_SHOWN, SAMPLES_SHOWN = 100, 12, 6
STYLE = """
:root{--ink:#1b1f24;--soft:#5a6472;--line:#d5dae1;--wash:#f3f5f8;--bad:#a3161f;--warn:#7a4b00;--good:#155d35}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);margin:0 auto;
max-width:84rem;padding:1.5rem}h1{margin:0 0 .5rem}
h2{margin:2.2rem 0 .6rem;border-top:1px solid var(--line);padding-top:1.2rem}
h3{margin:1.4rem 0 .4rem}.en{color:var(--soft);font-weight:400;font-size:.85em}.en::before{content:"/ "}
.verdict{padding:.8rem 1rem;border-left:.4rem solid;background:var(--wash);font-size:1.1rem}
.bad{border-color:var(--bad);color:var(--bad)}.warn{border-color:var(--warn);color:var(--warn)}
.good{border-color:var(--good);color:var(--good)}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left;color:var(--soft)}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child,.left th,.left td{text-align:left}.left td{overflow-wrap:anywhere}
th{background:var(--wash)}.pictures{display:flex;flex-wrap:wrap;gap:.8rem}
figure{margin:0;width:300px}figure img{display:block;max-width:100%}
figcaption{font-size:.75rem;color:var(--soft);overflow-wrap:anywhere}.gone{height:8rem;display:grid;
place-items:center;background:var(--wash);border:1px dashed var(--line)}
.pair{display:flex;gap:.3rem;padding:.4rem;border:1px solid var(--line)}
"""


def audit_html(audit: Audit) -> str:
    """The whole report."""
    names = ", ".join(opened.name for opened in audit.opened)
    parts = [
        '<!doctype html><html lang="de"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Datenprüfung {escape(names)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{both('Datenprüfung', 'data audit')}</h1><p>{escape(names)}</p>",
        _verdict(audit),
        *_limits(audit),
        *_figures(audit),
        *_findings(audit, Level.ERROR, "Fehler", "errors"),
        *_findings(audit, Level.WARNING, "Hinweise", "warnings"),
        *_samples(audit),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def audit_json(audit: Audit) -> dict[str, object]:
    """Figures and findings as plain values."""
    return {
        "errors": len(audit.of(Level.ERROR)),
        "warnings": len(audit.of(Level.WARNING)),
        "limits": {o.name: list(o.manifest.limits) if o.manifest else [] for o in audit.opened},
        "splits": [
            {
                "data": one.data,
                "split": one.split,
                "images": one.images,
                "groups": one.groups,
                "without_box": one.without_box,
                "without_label_file": one.without_label_file,
                "boxes": {code: one.boxes[code] for code in one.codes},
                "boxes_small_medium_large": {code: one.by_size(code) for code in one.codes},
                "median_box_px": {code: one.median_px(code) for code in one.codes},
            }
            for one in audit.figures
        ],
        "findings": [
            {
                "level": f.level,
                "kind": f.kind,
                "detail": f.detail,
                "images": [str(image) for image in f.images],
            }
            for f in audit.findings
        ],
    }


def _verdict(audit: Audit) -> str:
    errors, warnings = len(audit.of(Level.ERROR)), len(audit.of(Level.WARNING))
    if errors:
        words = both(f"✖ {errors} Fehler, {warnings} Hinweise", f"{errors} errors, {warnings} warnings")
        return f'<p class="verdict bad">{words}</p>'
    if warnings:
        words = both(f"▲ Keine Fehler, {warnings} Hinweise", f"no errors, {warnings} warnings")
        return f'<p class="verdict warn">{words}</p>'
    return f'<p class="verdict good">{both("✔ Nichts gefunden", "nothing found")}</p>'


def _limits(audit: Audit) -> Iterator[str]:
    yield f"<h2>{both('Bekannte Grenzen', 'known limits')}</h2>"
    for opened in audit.opened:
        limits = opened.manifest.limits if opened.manifest else ()
        yield f"<h3>{escape(opened.name)}</h3>"
        if limits:
            yield '<ul lang="en">' + "".join(f"<li>{escape(limit)}</li>" for limit in limits) + "</ul>"
        else:
            words = both("Keine aufgeschrieben: sie gehören ins Manifest.", "none written down in a manifest")
            yield f"<p>{words}</p>"


def _figures(audit: Audit) -> Iterator[str]:
    yield f"<h2>{both('Bestand', 'what is there')}</h2>"
    head = (
        "Datensatz / data set",
        "Teil / split",
        "Bilder / images",
        "Gruppen / groups",
        "ohne Rahmen / no box",
        "ohne Labeldatei / no label file",
        "häufigste Größe (px) / usual size",
    )
    rows = [
        (f.data, f.split, f.images, f.groups or "–", f.without_box, f.without_label_file, _usual_size(f))
        for f in audit.figures
    ]
    yield _table(head, rows)
    yield f"<h2>{both('Klassen und Rahmengrößen', 'classes and box sizes')}</h2>"
    columns = (
        "Datensatz / data set",
        "Teil / split",
        "Klasse / class",
        "Rahmen / boxes",
        "Anteil / share",
        "klein < 32 px / small",
        "mittel / medium",
        "groß ≥ 96 px / large",
        "Median (px) / median",
    )
    yield _table(columns, [row for one in audit.figures for row in _class_rows(one)])


def _usual_size(figures: SplitFigures) -> str:
    ((width_px, height_px), count), *_ = figures.sizes_px.most_common(1)
    more = len(figures.sizes_px) - 1
    return f"{width_px}×{height_px} ({count})" + (f", {more} weitere" if more else "")


def _class_rows(one: SplitFigures) -> Iterator[tuple[object, ...]]:
    total = one.boxes.total()
    for code in one.codes if total else ():
        share = f"{100 * one.boxes[code] / total:.0f} %" if total else "–"
        width_px, height_px = one.median_px(code)
        median = f"{width_px:.0f}×{height_px:.0f}" if one.boxes[code] else "–"
        yield (one.data, one.split, code, one.boxes[code], share, *one.by_size(code), median)


def _findings(audit: Audit, level: Level, german: str, english: str) -> Iterator[str]:
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in audit.of(level):
        kinds[finding.kind].append(finding)
    yield f"<h2>{both(german, english)}</h2>"
    if not kinds:
        yield f"<p>{both('Keine.', 'none')}</p>"
    for kind, findings in kinds.items():
        yield f"<h3>{kind_in_both(kind)}: {len(findings)}</h3>"
        yield f'<div class="pictures">{"".join(_pictures(audit, findings))}</div>'
        rows = [
            (f.detail, ", ".join(_short(audit, image) for image in f.images)) for f in findings[:ROWS_SHOWN]
        ]
        yield f'<div class="left">{_table(("Befund / finding", "Bild / image"), rows)}</div>'
        if len(findings) > ROWS_SHOWN:
            yield f"<p>{ROWS_SHOWN} von {len(findings)} gezeigt; alle stehen in der Ausgabe von --json.</p>"


def _pictures(audit: Audit, findings: list[Finding]) -> Iterator[str]:
    for finding in findings[:PICTURES_SHOWN]:
        shown = "".join(picture(image, _codes_of(audit, image)) for image in finding.images[:2])
        yield f'<div class="pair">{shown}</div>' if len(finding.images) > 1 else shown


def _codes_of(audit: Audit, image: Path) -> tuple[str, ...]:
    roots = {opened.data.root: opened.codes for opened in audit.opened}
    return next((codes for root, codes in roots.items() if image.is_relative_to(root)), audit.opened[0].codes)


def _short(audit: Audit, image: Path) -> str:
    for opened in audit.opened:
        if image.is_relative_to(opened.data.root):
            return f"{opened.name}/{image.relative_to(opened.data.root)}"
    return str(image)


def _samples(audit: Audit) -> Iterator[str]:
    yield f"<h2>{both('Stichprobe', 'random samples')}</h2>"
    for opened in audit.opened:
        for split in opened.splits:
            images = images_of(opened.data, split)
            chosen = random.Random(split).sample(images, min(SAMPLES_SHOWN, len(images)))  # noqa: S311
            yield f"<h3>{escape(opened.name)} {escape(split)}</h3>"
            shown = "".join(picture(image, opened.codes) for image in chosen)
            yield f'<div class="pictures">{shown}</div>'


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
