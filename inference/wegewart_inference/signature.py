"""Who released a bundle, and whether every file in it is the one that was released.

A released bundle holds, beside its own files, SHA256SUMS (which `sha256sum --check` reads as well) and
signature.json. The Ed25519 signature covers the sums, the time and the key's name. Public keys lie as TOML in
the folder `keys` beside the bundles; docs/releases.md has the formats and how a key is withdrawn.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from wegewart.errors import BundleUntrusted
from wegewart.wire import Sha256

SUMS_FILE, SIGNATURE_FILE = "SHA256SUMS", "signature.json"
KEYS_FOLDER = "keys"
PURPOSE = b"wegewart model bundle, format 1\n"  # the same key used elsewhere signs other bytes


class Strict(BaseModel):
    """Base of what is read from a release: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Revocation(Strict):
    """Why and since when a key is no longer believed, whatever it signed and whenever."""

    at: AwareDatetime
    reason: str = Field(min_length=1)


class PublicKey(Strict):
    """A file in models/keys."""

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    note: str = ""
    revoked: Revocation | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.id != key_id(bytes.fromhex(self.public_key)):
            raise ValueError("id must be the first 16 digits of the key's SHA-256")
        if self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be after valid_from")
        return self


class SignatureFile(Strict):
    """signature.json."""

    key: str = Field(pattern=r"^[0-9a-f]{16}$")
    signed_at: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    sums_sha256: Sha256
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")

    def text(self) -> bytes:
        """The file's only spelling, so that no byte of it can change unnoticed."""
        return (json.dumps(self.model_dump(), indent=2) + "\n").encode()


@dataclass(frozen=True)
class Verified:
    """A signature that holds."""

    key: str
    signed_at: datetime


def key_id(public_key: bytes) -> str:
    """Name of a public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def signed_bytes(key: str, signed_at: str, sums: bytes) -> bytes:
    """What a signature is over."""
    return PURPOSE + f"{key}\n{signed_at}\n".encode() + sums


def sums_of(folder: Path) -> bytes:
    """Content that SHA256SUMS must have: every file below the folder but the two of the release itself.

    Raises:
        BundleUntrusted: If there is a link, which would name something outside, or a name with a line feed or
            the like, which would pass for a line of the list.
    """
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    if links := [path for path in found if path.is_symlink()]:
        raise BundleUntrusted(f"{links[0]} is a link: a bundle holds its own files only, copy it again")
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    if odd := [name for name in names if not name.isprintable()]:
        raise BundleUntrusted(f"{folder}: {odd[0]!r} is no name for a file of a bundle: rename or remove it")
    listed = (name for name in names if name not in (SUMS_FILE, SIGNATURE_FILE))
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in listed).encode()


def is_signed(folder: Path) -> bool:
    """Whether the folder claims to be a release."""
    return (folder / SIGNATURE_FILE).is_file()


def verify(folder: Path, keys: Path) -> Verified:
    """The signature of the bundle in this folder, once every file and the key were found in order.

    Raises:
        BundleUntrusted: If the bundle is unsigned, a file was changed, added or removed, the key is unknown,
            revoked or was not valid then, or the signature is not of these files.
    """
    if not is_signed(folder):
        raise BundleUntrusted(
            f"{folder.name} is not signed: release it (wegewart-train release), or allow unsigned bundles"
        )
    found = _read_signature(folder)
    sums = _checked_sums(folder, found)
    key = _key_of(found, keys, folder.name)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key)).verify(
            bytes.fromhex(found.signature), signed_bytes(found.key, found.signed_at, sums)
        )
    except InvalidSignature as error:
        raise BundleUntrusted(
            f"{folder.name} was not signed by the key {found.key}: fetch the release again"
        ) from error
    return Verified(found.key, _time_of(found))


def _read_signature(folder: Path) -> SignatureFile:
    path = folder / SIGNATURE_FILE
    content = path.read_bytes()
    try:
        found = SignatureFile.model_validate_json(content)
    except ValidationError as error:
        raise BundleUntrusted(f"{path} is no signature, fetch the release again: {error}") from error
    if found.text() != content:
        raise BundleUntrusted(f"{path} was rewritten after the release: fetch the release again")
    return found


def _checked_sums(folder: Path, found: SignatureFile) -> bytes:
    path = folder / SUMS_FILE
    stated = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(stated).hexdigest() != found.sums_sha256:
        raise BundleUntrusted(f"{path} is not the list that was signed: fetch the release again")
    actual = sums_of(folder)
    if actual != stated:
        lines = set(actual.decode().splitlines()) ^ set(stated.decode(errors="replace").splitlines())
        names = ", ".join(sorted({line[66:] for line in lines}))
        raise BundleUntrusted(
            f"{folder.name}: changed, added or removed after the release: {names}; fetch the release again"
        )
    return stated


def _key_of(found: SignatureFile, keys: Path, bundle: str) -> PublicKey:
    key = read_keys(keys).get(found.key)
    if key is None:
        raise BundleUntrusted(
            f"{bundle} is signed by the key {found.key}, which is not in {keys}: add it if you trust it"
        )
    if key.revoked is not None:
        raise BundleUntrusted(
            f"{bundle} is signed by the key {key.id}, revoked {key.revoked.at:%Y-%m-%d} "
            f"({key.revoked.reason}): install a release that another key signed"
        )
    if not key.valid_from <= _time_of(found) <= key.valid_until:
        raise BundleUntrusted(
            f"{bundle} says it was signed {found.signed_at}, when the key {key.id} was not valid "
            f"({key.valid_from:%Y-%m-%dT%H:%MZ} to {key.valid_until:%Y-%m-%dT%H:%MZ}): release it again"
        )
    return key


def read_keys(folder: Path) -> dict[str, PublicKey]:
    """Public keys by their id; a folder that is not there holds none.

    Raises:
        BundleUntrusted: If a file is no key or is not named for its key: better no model than one checked
            against half of the keys, or against a copy from before a key was revoked.
    """
    keys: dict[str, PublicKey] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            key = PublicKey.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise BundleUntrusted(f"{path} is no public key, repair or remove it: {error}") from error
        if path.stem != key.id:
            raise BundleUntrusted(f"{path} holds the key {key.id}: name it {key.id}.toml, or remove the copy")
        keys[key.id] = key
    return keys


def _time_of(found: SignatureFile) -> datetime:
    try:
        return datetime.strptime(found.signed_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise BundleUntrusted(f"{found.signed_at} is no time: fetch the release again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
