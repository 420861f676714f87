"""wegewart-infer: look for road damage in images and videos, with the code that runs on the vehicle."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly, WegewartError

if TYPE_CHECKING:
    from wegewart_inference.model_bundle import Bundle

REPOSITORY_MODELS = (
    Path(__file__).resolve().parents[2] / "models"
)  # only in a checkout; wheels carry no model


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed, 2 called wrongly."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        return int(arguments.command(arguments))
    except WegewartError as error:
        print(f"wegewart-infer: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wegewart"):
            raise
        print(f"wegewart-infer: {error.name} is missing: install wegewart[inference]", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wegewart-infer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--bundle", type=Path, help="folder of the bundle (default: the damage bundle in use)")
    which.add_argument(
        "--models", type=Path, help="folder with default.toml (default: models of the checkout)"
    )
    which.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="take a bundle without a valid signature, with a warning",
    )
    predict = commands.add_parser("predict", parents=[which], help="report what is seen in images and videos")
    predict.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="image, folder of images, or video"
    )
    predict.add_argument("--json", action="store_true", help="one JSON object per frame")
    predict.add_argument(
        "--draw", type=Path, metavar="DIR", help="write the images with their boxes to this folder"
    )
    predict.add_argument("--min-confidence", type=_unit, help="instead of the thresholds of the card")
    predict.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    predict.set_defaults(command=_predict)
    info = commands.add_parser("info", parents=[which], help="print the card of the bundle")
    info.set_defaults(command=_info)
    return parser


def _unit(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _bundle_folder(arguments: argparse.Namespace) -> Path:
    from wegewart_inference.model_bundle import default_bundles

    if arguments.bundle is not None:
        return Path(arguments.bundle).resolve()
    models = arguments.models or (REPOSITORY_MODELS if REPOSITORY_MODELS.is_dir() else None)
    if models is None:
        raise CalledWrongly(
            "this installation carries no models: name a bundle with --bundle, or --models DIR"
        )
    return default_bundles(models).damage


def _bundle(arguments: argparse.Namespace) -> "Bundle":
    from wegewart_inference.model_bundle import read_bundle

    return read_bundle(_bundle_folder(arguments), allow_unsigned=arguments.allow_unsigned)


def _predict(arguments: argparse.Namespace) -> int:
    from wegewart_inference.detector import Detector
    from wegewart_inference.predict import Output, predict

    detector = Detector(_bundle(arguments), threads=arguments.threads)
    output = Output(sys.stdout, arguments.json, arguments.draw)
    predict(detector, arguments.paths, output, arguments.min_confidence)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from wegewart_inference.card_report import card_report

    print(card_report(_bundle(arguments).card))
    return 0


if __name__ == "__main__":
    sys.exit(main())
