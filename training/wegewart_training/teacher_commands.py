"""Commands in which a model looks at photographs for the next training: pseudo-label, mine."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import DataSettings

if TYPE_CHECKING:
    from wegewart_inference.detector import Detector

SURE, NOISE = 0.6, 0.15  # of calibrated confidence: six of ten such boxes are right, and one of seven


def add_teacher_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to wegewart-train."""
    pseudo = commands.add_parser("pseudo-label", help="label photographs with a model, where it is sure")
    pseudo.add_argument("model", type=Path, metavar="BUNDLE_OR_ONNX")
    pseudo.add_argument(
        "photographs", metavar="DATA_OR_FOLDER", help="manifest, data.yaml or folder of images"
    )
    pseudo.add_argument("--out", type=Path, required=True, help="new folder; its name names the data set")
    pseudo.add_argument("--split", default="train", help="of a data set (default train)")
    pseudo.add_argument(
        "--sure",
        action="append",
        default=[],
        metavar="[CLASS=]CONFIDENCE",
        help=f"from here on a box counts, for all or one class; may be repeated (default {SURE})",
    )
    pseudo.add_argument(
        "--noise",
        action="append",
        default=[],
        metavar="[CLASS=]CONFIDENCE",
        help=f"below it a box is noise; an image with a box in between stays out (default {NOISE})",
    )
    pseudo.add_argument(
        "--empties", type=int, default=0, help="images without a box taken at most (default 0)"
    )
    pseudo.add_argument("--seed", type=int, default=0, help="of that draw (default 0)")
    pseudo.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    pseudo.set_defaults(command=_pseudo_label)
    mine = commands.add_parser(
        "mine", help="list undamaged images of a data set on which a model reports damage"
    )
    mine.add_argument("model", type=Path, metavar="BUNDLE")
    mine.add_argument("data", metavar="DATA", help="name of a manifest, or path of a data.yaml")
    mine.add_argument("--out", type=Path, required=True, help="new folder; its name names the data set")
    mine.add_argument("--split", choices=("train",), default="train", help="only train may teach")
    mine.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    mine.set_defaults(command=_mine)


def _pseudo_label(arguments: argparse.Namespace) -> int:
    from wegewart_training.photographs import photographs_in
    from wegewart_training.pseudo_labels import Certainty, Choice, pseudo_label

    settings = DataSettings.load()
    detector = _detector(arguments.model, arguments.threads)
    codes = detector.class_codes
    certainty = Certainty(
        by_class(arguments.sure, SURE, codes, "--sure"), by_class(arguments.noise, NOISE, codes, "--noise")
    )
    choice = Choice(certainty, arguments.empties, arguments.seed)
    photographs = photographs_in(arguments.photographs, arguments.split, settings)
    manifest = pseudo_label(detector, photographs, arguments.out, choice, settings)
    print((arguments.out / "extra" / "provenance.json").read_text(encoding="utf-8"), end="")
    print(f"{arguments.out}: copy {manifest.name}.toml to datasets/manifests, a recipe can name it then")
    return 0


def _mine(arguments: argparse.Namespace) -> int:
    from wegewart_datasets.opening import open_data
    from wegewart_training.mining import mine

    settings = DataSettings.load()
    detector = _detector(arguments.model, arguments.threads)
    opened = open_data(arguments.data, settings)
    alarms = mine(detector, opened, arguments.split, arguments.out, settings)
    for alarm in alarms:
        print(f"{alarm.confidence:.3f}  {alarm.code}  {alarm.image.name}")
    print(f"{arguments.out}: {len(alarms)} images")
    return 0


def by_class(words: list[str], default: float, codes: tuple[str, ...], option: str) -> dict[str, float]:
    """Confidence by class code from words like "0.6" (all classes) and "D40=0.5".

    Raises:
        CalledWrongly: If a word is neither, or names no class of the model.
    """
    values = dict.fromkeys(codes, default)
    for word in sorted(words, key=lambda word: "=" in word):  # what is said of one class counts more
        code, _, number = word.rpartition("=")
        if code and code not in codes:
            raise CalledWrongly(f"{option} {word}: the model knows {', '.join(codes)}")
        try:
            values |= dict.fromkeys((code,) if code else codes, float(number))
        except ValueError as error:
            raise CalledWrongly(f"{option} {word}: as 0.6 or D40=0.5") from error
    return values


def _detector(place: Path, threads: int) -> "Detector":
    from wegewart_inference.detector import Detector
    from wegewart_inference.model_bundle import Role, read_bundle
    from wegewart_training.foreign import ForeignOptions, foreign_detector

    if place.suffix == ".onnx":
        return foreign_detector(place, ForeignOptions(), threads)
    return Detector(read_bundle(place.resolve(), Role.DAMAGE, allow_unsigned=True), threads=threads)
