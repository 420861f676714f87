"""wegewart-train: train, export, evaluate and release the damage detector."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from wegewart.errors import CalledWrongly, WegewartError
from wegewart_datasets.settings import REPOSITORY, DataSettings
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
    _add_evaluate(commands)
    add_release_commands(commands)
    return parser


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser("export", help="write the best checkpoint of a run as a model bundle")
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    export.add_argument("--out", type=Path, required=True, help="for example models/NAME-VERSION-fp32")
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


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser(
        "evaluate", help="score a bundle on labelled images, as the vehicle sees them"
    )
    evaluate.add_argument(
        "--bundle", type=Path, help="folder of the bundle (default: the damage bundle in use)"
    )
    evaluate.add_argument(
        "--models", type=Path, default=REPOSITORY / "models", help="folder with default.toml"
    )
    evaluate.add_argument(
        "--data", type=Path, action="append", required=True, help="a data.yaml; may be repeated, one row each"
    )
    evaluate.add_argument("--split", default="test", help="train, val or test (default)")
    evaluate.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    evaluate.add_argument(
        "--json", action="store_true", help="one JSON object with flat keys for each --data"
    )
    evaluate.add_argument(
        "--record", action="store_true", help="also write the scores into the bundle's card"
    )
    evaluate.set_defaults(command=_evaluate)


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
        unfinished=arguments.unfinished,
        notes=tuple(arguments.note),
    )
    bundle = export(arguments.run, recipe, arguments.out.resolve(), DataSettings.load(), options)
    print(f"{arguments.out}: {bundle.card.head.kind} head, thresholds {bundle.card.thresholds}")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from wegewart_inference.detector import Detector
    from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
    from wegewart_training.evaluate import evaluate, record_scores
    from wegewart_training.score_report import score_table

    folder = arguments.bundle or default_bundles(arguments.models).damage
    detector = Detector(read_bundle(folder.resolve(), Role.DAMAGE), threads=arguments.threads)
    by_source = {
        source_name(path, arguments.split): evaluate(detector, path, arguments.split)
        for path in arguments.data
    }
    if arguments.record:
        record_scores(detector.bundle, by_source)
    if arguments.json:
        for source, scores in by_source.items():
            print(
                json.dumps({"source": source, "bundle": detector.card.id, **scores.flat()}, allow_nan=False)
            )
    else:
        print(score_table(by_source))
    return 0


def source_name(data_yaml: Path, split: str) -> str:
    """How a source is called in tables and cards: folder, part of the YAML's name, split."""
    part = data_yaml.stem.removeprefix("data").removeprefix("-")
    return " ".join(word for word in (data_yaml.resolve().parent.name, part, split) if word)


if __name__ == "__main__":
    sys.exit(main())
