"""One look at each frame: boxes, doubt, likeness, hash. Remembered in a file, so that a killed scan goes on.

The memory holds what is chosen by (some 2 KiB a frame), never an image.
"""

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from wegewart_datasets.fingerprint import WORDS, Hashes, perceptual_hash
from wegewart_datasets.progress import with_progress
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.frame import ImageU8
from wegewart_training.select_doubt import FLOOR, doubt_of
from wegewart_training.select_frames import Candidate, loaded
from wegewart_training.select_likeness import FloatArray, Likeness

LOOK_VERSION = 1  # raise it when a look sees something else, and what is remembered counts no more
BATCH = 32  # looks that a kill loses
CREATE = """CREATE TABLE IF NOT EXISTS look (key TEXT, bundle TEXT, version INTEGER, size INTEGER,
changed_ns INTEGER, fault TEXT, bits REAL, places INTEGER, words TEXT, width_px INTEGER, height_px INTEGER,
boxes TEXT, hash BLOB, likeness BLOB, PRIMARY KEY (key, bundle))"""
COLUMNS = "fault, bits, places, words, width_px, height_px, boxes, hash, likeness"


@dataclass(frozen=True)
class FrameLook:
    """What was seen of one frame; `fault` says why nothing was."""

    fault: str = ""
    bits: float = 0.0
    places: int = 0
    words: str = ""
    width_px: int = 0
    height_px: int = 0
    boxes: str = "[]"
    """JSON: class code, confidence, x1, y1, x2, y2 of what the detector reports at its thresholds."""
    hash: bytes | None = None
    likeness: bytes = b""

    def boxes_px(self) -> list[tuple[str, float, tuple[float, float, float, float]]]:
        """Class code, confidence and corners of each reported box."""
        return [(row[0], row[1], (row[2], row[3], row[4], row[5])) for row in json.loads(self.boxes)]


class Scanner:
    """A detector and its likeness, ready to look at frames."""

    def __init__(self, detector: Detector, likeness: Likeness) -> None:
        self._detector, self._likeness = detector, likeness
        self._floors = np.array([detector.card.thresholds.get(code, 2.0) for code in detector.class_codes])
        self.bundle = detector.card.behaviour_sha256

    def look(self, image: ImageU8) -> FrameLook:
        """Everything that the choice needs of one frame."""
        found = self._detector.detect(image, min_confidence=FLOOR)
        codes = self._detector.class_codes
        doubt = doubt_of(found, codes, self._detector.card.thresholds)
        hashed = perceptual_hash(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8))
        reported = found.only(found.confidences >= self._floors[found.classes])
        return FrameLook(
            bits=doubt.bits,
            places=doubt.places,
            words=doubt.words,
            width_px=int(image.shape[1]),
            height_px=int(image.shape[0]),
            boxes=json.dumps(_rows(reported, codes)),
            hash=None if hashed is None else hashed.tobytes(),
            likeness=self._likeness.of(image).tobytes(),
        )


def _rows(found: Detections, codes: Sequence[str]) -> list[list[Any]]:
    return [
        [codes[int(index)], round(float(sure), 4), *(round(float(side), 2) for side in box)]
        for box, index, sure in zip(found.boxes_px, found.classes, found.confidences, strict=True)
    ]


class ScanBook:
    """Looks that are remembered; use it as a context. `fresh` counts the frames that were really seen."""

    def __init__(self, folder: Path, bundle: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(folder / "frames.sqlite")
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute(CREATE)
        self._bundle = bundle
        self.fresh = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.commit()
        self._base.close()

    def scan(self, candidates: Sequence[Candidate], scanner: Scanner, title: str) -> None:
        """Look at every candidate that is not remembered; committed batch by batch."""
        missing = [candidate for candidate in candidates if self.remembered(candidate) is None]
        for candidate, image, reason in with_progress(loaded(missing), title, len(missing)):
            look = scanner.look(image) if image is not None else FrameLook(fault=reason or "no image")
            self._remember(candidate, look)
            self.fresh += 1
            if self.fresh % BATCH == 0:
                self._base.commit()
        self._base.commit()

    def remembered(self, candidate: Candidate) -> FrameLook | None:
        """The look at a candidate, None if there was none since its file changed."""
        row = self._base.execute(
            f"SELECT {COLUMNS} FROM look "  # noqa: S608  a constant of this module
            "WHERE key = ? AND bundle = ? AND version = ? AND size = ? AND changed_ns = ?",
            (candidate.key, self._bundle, LOOK_VERSION, *_mark(candidate.path)),
        ).fetchone()
        return None if row is None else FrameLook(*row)

    def _remember(self, candidate: Candidate, look: FrameLook) -> None:
        facts = (look.fault, look.bits, look.places, look.words, look.width_px, look.height_px)
        row = (candidate.key, self._bundle, LOOK_VERSION, *_mark(candidate.path), *facts)
        marks = ", ".join("?" * 14)
        values = (*row, look.boxes, look.hash, look.likeness)
        self._base.execute(f"REPLACE INTO look VALUES ({marks})", values)  # noqa: S608  question marks only


def _mark(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class Pool:
    """Frames that were seen, as columns: what the choice is made from."""

    candidates: tuple[Candidate, ...]
    bits: npt.NDArray[np.float64]
    described: FloatArray
    """(N, D), see `Likeness.of`."""
    hashes: Hashes
    """(N, 4)"""
    hashed: npt.NDArray[np.bool_]
    """(N,) False for a frame without structure, whose hash means nothing."""
    faulty: tuple[tuple[Candidate, str], ...]


def pool_of(candidates: Iterable[Candidate], book: ScanBook) -> Pool:
    """Columns of what is remembered of the candidates."""
    kept, faulty, bits = [], [], array("d")
    described, hashes, hashed = bytearray(), bytearray(), array("b")
    for candidate, look in _looks(candidates, book):
        if look.fault:
            faulty.append((candidate, look.fault))
            continue
        kept.append(candidate)
        bits.append(look.bits)
        described += look.likeness
        hashes += look.hash or bytes(8 * WORDS)
        hashed.append(look.hash is not None)
    return Pool(
        tuple(kept),
        np.array(bits, np.float64),
        np.frombuffer(bytes(described), np.float32).reshape(len(kept), -1),
        np.frombuffer(bytes(hashes), np.uint64).reshape(-1, WORDS),
        np.array(hashed, bool),
        tuple(faulty),
    )


def _looks(candidates: Iterable[Candidate], book: ScanBook) -> Iterator[tuple[Candidate, FrameLook]]:
    for candidate in candidates:
        look = book.remembered(candidate)
        yield candidate, look if look is not None else FrameLook(fault="it changed while it was looked at")
