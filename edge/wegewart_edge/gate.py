"""Which frames are looked at: a frame is usable, or rejected with a reason that the inspection log keeps."""

from dataclasses import dataclass

import cv2

from wegewart.drive import InvalidReason
from wegewart_edge.drive_reader import FrameEntry
from wegewart_edge.pose import VehiclePose
from wegewart_edge.settings import GateSettings
from wegewart_inference.frame import ImageU8

THUMBNAIL_PX = (64, 40)  # brightness and structure survive it, noise does not


@dataclass(frozen=True, slots=True)
class Rejected:
    """A frame that is not looked at, and why; `detail` is for people."""

    entry: FrameEntry
    reason: InvalidReason
    detail: str = ""


class Gate:
    """Decides before the image is loaded; one per camera, because it remembers the last used frame."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._last_station_m: float | None = None

    def admits(self, entry: FrameEntry, pose: VehiclePose | None) -> VehiclePose | Rejected | None:
        """Pose of a usable frame, or why it is rejected; None where it only lies too near to the last one."""
        if pose is None:
            return Rejected(entry, InvalidReason.NO_POSITION, "no position at the time of the frame")
        if pose.speed_mps > self._settings.max_speed_mps:
            return Rejected(entry, InvalidReason.TOO_FAST, f"{pose.speed_mps * 3.6:.0f} km/h")
        if self._last_station_m is not None:
            if pose.speed_mps < self._settings.standing_mps:
                return Rejected(entry, InvalidReason.STANDING, f"{pose.speed_mps:.2f} m/s")
            if pose.station_m - self._last_station_m < self._settings.distance_m:
                return None
        return pose

    def used(self, pose: VehiclePose) -> None:
        """Remember the frame that was really looked at; a broken one does not count."""
        self._last_station_m = pose.station_m


def spoiled(image: ImageU8, settings: GateSettings) -> tuple[InvalidReason, str] | None:
    """Why nothing can be seen in the road half of an image, or None.

    Measured on a thumbnail of the lower half: mean brightness for darkness, standard deviation for a
    covered lens. Both catch only hopeless images; rain, glare and blur are not measured yet.
    """
    lower = image[image.shape[0] // 2 :]
    grey = cv2.cvtColor(cv2.resize(lower, THUMBNAIL_PX, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    brightness, structure = float(grey.mean()), float(grey.std())
    if brightness < settings.dark_below:
        return InvalidReason.DARK, f"mean brightness {brightness:.0f} of 255"
    if structure < settings.uniform_below:
        return InvalidReason.COVERED_LENS, f"standard deviation {structure:.1f} of 255"
    return None
