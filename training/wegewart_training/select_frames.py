"""Unlabelled frames from folders, recorded drives, videos and splits of data sets."""

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from wegewart.errors import CalledWrongly, DatasetInvalid, InvalidDrive
from wegewart_datasets.group_table import group_of_name, name_pattern
from wegewart_datasets.opening import open_data
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import IMAGE_SUFFIXES, images_of
from wegewart_inference.frame import BrokenFrame, ImageU8
from wegewart_inference.sources import VIDEO_SUFFIXES, decode_image, video_frames

SCORED_ONLY = frozenset({"test"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that might be labelled; not loaded. `index` counts from 0 within a video, None for an image."""

    path: Path
    group: str
    """Place or drive: at most so many frames of one are chosen."""
    index: int | None = None

    @property
    def key(self) -> str:
        """What names it, also next time."""
        return str(self.path) if self.index is None else f"{self.path}#{self.index}"

    @property
    def stem(self) -> str:
        """File name without its ending, for people."""
        return self.path.stem if self.index is None else f"{self.path.stem}-{self.index:06d}"


@dataclass(frozen=True)
class PoolOptions:
    """How sources are read."""

    splits: tuple[str, ...] = ("train",)
    """Of data sets: those of them that one offers, at least one."""
    every: int = 1
    """Take each N-th frame of a drive or a video."""
    group_by: str | None = None
    """Pattern for file names; its first bracket is the group."""


def candidates_of(sources: Sequence[str], options: PoolOptions, settings: DataSettings) -> list[Candidate]:
    """Frames of all sources in their order, each once.

    Raises:
        CalledWrongly: If a source is nothing known, a test split is named, or the pattern is none.
        DatasetInvalid, InvalidDrive: If a source cannot be read, or holds no frame.
    """
    for split in SCORED_ONLY.intersection(options.splits):
        raise CalledWrongly(f"split {split} is for scores only: its images must not be labelled for training")
    pattern = None if options.group_by is None else name_pattern(options.group_by)
    found: dict[str, Candidate] = {}
    for source in sources:
        of_source = list(_of_source(source, options, settings))
        if not of_source:
            raise DatasetInvalid(f"{source} holds no frame")
        for candidate in of_source:
            found.setdefault(candidate.key, candidate)
    if pattern is not None:
        return [_grouped(candidate, pattern) for candidate in found.values()]
    return list(found.values())


def _of_source(source: str, options: PoolOptions, settings: DataSettings) -> Iterable[Candidate]:
    path = Path(source)
    if (path / "drive.toml").is_file():
        return _of_drive(path, options)
    if path.is_dir():
        return _of_folder(path)
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return _of_video(path.resolve(), path.stem, options.every)
    if path.suffix in {".yaml", ".yml"} or not path.suffix:
        return _of_data(source, options, settings)
    raise CalledWrongly(
        f"{source} is no folder of images, no recorded drive, no video, no data.yaml and no manifest"
    )


def _of_folder(folder: Path) -> Iterator[Candidate]:
    """Images below a folder; each folder of images counts as one drive."""
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield Candidate(path, path.parent.relative_to(root.parent).as_posix())


def _of_data(name: str, options: PoolOptions, settings: DataSettings) -> Iterator[Candidate]:
    opened = open_data(name, settings)
    offered = [split for split in options.splits if split in opened.splits]
    if not offered:
        wanted, there = " or ".join(options.splits), ", ".join(opened.splits)
        raise CalledWrongly(f"{name} offers no split {wanted}, only {there}")
    groups = opened.groups()
    for split in offered:
        for path in images_of(opened.data, split):
            yield Candidate(path, groups.get(path.name) or f"{opened.name}: {path.name}")


def _of_video(
    path: Path, group: str, every: int, indices: Sequence[int] | None = None
) -> Iterator[Candidate]:
    wanted = range(_frame_count(path)) if indices is None else indices
    yield from (Candidate(path, group, index) for index in wanted[::every])


def _frame_count(path: Path) -> int:
    """Frames that a video really has; headers lie."""
    video, count = cv2.VideoCapture(str(path)), 0
    try:
        while video.grab():
            count += 1
    finally:
        video.release()
    return count


def _of_drive(folder: Path, options: PoolOptions) -> Iterator[Candidate]:
    """Frames that frames.csv of a recorded drive lists (docs/recorded-drive.md)."""
    try:
        about = tomllib.loads((folder / "drive.toml").read_text(encoding="utf-8"))
        frames, group = about["frames"], f"drive-{about['drive_id']}"
        with (folder / "frames.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        if "video" in frames:
            indices = [int(row["frame_index"]) for row in rows]
            yield from _of_video(_within(folder, frames["video"]), group, options.every, indices)
            return
        for row in rows[:: options.every]:
            yield Candidate(_within(folder, f"{frames['images']}/{row['file']}"), group)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidDrive(
            f"{folder} is no recorded drive as in docs/recorded-drive.md: {error!r}"
        ) from error


def _within(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} leads out of the drive's folder")
    return (folder / name).resolve()


def _grouped(candidate: Candidate, pattern: re.Pattern[str]) -> Candidate:
    group = group_of_name(candidate.path.name, pattern)
    if group is None:
        raise CalledWrongly(f"--group-by {pattern.pattern}: matches nothing in {candidate.path.name}")
    return Candidate(candidate.path, group, candidate.index)


def loaded(candidates: Iterable[Candidate]) -> Iterator[tuple[Candidate, ImageU8 | None, str]]:
    """Each candidate with its image, or with None and the reason. Frames of a video must rise."""
    video: tuple[Path, Iterator[tuple[int, ImageU8 | None, str]]] | None = None
    for candidate in candidates:
        if candidate.index is None:
            yield candidate, *_image(candidate.path)
            continue
        if video is None or video[0] != candidate.path:
            video = candidate.path, _numbered(candidate.path)
        shot = next((shot for shot in video[1] if shot[0] == candidate.index), None)
        yield candidate, *(shot[1:] if shot else (None, "the video has no such frame"))


def _numbered(path: Path) -> Iterator[tuple[int, ImageU8 | None, str]]:
    for number, shot in enumerate(video_frames(path, path.stem)):
        yield (number, None, shot.reason) if isinstance(shot, BrokenFrame) else (number, shot.image, "")


def _image(path: Path) -> tuple[ImageU8 | None, str]:
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
