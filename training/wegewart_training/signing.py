"""Keys that sign releases. A private key exists in the environment of one process and in no file of ours."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wegewart.errors import CalledWrongly, SettingsInvalid
from wegewart_inference.signature import (
    SIGNATURE_FILE,
    SUMS_FILE,
    SignatureFile,
    is_signed,
    key_id,
    read_keys,
    signed_bytes,
    sums_of,
)

KEY_VARIABLE = "WEGEWART_SIGNING_KEY"


@dataclass(frozen=True)
class SigningKey:
    """A private key; it never shows in a log or a traceback."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The key in WEGEWART_SIGNING_KEY.

        Raises:
            SettingsInvalid: If the variable is not set or is no key; the message does not repeat it.
        """
        text = (os.environ if environment is None else environment).get(KEY_VARIABLE, "").strip()
        if not text:
            raise SettingsInvalid(
                f"{KEY_VARIABLE} is not set: put the private key that `wegewart-train keygen` printed into it"
            )
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text)))
        except ValueError as error:
            raise SettingsInvalid(f"{KEY_VARIABLE} is no key: it must be 64 hexadecimal digits") from error

    @property
    def id(self) -> str:
        """Name of the key, as its public half gives it."""
        return key_id(self.private.public_key().public_bytes_raw())

    def secret(self) -> str:
        """The private key as 64 hexadecimal digits."""
        return self.private.private_bytes_raw().hex()


def write_public_key(key: SigningKey, folder: Path, valid: timedelta, note: str) -> Path:
    """Public half as TOML, valid from now on for so long.

    Raises:
        CalledWrongly: If the time is less than a second, or the file is there already.
    """
    if valid < timedelta(seconds=1):
        raise CalledWrongly(f"a key must be valid for some time, not {valid}")
    path = folder / f"{key.id}.toml"
    start = datetime.now(UTC).replace(microsecond=0)
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f'id = "{key.id}"\n'
        f'public_key = "{key.private.public_key().public_bytes_raw().hex()}"\n'
        f"valid_from = {start:%Y-%m-%dT%H:%M:%SZ}\n"
        f"valid_until = {start + valid:%Y-%m-%dT%H:%M:%SZ}\n"
        f"note = '{_one_line(note)}'\n"
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CalledWrongly(f"{path} is there already: a key is written once") from error
    return path


def _one_line(note: str) -> str:
    if "'" in note or not note.isprintable():
        raise CalledWrongly(f"--note {note!r} must be one line without the sign '")
    return note


def check_public_half(key: SigningKey, keys: Path) -> None:
    """Refuse to sign what nobody could check.

    Raises:
        CalledWrongly: If the key's public half is not in `keys`.
    """
    if key.id not in read_keys(keys):
        raise CalledWrongly(
            f"{keys} has no {key.id}.toml: commit the public half of {KEY_VARIABLE} there first, "
            "else nobody can check the release"
        )


def sign(folder: Path, key: SigningKey, keys: Path, signed_at: datetime | None = None) -> SignatureFile:
    """Write SHA256SUMS and signature.json into a bundle's folder.

    Raises:
        CalledWrongly: If it is signed already, or the key's public half is not in `keys`.
    """
    if is_signed(folder):
        raise CalledWrongly(f"{folder} is signed already: a release does not change, give it a new version")
    check_public_half(key, keys)
    sums = sums_of(folder)
    time = f"{signed_at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    written = SignatureFile(
        key=key.id,
        signed_at=time,
        sums_sha256=hashlib.sha256(sums).hexdigest(),
        signature=key.private.sign(signed_bytes(key.id, time, sums)).hex(),
    )
    (folder / SUMS_FILE).write_bytes(sums)
    (folder / SIGNATURE_FILE).write_bytes(written.text())
    return written
