"""Commands around a finished bundle: keygen, release."""

import argparse
from datetime import timedelta
from pathlib import Path

from wegewart_datasets.settings import REPOSITORY, DataSettings


def add_release_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to wegewart-train."""
    _add_keygen(commands)
    _add_release(commands)


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
