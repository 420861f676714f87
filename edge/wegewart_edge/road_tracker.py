"""One damage from many looks: association on the road, fusion with everything that the looks share.

At one frame per metres of driving, boxes of one damage do not overlap in the image, but they do on the
road. Only the vehicle's own motion counts here: the receiver's bias is shared by neighbouring frames. The
first looks of a drive wait until they tell how much tilt and pixel really vary (tilt_noise.py); then, and
from there on frame by frame, tracks.py follows the damages.
"""

from collections.abc import Callable, Sequence

from wegewart.geo import Covariance
from wegewart_edge.locate import Located
from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.road_match import ALONE_GATES
from wegewart_edge.road_tilt import FrameTilt, MeasuredTilt
from wegewart_edge.settings import TrackSettings
from wegewart_edge.tilt_noise import Noise, learnt_noise
from wegewart_edge.tracks import LocatedFrame, RoadTrack, SeenCut, Track, Tracks

__all__ = ["RoadTrack", "RoadTracker", "SeenCut"]

DriftVarianceM2 = Callable[[Covariance, float], float]


class RoadTracker:
    """Tracks of one camera over one drive; memory is bounded by the road in view and the first looks.

    Args:
        drift_variance_m2: Variance per axis of the change of the pose's error, from a pose's covariance and
            a driven length; at length 0 twice the pose's own noise.
    """

    def __init__(
        self, settings: TrackSettings, camera: RoadCamera, drift_variance_m2: DriftVarianceM2
    ) -> None:
        self._settings = settings
        self._camera = camera
        self._drift_variance_m2 = drift_variance_m2
        self._waiting: list[LocatedFrame] = []
        self._whole_waiting = 0
        self._tracks: Tracks | None = None
        self._assumed = Noise.assumed(camera.settings.slope_sigma_deg)
        self._next_lesson = 0
        self._tilts: list[tuple[int, FrameTilt]] = []
        self._cut: list[SeenCut] = []

    @property
    def kept_sequences(self) -> set[int]:
        """Frames that are, or may become, some track's best view."""
        kept = {frame.sequence for frame in self._waiting if frame.located}
        return kept | (self._tracks.kept_sequences if self._tracks is not None else set())

    def step(
        self,
        sequence: int,
        pose: VehiclePose,
        located: Sequence[Located],
        measured_tilt: MeasuredTilt | None = None,
    ) -> list[RoadTrack]:
        """Take the detections of one frame; the tracks that ended, in order of their end."""
        frame = LocatedFrame(sequence, pose, tuple(located), measured_tilt)
        if self._tracks is not None:
            return self._follow(self._tracks, frame)
        self._waiting.append(frame)
        self._whole_waiting += sum(not each.cut for each in located)
        if not self._heard_enough:
            return []
        return self._begin()

    def close(self) -> list[RoadTrack]:
        """End the drive: all tracks that are left."""
        ended = self._begin() if self._tracks is None else []
        return ended if self._tracks is None else ended + self._finished(self._tracks, self._tracks.close())

    def seen_only_cut(self) -> list[SeenCut]:
        """Damages without a place that ended since this was asked last: no frame showed them whole."""
        cut, self._cut = self._cut, []
        return cut

    def new_tilts(self) -> list[tuple[int, FrameTilt]]:
        """Tilts that became known since this was asked last, by frame sequence."""
        tilts, self._tilts = self._tilts, []
        return tilts

    @property
    def _heard_enough(self) -> bool:
        settings = self._settings
        return self._whole_waiting >= settings.first_looks or len(self._waiting) >= settings.first_frames

    def _begin(self) -> list[RoadTrack]:
        """Go over the first frames twice: once to learn how much everything varies, once to track.

        What ends on the way is finished at the end of it, with what all of them tell about the mount.
        """
        # What is assumed may be too small, and what lies beyond the gate would never correct it.
        wide = ALONE_GATES * self._settings.gate
        first = self._tracks_with(self._assumed, wide)
        for frame in self._waiting:
            first.step(frame)
        self._tracks = tracks = self._tracks_with(self._learnt(first))
        self._next_lesson = 2 * max(tracks.whole_looks, self._settings.first_looks)
        ended = [track for frame in self._waiting for track in self._stepped(tracks, frame)]
        self._waiting = []
        return self._finished(tracks, ended)

    def _follow(self, tracks: Tracks, frame: LocatedFrame) -> list[RoadTrack]:
        """One frame after the first ones; the sigmas are learnt anew each time the looks have doubled."""
        ended = self._finished(tracks, self._stepped(tracks, frame))
        if tracks.whole_looks >= self._next_lesson:
            self._next_lesson = 2 * tracks.whole_looks
            tracks.learn(self._learnt(tracks))
        return ended

    def _finished(self, tracks: Tracks, ended: Sequence[Track]) -> list[RoadTrack]:
        finished = [tracks.finished(track) for track in ended]
        self._cut += [each for each in finished if isinstance(each, SeenCut)]
        return [each for each in finished if isinstance(each, RoadTrack)]

    def _stepped(self, tracks: Tracks, frame: LocatedFrame) -> list[Track]:
        ended, tilt = tracks.step(frame)
        self._tilts.append((frame.sequence, tilt))
        return ended

    def _tracks_with(self, noise: Noise, gate_alone: float | None = None) -> Tracks:
        return Tracks(self._settings, self._camera, self._drift_variance_m2, noise, gate_alone)

    def _learnt(self, tracks: Tracks) -> Noise:
        return learnt_noise(tracks.logged, self._camera, self._drift_variance_m2, self._assumed)
