"""Recorded drives: a folder with drive.toml, frames.csv, images or a video, and a file of positions.

docs/recorded-drive.md describes the format. Whatever is missing is said at once and together, before the
first frame is looked at.
"""

import csv
import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from wegewart.camera import Camera
from wegewart.errors import InvalidDrive
from wegewart.geo import Datum
from wegewart.wire import Identifier, UtcDatetime
from wegewart_edge.gnss import parse_moment
from wegewart_edge.road_tilt import MeasuredTilt
from wegewart_edge.video_reader import VideoReader
from wegewart_inference.frame import BrokenFrame, Frame
from wegewart_inference.sources import image_frame

NAMED_AT_MOST = 5  # missing files in one message
MOST_HELD = 8  # decoded frames: about the best views of the damages on the road in view, 6 MB each at 1080p


def _within(named: str) -> str:
    """A path that stays in the drive's folder; links within it may lead where their owner wants.

    Raises:
        ValueError: If it is absolute or climbs up.
    """
    if Path(named).is_absolute() or ".." in Path(named).parts:
        raise ValueError(f"{named!r} leads out of the drive's folder: name a path within it")
    return named


Within = Annotated[str, AfterValidator(_within)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FramesTable(_Table):
    """[frames]: where the pictures are."""

    images: Within | None = None
    video: Within | None = None
    time_sigma_s: float = Field(default=0.02, ge=0, description="of the stamps against the receiver's clock")
    camera_ahead_s: float = Field(default=0.0, ge=-10, le=10, description="known lead of the stamps over it")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.images is None) == (self.video is None):
            raise ValueError("give either images or video")
        return self


class MotionClock(StrEnum):
    """Who stamped motion.csv."""

    RECEIVER = "receiver"
    CAMERA = "camera"


class MotionTable(_Table):
    """[motion]: what wheels and gyro read."""

    file: Within
    clock: MotionClock = MotionClock.RECEIVER


class GnssTable(_Table):
    """[gnss]: where the positions are (a file, or a folder of photographs), and where the antenna sat."""

    file: Within
    antenna_forward_m: float = 0.0
    antenna_right_m: float = 0.0
    sigma_m: Annotated[float, Field(gt=0)] = 2.5


class DriveFile(_Table):
    """drive.toml."""

    format: Literal[1]
    drive_id: UUID
    device_id: Identifier
    started_at: UtcDatetime
    datum: Datum
    frames: FramesTable
    gnss: GnssTable
    motion: MotionTable | None = None
    camera: tuple[Camera, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _cameras_are_told_apart(self) -> Self:
        ids = [camera.camera_id for camera in self.camera]
        if len(set(ids)) != len(ids):
            raise ValueError(f"a camera_id stands twice in {ids}")
        if self.frames.video is not None and len(ids) > 1:
            raise ValueError("a video shows one camera: record several cameras as images")
        return self


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One row of frames.csv: a frame that is not loaded yet."""

    sequence: int
    camera_id: str
    captured_at: datetime
    file: str | None = None
    frame_index: int | None = None
    measured_tilt: MeasuredTilt | None = None


@dataclass(frozen=True)
class RecordedDrive:
    """A drive whose files were found complete."""

    folder: Path
    about: DriveFile
    frames: tuple[FrameEntry, ...]

    @property
    def cameras(self) -> dict[str, Camera]:
        """Cameras by id."""
        return {camera.camera_id: camera for camera in self.about.camera}

    @property
    def started_at(self) -> datetime:
        """Start in UTC."""
        return self.about.started_at

    @property
    def gnss_path(self) -> Path:
        """File of positions, or folder of photographs that hold them."""
        return self.folder / self.about.gnss.file

    @property
    def motion_path(self) -> Path | None:
        """File of wheels and gyro, if the drive has one."""
        return None if self.about.motion is None else self.folder / self.about.motion.file

    def sha256(self) -> str:
        """Hash over what decides the outcome, pictures apart: drive.toml, frames.csv, positions, motion."""
        positions = sorted(self.gnss_path.iterdir()) if self.gnss_path.is_dir() else [self.gnss_path]
        motion = [] if self.motion_path is None else [self.motion_path]
        digest = hashlib.sha256()
        for path in (self.folder / "drive.toml", self.folder / "frames.csv", *positions, *motion):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def read_drive(folder: Path, *, with_images: bool = True) -> RecordedDrive:
    """Recorded drive in a folder.

    Args:
        with_images: False where boxes are given and no picture is needed.
    Raises:
        InvalidDrive: If a file is missing or wrong; the message names all of them.
    """
    if not folder.is_dir():
        raise InvalidDrive(f"{folder} is no folder: give the folder that holds drive.toml")
    missing = [name for name in ("drive.toml", "frames.csv") if not (folder / name).is_file()]
    if missing:
        raise InvalidDrive(
            f"{folder} lacks {' and '.join(missing)}: docs/recorded-drive.md shows what belongs in it"
        )
    about = _read_about(folder / "drive.toml")
    frames = _read_frames(folder / "frames.csv", about)
    drive = RecordedDrive(folder, about, frames)
    _check_files(drive, with_images)
    return drive


def _read_about(path: Path) -> DriveFile:
    try:
        return DriveFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidDrive(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'drive.toml'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise InvalidDrive(f"{path}: {problems}") from error


def _read_frames(path: Path, about: DriveFile) -> tuple[FrameEntry, ...]:
    which = "file" if about.frames.images is not None else "frame_index"
    try:
        rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDrive(f"{path} cannot be read: {error}; save it as UTF-8") from error
    missing = {"sequence", "camera_id", "captured_at", which} - set(rows.fieldnames or ())
    if missing:
        raise InvalidDrive(f"{path} lacks the columns {', '.join(sorted(missing))}")
    entries: list[FrameEntry] = []
    for row in rows:
        try:
            entries.append(_entry(row, which, about))
            _check_order(entries)
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidDrive(f"{path}, line {rows.line_num}: {error}") from error
    if not entries:
        raise InvalidDrive(f"{path} lists no frame")
    return tuple(entries)


def _entry(row: dict[str, str], which: str, about: DriveFile) -> FrameEntry:
    camera_id = row["camera_id"].strip()
    if camera_id not in {camera.camera_id for camera in about.camera}:
        raise ValueError(f"camera {camera_id!r} is not in drive.toml")
    sequence, named = int(row["sequence"]), row[which].strip()
    if sequence < 0 or not named:
        raise ValueError(f"sequence must be 0 or more and {which} must not be empty")
    if which == "frame_index":
        if int(named) < 0:
            raise ValueError(f"frame_index {named} must be 0 or more")
        return FrameEntry(
            sequence,
            camera_id,
            parse_moment(row["captured_at"]),
            frame_index=int(named),
            measured_tilt=_measured_tilt(row),
        )
    return FrameEntry(
        sequence,
        camera_id,
        parse_moment(row["captured_at"]),
        file=_within(named),
        measured_tilt=_measured_tilt(row),
    )


def _measured_tilt(row: dict[str, str]) -> MeasuredTilt | None:
    """Tilt of a frame where the optional columns give it.

    Raises:
        ValueError: If only one of the two is given, or they are no tilt and no sigma.
    """
    tilt, sigma = ((row.get(column) or "").strip() for column in ("tilt_down_deg", "tilt_sigma_deg"))
    if not tilt and not sigma:
        return None
    if not tilt or not sigma:
        raise ValueError("tilt_down_deg and tilt_sigma_deg are given together or not at all")
    return MeasuredTilt(float(tilt), float(sigma))


def _check_order(entries: list[FrameEntry]) -> None:
    if len(entries) < 2:
        return
    before, entry = entries[-2:]
    if entry.sequence <= before.sequence:
        raise ValueError(f"sequence {entry.sequence} follows {before.sequence}: it must be unique and rise")
    if entry.captured_at < before.captured_at:
        raise ValueError(f"captured_at of sequence {entry.sequence} lies before the frame above it")
    index, index_before = entry.frame_index, before.frame_index
    if index is not None and index_before is not None and index <= index_before:
        raise ValueError(f"frame_index {index} follows {index_before}: it must rise")


def _check_files(drive: RecordedDrive, with_images: bool) -> None:
    missing = [] if drive.gnss_path.exists() else [drive.about.gnss.file]
    if drive.about.motion is not None and not (drive.folder / drive.about.motion.file).is_file():
        missing.append(drive.about.motion.file)
    table = drive.about.frames
    if with_images and table.video is not None and not (drive.folder / table.video).is_file():
        missing.append(table.video)
    if with_images and table.images is not None:
        folder = drive.folder / table.images
        missing += [
            f"{table.images}/{entry.file}"
            for entry in drive.frames
            if not (folder / str(entry.file)).is_file()
        ]
    if missing:
        more = f" and {len(missing) - NAMED_AT_MOST} more" if len(missing) > NAMED_AT_MOST else ""
        raise InvalidDrive(
            f"{drive.folder} lacks {', '.join(missing[:NAMED_AT_MOST])}{more}: copy the whole drive again"
        )


class FrameLoader:
    """Frames of a drive by their entry; holds the latest few of those that may be asked for again.

    What it let go is read again: an image from its file, a frame of a video by a second reader that follows
    the first. That is cheap as long as such frames are asked for in order.

    Raises:
        SourceUnreadable: On the first load, if the drive's video cannot be opened.
    """

    def __init__(self, drive: RecordedDrive) -> None:
        self._drive = drive
        self._held: dict[int, Frame] = {}
        self._video: VideoReader | None = None
        self._earlier: VideoReader | None = None

    @property
    def held(self) -> int:
        """How many decoded frames are in memory."""
        return len(self._held)

    @property
    def in_order_only(self) -> bool:
        """Whether going back is dear, as in a video."""
        return self._drive.about.frames.video is not None

    def load(self, entry: FrameEntry) -> Frame | BrokenFrame:
        """The frame of an entry, or why it cannot be shown."""
        if entry.sequence in self._held:
            return self._held[entry.sequence]
        shot = _fitting(
            self._from_video(entry) if self.in_order_only else self._from_image(entry), self._drive
        )
        if isinstance(shot, Frame):
            self._held[entry.sequence] = shot
            if len(self._held) > MOST_HELD:
                del self._held[next(iter(self._held))]
        return shot

    def hold_only(self, sequences: set[int]) -> None:
        """Let go of all other frames."""
        self._held = {sequence: self._held[sequence] for sequence in sequences & self._held.keys()}

    def _from_image(self, entry: FrameEntry) -> Frame | BrokenFrame:
        path = self._drive.folder / str(self._drive.about.frames.images) / str(entry.file)
        return image_frame(path, entry.camera_id, entry.sequence, entry.captured_at)

    def _from_video(self, entry: FrameEntry) -> Frame | BrokenFrame:
        video, index = self._drive.about.frames.video, entry.frame_index
        path = self._drive.folder / str(video)
        self._video = self._video or VideoReader(path)
        reader = self._video
        if int(index or 0) < reader.passed:
            reader = self._earlier = self._earlier or VideoReader(path)
        name = f"{Path(str(video)).name}#{index}"
        image = reader.image(int(index or 0))
        if isinstance(image, str):
            return BrokenFrame(name, entry.sequence, image)
        return Frame(image, entry.captured_at, entry.camera_id, entry.sequence, name)


def _fitting(frame: Frame | BrokenFrame, drive: RecordedDrive) -> Frame | BrokenFrame:
    """The frame, or broken where its size is not the calibrated one: its pixels would mean other places."""
    if isinstance(frame, BrokenFrame):
        return frame
    size = drive.cameras[frame.camera_id].intrinsics
    if (frame.width_px, frame.height_px) == (size.width_px, size.height_px):
        return frame
    found, calibrated = f"{frame.width_px}×{frame.height_px}", f"{size.width_px}×{size.height_px}"
    return BrokenFrame(
        frame.name, frame.sequence, f"it has {found} px, but the camera is calibrated for {calibrated} px"
    )
