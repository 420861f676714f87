"""wegewart-train: train, export, evaluate and release the damage detector."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from wegewart.errors import WegewartError
from wegewart_datasets.settings import DataSettings
from wegewart_training.evaluate_command import add_evaluate_command
from wegewart_training.export_command import add_export_command
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
    add_export_command(commands)
    add_evaluate_command(commands)
    add_release_commands(commands)
    return parser


def _train(arguments: argparse.Namespace) -> int:
    from wegewart_training.recipe import read_recipe
    from wegewart_training.train import train

    recipe = read_recipe(arguments.recipe)
    run = arguments.run or Path("runs") / f"{recipe.name}-{recipe.version}"
    record = train(arguments.recipe, run, DataSettings.load(), arguments.device)
    print(f"{run}: {record.epochs_done} epochs, best {record.best_epoch}, {record.seconds} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
