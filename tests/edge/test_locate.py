"""Geometry on the road: by hand, by round trip, and by Monte Carlo."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from wegewart.errors import InvalidMount
from wegewart_edge.locate import MIDDLE, Located, NoPlace, Sightings, Unplaced, locate
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import LocateSettings

SLOPELESS = LocateSettings(far_m=40.0, slope_sigma_deg=1e-9, pixel_sigma_px=3.0, horizon_sigmas=0.0)
NEAR_EDGE = {"middle_share": 0.0, "middle_share_sigma": 0.0}  # boxes whose lower edge is the near edge
LENS = (-0.12, 0.03, 0.0005, -0.0004, 0.0)


def row_at(distance_m, tilt_deg, height_m=1.30, focal_px=1104.0, centre_px=540.0):
    """Row of the road at a distance straight ahead, by hand: depression angle less tilt."""
    return centre_px + focal_px * math.tan(math.atan2(height_m, distance_m) - math.radians(tilt_deg))


def one_box(x1, y1, x2, y2, code="D40"):
    return Sightings(np.array([[x1, y1, x2, y2]], float), (code,), (0.8,))


def test_ground_point_is_the_one_worked_by_hand(make_camera):
    # h 1.30, tilt 5°, f 1104: row 540 + 1104·tan(atan(1.30/10) − 5°) = 585.85 shows 10 m; there the ray is
    # hypot(10, 1.3)·cos(2.407°)… long, and 110.4 px to the right is 0.1 of the depth along the axis.
    camera = RoadCamera(make_camera(), SLOPELESS)
    point = camera.ground(np.array([[960.0, row_at(10.0, 5.0)]])).points_m[0]
    assert point == pytest.approx([10.0, 0.0], abs=1e-9)
    depth_m = 10.0 * math.cos(math.radians(5)) + 1.30 * math.sin(math.radians(5))
    aside = camera.ground(np.array([[960.0 + 110.4, row_at(10.0, 5.0)]])).points_m[0]
    assert aside == pytest.approx([10.0, 0.1 * depth_m], abs=1e-9)


def test_worked_example_of_the_docs(make_camera, make_pose):
    """docs/frames.md, last section."""
    mount = {"forward_m": 1.2, "tilt_sigma_deg": 0.3, "roll_sigma_deg": 0.0, "yaw_sigma_deg": 0.0}
    camera = RoadCamera(make_camera(**mount), LocateSettings(**NEAR_EDGE))
    ground = camera.ground(np.array([[1080.0, 600.0]]))
    assert ground.points_m[0] == pytest.approx([10.3219, 1.0001], abs=5e-5)
    assert ground.common[0, :, 0] == pytest.approx([0.2105, 0.0231], abs=5e-5)
    assert ground.common[0, :, 1] == pytest.approx([-0.3419, -0.0367], abs=6e-5)
    assert ground.pitch[0] == pytest.approx([-0.3419, -0.0367], abs=6e-5)
    assert ground.pixel[0, :, 1] == pytest.approx([-0.1769, -0.0192], abs=6e-5)
    assert ground.pixel[0, :, 0] == pytest.approx([0.0, 0.0250], abs=5e-5)
    pose = make_pose(heading_deg=60.0, heading_sigma_deg=0.3, speed_mps=8.33)
    (place,) = locate(one_box(1040, 540, 1120, 600), camera, pose, 0.02)
    assert isinstance(place, Located)
    assert (place.east_m, place.north_m) == pytest.approx((9.4391, 4.2949), abs=5e-5)
    assert place.covariance == pytest.approx(np.array([[0.2834, 0.1264], [0.1264, 0.0610]]), abs=6e-5)


@pytest.mark.parametrize(
    ("distance_m", "k_m_per_rad", "pitch_1_deg", "three_px", "three_cm", "total"),
    [
        (3, 8.2, 0.14, 0.02, 0.07, 0.16),
        (5, 20.5, 0.36, 0.05, 0.12, 0.38),
        (8, 50.5, 0.88, 0.14, 0.18, 0.91),
        (10, 78.2, 1.37, 0.21, 0.23, 1.40),
        (15, 174, 3.04, 0.47, 0.35, 3.10),
        (20, 309, 5.39, 0.84, 0.46, 5.48),
    ],
)
def test_along_road_errors_are_those_of_the_published_table(
    make_camera, distance_m, k_m_per_rad, pitch_1_deg, three_px, three_cm, total
):
    camera = RoadCamera(
        make_camera(tilt_sigma_deg=1.0, height_sigma_m=0.03, roll_sigma_deg=0.0, yaw_sigma_deg=0.0), SLOPELESS
    )
    ground = camera.ground(np.array([[960.0, row_at(distance_m, 5.0)]]))
    height, tilt, _, _ = ground.common[0, 0]
    pixel = float(np.hypot(*ground.pixel[0, 0]))
    assert abs(tilt) / math.radians(1) == pytest.approx(k_m_per_rad, rel=0.005)
    # the table is rounded to centimetres (below 3 m also down: 0.0245 reads .02)
    assert abs(tilt) == pytest.approx(pitch_1_deg, abs=0.006)
    assert abs(height) == pytest.approx(three_cm, abs=0.006)
    assert pixel == pytest.approx(three_px, abs=0.012)
    assert math.sqrt(height**2 + tilt**2 + pixel**2) == pytest.approx(total, abs=0.012)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    forward_m=st.floats(3.0, 30.0),
    right_m=st.floats(-4.0, 4.0),
    tilt=st.floats(-2.0, 25.0),
    roll=st.floats(-5.0, 5.0),
    yaw=st.floats(-10.0, 10.0),
    curved=st.booleans(),
)
def test_projecting_a_road_point_and_back_gives_it_again(
    make_camera, forward_m, right_m, tilt, roll, yaw, curved
):
    camera = RoadCamera(
        make_camera(
            distortion=LENS if curved else (),
            tilt_down_deg=tilt,
            roll_right_deg=roll,
            yaw_right_deg=yaw,
            forward_m=1.2,
            right_m=-0.3,
        ),
        LocateSettings(far_m=200.0),
    )
    pixel = camera.pixels(np.array([[forward_m, right_m]]))
    assume(0 <= pixel[0, 0] <= 1920 and 0 <= pixel[0, 1] <= 1080)  # the lens model ends with the image
    back = camera.ground(pixel).points_m[0]
    assert back == pytest.approx([forward_m, right_m], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"roll_right_deg": 2.0}, "the right half of the image looks nearer"),
        ({"yaw_right_deg": 2.0}, "the middle of the image looks to the right"),
        ({"tilt_down_deg": 7.0}, "the middle of the image looks nearer"),
    ],
    ids=["roll", "yaw", "tilt"],
)
def test_signs_of_the_mount_are_those_of_the_docs(make_camera, change, moves):
    level = RoadCamera(make_camera(), SLOPELESS)
    turned = RoadCamera(make_camera(**change), SLOPELESS)
    pixel = np.array([[1500.0 if "roll" in next(iter(change)) else 960.0, 700.0]])
    before, after = level.ground(pixel).points_m[0], turned.ground(pixel).points_m[0]
    if "right" in moves.split("looks")[1]:
        assert after[1] > before[1] + 0.1
    else:
        assert after[0] < before[0] - 0.1


def test_covariance_agrees_with_monte_carlo(make_camera, make_pose):
    """4,000 draws of every error at once; one sigma of a variance from so many is 2.2 %."""
    sigma = {"height_m": 0.03, "tilt_down_deg": 0.3, "roll_right_deg": 0.4, "yaw_right_deg": 0.5}
    mount = {
        "height_m": 1.3,
        "tilt_down_deg": 6.0,
        "roll_right_deg": 1.0,
        "yaw_right_deg": -2.0,
        "forward_m": 1.5,
        "right_m": 0.4,
    }
    sigmas = {"height_sigma_m": 0.03, "tilt_sigma_deg": 0.3, "roll_sigma_deg": 0.4, "yaw_sigma_deg": 0.5}
    chosen = LocateSettings(far_m=40.0, slope_sigma_deg=0.2, pixel_sigma_px=2.0, **NEAR_EDGE)
    camera = RoadCamera(make_camera(distortion=LENS, **mount, **sigmas), chosen)
    pose = make_pose(heading_deg=63.0, heading_sigma_deg=0.6, speed_mps=8.0)
    time_sigma_s = 0.02
    u, v = camera.pixels(np.array([[9.0, 2.0]]))[0]
    (place,) = locate(one_box(u - 40, v - 30, u + 40, v), camera, pose, time_sigma_s)
    assert isinstance(place, Located)

    noise = np.random.default_rng(20260504)
    drawn = []
    for _ in range(4000):
        turned = {name: value + noise.normal() * sigma.get(name, 0.0) for name, value in mount.items()}
        turned["tilt_down_deg"] += noise.normal() * 0.2
        pixel = np.array([[u, v]]) + noise.normal(size=(1, 2)) * 2.0
        forward_m, right_m = (
            RoadCamera(make_camera(distortion=LENS, **turned), chosen).ground(pixel).points_m[0]
        )
        forward_m += 8.0 * noise.normal() * time_sigma_s
        heading = math.radians(63.0 + noise.normal() * 0.6)
        drawn.append(
            (
                forward_m * math.sin(heading) + right_m * math.cos(heading),
                forward_m * math.cos(heading) - right_m * math.sin(heading),
            )
        )
    seen = np.cov(np.array(drawn).T)
    ratio = np.linalg.eigvals(np.linalg.solve(place.covariance, seen)).real
    assert ratio == pytest.approx([1.0, 1.0], abs=0.09)  # 4 sigma of a variance from 4,000 draws


def test_point_above_the_horizon_has_no_place_and_says_so(make_camera, make_pose):
    camera = RoadCamera(make_camera(), LocateSettings())
    places = locate(one_box(900, 300, 1000, 400), camera, make_pose(), 0.0)
    assert places == [Unplaced(0, NoPlace.NEAR_HORIZON)]


def test_point_within_the_tilt_error_of_the_horizon_has_no_place(make_camera, make_pose):
    camera = RoadCamera(make_camera(tilt_sigma_deg=1.0), LocateSettings(far_m=300.0, slope_sigma_deg=0.3))
    just_below = row_at(30.0, 5.0)  # 2.5° below the horizon, less than 3 sigma of 1.04°
    assert locate(one_box(900, 500, 1000, just_below), camera, make_pose(), 0.0) == [
        Unplaced(0, NoPlace.NEAR_HORIZON)
    ]
    further_below = row_at(20.0, 5.0)  # 3.7°
    (place,) = locate(one_box(900, 500, 1000, further_below), camera, make_pose(), 0.0)
    assert isinstance(place, Located)


def test_point_beyond_the_usable_range_has_no_place(make_camera, make_pose):
    camera = RoadCamera(make_camera(tilt_sigma_deg=0.1), LocateSettings(far_m=15.0))
    (place,) = locate(one_box(900, 500, 1000, row_at(16.0, 5.0)), camera, make_pose(), 0.0)
    assert place == Unplaced(0, NoPlace.TOO_FAR)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((900, 800, 1000, 1079.5), NoPlace.CUT_BELOW),
        ((1, 800, 100, 1000), NoPlace.CUT_ASIDE),
        ((1800, 800, 1919, 1000), NoPlace.CUT_ASIDE),
        ((900, 800, 1000, 1070), None),
    ],
    ids=["below", "left", "right", "whole"],
)
def test_box_cut_by_the_frame_has_no_place_and_says_so(make_camera, make_pose, box, reason):
    camera = RoadCamera(make_camera(), LocateSettings())
    (place,) = locate(one_box(*box), camera, make_pose(), 0.0)
    assert isinstance(place, Located)
    assert place.no_place is reason
    assert place.cut == (reason is not None)


def test_middle_of_a_box_seen_from_aside_is_that_of_the_outline(make_camera, make_pose):
    """A crack 4 m long and 1.5 m to the right: its box's middle leans 0.3 m to the image's middle."""
    outline = LocateSettings(middle_share=1.0, middle_share_sigma=0.0)
    camera = RoadCamera(make_camera(), outline)
    corners = camera.pixels(np.array([[6.0, 1.4], [6.0, 1.6], [10.0, 1.4], [10.0, 1.6]]))
    box = (*corners.min(axis=0), *corners.max(axis=0))
    (whole,) = locate(one_box(*box, "D00"), camera, make_pose(), 0.0)
    (near,) = locate(
        one_box(*box, "D00"), RoadCamera(make_camera(), LocateSettings(**NEAR_EDGE)), make_pose(), 0.0
    )
    assert whole.east_m == pytest.approx(1.5, abs=0.01)
    assert near.east_m < 1.3


def test_middle_of_a_box_across_the_view_is_that_of_its_near_edge(make_camera, make_pose):
    """The near end draws both sides of a wide damage: its far end tells nothing of its middle."""
    camera = RoadCamera(make_camera(), LocateSettings(middle_share=1.0))
    corners = camera.pixels(np.array([[6.0, -0.7], [6.0, 1.3], [8.0, -0.7], [8.0, 1.3]]))
    (place,) = locate(one_box(*corners.min(axis=0), *corners.max(axis=0), "D20"), camera, make_pose(), 0.0)
    assert place.east_m == pytest.approx(0.3, abs=0.002)
    assert place.by_error[:, MIDDLE] == pytest.approx(np.zeros(2))


def test_middle_of_a_long_crack_is_less_sure_than_that_of_a_pothole(make_camera, make_pose):
    """Straight ahead too: a slant of 3° moves the far end of 5 m by 0.26 m, and that draws the box's side."""
    camera = RoadCamera(make_camera(), LocateSettings(middle_share=1.0))
    sigmas_m = {}
    for length_m in (0.5, 5.0):
        corners = camera.pixels(np.array([[6.0, -0.1], [6.0, 0.1], [6.0 + length_m, 0.0]]))
        box = one_box(*corners.min(axis=0), *corners.max(axis=0), "D00")
        (place,) = locate(box, camera, make_pose(), 0.0)
        sigmas_m[length_m] = math.sqrt(place.drawing[0, 0])
    assert sigmas_m[5.0] == pytest.approx(6.0 * 5.0 / 11.0 / 2 * math.radians(3.0), rel=0.01)
    assert sigmas_m[0.5] < 0.02


def test_sizes_are_those_drawn_on_the_road(make_camera, make_pose):
    camera = RoadCamera(make_camera(), LocateSettings())
    bottom, top = camera.pixels(np.array([[6.0, 0.0], [7.5, 0.0]]))[:, 1]
    left, right = camera.pixels(np.array([[6.0, -0.4], [6.0, 0.4]]))[:, 0]
    (place,) = locate(one_box(left, top, right, bottom, "D20"), camera, make_pose(), 0.0)
    assert isinstance(place, Located)
    size = place.size
    assert (size.length_m, size.width_m, size.area_m2) == pytest.approx((1.5, 0.8, 1.2), abs=1e-6)
    assert size.length_sigma_m is not None
    assert 0.02 < size.length_sigma_m < 0.5


def test_length_is_unknown_where_the_far_end_meets_the_horizon(make_camera, make_pose):
    camera = RoadCamera(make_camera(), LocateSettings())
    (place,) = locate(one_box(900, 100, 1000, 900, "D00"), camera, make_pose(), 0.0)
    assert isinstance(place, Located)
    assert place.size.length_m is None
    assert place.size.area_m2 is None
    assert place.size.width_m > 0


def test_camera_that_sees_no_road_is_refused(make_camera):
    with pytest.raises(InvalidMount, match="tilt_down_deg"):
        RoadCamera(make_camera(tilt_down_deg=-40.0), LocateSettings())


@pytest.mark.parametrize("per_frame", [3, 5])
def test_ten_thousand_detections_are_placed_in_a_second(make_camera, make_pose, per_frame):
    """Process time, so that neighbours on the machine do not count; measured about twice as fast."""
    import time

    camera = RoadCamera(make_camera(distortion=LENS), LocateSettings())
    boxes = np.tile([900.0, 700.0, 1000.0, 800.0], (per_frame, 1))
    sightings = Sightings(boxes, ("D40",) * per_frame, (0.8,) * per_frame)
    frames = 3000 // per_frame
    locate(sightings, camera, make_pose(), 0.02)
    start_s = time.process_time()
    for _ in range(frames):
        locate(sightings, camera, make_pose(), 0.02)
    assert frames * per_frame / (time.process_time() - start_s) > 10_000
