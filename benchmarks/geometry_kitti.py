"""Depth of objects on KITTI's streets from the bottom edges of their boxes, with a tilt per frame.

No images are there, so the tilt of a frame comes from its boxes: how high an object of a class is tells
roughly how far it stands, and that, with the row of its bottom edge, tells where the horizon is. The object
that is being placed never helps with the tilt of its own frame. Nothing is taken from the truth, neither the
tilts nor how much they vary: that is fitted to the boxes.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from wegewart.camera import Camera, CameraIntrinsics, CameraMount
from wegewart.drive import FixType
from wegewart.geo import Covariance
from wegewart_edge.locate import Located, Sightings, locate
from wegewart_edge.pose import VehiclePose
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import LocateSettings

Array = npt.NDArray[np.float64]

FOLDER = "drives/eval-only-kitti-geometry"
HEIGHT_M = 1.65  # of KITTI's cameras above the road (Geiger et al. 2013, figure 3)
SIZE_PX = (1242, 376)  # no frame is larger
BANDS_M = ((0.0, 10.0), (10.0, 20.0), (20.0, 40.0))
BOX_SIGMA_PX = 2.0
SIGMAS_95 = 1.96
GROUND_SIGMA_M = 0.085  # half of the objects stand on a pavement behind a kerb of 12 cm: rms against the road
# Round figures for what moves on streets, with the spread within a class; not fitted to this set.
CLASS_HEIGHT_M: Mapping[str, tuple[float, float]] = {
    "Car": (1.50, 0.13),
    "Van": (2.10, 0.30),
    "Truck": (3.30, 0.50),
    "Tram": (3.50, 0.30),
    "Pedestrian": (1.72, 0.13),
    "Cyclist": (1.72, 0.13),
}


@dataclass(frozen=True)
class Seen:
    """One whole object: its class, its box, its lens, and the depth of its nearest bottom edge."""

    frame: str
    kind: str
    box_px: Array
    focal_px: float
    centre_px: tuple[float, float]
    truth_m: float

    @property
    def below_axis_rad(self) -> float:
        """Angle of the bottom edge below the optical axis."""
        return math.atan((float(self.box_px[3]) - self.centre_px[1]) / self.focal_px)


@dataclass(frozen=True)
class Spread:
    """Sigmas: of tilts from frame to frame, of the road's slope, of the ground under objects (kerbs)."""

    tilt_rad: float
    slope_rad: float
    ground_m: float


@dataclass(frozen=True)
class Band:
    """One band of depths: how far off the naive way and ours are, and what our intervals hold."""

    name: str
    objects: int
    naive_m: float
    ours_m: float
    with_tilt: int
    naive_with_tilt_m: float
    ours_with_tilt_m: float
    held: float
    half_length_m: float
    unplaced: int


def read_objects(data_root: Path) -> list[Seen]:
    """Objects that are neither cut nor covered."""
    folder = data_root / FOLDER
    with (folder / "calib.csv").open(encoding="utf-8", newline="") as file:
        lenses = {row["frame"]: row for row in csv.DictReader(file)}
    with (folder / "objects.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if float(row["truncated"]) == 0 and row["occluded"] == "0" and row["type"] != "DontCare"
        ]
    return [_seen(row, lenses[row["frame"]]) for row in rows]


def _seen(row: Mapping[str, str], lens: Mapping[str, str]) -> Seen:
    return Seen(
        row["frame"],
        row["type"],
        np.array([float(row[side]) for side in ("x1", "y1", "x2", "y2")]),
        float(lens["P2_11"]),
        (float(lens["P2_02"]), float(lens["P2_12"])),
        _nearest_bottom_m(row),
    )


def _nearest_bottom_m(row: Mapping[str, str]) -> float:
    """Depth of the nearest corner of the box's footprint."""
    turn = float(row["rotation_y"])
    half_length, half_width = float(row["l_m"]) / 2, float(row["w_m"]) / 2
    return float(row["z_m"]) - abs(half_length * math.sin(turn)) - abs(half_width * math.cos(turn))


def tilt_by_box(seen: Seen) -> tuple[float, float, float] | None:
    """Tilt, the share of its sigma that comes from the object's height, and 1 / depth; None if not known."""
    if seen.kind not in CLASS_HEIGHT_M:
        return None
    height_m, sigma_m = CLASS_HEIGHT_M[seen.kind]
    high_px = float(seen.box_px[3] - seen.box_px[1])
    depth_m = seen.focal_px * height_m / high_px
    by_height = HEIGHT_M / depth_m * math.hypot(sigma_m / height_m, math.sqrt(2) * BOX_SIGMA_PX / high_px)
    own = math.hypot(by_height, BOX_SIGMA_PX / seen.focal_px)
    return math.atan2(HEIGHT_M, depth_m) - seen.below_axis_rad, own, 1 / depth_m


def fit_spread(frames: Mapping[str, Sequence[Seen]]) -> Spread:
    """The spread of the frames' tilts under which the tilts by all boxes are most likely."""
    slope = math.radians(LocateSettings().slope_sigma_deg)
    groups = []
    for members in frames.values():
        by_box = [found for each in members if (found := tilt_by_box(each)) is not None]
        if by_box:
            groups.append(np.array(by_box))

    def unlikelihood(log_tilt: float) -> float:
        total = 0.0
        for group in groups:
            own = np.diag(group[:, 1] ** 2 + slope**2 + (GROUND_SIGMA_M * group[:, 2]) ** 2)
            covariance = own + math.exp(log_tilt) ** 2
            _, log_determinant = np.linalg.slogdet(covariance)
            total += float(log_determinant + group[:, 0] @ np.linalg.solve(covariance, group[:, 0]))
        return total

    solved = minimize_scalar(unlikelihood, bounds=(math.log(1e-4), math.log(0.1)), method="bounded")
    return Spread(math.exp(float(solved.x)), slope, GROUND_SIGMA_M)


def frame_tilt(others: Sequence[Seen], spread: Spread) -> tuple[float, float, int]:
    """Tilt of a frame and its sigma (rad) from other objects in it, and how many had a say."""
    weights, weighted = 1 / spread.tilt_rad**2, 0.0
    found = [by_box for each in others if (by_box := tilt_by_box(each)) is not None]
    for tilt, own, nearness in found:
        variance = own**2 + spread.slope_rad**2 + (spread.ground_m * nearness) ** 2
        weights += 1 / variance
        weighted += tilt / variance
    return weighted / weights, weights**-0.5, len(found)


def placed(seen: Seen, tilt_rad: float, sigma_rad: float, spread: Spread) -> Located | None:
    """The object through the product's own locate, with the tilt of its frame."""
    intrinsics = CameraIntrinsics(
        width_px=SIZE_PX[0],
        height_px=SIZE_PX[1],
        focal_x_px=seen.focal_px,
        focal_y_px=seen.focal_px,
        centre_x_px=seen.centre_px[0],
        centre_y_px=seen.centre_px[1],
    )
    mount = CameraMount(
        version="kitti",
        height_m=HEIGHT_M,
        tilt_down_deg=math.degrees(tilt_rad),
        height_sigma_m=spread.ground_m,
        tilt_sigma_deg=math.degrees(sigma_rad),
    )
    settings = LocateSettings(
        far_m=80.0,
        pixel_sigma_px=BOX_SIGMA_PX,
        slope_sigma_deg=math.degrees(spread.slope_rad),
        horizon_sigmas=1.0,
        frame_edge_px=0.0,
    )
    camera = RoadCamera(Camera(camera_id="left", intrinsics=intrinsics, mount=mount), settings)
    (found,) = locate(Sightings(seen.box_px[None], ("D40",), (1.0,)), camera, _standing(), 0.0)
    return found if isinstance(found, Located) else None


def _standing() -> VehiclePose:
    """A pose that adds nothing: heading north, exactly."""
    return VehiclePose(
        captured_at=datetime(2026, 5, 4, tzinfo=UTC),
        station_m=0.0,
        lat=49.0,
        lon=8.4,
        heading_deg=0.0,
        heading_sigma_deg=0.0,
        speed_mps=0.0,
        cov_gnss=Covariance(1.0, 0.0, 1.0),
        fix=FixType.SINGLE,
    )


def kitti_bands(data_root: Path) -> tuple[Spread, list[Band]]:
    """The spread fitted to the boxes, and the figures of each band of depths."""
    objects = read_objects(data_root)
    frames: dict[str, list[Seen]] = defaultdict(list)
    for each in objects:
        frames[each.frame].append(each)
    spread = fit_spread(frames)
    rows = []
    for each in objects:
        tilt_rad, sigma_rad, helpers = frame_tilt([o for o in frames[each.frame] if o is not each], spread)
        found = placed(each, tilt_rad, sigma_rad, spread)
        below = math.tan(each.below_axis_rad)
        naive_m = HEIGHT_M / below if below > 0 else math.inf
        ours_m = math.nan if found is None else found.forward_m
        sigma_m = math.nan if found is None else math.sqrt(float(found.covariance[1, 1]))
        rows.append((each.truth_m, naive_m, ours_m, sigma_m, helpers))
    return spread, [_band(np.array(rows), near, far) for near, far in BANDS_M]


def _band(rows: Array, near_m: float, far_m: float) -> Band:
    rows = rows[(rows[:, 0] >= near_m) & (rows[:, 0] < far_m)]
    truth, naive, ours, sigma, helpers = rows.T
    known, tilted = np.isfinite(ours), np.isfinite(ours) & (helpers > 0)
    off, naive_off = np.abs(ours - truth), np.abs(naive - truth)
    half_m = SIGMAS_95 * sigma[known]
    return Band(
        name=f"{near_m:.0f}-{far_m:.0f}",
        objects=len(rows),
        naive_m=float(np.median(naive_off)),
        ours_m=float(np.median(off[known])),
        with_tilt=int(tilted.sum()),
        naive_with_tilt_m=float(np.median(naive_off[tilted])),
        ours_with_tilt_m=float(np.median(off[tilted])),
        held=float((off[known] <= half_m).mean()),
        half_length_m=float(np.median(half_m)),
        unplaced=int((~known).sum()),
    )
