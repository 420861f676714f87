"""Frames of a scene: textured asphalt, lane markings and damages, drawn from above and seen by the camera.

For checks of the image geometry and for pictures, not for training: it looks like a drawing. The lens is
undone pixel by pixel, the other way round than in `seeing`, and hills are met by iteration.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from simulation.scene import Scene
from simulation.world import Array
from wegewart.camera import CameraIntrinsics

Image = npt.NDArray[np.uint8]

AHEAD_M, ASIDE_M = 40.0, 12.0  # of the view from above, from the reference point
METRE_PX = 60.0  # scale of the view from above: at 4 m, a pixel of FORMULAS' camera is 4 mm across
TILE_PX, TILE_METRE_PX = 1024, 40.0
TILE_SEED = 5
DARK, LIGHT, SKY, FAR = (35, 35, 38), (215, 218, 220), (225, 205, 185), (104, 105, 105)
CRACK_M, MARKING_M = 0.04, 0.12
ROUNDS = 4  # of meeting a hilly road; slopes of some per cent shrink the error 20 times each
SHIFT = 4  # bits of OpenCV's fixed-point drawing coordinates: 1/16 px


@dataclass(frozen=True)
class _View:
    """Where the vehicle stands in one frame, and how its camera looks."""

    east_m: float
    north_m: float
    heading_rad: float
    way_m: float
    tilt_rad: float
    roll_rad: float
    yaw_rad: float
    height_m: float

    @classmethod
    def of(cls, scene: Scene, number: int, sequence: int) -> "_View":
        frames, shake = scene.drives.frames, scene.drives.shake
        columns = [frames.east_m, frames.north_m, frames.heading_rad, frames.way_m]
        columns += [shake.tilt_down_rad, shake.roll_right_rad, shake.yaw_right_rad, shake.height_m]
        return cls(*(float(column[number, sequence]) for column in columns))

    def forward_right_m(self, east_m: Array, north_m: Array) -> Array:
        """Points (N, 2) from the plane in the vehicle's frame."""
        sin, cos = np.sin(self.heading_rad), np.cos(self.heading_rad)
        to_east_m, to_north_m = east_m - self.east_m, north_m - self.north_m
        return np.stack([to_east_m * sin + to_north_m * cos, to_east_m * cos - to_north_m * sin], axis=-1)


def frame_of(scene: Scene, number: int, sequence: int, *, damaged: bool = True) -> Image:
    """The frame (height, width, 3), BGR, that the camera took of the road in one drive.

    Args:
        damaged: False for the same road without its damages.
    """
    view = _View.of(scene, number, sequence)
    above = _road_from_above(scene, number, view, damaged=damaged)
    points_m = _road_points(scene, view)
    rows = ((AHEAD_M - points_m[..., 0]) * METRE_PX).astype(np.float32)
    columns = ((points_m[..., 1] + ASIDE_M) * METRE_PX).astype(np.float32)
    # OpenCV puts pixel centres at whole numbers, the project at .5
    seen = cv2.remap(above, columns - 0.5, rows - 0.5, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, FAR)
    seen[np.isnan(points_m[..., 0])] = SKY
    return np.asarray(seen, dtype=np.uint8)


def write_frames(folder: Path, scene: Scene, number: int, sequences: range) -> list[Path]:
    """Draw frames of a drive into its folder images/, under the names that its frames.csv gives."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    paths = [folder / "images" / f"{sequence:06}.jpg" for sequence in sequences]
    for sequence, path in zip(sequences, paths, strict=True):
        cv2.imwrite(str(path), frame_of(scene, number, sequence))
    return paths


def _road_points(scene: Scene, view: _View) -> Array:
    """Road point (height, width, 2), forward and right, that each pixel sees; NaN for the sky."""
    mount, size = scene.setting.camera.mount, scene.setting.camera.intrinsics
    ray = _rays(scene.setting.camera.intrinsics.model_dump_json()) @ _vehicle_from_camera(view).T
    down = np.where(ray[:, 2] > 1e-6, ray[:, 2], np.nan)
    table_m = np.arange(-AHEAD_M, AHEAD_M, 0.25)  # hills are tens of metres long
    height_m, slope = (float(value[0]) for value in scene.street.rise.at(np.array([view.way_m])))
    table_above_m = scene.street.rise.at(view.way_m + table_m)[0] - height_m - slope * table_m
    above_m = np.zeros(len(ray))
    for _ in range(ROUNDS):
        forward_m = mount.forward_m + ray[:, 0] * (view.height_m - above_m) / down
        above_m = np.interp(np.nan_to_num(forward_m), table_m, table_above_m)
    reach = (view.height_m - above_m) / down
    points_m = np.array([mount.forward_m, mount.right_m]) + ray[:, :2] * reach[:, None]
    return points_m.reshape(size.height_px, size.width_px, 2)


@cache
def _rays(intrinsics_json: str) -> Array:
    """Directions (height × width, 3) in the camera's frame of all pixel centres, the lens undone."""
    of = CameraIntrinsics.model_validate_json(intrinsics_json)
    rows, columns = np.mgrid[0 : of.height_px, 0 : of.width_px]
    pixels = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1).astype(np.float64)
    matrix = np.array([[of.focal_x_px, 0, of.centre_x_px], [0, of.focal_y_px, of.centre_y_px], [0, 0, 1.0]])
    lens = np.array(of.distortion or (0.0,) * 4)
    until = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 1e-7)
    flat = cv2.undistortPointsIter(pixels[:, None], matrix, lens, np.eye(3), np.eye(3), until)
    return np.column_stack([flat.reshape(-1, 2), np.ones(len(pixels))])


def _vehicle_from_camera(view: _View) -> Array:
    """Rotation (3, 3) of docs/frames.md from the turns of one view: roll, then tilt, then yaw."""
    (st, sr, sy), (ct, cr, cy) = (
        [turn(angle) for angle in (view.tilt_rad, view.roll_rad, view.yaw_rad)] for turn in (np.sin, np.cos)
    )
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    tilt = np.array([[ct, 0, -st], [0, 1, 0], [st, 0, ct]])
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    level = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    turned: Array = yaw @ tilt @ roll @ level
    return turned


def _road_from_above(scene: Scene, number: int, view: _View, *, damaged: bool) -> Image:
    """View from above: forward is up, the reference point in the middle of the lower edge."""
    size_px = (int(2 * ASIDE_M * METRE_PX), int(AHEAD_M * METRE_PX))
    sin, cos, scale = np.sin(view.heading_rad), np.cos(view.heading_rad), TILE_METRE_PX / METRE_PX
    # From a pixel (column, row) above to the tile, which lies fixed on the plane: east right, north down.
    tile_from_above = np.array([[cos, -sin], [-sin, -cos]]) * scale
    first_m = np.array([view.east_m, view.north_m])
    first_m = first_m + AHEAD_M * np.array([sin, cos]) - ASIDE_M * np.array([cos, -sin])
    affine = np.column_stack([tile_from_above, first_m * TILE_METRE_PX])
    affine[:, 2] %= TILE_PX
    above = cv2.warpAffine(
        _asphalt(), affine, size_px, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_WRAP
    )
    road: Image = np.ascontiguousarray(cv2.cvtColor(above, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    _draw_markings(road, scene, view)
    if damaged:
        _draw_damages(road, scene, number, view)
    return road


@cache
def _asphalt() -> Image:
    """A tile of grey grain in three sizes that can be laid edge to edge."""
    random = np.random.default_rng(TILE_SEED)
    grey = np.full((TILE_PX, TILE_PX), 105.0)
    per_px2 = np.fft.fftfreq(TILE_PX)[:, None] ** 2 + np.fft.rfftfreq(TILE_PX) ** 2
    for blur_px, contrast in ((1.0, 14.0), (6.0, 8.0), (40.0, 6.0)):
        noise = np.fft.rfft2(random.normal(0, 1, (TILE_PX, TILE_PX)))
        grain = np.fft.irfft2(noise * np.exp(-2 * (np.pi * blur_px) ** 2 * per_px2))
        grey += contrast * grain / grain.std()
    return np.asarray(np.clip(grey, 0, 255), dtype=np.uint8)


def _draw_markings(road: Image, scene: Scene, view: _View) -> None:
    """Edge line on the right of the lane, dashes of 3 m with gaps of 6 m on its left."""
    half_m = scene.setting.street.lane_m / 2
    first, last = np.floor(view.way_m / 9.0) - 2, np.ceil((view.way_m + AHEAD_M) / 9.0) + 1
    dashes = [(-half_m, 9.0 * index, 9.0 * index + 3.0) for index in np.arange(first, last)]
    for right_m, begin_m, end_m in [(half_m, view.way_m - 10.0, view.way_m + AHEAD_M + 10.0), *dashes]:
        way_m = np.arange(begin_m, end_m + 0.25, 0.5)
        sides = [
            view.forward_right_m(*scene.street.place(way, right_m + side))
            for way, side in ((way_m, -MARKING_M / 2), (way_m[::-1], MARKING_M / 2))
        ]
        _fill(road, np.concatenate(sides), LIGHT)


def _draw_damages(road: Image, scene: Scene, number: int, view: _View) -> None:
    """Each within its rectangle, touching all four sides: a hole as an ellipse, cracks as jagged lines."""
    damages = scene.damages
    ahead_m = damages.near_m - view.way_m
    for index in np.flatnonzero(damages.exists[number] & (ahead_m > -15.0) & (ahead_m < AHEAD_M)):
        code = scene.setting.damage.classes[damages.class_index[index]].code
        for shape in _shapes(code, np.random.default_rng((TILE_SEED, int(index)))):
            way_m = damages.near_m[index] + shape[:, 0] * damages.length_m[index]
            right_m = damages.right_m[index] + shape[:, 1] * damages.width_m[index]
            _fill(road, view.forward_right_m(*scene.street.place(way_m, right_m)), DARK)


def _shapes(code: str, random: np.random.Generator) -> list[Array]:
    """Outlines in the rectangle of a damage: along 0 to 1, across −½ to ½."""
    if code == "D40":
        angle = np.linspace(0, 2 * np.pi, 49)[:-1]
        return [np.column_stack([0.5 + 0.5 * np.cos(angle), 0.5 * np.sin(angle)])]
    if code == "D00":
        return [_jagged(random)]
    if code == "D10":
        return [_jagged(random)[:, ::-1] + np.array([0.5, -0.5])]
    nets = [
        np.clip(_jagged(random) * [1, 0.4] + [0, shift], [0, -0.5], [1, 0.5]) for shift in (-0.3, 0.0, 0.3)
    ]
    rungs = [
        line[:, ::-1] * [0.4, 1] + [each, -0.5] for each in (0.1, 0.5, 0.9) for line in (_jagged(random),)
    ]
    return [*nets, *(np.clip(rung, [0, -0.5], [1, 0.5]) for rung in rungs)]


def _jagged(random: np.random.Generator) -> Array:
    """A crack from near to far as a thin closed outline that reaches both sides of its rectangle."""
    along = np.linspace(0, 1, 12)
    across = random.uniform(-0.35, 0.35, 12)
    across[random.permutation(12)[:2]] = (-0.35, 0.35)
    left, right = np.column_stack([along, across - 0.15]), np.column_stack([along, across + 0.15])
    return np.concatenate([left, right[::-1]])


def _fill(road: Image, points_m: Array, colour: tuple[int, int, int]) -> None:
    """Fill a polygon of points (N, 2), forward and right."""
    rows, columns = (AHEAD_M - points_m[:, 0]) * METRE_PX, (points_m[:, 1] + ASIDE_M) * METRE_PX
    corners = np.column_stack([columns - 0.5, rows - 0.5]) * 2**SHIFT
    cv2.fillPoly(road, [corners.round().astype(np.int32)], colour, cv2.LINE_AA, SHIFT)
