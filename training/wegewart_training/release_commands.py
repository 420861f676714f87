"""Commands around a finished bundle: keygen, release, compare, promote, registry."""

import argparse
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import REPOSITORY, DataSettings
from wegewart_training.export_command import PRECISIONS, add_export_options, options_of, recipe_of

if TYPE_CHECKING:
    from wegewart_inference.detector import Detector
    from wegewart_training.signing import SigningKey

LONGEST_DAYS = 36525  # a hundred years


def add_release_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to wegewart-train."""
    _add_keygen(commands)
    _add_release(commands)
    _add_compare(commands)
    _add_promote(commands)
    _add_registry(commands)


def _add_keygen(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keygen = commands.add_parser(
        "keygen", help="make a signing key: the public half as a file, the private one to stdout only"
    )
    keygen.add_argument(
        "--keys", type=Path, default=REPOSITORY / "models" / "keys", help="folder of public keys"
    )
    keygen.add_argument(
        "--valid-days", type=_days, default=timedelta(days=365), help="from now on (default 365)"
    )
    keygen.add_argument("--note", default="", help="who signs what with it")
    keygen.set_defaults(command=_keygen)


def _add_release(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    release = commands.add_parser(
        "release",
        help="from a run or a bundle to a signed release",
        description="A folder of a finished run is exported, scored, completed and signed at once; a bundle "
        "is completed and signed. The private key comes from WEGEWART_SIGNING_KEY.",
    )
    release.add_argument("place", type=Path, metavar="RUN_OR_BUNDLE", help="folder of a run or of a bundle")
    release.add_argument("--keys", type=Path, help="folder of public keys (default: keys beside the bundles)")
    release.add_argument("--report", type=Path, help="of a bundle: HTML report of evaluate to put into it")
    run = release.add_argument_group("of a run")
    run.add_argument("--models", type=Path, default=REPOSITORY / "models", help="folder for the bundles")
    run.add_argument(
        "--precision",
        choices=PRECISIONS,
        action="append",
        help="to release; may be repeated (default: fp32 and int8)",
    )
    run.add_argument("--weights", type=Path, help="folder for the weights to start a later training from")
    run.add_argument(
        "--data",
        type=Path,
        action="append",
        help="a data.yaml to score on; may be repeated (default: every test source below WEGEWART_DATA)",
    )
    run.add_argument("--split", default="test", help="train, val or test (default)")
    run.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")
    add_export_options(release)
    release.set_defaults(command=_release)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = commands.add_parser(
        "compare", help="two bundles on the same images, and what would change on recorded drives"
    )
    compare.add_argument("first", type=Path, metavar="A", help="folder of a bundle")
    compare.add_argument("second", type=Path, metavar="B", help="folder of the bundle to hold it against")
    compare.add_argument("--drive", type=Path, action="append", default=[], help="folder with drive.toml")
    _add_images(compare, ("train", "val", "test"))
    compare.set_defaults(command=_compare)


def _add_promote(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    promote = commands.add_parser(
        "promote", help="put a released bundle in use if it is shown to be better than the one in use"
    )
    promote.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the candidate in --models")
    promote.add_argument(
        "--models", type=Path, default=REPOSITORY / "models", help="folder with default.toml"
    )
    promote.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    _add_images(promote, ("val", "test"))  # what it was trained on shows no gain
    promote.set_defaults(command=_promote)


def _add_images(parser: argparse.ArgumentParser, splits: tuple[str, ...]) -> None:
    parser.add_argument("--data", type=Path, action="append", default=[], help="a data.yaml; may be repeated")
    parser.add_argument("--split", choices=splits, default="test", help="default: test")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")


def _add_registry(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    registry = commands.add_parser(
        "registry", help="releases in a folder or an S3 bucket, with an index; versions only rise"
    )
    actions = registry.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="copy a released bundle into it")
    add.add_argument("bundle", type=Path, metavar="BUNDLE")
    add.add_argument("--keys", type=Path, help="folder of public keys (default: keys beside the bundle)")
    add.set_defaults(command=_registry_add)
    get = actions.add_parser("get", help="copy a release out of it, if its signature holds")
    get.add_argument("id", metavar="ID", help="NAME-VERSION-PRECISION")
    get.add_argument("--models", type=Path, default=REPOSITORY / "models", help="folder to copy it into")
    get.add_argument("--keys", type=Path, help="folder of public keys (default: keys in --models)")
    get.set_defaults(command=_registry_get)
    listing = actions.add_parser("list", help="what is in it")
    listing.set_defaults(command=_registry_list)
    for action in (add, get, listing):
        action.add_argument("--registry", required=True, help="a folder, or s3://BUCKET/PREFIX")


def _days(text: str) -> timedelta:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= LONGEST_DAYS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no validity: name days above 0, at most {LONGEST_DAYS}"
        )
    return timedelta(days=days)


def _keygen(arguments: argparse.Namespace) -> int:
    from wegewart_training.signing import SigningKey, write_public_key

    key = SigningKey.generate()
    write_public_key(key, arguments.keys, arguments.valid_days, arguments.note)
    print(key.secret())
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from wegewart_training.release import release
    from wegewart_training.run_record import read_record
    from wegewart_training.signing import SigningKey

    key = SigningKey.load()
    if read_record(arguments.place) is not None:
        return _release_run(arguments, key)
    folder = arguments.place.resolve()
    _refuse_without_test_scores(folder)
    release(folder, key, DataSettings.load(), arguments.keys or folder.parent / "keys", arguments.report)
    print(f"{arguments.place}: signed by {key.id}")
    return 0


def _refuse_without_test_scores(folder: Path) -> None:
    """Export scores a bundle on what chose its thresholds; a release tells how it does elsewhere."""
    from wegewart_inference.model_bundle import read_bundle

    card = read_bundle(folder, allow_unsigned=True).card
    if card.training is not None and not any(name.endswith(" test") for name in card.metrics):
        raise CalledWrongly(
            f"{folder} has no scores on a test part: run wegewart-train evaluate --bundle … --record first"
        )


def _release_run(arguments: argparse.Namespace, key: "SigningKey") -> int:
    from wegewart_training.release_run import ReleasePlan, release_run
    from wegewart_training.sources import all_test_sources

    if arguments.report is not None:
        raise CalledWrongly("--report is for a bundle: a release from a run writes its own")
    settings, models = DataSettings.load(), arguments.models.resolve()
    plan = ReleasePlan(
        options=options_of(arguments, tuple(dict.fromkeys(arguments.precision or ("fp32", "int8")))),
        data_yamls=arguments.data or all_test_sources(settings),
        split=arguments.split,
        weights=arguments.weights,
        threads=arguments.threads,
    )
    recipe = recipe_of(arguments.place, arguments.recipe)
    keys = arguments.keys or models / "keys"
    for folder in release_run(arguments.place, recipe, models, keys, key, settings, plan):
        print(f"{folder.name}: signed by {key.id}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from wegewart_training.drive_changes import changes_on, changes_table
    from wegewart_training.promote import paired, verdict_table

    if not arguments.data and not arguments.drive:
        raise CalledWrongly("nothing to compare on: give --data, --drive or both")
    first, second = (_detector(path, arguments.threads) for path in (arguments.first, arguments.second))
    if arguments.data:
        print(verdict_table(paired(first, second, arguments.data, arguments.split)))
    for drive in arguments.drive:
        print(changes_table(changes_on(drive, first, second)))
    return 0


def _promote(arguments: argparse.Namespace) -> int:
    from wegewart_inference.model_bundle import default_bundles
    from wegewart_inference.signature import KEYS_FOLDER, verify
    from wegewart_training.promote import check_version, paired, verdict_table, write_default

    if not arguments.data:
        raise CalledWrongly("nothing to measure on: give --data")
    models, folder = arguments.models.resolve(), arguments.bundle.resolve()
    if folder.parent != models:
        raise CalledWrongly(f"{folder} does not lie in {models}: copy it there, default.toml names folders")
    verify(folder, models / KEYS_FOLDER)
    candidate = _detector(folder, arguments.threads)
    current = _detector(default_bundles(models).damage, arguments.threads)
    check_version(candidate.card, current.card)
    verdict = paired(candidate, current, arguments.data, arguments.split)
    print(verdict_table(verdict))
    if not verdict.promoted:
        return 1
    if arguments.dry_run:
        print(f"--dry-run: {models / 'default.toml'} stays as it is")
        return 0
    write_default(models, folder.name)
    print(f"{folder.name} is in use")
    return 0


def _detector(folder: Path, threads: int) -> "Detector":
    from wegewart_inference.detector import Detector
    from wegewart_inference.model_bundle import Role, read_bundle

    return Detector(read_bundle(folder.resolve(), Role.DAMAGE, allow_unsigned=True), threads=threads)


def _registry_add(arguments: argparse.Namespace) -> int:
    from wegewart_training.registry import add, open_registry

    folder = arguments.bundle.resolve()
    entry = add(open_registry(arguments.registry), folder, arguments.keys or folder.parent / "keys")
    print(f"{entry.id}: in {arguments.registry}")
    return 0


def _registry_get(arguments: argparse.Namespace) -> int:
    from wegewart_training.registry import fetch, open_registry

    models = arguments.models.resolve()
    folder = fetch(open_registry(arguments.registry), arguments.id, models, arguments.keys or models / "keys")
    print(f"{arguments.id}: in {folder}")
    return 0


def _registry_list(arguments: argparse.Namespace) -> int:
    from wegewart_training.registry import open_registry

    for entry in open_registry(arguments.registry).read().index.releases:
        print(f"{entry.id:<40}  {entry.signed_at:%Y-%m-%d}  key {entry.key}  sha256 {entry.sha256[:12]}")
    return 0
