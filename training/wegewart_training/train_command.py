"""The command wegewart-train train, alone or as one of torchrun's processes."""

import argparse
from pathlib import Path

from wegewart_datasets.settings import DataSettings


def add_train_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command and its options."""
    train = commands.add_parser("train", help="run a recipe, or go on with a run that was interrupted")
    train.add_argument(
        "--recipe", type=Path, required=True, help="TOML file, for example training/recipes/nano-cpu.toml"
    )
    train.add_argument(
        "--run", type=Path, help="folder of the run (default: runs/NAME-VERSION of the recipe)"
    )
    train.add_argument(
        "--device", help='cpu, or a GPU as "0" (default: cpu; under torchrun one GPU for each process)'
    )
    train.add_argument(
        "--mlflow",
        metavar="URI",
        help="also report to an MLflow server or store: http://… or sqlite:///… (default: nowhere)",
    )
    train.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> int:
    from wegewart_training.recipe import read_recipe
    from wegewart_training.train import train
    from wegewart_training.workers import Workers, device_for

    workers = Workers.load()
    device = device_for(workers, arguments.device)
    recipe = read_recipe(arguments.recipe)
    run = arguments.run or Path("runs") / f"{recipe.name}-{recipe.version}"
    record = train(arguments.recipe, run, DataSettings.load(), device, workers, arguments.mlflow)
    if workers.first:
        print(f"{run}: {record.epochs_done} epochs, best {record.best_epoch}, {record.seconds} s")
    return 0
