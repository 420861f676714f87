"""The 27 photographs as they came, with their boxes, and what the camera estimate says of each."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from road_plane import PlaneCamera

from wegewart.errors import DatasetInvalid

HERE = Path(__file__).resolve().parent
ESTIMATE = HERE / "camera-estimate.json"
SOURCE_FOLDER = "drives/dnit-br386-run"
WIDTH_PX, HEIGHT_PX = 1024, 640
CLASSES = ("D00", "D10", "D20", "D40")


@dataclass(frozen=True)
class Box:
    """One labelled box: its frame, its number in the frame's label file, class code, pixels."""

    sequence: int
    number: int
    code: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class CameraEstimate:
    """Camera, and for each frame the station, the place across the lane, and the vehicle's heading in it."""

    camera: PlaneCamera
    station_m: tuple[float, ...]
    right_of_lane_axis_m: tuple[float, ...]
    heading_right_deg: tuple[float, ...]


def read_estimate(path: Path = ESTIMATE) -> CameraEstimate:
    """What estimate_camera.py wrote."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    frames = stored["frames"]
    return CameraEstimate(
        PlaneCamera(**stored["camera"]),
        tuple(frames["station_m"]),
        tuple(frames["right_of_lane_axis_m"]),
        tuple(frames["heading_right_deg"]),
    )


def photographs(data_root: Path) -> list[Path]:
    """The 27 image files in driving order.

    Raises:
        DatasetInvalid: If the folder does not hold them.
    """
    found = sorted((data_root / SOURCE_FOLDER / "images").glob("*.jpg"))
    if len(found) != 27:
        raise DatasetInvalid(f"{data_root / SOURCE_FOLDER} holds {len(found)} photographs, 27 are expected")
    return found


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Image in BGR, shape (640, 1024, 3).

    Raises:
        DatasetInvalid: If it cannot be read or has another size.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or image.shape != (HEIGHT_PX, WIDTH_PX, 3):
        raise DatasetInvalid(f"{path.name} is no image of {WIDTH_PX}×{HEIGHT_PX} pixels")
    return np.asarray(image, np.uint8)


def read_boxes(photograph: Path, sequence: int) -> list[Box]:
    """Labelled boxes of a photograph, in pixels, in the order of its label file."""
    label = photograph.parent.parent / "labels" / f"{photograph.stem}.txt"
    boxes = []
    for number, line in enumerate(label.read_text(encoding="utf-8").splitlines()):
        index, x, y, width, height = line.split()
        half_width_px, half_height_px = float(width) * WIDTH_PX / 2, float(height) * HEIGHT_PX / 2
        x_px, y_px = float(x) * WIDTH_PX, float(y) * HEIGHT_PX
        boxes.append(
            Box(
                sequence,
                number,
                CLASSES[int(index)],
                x_px - half_width_px,
                y_px - half_height_px,
                x_px + half_width_px,
                y_px + half_height_px,
            )
        )
    return boxes
