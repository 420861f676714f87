"""Random tokens, of which the store knows only hashes: a copy of the store lets nobody in."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

DEVICE_TOKEN = re.compile(r"^wgd_([0-9a-f]{16})_([0-9a-f]{64})$")


@dataclass(frozen=True)
class DeviceToken:
    """A device's token; `secret` is shown once and never stored."""

    token_id: str
    secret: str

    @property
    def text(self) -> str:
        """As the device sends it: wgd_<id>_<secret>."""
        return f"wgd_{self.token_id}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """As the store keeps it."""
        return hash_of(self.secret)

    def fits(self, stored_hash: str) -> bool:
        """Whether the secret belongs to a stored hash, in a time that tells nothing."""
        return hmac.compare_digest(self.secret_hash, stored_hash)


def new_device_token() -> DeviceToken:
    """Fresh token with 256 random bits."""
    return DeviceToken(secrets.token_hex(8), secrets.token_hex(32))


def read_device_token(text: str) -> DeviceToken | None:
    """Token from its text, None if it has not the form of one."""
    found = DEVICE_TOKEN.match(text)
    return DeviceToken(found[1], found[2]) if found else None


def new_token() -> str:
    """Fresh token of a session or a set-up link: 256 random bits, safe in URLs."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """SHA-256 in hex: enough for tokens, which are random, unlike passwords."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
