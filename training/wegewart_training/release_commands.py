"""Commands around a finished bundle: keygen, release, compare, promote, registry."""

import argparse
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wegewart.errors import CalledWrongly
from wegewart_datasets.settings import REPOSITORY, DataSettings

if TYPE_CHECKING:
    from wegewart_inference.detector import Detector


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
    keygen.add_argument("--valid-days", type=float, default=365.0, help="from now on (default 365)")
    keygen.add_argument("--note", default="", help="who signs what with it")
    keygen.set_defaults(command=_keygen)


def _add_release(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    release = commands.add_parser(
        "release", help="complete a bundle with its papers and sign it with WEGEWART_SIGNING_KEY"
    )
    release.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of an exported bundle")
    release.add_argument("--keys", type=Path, help="folder of public keys (default: keys beside the bundle)")
    release.add_argument("--report", type=Path, help="HTML report of evaluate to put into the bundle")
    release.set_defaults(command=_release)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = commands.add_parser(
        "compare", help="two bundles on the same images, and what would change on recorded drives"
    )
    compare.add_argument("first", type=Path, metavar="A", help="folder of a bundle")
    compare.add_argument("second", type=Path, metavar="B", help="folder of the bundle to hold it against")
    compare.add_argument("--drive", type=Path, action="append", default=[], help="folder with drive.toml")
    _add_images(compare)
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
    _add_images(promote)
    promote.set_defaults(command=_promote)


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, action="append", default=[], help="a data.yaml; may be repeated")
    parser.add_argument("--split", default="test", help="train, val or test (default)")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (default 2)")


def _add_registry(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    registry = commands.add_parser("registry", help="a folder of releases with an index; versions only rise")
    actions = registry.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="copy a released bundle into it")
    add.add_argument("bundle", type=Path, metavar="BUNDLE")
    add.add_argument("--keys", type=Path, help="folder of public keys (default: keys beside the bundle)")
    add.set_defaults(command=_registry_add)
    listing = actions.add_parser("list", help="what is in it")
    listing.set_defaults(command=_registry_list)
    for action in (add, listing):
        action.add_argument("--registry", type=Path, required=True, help="folder of the registry")


def _keygen(arguments: argparse.Namespace) -> int:
    from wegewart_training.signing import SigningKey, write_public_key

    key = SigningKey.generate()
    write_public_key(key, arguments.keys, timedelta(days=arguments.valid_days), arguments.note)
    print(key.secret())
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from wegewart_training.release import release
    from wegewart_training.signing import SigningKey

    folder = arguments.bundle.resolve()
    keys = arguments.keys or folder.parent / "keys"
    key = SigningKey.load()
    release(folder, key, DataSettings.load(), keys, arguments.report)
    print(f"{arguments.bundle}: signed by {key.id}")
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
    from wegewart_training.registry import add

    folder = arguments.bundle.resolve()
    arguments.registry.mkdir(parents=True, exist_ok=True)
    entry = add(arguments.registry, folder, arguments.keys or folder.parent / "keys")
    print(f"{entry.id}: in {arguments.registry}")
    return 0


def _registry_list(arguments: argparse.Namespace) -> int:
    from wegewart_training.registry import read_index

    for entry in read_index(arguments.registry).releases:
        print(f"{entry.id:<40}  {entry.signed_at:%Y-%m-%d}  key {entry.key}  sha256 {entry.sha256[:12]}")
    return 0
