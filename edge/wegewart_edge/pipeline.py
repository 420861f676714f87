"""The story of one drive: frame → gate → look → locate → track → protect → keep.

Every step is a file of its own and knows nothing of the next; only this file puts them together.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from wegewart.camera import Camera
from wegewart.drive import DriveTrack, InvalidReason
from wegewart.observation import Evidence, Observation
from wegewart_edge.abeam import abeam_of
from wegewart_edge.coverage import Glance, closed_track, stretches, thinned
from wegewart_edge.drive_pose import trajectory_of
from wegewart_edge.drive_reader import FrameEntry, FrameLoader, RecordedDrive
from wegewart_edge.gate import Gate, Rejected
from wegewart_edge.locate import Located, NoPlace, Sightings, Unplaced, locate
from wegewart_edge.looking import Eyes
from wegewart_edge.observe import DriveContext, observation_from
from wegewart_edge.pose import Trajectory, VehiclePose
from wegewart_edge.privacy import WITHOUT_IMAGES, MaskedFrame, NoPicture, Picture, Privacy
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tracker import RoadTrack, RoadTracker, SeenCut
from wegewart_edge.settings import EdgeSettings
from wegewart_inference.frame import Frame

MOST_MASKED = 4  # masked frames in memory: damages that share a best view end one soon after the other

Keep = Callable[[Observation, Picture | None], None]
Progress = Callable[[int, int], None]


@dataclass
class Tally:
    """What was counted on the way; nothing is left out without a reason."""

    frames_read: int = 0
    frames_used: int = 0
    frames_between: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_details: list[str] = field(default_factory=list)
    detections: int = 0
    unplaced: dict[str, int] = field(default_factory=dict)
    observations: int = 0
    only_cut: int = 0
    without_picture: dict[str, int] = field(default_factory=dict)
    stage_s: dict[str, float] = field(default_factory=dict)

    def reject(self, rejected: Rejected) -> None:
        """Count a frame that was not looked at."""
        _count(self.rejected, rejected.reason.value)
        if rejected.detail:
            self.rejected_details.append(f"frame {rejected.entry.sequence}: {rejected.detail}")

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a stage, in seconds."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + time.perf_counter() - start_s


def _count(counts: dict[str, int], reason: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class WithoutPlace:
    """One box that gave no place, and why; `number` counts the boxes of its frame from 0."""

    sequence: int
    number: int
    class_code: str
    reason: NoPlace


@dataclass(frozen=True, slots=True)
class TiltOfFrame:
    """How the camera looked down in one frame; `estimated` says whether the drive told anything of it."""

    sequence: int
    tilt_down_deg: float
    sigma_deg: float
    estimated: bool


@dataclass(frozen=True)
class Replayed:
    """A drive that was looked at to its end.

    `only_cut` are damages that no frame showed whole: they have no place and are no observations.
    """

    track: DriveTrack
    tally: Tally
    without_place: tuple[WithoutPlace, ...]
    only_cut: tuple[SeenCut, ...]
    tilts: tuple[TiltOfFrame, ...]


class Photographer:
    """Evidence from the drive's own frames; a frame is masked once for all damages that it shows best."""

    def __init__(self, loader: FrameLoader, privacy: Privacy, drive: RecordedDrive) -> None:
        self._loader = loader
        self._privacy = privacy
        self._entries = {entry.sequence: entry for entry in drive.frames}
        self._masked: dict[int, MaskedFrame | NoPicture] = {}

    def pictures_of(self, tracks: Sequence[RoadTrack], camera: RoadCamera) -> list[Picture | NoPicture]:
        """Masked crops of the tracks' best views; taken in the order of the frames, which is read best."""
        in_order = sorted(range(len(tracks)), key=lambda number: tracks[number].best.sequence)
        pictures = {number: self._picture_of(tracks[number], camera) for number in in_order}
        return [pictures[number] for number in range(len(tracks))]

    def _picture_of(self, track: RoadTrack, camera: RoadCamera) -> Picture | NoPicture:
        sequence = track.best.sequence
        if sequence not in self._masked:
            self._masked[sequence] = self._mask(sequence)
            if len(self._masked) > MOST_MASKED:
                del self._masked[next(iter(self._masked))]
        return self._privacy.picture(self._masked[sequence], track.best.located.box_px, camera)

    def hold_only(self, sequences: set[int]) -> None:
        """Let go of all other frames: memory stays bounded."""
        self._loader.hold_only(sequences)
        self._masked = {kept: self._masked[kept] for kept in sequences & self._masked.keys()}

    def _mask(self, sequence: int) -> MaskedFrame | NoPicture:
        frame = self._loader.load(self._entries[sequence])
        if isinstance(frame, Frame):
            return self._privacy.masked(frame)
        return NoPicture("the frame cannot be read any more")


class Lane:
    """One camera over one drive: its gate, its tracks, and what it glanced at."""

    def __init__(self, camera: Camera, trajectory: Trajectory, settings: EdgeSettings) -> None:
        self.camera = RoadCamera(camera, settings.locate)
        self.gate = Gate(settings.gate)
        self.tracker = RoadTracker(settings.track, self.camera, trajectory.drift_variance_m2)
        self.glances: list[Glance] = []


class Replay:
    """One recorded drive on its way to observations."""

    def __init__(
        self,
        drive: RecordedDrive,
        context: DriveContext,
        eyes: Eyes,
        photographer: Photographer | None,
        keep: Keep,
        settings: EdgeSettings,
    ) -> None:
        """Read the drive's positions and set up a lane per camera.

        Raises:
            InvalidPositions: If the positions cannot be read or hold fewer than two fixes.
            InvalidMount: If a camera does not see the road.
        """
        about = drive.about
        self._drive = drive
        self._context = context
        self._eyes = eyes
        self._photographer = photographer
        self._keep = keep
        self._trajectory = trajectory_of(drive, settings.pose)
        self._lanes = {camera.camera_id: Lane(camera, self._trajectory, settings) for camera in about.camera}
        self._poses: list[VehiclePose] = []
        self._without_place: list[WithoutPlace] = []
        self._only_cut: list[SeenCut] = []
        self._tilts: list[TiltOfFrame] = []
        self.tally = Tally()

    def run(self, progress: Progress) -> Replayed:
        """Look at every frame, end every track, and say what the drive covered."""
        for number, entry in enumerate(self._drive.frames, start=1):
            self._step(entry, self._lanes[entry.camera_id])
            self._let_frames_go()
            progress(number, len(self._drive.frames))
        for lane in self._lanes.values():
            self._keep_all(lane.tracker.close(), lane)
        looked_at = tuple(
            stretch
            for camera_id, lane in self._lanes.items()
            for stretch in stretches(camera_id, lane.camera.zone, lane.glances)
        )
        track = closed_track(
            self._drive, self._context.bundle, thinned(self._poses), looked_at, self.tally.observations
        )
        tilts = tuple(sorted(self._tilts, key=lambda tilt: tilt.sequence))
        return Replayed(track, self.tally, tuple(self._without_place), tuple(self._only_cut), tilts)

    def _step(self, entry: FrameEntry, lane: Lane) -> None:
        """One frame from the gate to the tracks that end with it."""
        self.tally.frames_read += 1
        pose = self._trajectory.at(entry.captured_at)
        if pose is not None:
            self._poses.append(pose)
        admitted = lane.gate.admits(entry, pose)
        if admitted is None:
            self.tally.frames_between += 1
            return
        seen = admitted if isinstance(admitted, Rejected) else self._look(entry)
        self._glance(entry, lane, seen)
        if isinstance(seen, Rejected) or isinstance(admitted, Rejected):
            return
        lane.gate.used(admitted)
        self.tally.frames_used += 1
        with self.tally.timed("locate_and_track"):
            located = self._locate(seen, lane, admitted, entry.sequence)
            ended = lane.tracker.step(entry.sequence, admitted, located, entry.measured_tilt)
        self._keep_all(ended, lane)

    def _look(self, entry: FrameEntry) -> Sightings | Rejected:
        with self.tally.timed("look"):
            return self._eyes.look(entry)

    def _glance(self, entry: FrameEntry, lane: Lane, seen: Sightings | Rejected) -> None:
        """What the inspection log keeps. While standing, the last frame still speaks for the road ahead."""
        reason = seen.reason if isinstance(seen, Rejected) else None
        if isinstance(seen, Rejected):
            self.tally.reject(seen)
        if reason is not InvalidReason.STANDING:
            station_m = self._trajectory.station_at(entry.captured_at)
            lane.glances.append(Glance(station_m, reason))

    def _locate(self, seen: Sightings, lane: Lane, pose: VehiclePose, sequence: int) -> list[Located]:
        """Boxes on the road; those without a place are noted. A cut one may still go on with a damage."""
        self.tally.detections += len(seen.class_codes)
        places = locate(seen, lane.camera, pose, self._context.time_sigma_s)
        for place in places:
            reason = place.reason if isinstance(place, Unplaced) else place.no_place
            if reason is not None:
                _count(self.tally.unplaced, reason.value)
                code = seen.class_codes[place.number]
                self._without_place.append(WithoutPlace(sequence, place.number, code, reason))
        return [place for place in places if isinstance(place, Located)]

    def _keep_all(self, tracks: list[RoadTrack], lane: Lane) -> None:
        """Protect, then keep: the picture and its observation go into the outbox together."""
        with self.tally.timed("protect"):
            pictures = (
                [NoPicture(WITHOUT_IMAGES)] * len(tracks)
                if self._photographer is None
                else self._photographer.pictures_of(tracks, lane.camera)
            )
        for track, picture in zip(tracks, pictures, strict=True):
            evidence: Evidence | str
            if isinstance(picture, NoPicture):
                evidence, kept = picture.reason, None
                _count(self.tally.without_picture, picture.reason)
            else:
                evidence, kept = picture.evidence, picture
            with self.tally.timed("keep"):
                abeam = abeam_of(track.lat, track.lon, track.best.pose, self._trajectory)
                self._keep(observation_from(track, self._context, lane.camera, evidence, abeam), kept)
            self.tally.observations += 1
        only_cut = lane.tracker.seen_only_cut()
        self._only_cut += only_cut
        self.tally.only_cut += len(only_cut)
        mounted_deg = lane.camera.camera.mount.tilt_down_deg
        self._tilts += [
            TiltOfFrame(
                sequence,
                mounted_deg + math.degrees(tilt.more_rad),
                math.degrees(tilt.sigma_rad),
                tilt.estimated,
            )
            for sequence, tilt in lane.tracker.new_tilts()
        ]

    def _let_frames_go(self) -> None:
        """Hold no frames but those that are, or may become, some track's best view."""
        if self._photographer is not None:
            kept = set[int]().union(*(lane.tracker.kept_sequences for lane in self._lanes.values()))
            self._photographer.hold_only(kept)
