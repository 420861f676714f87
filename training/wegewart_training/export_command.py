"""The commands export and convert, and the choices that export shares with a release from a run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import REPOSITORY, DataSettings

if TYPE_CHECKING:
    from wegewart_training.export import ExportOptions, Precision
    from wegewart_training.recipe import Recipe

PRECISIONS = ("fp32", "fp16", "int8")


def add_export_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its options."""
    export = commands.add_parser("export", help="write the best checkpoint of a run as a model bundle")
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    export.add_argument("--out", type=Path, required=True, help="for example models/NAME-VERSION-fp32")
    export.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the graph (default fp32)")
    add_export_options(export)
    export.set_defaults(command=_export)


def add_convert_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its options."""
    convert = commands.add_parser("convert", help="write a bundle's graph for OpenVINO or TensorRT")
    convert.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a bundle")
    convert.add_argument("--to", choices=("openvino", "tensorrt"), required=True, help="the other runtime")
    convert.add_argument("--out", type=Path, required=True, help="folder to write, for example dist/NAME")
    convert.add_argument(
        "--data", type=Path, action="append", default=[], help="a data.yaml for the gate; may be repeated"
    )
    convert.add_argument("--split", default="val", help="train, val (default) or test")
    convert.add_argument(
        "--compute", choices=("f32", "bf16", "f16"), default="f32", help="numbers of OpenVINO (default f32)"
    )
    convert.set_defaults(command=_convert)


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen when a run becomes a bundle."""
    options = parser.add_argument_group("how a run becomes a bundle")
    options.add_argument(
        "--recipe", type=Path, help="the run's recipe (default: by its name in training/recipes)"
    )
    options.add_argument(
        "--head", choices=("auto", "raw", "end2end"), default="auto", help="auto: the better on val"
    )
    options.add_argument("--image-px", type=int, help="side of the graph's input (default: as trained)")
    options.add_argument(
        "--most-alarms",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="of the recipe's undamaged train photographs that may have a box (default 0.05)",
    )
    options.add_argument(
        "--weigh",
        choices=("images", "sources"),
        default="images",
        help="thresholds by the F1 over all val images, or by the mean F1 of the val sources",
    )
    options.add_argument(
        "--note", action="append", default=[], help="a sentence for the card; may be repeated"
    )
    options.add_argument("--unfinished", action="store_true", help="take a run that was stopped early")


def recipe_of(run: Path, named: Path | None) -> "Recipe":
    """The recipe that is named, else the one that the run names.

    Raises:
        CalledWrongly: If the folder holds no run.
    """
    from wegewart_training.recipe import read_recipe
    from wegewart_training.run_record import read_record

    record = read_record(run)
    if record is None:
        raise CalledWrongly(f"{run} holds no run: there is no run.json")
    return read_recipe(named or REPOSITORY / "training" / "recipes" / record.recipe)


def options_of(arguments: argparse.Namespace, precisions: "tuple[Precision, ...]") -> "ExportOptions":
    """The choices as given on the command line.

    Raises:
        CalledWrongly: If one is out of range.
    """
    from wegewart_inference.model_bundle import HeadKind
    from wegewart_training.export import ExportOptions
    from wegewart_training.thresholds import ThresholdRule

    if not 0 <= arguments.most_alarms <= 1:
        raise CalledWrongly(f"--most-alarms {arguments.most_alarms} is no share from 0 to 1")
    return ExportOptions(
        heads=tuple(HeadKind) if arguments.head == "auto" else (HeadKind(arguments.head),),
        image_px=arguments.image_px,
        precisions=precisions,
        rule=ThresholdRule(weigh=arguments.weigh, most_alarms=arguments.most_alarms),
        unfinished=arguments.unfinished,
        notes=tuple(arguments.note),
    )


def _export(arguments: argparse.Namespace) -> int:
    from wegewart_training.export import export

    recipe = recipe_of(arguments.run, arguments.recipe)
    options = options_of(arguments, (arguments.precision,))
    bundle = export(arguments.run, recipe, arguments.out.resolve(), DataSettings.load(), options)
    print(f"{arguments.out}: {bundle.card.head.kind} head, thresholds {bundle.card.thresholds}")
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    from wegewart_inference.model_bundle import Role, read_bundle
    from wegewart_training.convert import Compute, convert
    from wegewart_training.openvino_target import to_openvino
    from wegewart_training.sources import source_name
    from wegewart_training.tensorrt_target import to_tensorrt
    from wegewart_training.validation import Source

    target = to_openvino if arguments.to == "openvino" else to_tensorrt
    bundle = read_bundle(arguments.bundle.resolve(), Role.DAMAGE, allow_unsigned=True)
    sources = [Source(source_name(path, arguments.split), path, arguments.split) for path in arguments.data]
    found = convert(bundle, arguments.out.resolve(), target, Compute(arguments.compute), sources)
    print(f"{arguments.out}: {found}")
    return 0
