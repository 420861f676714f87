"""The lens of a camera from views of a board: focal length, centre and distortion, each with its sigma.

OpenCV's adjustment does the sums; what is ours is when to believe it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.camera import CameraIntrinsics
from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.boards import PIXEL_CENTRE, BoardView
from wegewart_edge.calibration.texts import Text, listed

Array = npt.NDArray[np.float64]

REGIONS = (
    Text.REGION_UPPER_LEFT,
    Text.REGION_UPPER_MIDDLE,
    Text.REGION_UPPER_RIGHT,
    Text.REGION_LOWER_LEFT,
    Text.REGION_LOWER_MIDDLE,
    Text.REGION_LOWER_RIGHT,
)
CELLS = (6, 4)  # of the picture, in which corners are counted
OUTLIER_TIMES = 3.0  # a view whose residual is so many times the median is blurred or was misread
SIGNIFICANT = 3.0  # sigmas from which the third radial term is kept; else it only bends the corners
FOLD_PX = 0.5  # how far undistorting and distorting again may miss a pixel of the picture's edge
STANDARD_COUNT, WIDE_COUNT = 5, 8
UNTIL = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-9)


class Lens(StrEnum):
    """Distortion model: Brown's k1, k2, p1, p2, k3, or OpenCV's rational one for wide angles."""

    STANDARD = "standard"
    WIDE = "wide"


@dataclass(frozen=True)
class LensLimits:
    """What the views must support before the result is given out."""

    fewest_views: int = 8
    least_slant_deg: float = 15.0  # less, and focal length and distance cannot be told apart
    focal_sigma_share: float = 0.005  # 0.5 % of the range of every damage
    covered_share: float = 0.6
    rms_px: float = 1.0


@dataclass(frozen=True)
class LensEstimate:
    """Intrinsics and how well they are known.

    `sigmas` are those of focal x, focal y, centre x, centre y (px) and the distortion, in that order.
    `residuals_px` are predicted minus seen, (N, 2) for each view.
    """

    intrinsics: CameraIntrinsics
    sigmas: tuple[float, ...]
    rms_px: float
    views: tuple[BoardView, ...]
    residuals_px: tuple[Array, ...]
    slant_deg: float
    covered: npt.NDArray[np.bool_]
    left_out: tuple[str, ...]

    @property
    def covered_share(self) -> float:
        """Share of the picture's cells with corners in them."""
        return float(self.covered.mean())

    @property
    def focal_sigma_share(self) -> float:
        """Sigma of the focal length as a share of it."""
        return self.sigmas[0] / self.intrinsics.focal_x_px


def estimate_lens(
    views: Sequence[BoardView],
    size_px: tuple[int, int],
    lens: Lens = Lens.STANDARD,
    limits: LensLimits | None = None,
) -> LensEstimate:
    """Lens from views of a board; blurred views are left out.

    Raises:
        CalibrationRefused: If the views are too few to solve at all.
    """
    limits = limits or LensLimits()
    if len(views) < limits.fewest_views:
        reason = Text.TOO_FEW_VIEWS.say(found=len(views), needed=limits.fewest_views)
        raise CalibrationRefused(listed([reason]))
    solved = _solve(views, size_px, lens)
    per_view_px = solved.per_view_px
    keep = per_view_px <= OUTLIER_TIMES * np.median(per_view_px)
    kept = [view for view, kept in zip(views, keep, strict=True) if kept]
    if not keep.all() and len(kept) >= limits.fewest_views:
        solved = _solve(kept, size_px, lens)
    else:
        kept = list(views)
    names = {view.name for view in kept}
    return _estimate(solved, kept, size_px, tuple(view.name for view in views if view.name not in names))


def reasons_against(estimate: LensEstimate, limits: LensLimits | None = None) -> list[str]:
    """Why an estimate must not be used; empty where it may be."""
    limits = limits or LensLimits()
    reasons = []
    focal_percent = 100 * estimate.focal_sigma_share
    if estimate.slant_deg < limits.least_slant_deg:
        reasons.append(
            Text.VIEWS_TOO_ALIKE.say(
                slant=estimate.slant_deg, needed=limits.least_slant_deg, focal_percent=focal_percent
            )
        )
    elif estimate.focal_sigma_share > limits.focal_sigma_share:
        needed = 100 * limits.focal_sigma_share
        reasons.append(Text.FOCAL_UNSURE.say(focal_percent=focal_percent, needed=needed))
    if estimate.covered_share < limits.covered_share:
        missing = ", ".join(region.say() for region in missing_regions(estimate.covered))
        reasons.append(
            Text.NOT_COVERED.say(share=estimate.covered_share, needed=limits.covered_share, missing=missing)
        )
    if estimate.rms_px > limits.rms_px:
        reasons.append(Text.RESIDUAL_TOO_HIGH.say(rms=estimate.rms_px, allowed=limits.rms_px))
    if _folds(estimate.intrinsics):
        reasons.append(Text.LENS_FOLDS.say())
    return reasons


def missing_regions(covered: npt.NDArray[np.bool_]) -> list[Text]:
    """Sixths of the picture in which more cells are empty than not."""
    blocks = covered.reshape(2, CELLS[1] // 2, 3, CELLS[0] // 3).mean(axis=(1, 3)).reshape(-1)
    return [region for region, share in zip(REGIONS, blocks, strict=True) if share < 0.5]


def camera_matrix(intrinsics: CameraIntrinsics) -> Array:
    """Camera matrix (3, 3) for pixels whose centres are at .5."""
    return np.array(
        [
            [intrinsics.focal_x_px, 0.0, intrinsics.centre_x_px],
            [0.0, intrinsics.focal_y_px, intrinsics.centre_y_px],
            [0.0, 0.0, 1.0],
        ]
    )


@dataclass(frozen=True)
class _Solved:
    matrix: Array
    distortion: Array
    sigmas: Array
    turns: Sequence[Array]
    shifts: Sequence[Array]
    per_view_px: Array


def _solve(views: Sequence[BoardView], size_px: tuple[int, int], lens: Lens) -> _Solved:
    """The smallest model that the views call for."""
    if lens is Lens.WIDE:
        return _calibrate(views, size_px, cv2.CALIB_RATIONAL_MODEL, WIDE_COUNT)
    full = _calibrate(views, size_px, 0, STANDARD_COUNT)
    third, sigma = full.distortion[-1], full.sigmas[-1]
    if abs(third) > SIGNIFICANT * sigma:
        return full
    return _calibrate(views, size_px, cv2.CALIB_FIX_K3, STANDARD_COUNT - 1)


def _calibrate(views: Sequence[BoardView], size_px: tuple[int, int], flags: int, count: int) -> _Solved:
    _, matrix, distortion, turns, shifts, sigmas, _, per_view = cv2.calibrateCameraExtended(
        [view.board_m.astype(np.float32) for view in views],
        [view.corners_px.astype(np.float32)[:, None] for view in views],
        size_px,
        np.eye(3),
        np.zeros(STANDARD_COUNT),
        flags=flags,
        criteria=UNTIL,
    )
    return _Solved(
        np.asarray(matrix, np.float64),
        np.asarray(distortion, np.float64).reshape(-1)[:count],
        np.asarray(sigmas, np.float64).reshape(-1)[: 4 + count],
        [np.asarray(turn, np.float64) for turn in turns],
        [np.asarray(shift, np.float64) for shift in shifts],
        np.asarray(per_view, np.float64).reshape(-1),
    )


def _estimate(
    solved: _Solved, views: Sequence[BoardView], size_px: tuple[int, int], left_out: tuple[str, ...]
) -> LensEstimate:
    residuals_px = tuple(
        cv2.projectPoints(view.board_m, turn, shift, solved.matrix, solved.distortion)[0].reshape(-1, 2)
        - view.corners_px
        for view, turn, shift in zip(views, solved.turns, solved.shifts, strict=True)
    )
    intrinsics = CameraIntrinsics(
        width_px=size_px[0],
        height_px=size_px[1],
        focal_x_px=float(solved.matrix[0, 0]),
        focal_y_px=float(solved.matrix[1, 1]),
        centre_x_px=float(solved.matrix[0, 2]),
        centre_y_px=float(solved.matrix[1, 2]),
        distortion=tuple(float(value) for value in solved.distortion),
    )
    every_px = np.concatenate(residuals_px)
    return LensEstimate(
        intrinsics=intrinsics,
        sigmas=tuple(float(sigma) for sigma in solved.sigmas),
        rms_px=float(np.sqrt((every_px**2).sum(axis=1).mean())),
        views=tuple(views),
        residuals_px=residuals_px,
        slant_deg=_slant_deg(solved.turns),
        covered=_covered(views, size_px),
        left_out=left_out,
    )


def _slant_deg(turns: Sequence[Array]) -> float:
    """Largest angle between a board and the picture's plane; 0 when all were held parallel to it."""
    facing = [abs(float(cv2.Rodrigues(turn)[0][2, 2])) for turn in turns]
    return math.degrees(math.acos(min(*facing, 1.0)))


def _covered(views: Sequence[BoardView], size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which cells of the picture, (rows, columns), hold a corner."""
    corners = np.concatenate([view.corners_px for view in views]) / size_px
    columns, rows = np.clip((corners * CELLS).astype(int).T, 0, np.array(CELLS)[:, None] - 1)
    covered = np.zeros((CELLS[1], CELLS[0]), np.bool_)
    covered[rows, columns] = True
    return covered


def _folds(intrinsics: CameraIntrinsics) -> bool:
    """Whether the lens model bends back on itself within the picture, so that pixels lose their place."""
    across = np.linspace(PIXEL_CENTRE, intrinsics.width_px - PIXEL_CENTRE, 9)
    down = np.linspace(PIXEL_CENTRE, intrinsics.height_px - PIXEL_CENTRE, 9)
    pixels = np.array([(x, y) for x in across for y in down])
    matrix, distortion = camera_matrix(intrinsics), np.array(intrinsics.distortion)
    rays = cv2.undistortPointsIter(pixels[:, None], matrix, distortion, np.eye(3), np.eye(3), UNTIL)
    points = np.column_stack([rays.reshape(-1, 2), np.ones(len(pixels))])
    again = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, distortion)[0].reshape(-1, 2)
    return bool((~(np.linalg.norm(again - pixels, axis=1) < FOLD_PX)).any())
