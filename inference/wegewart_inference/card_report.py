"""A bundle's card as text for people."""

from collections.abc import Iterator

from wegewart_inference.model_bundle import BundleCard, SourceMetrics, Training

FIGURES = ("map50", "map50_95", "precision", "recall", "f1")


def card_report(card: BundleCard) -> str:
    """What the bundle is, how it is used, how it was made, and how it scores."""
    crop = card.preprocess.crop
    lines = [
        f"{card.id}  ({card.role}, {card.licence})",
        f"  sha256       {card.sha256}",
        f"  signature    {card.signature or 'none'}",
        f"  origin       {card.origin}",
        f"  taxonomy     {card.taxonomy}, {len(card.classes)} classes",
        f"  input        {card.input_hw[1]} x {card.input_hw[0]} px, {card.preprocess.resize}",
        f"  rows used    {crop.from_row:.2f} to {crop.to_row:.2f} of the height",
        f"  head         {card.head.kind}, opset {card.opset}, temperature {card.temperature:g}",
        f"  thresholds   {', '.join(f'{code} {value:.3f}' for code, value in card.thresholds.items())}",
        f"               chosen on: {card.thresholds_chosen_on}",
    ]
    if card.training is not None:
        lines += _training_lines(card.training)
    lines += _metric_lines(card.metrics)
    lines += [f"  note         {note}" for note in card.notes]
    return "\n".join(lines)


def _training_lines(training: Training) -> Iterator[str]:
    started = f"{training.started_at:%Y-%m-%d %H:%M} UTC"
    yield f"  trained      {started}, {training.seconds / 60:.0f} min on {training.device}"
    yield f"               {training.epochs} epochs (best {training.best_epoch}), recipe {training.recipe}"
    yield f"               commit {training.git_commit or 'unknown'}"
    for part in training.train:
        repeat = f" x{part.repeat}" if part.repeat > 1 else ""
        yield f"               {part.images} images of {part.manifest}/{part.split}{repeat}"


def _metric_lines(metrics: dict[str, SourceMetrics]) -> Iterator[str]:
    if not metrics:
        yield "  scores       none measured"
        return
    yield "  scores       " + " ".join(f"{name:>9}" for name in FIGURES) + "   images"
    for source, scores in metrics.items():
        yield f"    {source}"
        figures = (scores.figures.get(name) for name in FIGURES)
        yield (
            "               "
            + " ".join(f"{'-':>9}" if f is None else f"{f:9.3f}" for f in figures)
            + (f"   {scores.images}")
        )
