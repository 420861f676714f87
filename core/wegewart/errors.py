"""One tree of errors, one class per thing a caller can act on.

A message says what happened, with which value, and what to do next.
"""

from typing import ClassVar


class WegewartError(Exception):
    """Root of everything that Wegewart raises on purpose."""

    exit_code: ClassVar[int] = 1


class CalledWrongly(WegewartError):
    """The command or the call itself is wrong; repeating it unchanged is useless."""

    exit_code: ClassVar[int] = 2


class InvalidTaxonomy(WegewartError):
    """A taxonomy file is incomplete or contradicts itself, or a class code is not in it."""


class InvalidMount(WegewartError):
    """A camera mount from which the road cannot be seen."""


class CalibrationRefused(WegewartError):
    """Pictures or a drive that do not support the calibration asked for; the message lists all reasons."""


class InvalidDrive(WegewartError):
    """A recorded drive whose files are missing or contradict each other."""


class InvalidPositions(WegewartError):
    """A file of GNSS positions that cannot be read."""


class BundleInvalid(WegewartError):
    """A model bundle that is incomplete or whose files were changed after it was made."""


class BundleUntrusted(BundleInvalid):
    """A model bundle that nobody known has signed, or that is not as it was signed."""


class ModelMismatch(WegewartError):
    """A graph whose input, output or classes are not what its card says."""


class SourceUnreadable(WegewartError):
    """A folder, video or image that yields no frames at all."""


class DatasetInvalid(WegewartError):
    """A data set that is missing, or whose files do not follow its format."""


class RecipeInvalid(WegewartError):
    """A training recipe with mistakes; the message lists them all."""


class SettingsInvalid(WegewartError):
    """Settings that are missing, unknown or out of range."""

    exit_code: ClassVar[int] = 2


class LimitsInvalid(WegewartError):
    """A table of severity or condition limits with mistakes; the message lists them all."""

    exit_code: ClassVar[int] = 2


class OutboxInvalid(WegewartError):
    """An outbox file that is none, or of another version."""


class OutboxUnwritable(WegewartError):
    """The outbox could not be written, such as on a full disk; what it holds is unharmed."""


class RecordUnwritable(WegewartError):
    """What a receiver says could not be written down, such as on a full disk; what is there stays."""


class ServerUnreachable(WegewartError):
    """The server did not answer; what was to be sent stays queued."""


class ServerRefused(WegewartError):
    """The server refused for good; what was to be sent is set aside with the reason."""
