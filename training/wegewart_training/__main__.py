"""wegewart-train: train, export, evaluate and release the damage detector."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from wegewart.errors import CalledWrongly, WegewartError
from wegewart_datasets.settings import REPOSITORY, DataSettings
from wegewart_training.evaluate_command import add_evaluate_command
from wegewart_training.release_commands import add_release_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        return int(arguments.command(arguments))
    except WegewartError as error:
        print(f"wegewart-train: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wegewart"):
            raise
        print(f"wegewart-train: {error.name} is missing: install wegewart[train]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "wegewart-train: interrupted; the same command goes on after the last finished epoch",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wegewart-train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="run a recipe, or go on with a run that was interrupted")
    train.add_argument(
        "--recipe", type=Path, required=True, help="TOML file, for example training/recipes/first.toml"
    )
    train.add_argument(
        "--run", type=Path, help="folder of the run (default: runs/NAME-VERSION of the recipe)"
    )
    train.add_argument("--device", default="cpu", help='cpu (default), or GPUs as "0" or "0,1"')
    train.set_defaults(command=_train)
    _add_export(commands)
    add_evaluate_command(commands)
    add_release_commands(commands)
    return parser


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser("export", help="write the best checkpoint of a run as a model bundle")
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    export.add_argument("--out", type=Path, required=True, help="for example models/NAME-VERSION-fp32")
    export.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="of the graph (default fp32)"
    )
    export.add_argument(
        "--recipe", type=Path, help="the run's recipe (default: by its name in training/recipes)"
    )
    export.add_argument(
        "--head", choices=("auto", "raw", "end2end"), default="auto", help="auto: the better on val"
    )
    export.add_argument("--image-px", type=int, help="side of the graph's input (default: as trained)")
    export.add_argument(
        "--note", action="append", default=[], help="a sentence for the card; may be repeated"
    )
    export.add_argument("--unfinished", action="store_true", help="export a run that was stopped early")
    export.set_defaults(command=_export)


def _train(arguments: argparse.Namespace) -> int:
    from wegewart_training.recipe import read_recipe
    from wegewart_training.train import train

    recipe = read_recipe(arguments.recipe)
    run = arguments.run or Path("runs") / f"{recipe.name}-{recipe.version}"
    record = train(arguments.recipe, run, DataSettings.load(), arguments.device)
    print(f"{run}: {record.epochs_done} epochs, best {record.best_epoch}, {record.seconds} s")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from wegewart_inference.model_bundle import HeadKind
    from wegewart_training.export import ExportOptions, export
    from wegewart_training.recipe import read_recipe
    from wegewart_training.run_record import read_record

    record = read_record(arguments.run)
    if record is None:
        raise CalledWrongly(f"{arguments.run} holds no run: there is no run.json")
    recipe = read_recipe(arguments.recipe or REPOSITORY / "training" / "recipes" / record.recipe)
    options = ExportOptions(
        heads=tuple(HeadKind) if arguments.head == "auto" else (HeadKind(arguments.head),),
        image_px=arguments.image_px,
        precision=arguments.precision,
        unfinished=arguments.unfinished,
        notes=tuple(arguments.note),
    )
    bundle = export(arguments.run, recipe, arguments.out.resolve(), DataSettings.load(), options)
    print(f"{arguments.out}: {bundle.card.head.kind} head, thresholds {bundle.card.thresholds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
