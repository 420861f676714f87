"""How a camera sits on its vehicle, from a recorded drive: tilt, roll, yaw and height, each with its sigma.

Rough mount → the angles under which most spots of the road agree on the driven way (coarse_mount) → all pairs
matched and adjusted, twice → the height from every source of scale → what speaks against it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wegewart.camera import Camera
from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.adjustment import Adjustment
from wegewart_edge.calibration.coarse_mount import TILT_REACH_DEG, Lookalikes, coarse_mount
from wegewart_edge.calibration.road_matches import (
    RoadPatch,
    RoadSpots,
    Window,
    agrees,
    alike,
    possible,
    road_spots,
    vote,
)
from wegewart_edge.calibration.road_motion import Motion, Pair, RoadPoints, undistorted_rays
from wegewart_edge.calibration.texts import Text, listed
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import LocateSettings
from wegewart_inference.frame import ImageU8

Array = npt.NDArray[np.float64]
Images = Callable[[int], ImageU8 | None]
"""Picture of a frame by its place in the list; None where it cannot be read."""

NEAR_MARGIN_M = 0.1
FAR_ROW_M = 0.1  # of road in one row of pixels: beyond it, texture is gone
FARTHEST_M = 20.0
HALF_LANE_M = 1.75  # beyond the own lane the road falls another way
COARSE_PAIRS = 8
ADJUST_ROUNDS = 2
ADVANCE_REACH = 0.15  # of the expected advance, once the mount is known roughly …
ADVANCE_REACH_M, SIDEWAYS_REACH_M = 0.6, 0.5  # … and at least so much
MOST_POINTS_PER_PAIR = 150  # more of one pair say nothing new
ANYWHERE = LocateSettings(far_m=1000.0)  # how far damage is believed does not matter here


@dataclass(frozen=True)
class MountLimits:
    """What a drive must support before the result is given out."""

    fewest_pairs: int = 10
    fewest_matches: int = 12
    clearness: float = 1.5  # votes for the move over those for the next one; wrong moves lie near 1
    tilt_sigma_deg: float = 0.3  # FORMULAS: 0.9 m at 15 m
    roll_sigma_deg: float = 0.6
    yaw_sigma_deg: float = 0.6
    height_sigma_share: float = 0.03  # 0.3 m at 10 m
    residual_px: float = 4.0
    heights_apart_sigmas: float = 3.5


@dataclass(frozen=True)
class HeightBy:
    """The camera's height as one source has it."""

    source: str
    height_m: float
    sigma_m: float

    def __str__(self) -> str:
        return f"{self.source} {self.height_m:.3f} m (±{self.sigma_m:.3f})"


@dataclass(frozen=True)
class RoadResiduals:
    """Medians: in pixels; on the road along and across with each frame's own angles, and with one mount."""

    pixel_px: float
    along_m: float
    across_m: float
    fixed_along_m: float
    fixed_across_m: float
    matches: int
    pairs: int


@dataclass(frozen=True)
class MountEstimate:
    """The camera with its mount and sigmas, and what it rests on."""

    camera: Camera
    motion: Motion
    heights: tuple[HeightBy, ...]
    residuals: RoadResiduals

    @property
    def sway_deg(self) -> tuple[float, float, float]:
        """Standard deviation of pitch, roll and yaw from frame to frame."""
        pitch, roll, yaw = np.degrees(self.motion.frames.std(axis=0))
        return float(pitch), float(roll), float(yaw)


def estimate_mount(
    images: Images,
    frame_count: int,
    pairs: Sequence[Pair],
    rough: Camera,
    limits: MountLimits | None = None,
) -> MountEstimate:
    """Mount of a camera, from a rough one and pairs of frames that were driven straight.

    Raises:
        CalibrationRefused: If the road is recognised in too few pairs to adjust anything.
    """
    limits = limits or MountLimits()
    camera = _coarse(images, pairs, rough)
    frames_rad = np.zeros((frame_count, 3))
    for _ in range(ADJUST_ROUNDS):
        matched, points = _matched(images, camera, frames_rad, pairs, limits)
        adjustment = Adjustment(matched, points, frame_count, camera.intrinsics.focal_x_px)
        mount = camera.mount
        angles_deg = np.array([mount.tilt_down_deg, mount.roll_right_deg, mount.yaw_right_deg])
        motion = adjustment.solve(np.radians(angles_deg), mount.height_m)
        camera, frames_rad = _mounted(camera, motion), motion.frames
    by_drive = HeightBy("GNSS", motion.height_m, motion.height_m * float(motion.sigmas[3]))
    estimate = MountEstimate(camera, motion, (by_drive,), _residuals(adjustment, motion, len(matched)))
    return with_heights(estimate, [])


def with_heights(estimate: MountEstimate, more: Sequence[HeightBy]) -> MountEstimate:
    """The estimate with further sources of the height, combined by their sigmas; the angles stay."""
    heights = (*estimate.heights, *more)
    weights = np.array([1 / each.sigma_m**2 for each in heights])
    height_m = float(np.average([each.height_m for each in heights], weights=weights))
    mount = estimate.camera.mount.model_copy(
        update={"height_m": height_m, "height_sigma_m": float(weights.sum() ** -0.5)}
    )
    return replace(estimate, camera=estimate.camera.model_copy(update={"mount": mount}), heights=heights)


def reasons_against_mount(estimate: MountEstimate, limits: MountLimits | None = None) -> list[str]:
    """Why an estimate must not be used; empty where it may be."""
    limits, mount = limits or MountLimits(), estimate.camera.mount
    reasons = []
    for angle, sigma_deg, needed_deg in (
        (Text.ANGLE_TILT, mount.tilt_sigma_deg, limits.tilt_sigma_deg),
        (Text.ANGLE_ROLL, mount.roll_sigma_deg, limits.roll_sigma_deg),
        (Text.ANGLE_YAW, mount.yaw_sigma_deg, limits.yaw_sigma_deg),
    ):
        if sigma_deg > needed_deg:
            german, english = angle.sentences
            reasons.append(
                Text.ANGLE_UNSURE.say(german=german, english=english, sigma=sigma_deg, needed=needed_deg)
            )
    needed_m = limits.height_sigma_share * mount.height_m
    if mount.height_sigma_m > needed_m:
        reasons.append(Text.HEIGHT_UNSURE.say(sigma_m=mount.height_sigma_m, needed_m=needed_m))
    if _contradict(estimate.heights, limits.heights_apart_sigmas):
        reasons.append(Text.HEIGHTS_CONTRADICT.say(ways=", ".join(map(str, estimate.heights))))
    if estimate.residuals.pixel_px > limits.residual_px:
        allowed_px = limits.residual_px
        reasons.append(
            Text.ROAD_RESIDUAL_TOO_HIGH.say(rms_px=estimate.residuals.pixel_px, allowed_px=allowed_px)
        )
    return reasons


def road_patch(camera: RoadCamera) -> RoadPatch:
    """Part of the own lane on which texture can be told apart."""
    mount = camera.camera.mount
    reach_m = math.sqrt(
        FAR_ROW_M * mount.height_m * camera.camera.intrinsics.focal_y_px
    )  # dZ/dv = Z² / (h f)
    near_m = camera.near_m + NEAR_MARGIN_M
    far_m = max(mount.forward_m + min(reach_m, FARTHEST_M), near_m + 1.0)
    return RoadPatch(near_m, far_m, mount.right_m - HALF_LANE_M, mount.right_m + HALF_LANE_M)


def camera_in_frame(estimate: MountEstimate, frame: int) -> Camera:
    """The camera as it looked in one frame."""
    return _in_frame(estimate.camera, estimate.motion.frames[frame])


def _coarse(images: Images, pairs: Sequence[Pair], rough: Camera) -> Camera:
    chosen = [pairs[number] for number in np.unique(np.linspace(0, len(pairs) - 1, COARSE_PAIRS).astype(int))]
    seen = RoadCamera(rough, ANYWHERE)
    evidence = []
    for pair in chosen:
        spots = [_spots(images(frame), seen) for frame in (pair.first, pair.second)]
        first, second = alike(*spots)
        evidence.append(
            Lookalikes(
                pair,
                undistorted_rays(spots[0].pixels[first], rough.intrinsics),
                undistorted_rays(spots[1].pixels[second], rough.intrinsics),
            )
        )
    return coarse_mount(rough, evidence)


def _matched(
    images: Images, camera: Camera, frames_rad: Array, pairs: Sequence[Pair], limits: MountLimits
) -> tuple[list[Pair], list[RoadPoints]]:
    """Pairs in which the road was recognised, and its points."""
    spots: dict[int, RoadSpots] = {}
    matched: list[Pair] = []
    points: list[RoadPoints] = []
    for pair in pairs:
        for frame in (pair.first, pair.second):
            if frame not in spots:
                spots[frame] = _spots(
                    images(frame), RoadCamera(_in_frame(camera, frames_rad[frame]), ANYWHERE)
                )
        found = match_pair(spots[pair.first], spots[pair.second], pair, limits)
        spots = {pair.second: spots[pair.second]}
        if found is None:
            continue
        rays = [undistorted_rays(pixels[:MOST_POINTS_PER_PAIR], camera.intrinsics) for pixels in found]
        points.append(RoadPoints(len(matched), *rays))
        matched.append(pair)
    if len(matched) < limits.fewest_pairs:
        reason = Text.NO_TEXTURE.say(
            found=len(matched), tried=len(pairs), needed=limits.fewest_pairs, tilt_deg=TILT_REACH_DEG
        )
        raise CalibrationRefused(listed([reason]))
    return matched, points


def match_pair(
    one: RoadSpots, other: RoadSpots, pair: Pair, limits: MountLimits
) -> tuple[Array, Array] | None:
    """Pixels (N, 2) of the same road in both frames of a pair; None where it is not recognised."""
    first, second = alike(one, other)
    moved_m = one.road_m[first] - other.road_m[second]
    reach_m = max(ADVANCE_REACH * pair.advance_m, ADVANCE_REACH_M) + 2 * pair.advance_sigma_m
    window = Window(
        (pair.advance_m - reach_m, pair.advance_m + reach_m), abs(pair.sideways_m) + SIDEWAYS_REACH_M
    )
    usable = possible(moved_m, window)
    first, second, moved_m = first[usable], second[usable], moved_m[usable]
    won = vote(moved_m)
    if won is None or won.clearness < limits.clearness:
        return None
    keep = agrees(moved_m, won.move_m)
    if int(keep.sum()) < limits.fewest_matches:
        return None
    return one.pixels[first[keep]], other.pixels[second[keep]]


def _spots(image: ImageU8 | None, camera: RoadCamera) -> RoadSpots:
    if image is None:
        return RoadSpots(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 128), np.float32))
    return road_spots(image, camera.pixels, road_patch(camera))


def _in_frame(camera: Camera, stray_rad: Array) -> Camera:
    """The camera as it looked in one frame."""
    mount, (pitch, roll, yaw) = camera.mount, np.degrees(stray_rad)
    turned = {
        "tilt_down_deg": mount.tilt_down_deg + float(pitch),
        "roll_right_deg": mount.roll_right_deg + float(roll),
        "yaw_right_deg": mount.yaw_right_deg + float(yaw),
    }
    return camera.model_copy(update={"mount": mount.model_copy(update=turned)})


def _mounted(camera: Camera, motion: Motion) -> Camera:
    tilt, roll, yaw = np.degrees(motion.mount[:3])
    tilt_sigma, roll_sigma, yaw_sigma = np.degrees(motion.sigmas[:3])
    found = {
        "tilt_down_deg": float(tilt),
        "roll_right_deg": float(roll),
        "yaw_right_deg": float(yaw),
        "height_m": motion.height_m,
        "tilt_sigma_deg": float(tilt_sigma),
        "roll_sigma_deg": float(roll_sigma),
        "yaw_sigma_deg": float(yaw_sigma),
        "height_sigma_m": motion.height_m * float(motion.sigmas[3]),
    }
    return camera.model_copy(update={"mount": camera.mount.model_copy(update=found)})


def _residuals(adjustment: Adjustment, motion: Motion, pair_count: int) -> RoadResiduals:
    seen_px = np.linalg.norm(adjustment.residuals_px(motion), axis=1)
    along_m, across_m = np.median(np.abs(adjustment.road_residuals_m(motion)), axis=0)
    fixed_m = adjustment.road_residuals_m(motion, one_mount=True)
    fixed_along_m, fixed_across_m = np.median(np.abs(fixed_m), axis=0)
    return RoadResiduals(
        pixel_px=float(np.median(seen_px)),
        along_m=float(along_m),
        across_m=float(across_m),
        fixed_along_m=float(fixed_along_m),
        fixed_across_m=float(fixed_across_m),
        matches=len(seen_px),
        pairs=pair_count,
    )


def _contradict(heights: Sequence[HeightBy], apart_sigmas: float) -> bool:
    return any(
        abs(one.height_m - other.height_m) > apart_sigmas * math.hypot(one.sigma_m, other.sigma_m)
        for number, one in enumerate(heights)
        for other in heights[:number]
    )
