"""wegewart-train: train, export, evaluate and release the damage detector."""

import argparse
import logging
import sys
from collections.abc import Sequence

from wegewart.errors import WegewartError
from wegewart_training.evaluate_command import add_evaluate_command
from wegewart_training.export_command import add_convert_command, add_export_command
from wegewart_training.release_commands import add_release_commands
from wegewart_training.select_command import add_select_command
from wegewart_training.teacher_commands import add_teacher_commands
from wegewart_training.train_command import add_train_command


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
    add_train_command(commands)
    add_teacher_commands(commands)
    add_export_command(commands)
    add_convert_command(commands)
    add_evaluate_command(commands)
    add_release_commands(commands)
    add_select_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
