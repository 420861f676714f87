"""Passwords: argon2id, and the few rules that help: length, not composition (NIST SP 800-63B, 5.1.1)."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from wegewart_api.errors import Invalid

LEAST_LENGTH = 12
MOST_LENGTH = 256  # longer ones only cost time

_hasher = PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, 3 passes
_few_at_a_time = threading.BoundedSemaphore(2)  # each takes 64 MiB
_UNKNOWN_USER = _hasher.hash("nobody has this password")  # so that an unknown account takes as long to refuse


def hash_password(password: str, *not_containing: str) -> str:
    """Argon2id hash of a password that follows the rules.

    Args:
        not_containing: Name and e-mail address, which the password must not be.
    Raises:
        Invalid: If it is too short, too long, one character repeated, or the name itself.
    """
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        raise Invalid(f"the password needs {LEAST_LENGTH} to {MOST_LENGTH} characters", field="password")
    if len(set(password)) < 5:
        raise Invalid("the password repeats too few characters: use a sentence", field="password")
    if password.casefold() in {word.casefold() for word in not_containing}:
        raise Invalid("the password must not be the name or the e-mail address", field="password")
    with _few_at_a_time:
        return _hasher.hash(password)


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether a password belongs to a hash; without a hash it is False after the same time."""
    if len(password) > MOST_LENGTH:
        return False
    with _few_at_a_time:
        try:
            return _hasher.verify(password_hash or _UNKNOWN_USER, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False
