"""Scores as a table for people."""

from collections.abc import Mapping

from wegewart_training.score import Scores

COLUMNS = ("images", "map50", "map50_95", "precision", "recall", "f1", "images_with_false_box")
TITLES = ("images", "mAP50", "mAP50-95", "P", "R", "F1", "false on")


def score_table(by_source: Mapping[str, Scores]) -> str:
    """One row per source; "-" where there is nothing to score."""
    codes = [code for scores in by_source.values() for code in scores.ap50_by_class]
    columns = list(dict.fromkeys([*COLUMNS, *(f"ap50_{code}" for code in codes)]))
    titles = [*TITLES, *(name.removeprefix("ap50_") for name in columns[len(COLUMNS) :])]
    width = max(len(source) for source in by_source)
    lines = [" " * width + "".join(f"{title:>10}" for title in titles)]
    for source, scores in by_source.items():
        flat = scores.flat()
        lines.append(f"{source:<{width}}" + "".join(f"{_cell(flat.get(name)):>10}" for name in columns))
    lines.append("false on: images with at least one false box; the classes' columns are AP50")
    return "\n".join(lines)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
