"""One look at each image: whole or broken, its size, its hashes. Remembered, so that a killed audit goes on.

The memory is one SQLite file in a work folder; nothing is written beside the data. An image is looked at
again when its size or its time of change differs.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from wegewart.errors import SettingsInvalid
from wegewart_datasets.fingerprint import Hashes, perceptual_hash

LOOK_VERSION = 1  # raise it when a look sees something else, and what is remembered counts no more
BATCH = 64  # images in work at once: what a kill loses, and what the memory holds
TAIL_BYTES = 1024
JPEG_START, JPEG_END, PNG_START, PNG_END = b"\xff\xd8", b"\xff\xd9", b"\x89PNG", b"IEND\xaeB`\x82"
CREATE = """CREATE TABLE IF NOT EXISTS look (path TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER,
version INTEGER, fault TEXT, remark TEXT, width_px INTEGER, height_px INTEGER, sha256 BLOB, hash BLOB)"""


@dataclass(frozen=True)
class Look:
    """What was seen of one image. `fault`: it cannot be used; `remark`: it can, but."""

    path: Path
    fault: str
    remark: str
    width_px: int
    height_px: int
    sha256: bytes
    hash: bytes | None
    """256 bits of `perceptual_hash`; None for a broken image or one without structure."""

    def words(self) -> Hashes | None:
        """The hash as four words, shape (4,)."""
        return None if self.hash is None else np.frombuffer(self.hash, np.uint64)


def look_at(path: Path) -> Look:
    """Read and decode one image file as a whole."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Look(path, f"cannot be read ({error.strerror})", "", 0, 0, b"", None)
    digest = hashlib.sha256(content).digest()
    fault, remark = _end_of_file(content)
    try:
        grey = cv2.imdecode(np.frombuffer(content or b"\0", np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        grey = None
    if grey is None:
        return Look(path, fault or "cannot be decoded", "", 0, 0, digest, None)
    found = None if fault else perceptual_hash(grey.astype(np.uint8))
    if found is None and not fault:
        remark = "one flat area, nothing can be seen"
    height_px, width_px = grey.shape
    return Look(path, fault, remark, width_px, height_px, digest, None if found is None else found.tobytes())


def _end_of_file(content: bytes) -> tuple[str, str]:
    """Fault and remark about where the file ends: decoders fill a missing rest with grey and say nothing."""
    for start, end in ((JPEG_START, JPEG_END), (PNG_START, PNG_END)):
        if content.startswith(start) and not content.endswith(end):
            if end in content[-TAIL_BYTES:]:
                return "", "bytes after its end: the trainer refuses it, write the file anew"
            return "is truncated", ""
    return "", ""


class LookBook:
    """Looks that are remembered; use it as a context. `fresh` counts the images that were really read.

    Raises:
        SettingsInvalid: If the folder cannot be written.
    """

    def __init__(self, folder: Path, jobs: int = 2) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / "looks.sqlite")
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute(CREATE)
        except (OSError, sqlite3.OperationalError) as error:
            raise SettingsInvalid(
                f"{folder} cannot be written ({error}): set WEGEWART_WORK to a folder that can"
            ) from error
        self._jobs = jobs
        self.fresh = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def looks(self, images: Iterable[Path]) -> Iterator[Look]:
        """A look at each image, in their order; committed batch by batch."""
        rest = iter(images)
        with ThreadPoolExecutor(self._jobs) as pool:
            while batch := list(islice(rest, BATCH)):
                known = {path: self._remembered(path) for path in batch}
                missing = [path for path in batch if known[path] is None]
                fresh = {look.path: look for look in pool.map(look_at, missing)}
                self._remember(fresh.values())
                for path in batch:
                    yield known[path] or fresh[path]

    def _remembered(self, path: Path) -> Look | None:
        mark = file_mark(path)
        row = self._base.execute(
            "SELECT fault, remark, width_px, height_px, sha256, hash FROM look "
            "WHERE path = ? AND size = ? AND changed_ns = ? AND version = ?",
            (str(path), *mark, LOOK_VERSION),
        ).fetchone()
        return None if row is None or mark == (-1, -1) else Look(path, *row)

    def _remember(self, looks: Iterable[Look]) -> None:
        for look in looks:
            self.fresh += 1
            facts = (look.fault, look.remark, look.width_px, look.height_px, look.sha256, look.hash)
            row = (str(look.path), *file_mark(look.path), LOOK_VERSION, *facts)
            self._base.execute("REPLACE INTO look VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._base.commit()


def file_mark(path: Path) -> tuple[int, int]:
    """Size and time of change (ns) of a file, by which a change is noticed; (-1, -1) if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)
    return stat.st_size, stat.st_mtime_ns
