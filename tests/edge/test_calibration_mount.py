"""The mount from drawn drives whose camera is known, and what is refused."""

import math
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from tests.edge.calibration_drawings import road_shot

from wegewart.camera import Camera, CameraIntrinsics, CameraMount
from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.adjustment import Adjustment
from wegewart_edge.calibration.grid_picture import grid_picture
from wegewart_edge.calibration.lane_width import LaneWidth, height_from_lane, lane_width_m
from wegewart_edge.calibration.mount import (
    ANYWHERE,
    HeightBy,
    MountEstimate,
    MountLimits,
    RoadResiduals,
    estimate_mount,
    match_pair,
    reasons_against_mount,
    road_patch,
    with_heights,
)
from wegewart_edge.calibration.road_matches import road_spots
from wegewart_edge.calibration.road_motion import (
    Motion,
    Pair,
    RoadPoints,
    back_to_rays,
    directions,
    on_road,
    undistorted_rays,
)
from wegewart_edge.road_camera import RoadCamera

LENS = CameraIntrinsics(
    width_px=640,
    height_px=360,
    focal_x_px=420.0,
    focal_y_px=420.0,
    centre_x_px=322.0,
    centre_y_px=178.0,
    distortion=(-0.2, 0.05, 0.0, 0.0),
)
TILT, ROLL, YAW, HEIGHT_M = 7.2, 1.1, -1.4, 1.42
SWAY_DEG = (0.2, 0.15, 0.15)
FRAMES = 13


def camera(tilt=TILT, roll=ROLL, yaw=YAW, height_m=HEIGHT_M):
    mount = CameraMount(
        version="drawn",
        height_m=height_m,
        tilt_down_deg=tilt,
        roll_right_deg=roll,
        yaw_right_deg=yaw,
        forward_m=0.8,
        right_m=0.1,
    )
    return Camera(camera_id="front", intrinsics=LENS, mount=mount)


def seen_through(**mount):
    return RoadCamera(camera(**mount), ANYWHERE)


@cache
def drawn_drive(flat=False):
    """Pictures and pairs of a drive on which the vehicle pitches, rolls and wags a little."""
    rng = np.random.default_rng(11)
    images, stations = [], [0.0]
    for _ in range(FRAMES):
        pitch, roll, wag = rng.normal(0, SWAY_DEG)
        shown = seen_through(tilt=TILT + pitch, roll=ROLL + roll)
        images.append(road_shot(shown, stations[-1], rng, turn_deg=wag, lane_lines=(-1.6, 1.7), flat=flat))
        stations.append(stations[-1] + rng.uniform(1.8, 2.6))
    return tuple(images), tuple(straight(stations, rng))


def straight(stations, rng, advance_sigma_m=0.03):
    return [
        Pair(
            first=number,
            second=number + 1,
            advance_m=stations[number + 1] - stations[number] + rng.normal(0, advance_sigma_m),
            advance_sigma_m=advance_sigma_m,
            sideways_m=0.0,
            sideways_sigma_m=0.03,
            turn_rad=0.0,
            heading_sigma_rad=math.radians(0.3),
        )
        for number in range(FRAMES - 1)
    ]


@cache
def drawn_estimate():
    images, pairs = drawn_drive()
    return estimate_mount(
        images.__getitem__, FRAMES, pairs, camera(tilt=4.7, roll=0.0, yaw=0.0, height_m=1.5)
    )


def perfect_points(pairs, stations, noise_px, rng):
    """Road points through RoadCamera's own pixels, without any picture."""
    shown, points = seen_through(), []
    for number, _ in enumerate(pairs):
        road_m = np.column_stack([rng.uniform(6.0, 11.0, 40), rng.uniform(-1.7, 1.7, 40)])
        moved_m = road_m - [stations[number + 1] - stations[number], 0.0]
        rays = []
        for each in (road_m, moved_m):
            pixels = shown.pixels(each) + rng.normal(0, noise_px, each.shape)
            rays.append(undistorted_rays(pixels, LENS))
        points.append(RoadPoints(number, *rays))
    return points


def test_vectors_and_rays_turn_as_the_products_camera_does():
    pixels = np.array([[100.0, 300.0], [320.5, 250.5], [600.0, 340.0]])
    angles = np.radians([[TILT, ROLL, YAW]] * 3)
    rays = undistorted_rays(pixels, LENS)
    expected_m = seen_through().ground(pixels).points_m - [0.8, 0.1]
    assert np.allclose(on_road(rays, angles, np.full(3, HEIGHT_M)), expected_m, atol=1e-6)
    assert np.allclose(back_to_rays(directions(rays, *angles.T), *angles.T), rays, atol=1e-12)


def test_adjustment_finds_the_mount_and_its_sigmas_hold():
    """Forty noisy worlds: errors in units of their sigma have an rms near one, for all four unknowns."""
    off = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        stations = np.concatenate([[0.0], np.cumsum(rng.uniform(1.8, 2.6, FRAMES))])
        pairs = straight(stations, rng)
        points = perfect_points(pairs, stations, 0.5, rng)
        motion = Adjustment(pairs, points, FRAMES, LENS.focal_x_px).solve(np.radians([6.0, 0.0, 0.0]), 1.5)
        found = motion.mount - [*np.radians([TILT, ROLL, YAW]), math.log(HEIGHT_M)]
        off.append(found / motion.sigmas)
    rms = np.sqrt((np.array(off) ** 2).mean(axis=0))
    assert (rms < 1.35).all(), rms
    assert rms[3] > 0.6  # the height's sigma is no excuse


def test_mount_is_found_from_pictures_within_its_stated_sigmas():
    mount = drawn_estimate().camera.mount
    off = [
        (mount.tilt_down_deg - TILT) / mount.tilt_sigma_deg,
        (mount.roll_right_deg - ROLL) / mount.roll_sigma_deg,
        (mount.yaw_right_deg - YAW) / mount.yaw_sigma_deg,
        (mount.height_m - HEIGHT_M) / mount.height_sigma_m,
    ]
    assert np.abs(off).max() < 3.0
    assert abs(mount.tilt_down_deg - TILT) < 0.3
    assert abs(mount.height_m - HEIGHT_M) < 0.03
    assert reasons_against_mount(drawn_estimate()) == []


def test_residuals_on_the_road_are_small_and_say_what_one_fixed_mount_costs():
    residuals = drawn_estimate().residuals
    assert residuals.pixel_px < 1.5
    assert residuals.along_m < 0.03
    assert residuals.fixed_along_m > residuals.along_m
    assert residuals.matches > 300


def test_a_road_without_texture_is_refused():
    images, pairs = drawn_drive(flat=True)
    blank = [cv2.blur(image, (15, 15)) for image in images]
    with pytest.raises(CalibrationRefused, match=r"wiederzuerkennen.*The road was recognised in"):
        estimate_mount(blank.__getitem__, FRAMES, pairs, camera())


def test_a_pair_is_matched_only_where_one_move_wins_clearly():
    images, pairs = drawn_drive()
    shown = seen_through()
    one, other = (road_spots(images[frame], shown.pixels, road_patch(shown)) for frame in (0, 1))
    found = match_pair(one, other, pairs[0], MountLimits())
    assert found is not None
    assert len(found[0]) == len(found[1]) >= 12
    assert match_pair(one, other, replace(pairs[0], advance_m=6.0), MountLimits()) is None


def estimate_with(sigmas=(0.002, 0.004, 0.004, 0.01), heights=(), pixel_px=1.0):
    """An estimate as the adjustment would give it, with these sigmas (rad and log height)."""
    motion = Motion(
        mount=np.array([*np.radians([TILT, ROLL, YAW]), math.log(HEIGHT_M)]),
        frames=np.zeros((FRAMES, 3)),
        moves=np.zeros((FRAMES - 1, 2)),
        covariance=np.diag(np.square(sigmas)),
        jackknife=np.zeros(4),
        sigma_px=0.5,
    )
    degrees = np.degrees(sigmas)
    mount = camera().mount.model_copy(
        update={
            "tilt_sigma_deg": float(degrees[0]),
            "roll_sigma_deg": float(degrees[1]),
            "yaw_sigma_deg": float(degrees[2]),
            "height_sigma_m": HEIGHT_M * sigmas[3],
        }
    )
    residuals = RoadResiduals(pixel_px, 0.02, 0.01, 0.05, 0.02, matches=500, pairs=12)
    first = HeightBy("GNSS", HEIGHT_M, HEIGHT_M * sigmas[3])
    estimate = MountEstimate(camera().model_copy(update={"mount": mount}), motion, (first,), residuals)
    return with_heights(estimate, heights)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sigmas": (0.01, 0.004, 0.004, 0.01)}, "The tilt is known to ±0.57° only"),
        ({"sigmas": (0.002, 0.02, 0.004, 0.01)}, "The roll is known to"),
        ({"sigmas": (0.002, 0.004, 0.02, 0.01)}, "The yaw is known to"),
        ({"sigmas": (0.002, 0.004, 0.004, 0.08)}, "measure it and give --height-m"),
        ({"pixel_px": 6.0}, "Road points are 6.0 px off"),
        ({"heights": (HeightBy("tape", 1.60, 0.02),)}, "The heights contradict each other"),
    ],
    ids=["tilt", "roll", "yaw", "height", "residual", "heights"],
)
def test_what_the_drive_does_not_support_is_refused_by_name(changed, said):
    (reason,) = reasons_against_mount(estimate_with(**changed))
    assert said in reason


def test_a_tape_makes_an_unsure_height_sure():
    unsure = (0.002, 0.004, 0.004, 0.08)
    estimate = estimate_with(sigmas=unsure, heights=(HeightBy("tape", 1.40, 0.01),))
    assert reasons_against_mount(estimate) == []
    assert estimate.camera.mount.height_m == pytest.approx(1.40, abs=0.005)
    assert estimate.camera.mount.height_sigma_m < 0.011


def test_lane_is_as_wide_as_it_was_drawn():
    """Axes of the markings are drawn 3.3 m apart."""
    rng = np.random.default_rng(4)
    image = road_shot(seen_through(), 3.0, rng, right_m=0.1, lane_lines=(-1.6, 1.7))
    assert lane_width_m(image, seen_through()) == pytest.approx(3.3, abs=0.04)
    assert lane_width_m(road_shot(seen_through(), 3.0, rng), seen_through()) is None


def test_lanes_width_gives_the_height_under_which_it_fits():
    """Drawn 3.3 m wide from 1.42 m; told so, a camera taken to be 1.50 m high is found to be 1.42 m high."""
    images, _ = drawn_drive()
    high = camera(height_m=1.50)
    taken_too_high = replace(estimate_with(), camera=high)
    found = height_from_lane(images.__getitem__, FRAMES, taken_too_high, LaneWidth(3.3, 0.03))
    assert abs(found.height_m - HEIGHT_M) < 2.5 * found.sigma_m
    assert found.sigma_m < 0.03


def test_a_street_without_markings_cannot_give_the_height():
    bare = [road_shot(seen_through(), 3.0, np.random.default_rng(6))] * FRAMES
    with pytest.raises(CalibrationRefused, match="Both markings of the lane were seen in 0 frames"):
        height_from_lane(bare.__getitem__, FRAMES, estimate_with(), LaneWidth(3.3, 0.03))


def test_grid_picture_draws_the_five_metre_line_where_the_camera_has_it():
    image = np.full((LENS.height_px, LENS.width_px, 3), 90, np.uint8)
    drawn = grid_picture(image, seen_through())
    margin_px = drawn.shape[0] - LENS.height_px
    column, row = seen_through().pixels(np.array([[5.0, 0.55]]))[0]
    around = drawn[int(row) + margin_px - 1 : int(row) + margin_px + 2, int(column)].astype(int)
    assert (around[:, 2] - around[:, 1]).max() > 60  # red
    assert drawn.shape[1] == LENS.width_px
