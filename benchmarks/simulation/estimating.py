"""The vehicle's own code over simulated drives, in memory: Trajectory → gate → locate → RoadTracker.

The same steps as `wegewart-edge locate`, without writing and parsing files; a test holds both to the same
places. It is handed stamps, fixes and boxes, and what drive.toml states; never the truth.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulation.recording import fixes_of, moment_of
from simulation.scene import Scene
from simulation.seeing import NOTHING_TRUE
from simulation.world import Array, east_north_of
from wegewart.geo import Covariance
from wegewart.observation import Observation
from wegewart_edge.drive_reader import FrameEntry
from wegewart_edge.gate import Rejected
from wegewart_edge.locate import Located, Sightings, locate
from wegewart_edge.pipeline import Lane
from wegewart_edge.pose import LeverArm, Trajectory
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_tracker import RoadTrack
from wegewart_edge.settings import EdgeSettings


@dataclass(frozen=True)
class Found:
    """One damage as the vehicle reports it: place, covariances [ee, en, nn] in m², and its best view."""

    lat: float
    lon: float
    cov_relative_m2: Covariance
    cov_gnss_m2: Covariance
    looks: int
    nearest_m: float
    best_sequence: int
    best_box_px: tuple[float, float, float, float]
    first_sequence: int
    first_number: int

    @classmethod
    def of_track(cls, track: RoadTrack) -> "Found":
        """What an observation of this track says."""
        return cls(
            track.lat,
            track.lon,
            track.cov_relative,
            track.best.pose.cov_gnss,
            track.looks,
            track.nearest_m,
            track.best.sequence,
            track.best.located.box_px,
            track.first_sequence,
            track.first_number,
        )

    @classmethod
    def of_observation(cls, observation: Observation) -> "Found":
        """The same from the message."""
        box = observation.box_px
        return cls(
            observation.lat,
            observation.lon,
            observation.cov_relative_m2,
            observation.cov_gnss_m2,
            observation.looks,
            observation.nearest_m,
            observation.best_sequence,
            (box.x1, box.y1, box.x2, box.y2),
            observation.first_sequence,
            observation.first_number,
        )


@dataclass
class Effort:
    """What was handled, and the processor time of it."""

    detections: int = 0
    unplaced: int = 0
    frames: int = 0
    frames_without_pose: int = 0
    pose_s: float = 0.0
    locate_s: float = 0.0
    track_s: float = 0.0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the processor time of a stage: neighbours on the machine do not count."""
        begin_s = time.process_time()
        yield
        setattr(self, stage, getattr(self, stage) + time.process_time() - begin_s)

    @property
    def detections_per_s(self) -> float:
        """Detections placed on the road in a second of one core, in frames as they came: one or two each."""
        return self.detections / self.locate_s

    @property
    def tracked_per_s(self) -> float:
        """Detections placed and followed to the end of their tracks in a second of one core."""
        return self.detections / (self.locate_s + self.track_s)

    @property
    def pose_ms_per_frame(self) -> float:
        """Processor time of the path, by frame."""
        return 1000 * self.pose_s / self.frames

    def add(self, other: "Effort") -> None:
        """Add up."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def drive_through(scene: Scene, number: int, settings: EdgeSettings) -> tuple[list[Found], Effort]:
    """Damages that the vehicle's code finds in one drive."""
    setting, boxes = scene.setting, scene.boxes_of(number)
    effort = Effort(detections=len(boxes.frame))
    with effort.timed("pose_s"):
        lever = LeverArm(setting.antenna_forward_m, setting.antenna_right_m)
        trajectory = Trajectory(fixes_of(scene.drives, number, setting), lever, settings.pose)
        lane = Lane(setting.camera, trajectory, settings)
    tracks: list[RoadTrack] = []
    seen = _sightings(scene, number)
    for sequence, stamped_s in enumerate(scene.drives.shake.stamped_s[number]):
        effort.frames += 1
        with effort.timed("pose_s"):
            moment = moment_of(float(stamped_s))
            entry = FrameEntry(sequence, setting.camera.camera_id, moment)
            pose = lane.gate.admits(entry, trajectory.at(moment))
        if pose is None or isinstance(pose, Rejected):
            effort.frames_without_pose += 1
            continue
        lane.gate.used(pose)
        with effort.timed("locate_s"):
            places = locate(seen[sequence], lane.camera, pose, setting.time_sigma_s)
            located = [place for place in places if isinstance(place, Located)]
        with effort.timed("track_s"):
            tracks += lane.tracker.step(sequence, pose, located)
        effort.unplaced += len(places) - len(located)
    with effort.timed("track_s"):
        tracks += lane.tracker.close()
    return [Found.of_track(track) for track in tracks], effort


@dataclass(frozen=True)
class SingleLooks:
    """Boxes of damages placed one by one: true range (N,), error less the bias (N, 2), stated (N, 2, 2)."""

    range_m: Array
    relative_m: Array
    covariance_m2: Array


def single_looks(scene: Scene, number: int, settings: EdgeSettings) -> SingleLooks:
    """Places of single boxes of true damages in one drive, before any track."""
    setting, boxes, drives = scene.setting, scene.boxes_of(number), scene.drives
    lever = LeverArm(setting.antenna_forward_m, setting.antenna_right_m)
    trajectory = Trajectory(fixes_of(drives, number, setting), lever, settings.pose)
    camera, seen = RoadCamera(setting.camera, settings.locate), _sightings(scene, number)
    bias_m = drives.bias_at(number, drives.shake.stamped_s[number])
    rows: list[tuple[float, Array, Array]] = []
    for sequence in np.unique(boxes.frame):
        pose = trajectory.at(moment_of(float(drives.shake.stamped_s[number, sequence])))
        if pose is None:
            continue
        here_m = np.array(east_north_of(np.array(pose.lat), np.array(pose.lon)))
        first = int(np.searchsorted(boxes.frame, sequence))
        for place in locate(seen[sequence], camera, pose, setting.time_sigma_s):
            row = first + place.number
            if isinstance(place, Located) and boxes.truth[row] != NOTHING_TRUE:
                found_m = here_m + np.array([place.east_m, place.north_m]) - bias_m[sequence]
                error_m = found_m - scene.places_m[boxes.truth[row]]
                rows.append((float(boxes.range_m[row]), error_m, place.covariance))
    ranges_m, errors_m, covariances_m2 = zip(*rows, strict=True) if rows else ((), (), ())
    return SingleLooks(
        np.array(ranges_m),
        np.array(errors_m).reshape(-1, 2),
        np.array(covariances_m2).reshape(-1, 2, 2),
    )


def _sightings(scene: Scene, number: int) -> list[Sightings]:
    """Boxes of each frame of one drive as the vehicle's code takes them."""
    boxes = scene.boxes_of(number)
    codes, confidences = scene.codes_of(boxes), tuple(map(float, boxes.confidence))
    borders = np.searchsorted(boxes.frame, np.arange(scene.drives.frames.time_s.shape[1] + 1))
    return [
        Sightings(
            boxes.box_px[begin:end],
            codes[begin:end],
            confidences[begin:end],
            edge_share=scene.setting.detector.edge_share,  # as the model's eyes say it; given boxes have 0
        )
        for begin, end in pairwise(borders)
    ]


def covariance_of(packed: Array) -> Array:
    """Covariances (N, 2, 2) from rows [ee, en, nn]."""
    ee, en, nn = packed.T
    full: Array = np.stack([np.stack([ee, en], axis=1), np.stack([en, nn], axis=1)], axis=1)
    return full
