"""The command wegewart-train evaluate: which detector, which images, which answer."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import REPOSITORY, DataSettings

if TYPE_CHECKING:
    from wegewart_inference.detector import Detector
    from wegewart_training.comparison import Comparison
    from wegewart_training.evaluation import Evaluation

logger = logging.getLogger(__name__)


def add_evaluate_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its options."""
    evaluate = commands.add_parser(
        "evaluate",
        help="score a detector on labelled images, as the vehicle sees them",
        description="Score a detector on labelled images with the code that the vehicle runs.",
    )
    which = evaluate.add_argument_group("which detector")
    which.add_argument("--bundle", type=Path, help="folder of the bundle (default: the damage bundle in use)")
    which.add_argument("--models", type=Path, default=REPOSITORY / "models", help="folder with default.toml")
    which.add_argument("--onnx", type=Path, help="instead: an ONNX file with a raw or an end2end head")
    which.add_argument(
        "--against", "--compare", type=Path, metavar="OTHER", help="second bundle or ONNX file, paired"
    )
    _add_foreign_options(evaluate)
    data = evaluate.add_argument_group("which images")
    data.add_argument(
        "--data",
        type=Path,
        action="append",
        help="a data.yaml; may be repeated (default: every test source below WEGEWART_DATA)",
    )
    data.add_argument("--split", default="test", help="train, val or test (default)")
    evaluate.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    evaluate.add_argument("--json", action="store_true", help="one JSON object for each --data")
    evaluate.add_argument("--report", type=Path, help="also write one HTML file with curves and pictures")
    evaluate.add_argument(
        "--record", action="store_true", help="also write the scores into the bundle's card"
    )
    evaluate.set_defaults(command=run_evaluate)


def _add_foreign_options(evaluate: argparse.ArgumentParser) -> None:
    foreign = evaluate.add_argument_group("of an ONNX file without a card")
    foreign.add_argument(
        "--head", choices=("raw", "end2end"), help="refuse any other (default: as it answers)"
    )
    foreign.add_argument(
        "--imgsz", type=int, nargs="+", metavar="PX", help="side, or height and width, if the graph takes any"
    )
    foreign.add_argument("--names", help="class codes in the graph's order: D00,D10,D20,D40")
    foreign.add_argument(
        "--confidence", type=float, default=0.25, help="from which its boxes count (default 0.25)"
    )
    foreign.add_argument(
        "--choose-on",
        type=Path,
        action="append",
        default=[],
        metavar="DATA",
        help="a data.yaml on whose val split its best F1 chooses the thresholds instead; may be repeated",
    )


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Exit code of the command."""
    from wegewart_training.comparison import compare
    from wegewart_training.sources import all_test_sources, evaluation_of

    _check(arguments)
    ours, our_thresholds = _detector_at(_our_place(arguments), arguments)
    other = _detector_at(arguments.against, arguments) if arguments.against else None
    evaluations, comparisons = [], []
    for path in arguments.data or all_test_sources(DataSettings.load()):
        evaluations.append(evaluation_of(ours, path, arguments.split, our_thresholds))
        if other is not None:
            comparisons.append(
                compare(evaluations[-1], evaluation_of(other[0], path, arguments.split, other[1]))
            )
    (_print_json if arguments.json else _print_tables)(evaluations, comparisons)
    if arguments.record:
        _record(ours, evaluations)
    if arguments.report:
        from wegewart_training.report import write_report

        write_report(arguments.report, evaluations, comparisons)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.onnx and arguments.bundle:
        raise CalledWrongly("--bundle and --onnx name two detectors: give one, and the other with --against")
    if arguments.onnx and arguments.record:
        raise CalledWrongly("--record writes into a bundle's card, and an ONNX file has none: leave it out")
    if arguments.imgsz and len(arguments.imgsz) > 2:
        raise CalledWrongly(f"--imgsz takes one side, or height and width, not {arguments.imgsz}")
    if not 0 <= arguments.confidence <= 1:
        raise CalledWrongly(f"--confidence {arguments.confidence} is not from 0 to 1")
    if arguments.record:
        from wegewart_inference.model_bundle import check_changeable

        check_changeable(_our_place(arguments))
    if arguments.report:
        from wegewart_training.report import check_report_path

        check_report_path(arguments.report)


def _our_place(arguments: argparse.Namespace) -> Path:
    """Bundle's folder or ONNX file of the detector that is scored."""
    from wegewart_inference.model_bundle import default_bundles

    place: Path = arguments.onnx or arguments.bundle or default_bundles(arguments.models).damage
    return place


def _detector_at(place: Path, arguments: argparse.Namespace) -> "tuple[Detector, dict[str, float]]":
    """Detector of a bundle's folder or an ONNX file, with its thresholds by class."""
    from wegewart_inference.detector import Detector
    from wegewart_inference.model_bundle import HeadKind, Role, read_bundle
    from wegewart_training.evaluate import scored_thresholds
    from wegewart_training.foreign import ForeignOptions, foreign_detector

    if place.suffix != ".onnx":
        bundled = Detector(
            read_bundle(place.resolve(), Role.DAMAGE, allow_unsigned=True), threads=arguments.threads
        )
        return bundled, scored_thresholds(bundled)
    options = ForeignOptions(
        head=HeadKind(arguments.head) if arguments.head else None,
        imgsz=(arguments.imgsz[0], arguments.imgsz[-1]) if arguments.imgsz else None,
        names=tuple(arguments.names.split(",")) if arguments.names else None,
        confidence=arguments.confidence,
    )
    detector = foreign_detector(place, options, arguments.threads)
    if arguments.choose_on:
        return detector, _chosen_thresholds(detector, arguments.choose_on)
    return detector, scored_thresholds(detector)


def _chosen_thresholds(detector: "Detector", data_yamls: Sequence[Path]) -> dict[str, float]:
    from wegewart_training.evaluate import look_at, scored_codes
    from wegewart_training.thresholds import best_f1_thresholds

    images = [image for path in data_yamls for image in look_at(detector, path, "val")]
    thresholds = best_f1_thresholds(images, scored_codes(detector))
    logger.info("%s: thresholds chosen on val %s", detector.card.origin, thresholds)
    return thresholds


def _record(detector: "Detector", evaluations: "Sequence[Evaluation]") -> None:
    from wegewart_training.evaluate import card_metrics, record_scores

    record_scores(detector.bundle, {one.name: card_metrics(one.flat(), one.intervals) for one in evaluations})


def _print_json(evaluations: "Sequence[Evaluation]", comparisons: "Sequence[Comparison]") -> None:
    from wegewart_training.comparison import at_equal_recall
    from wegewart_training.score_report import json_equal_recall, json_row

    pairs: list[Comparison | None] = [*comparisons] or [None] * len(evaluations)
    rows = [json_row(one, pair) for one, pair in zip(evaluations, pairs, strict=True)]
    for row in [*rows, *(json_equal_recall(one) for one in at_equal_recall(comparisons))]:
        print(json.dumps(row, allow_nan=False))


def _print_tables(evaluations: "Sequence[Evaluation]", comparisons: "Sequence[Comparison]") -> None:
    from wegewart_training.comparison import at_equal_recall
    from wegewart_training.score_report import comparison_table, equal_recall_table, score_table

    tables = [score_table(evaluations)]
    if comparisons:
        tables += [comparison_table(comparisons), equal_recall_table(at_equal_recall(comparisons))]
    print("\n\n".join(tables))
