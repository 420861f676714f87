"""The mount calibrated on the first half of the real 27-frame drive, and tested on road points of the second.

The lens was adjusted on the first 14 photographs alone (camera-first-half.json). The product's calibration
then finds the mount on the same 14, with the chainage in the file names as its only scale. On the other 13,
how far the vehicle went from frame to frame comes from road texture, away from the points that are tested.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.camera import Camera, CameraIntrinsics, CameraMount
from wegewart_edge.calibration.mount import ANYWHERE, MountEstimate, estimate_mount, road_patch
from wegewart_edge.calibration.road_matches import (
    RoadSpots,
    Window,
    agrees,
    alike,
    possible,
    road_spots,
    vote,
)
from wegewart_edge.calibration.road_motion import Pair
from wegewart_edge.road_camera import RoadCamera
from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "sample-drive"
FRAMES, HALF = 27, 14
CHAINAGE_SIGMA_M = 0.7  # a whole number of metres, of the video frame nearest to a mark every 5 m
HEADING_SIGMA_RAD = np.radians(0.5)
ANY_ADVANCE = Window((1.8, 8.5), 0.5)  # nothing is known of how far it went
NEAR_A_POINT_M = 0.5  # texture so near to a tested point has no say in the advance


@dataclass(frozen=True)
class RoadPoint:
    """One spot of the road in two neighbouring frames, pixels with centres at .5."""

    first: int
    second: int
    first_px: Array
    second_px: Array


@dataclass(frozen=True)
class DriveFigures:
    """Of the tested points: how many, and the medians of what is left of the way between both looks."""

    estimate: MountEstimate
    points: int
    pairs: int
    along_m: float
    along_p90_m: float
    across_m: float
    pixel_px: float


def road_points() -> list[RoadPoint]:
    """All road points that were looked at."""
    with (SAMPLE / "road-points.csv").open(encoding="utf-8", newline="") as file:
        return [
            RoadPoint(
                int(row["first"]),
                int(row["second"]),
                np.array([[float(row["x1"]), float(row["y1"])]]),
                np.array([[float(row["x2"]), float(row["y2"])]]),
            )
            for row in csv.DictReader(file)
        ]


def drive_figures() -> DriveFigures:
    """Calibrate on the first half, test on the second."""
    images = [_image(number) for number in range(FRAMES)]
    estimate = calibrate_first_half(images[:HALF])
    camera = RoadCamera(estimate.camera, ANYWHERE)
    tested = [point for point in road_points() if point.first >= HALF]
    spots: dict[int, RoadSpots] = {}
    for number in {frame for point in tested for frame in (point.first, point.second)}:
        spots[number] = road_spots(images[number], camera.pixels, road_patch(camera))
    left = np.array([_left_over(point, camera, spots[point.first], spots[point.second]) for point in tested])
    along_m, across_m, pixel_px = np.abs(left).T
    return DriveFigures(
        estimate=estimate,
        points=len(tested),
        pairs=len({point.first for point in tested}),
        along_m=float(np.median(along_m)),
        along_p90_m=float(np.percentile(along_m, 90)),
        across_m=float(np.median(across_m)),
        pixel_px=float(np.median(pixel_px)),
    )


def calibrate_first_half(images: Sequence[ImageU8]) -> MountEstimate:
    """Mount by the product's calibration, from whole degrees and decimetres as a rough start."""
    stored = json.loads((SAMPLE / "camera-first-half.json").read_text(encoding="utf-8"))["camera"]
    rough = Camera(
        camera_id="front",
        intrinsics=CameraIntrinsics(
            width_px=images[0].shape[1],
            height_px=images[0].shape[0],
            focal_x_px=stored["focal_px"],
            focal_y_px=stored["focal_px"],
            centre_x_px=stored["centre_x_px"],
            centre_y_px=stored["centre_y_px"],
            distortion=(stored["radial"], stored["radial"] ** 2, 0.0, 0.0),
        ),
        mount=CameraMount(
            version="rough",
            height_m=round(stored["height_m"], 1),
            tilt_down_deg=round(stored["tilt_down_deg"]),
            roll_right_deg=round(stored["roll_right_deg"]),
            yaw_right_deg=round(stored["yaw_right_deg"]),
        ),
    )
    chainage_m = [float(name[-9:-4]) for name in (SAMPLE / "source-files.txt").read_text("utf-8").split()]
    pairs = [
        Pair(
            first=number,
            second=number + 1,
            advance_m=chainage_m[number + 1] - chainage_m[number],
            advance_sigma_m=np.sqrt(2) * CHAINAGE_SIGMA_M,
            sideways_m=0.0,
            sideways_sigma_m=0.1,
            turn_rad=0.0,
            heading_sigma_rad=float(HEADING_SIGMA_RAD),
        )
        for number in range(len(images) - 1)
    ]
    return estimate_mount(images.__getitem__, len(images), pairs, rough)


def _left_over(
    point: RoadPoint, camera: RoadCamera, first: RoadSpots, second: RoadSpots
) -> tuple[float, float, float]:
    """Way between both looks at a point, less the vehicle's: along and across (m), and in pixels."""
    there = camera.ground(point.first_px).points_m
    here = camera.ground(point.second_px).points_m
    moved_m = advance(first, second, here[0])
    left_m = there[0] - here[0] - moved_m
    predicted_px = camera.pixels(there - moved_m)
    return float(left_m[0]), float(left_m[1]), float(np.linalg.norm(predicted_px - point.second_px))


def advance(first: RoadSpots, second: RoadSpots, away_from_m: Array) -> Array:
    """Way of the vehicle between two frames, (2,) forward and right, from texture away from a place.

    Raises:
        ValueError: If no texture agrees on a way.
    """
    one, other = alike(first, second)
    away = np.linalg.norm(second.road_m[other] - away_from_m, axis=1) > NEAR_A_POINT_M
    moved_m = (first.road_m[one] - second.road_m[other])[away]
    moved_m = moved_m[possible(moved_m, ANY_ADVANCE)]
    won = vote(moved_m)
    if won is None:
        raise ValueError("no texture agrees on how far the vehicle went")
    return np.asarray(np.median(moved_m[agrees(moved_m, won.move_m)], axis=0))


def _image(number: int) -> ImageU8:
    image = cv2.imread(str(SAMPLE / "pass-1" / "images" / f"{number:03d}.jpg"), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"frame {number} of the sample drive cannot be read")
    return np.asarray(image, np.uint8)
