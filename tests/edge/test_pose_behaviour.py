"""What happens while standing, in tunnels, after jumps, at a cold start, and when time leaps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.edge.driving import drive, fix_at, moment, place_m, trajectory

from wegewart.drive import FixType
from wegewart_edge.motion import Motion


def at(path, seconds):
    return path.at(moment(seconds))


def braking(seconds):
    """8 m/s, stopped between 8 and 12 s, standing until 40 s, off again: 96 m in all up to 48 s."""
    if seconds < 8:
        return 8.0
    if seconds < 12:
        return 2.0 * (12 - seconds)
    if seconds < 40:
        return 0.0
    return min(2.0 * (seconds - 40), 8.0)


@pytest.mark.parametrize("velocity", [True, False], ids=["stated-speed", "positions-only"])
def test_standing_vehicle_keeps_place_heading_and_station(velocity):
    driven = drive(5, lasts_s=60, speed_at=braking, velocity=velocity, sigma_m=0.1, white_m=0.05)
    path = trajectory(driven.fixes)
    standing = [at(path, seconds) for seconds in np.arange(13, 39, 0.5)]
    stations_m = [pose.station_m for pose in standing]
    headings_deg = [
        math.remainder(math.degrees(driven.heading_rad[650]) - pose.heading_deg, 360) for pose in standing
    ]
    assert np.ptp(stations_m) < 0.3
    assert np.ptp(headings_deg) < 0.5
    assert max(map(abs, headings_deg)) < 6.0
    assert max(pose.speed_mps for pose in standing) < 0.3
    assert path.length_m == pytest.approx(driven.length_m, abs=2.0)  # the last fix comes 0.2 s early


def test_standing_receiver_that_wanders_does_not_turn_the_vehicle():
    random = np.random.default_rng(7)
    driving = [fix_at(t, 8.0 * t, 0, 2.5, speed_mps=8.0) for t in range(10)]
    stopping = [fix_at(10, 78, 0, 2.5, speed_mps=4.0), fix_at(11, 80, 0, 2.5, speed_mps=0.1)]
    standing = [
        fix_at(12 + t, 80 + random.normal(), random.normal(), 2.5, speed_mps=abs(random.normal()) * 0.05)
        for t in range(120)
    ]
    path = trajectory(driving + stopping + standing)
    assert at(path, 100).heading_deg == pytest.approx(90.0, abs=8.0)
    assert path.length_m < 95.0


def test_vehicle_that_never_moved_has_no_pose():
    assert at(trajectory([fix_at(t, 0.01 * t, 0) for t in range(5)]), 2) is None


def test_vehicle_that_starts_standing_has_the_heading_of_its_first_way():
    standing = [fix_at(t, 0, 0) for t in range(10)]
    driving = [fix_at(10 + t, min(t * t, 6 * t), 0) for t in range(1, 15)]
    pose = at(trajectory(standing + driving), 5)
    assert pose.heading_deg == pytest.approx(90.0, abs=10.0)
    assert place_m(pose) == pytest.approx((0, 0), abs=0.1)


def tunnel(driven, from_s, to_s):
    return [fix for fix in driven.fixes if not moment(from_s) <= fix.captured_at <= moment(to_s)]


def test_tunnel_is_bridged_by_wheels_and_gyro_within_what_is_stated():
    inside = []
    for seed in range(3):
        driven = drive(
            20 + seed, lasts_s=60, fixes_per_s=2, sigma_m=0.02, white_m=0.01, wheels=True, gyro=True
        )
        path = trajectory(tunnel(driven, 20, 40), motion=driven.motion)
        for seconds in (24, 30, 36):
            pose = at(path, seconds)
            assert pose.fix is FixType.DEAD_RECKONING
            inside.append(pose.cov_gnss.mahalanobis2(*driven.error_m(pose)) < 9.21)
            assert math.hypot(*driven.error_m(pose)) < 2.5
        assert math.sqrt(at(path, 30).cov_gnss.ee) > 2 * math.sqrt(at(path, 10).cov_gnss.ee)
    assert sum(inside) >= len(inside) - 1


def test_tunnel_without_wheels_has_no_pose_in_its_middle_but_a_station():
    fixes = [fix_at(t, 8 * t, 0) for t in range(40) if not 10 <= t <= 25]
    path = trajectory(fixes)
    assert at(path, 17) is None
    assert at(path, 9.0) is not None
    assert at(path, 26.0) is not None
    assert path.station_at(moment(17)) == pytest.approx(8 * 17, abs=2.0)


def test_short_gap_is_bridged_and_less_sure():
    path = trajectory([fix_at(t, 8 * t, 0) for t in range(20) if not 10 <= t <= 11])
    across = at(path, 10.5)
    assert place_m(across) == pytest.approx((84, 0), abs=0.3)
    assert across.cov_gnss.rms_m > 2 * at(path, 5).cov_gnss.rms_m


def test_gap_longer_than_allowed_is_crossed_straight_and_has_no_pose():
    fixes = [fix_at(t, 8 * t, 0) for t in (0, 1, 2, 3, 100, 101, 102, 103)]
    path = trajectory(fixes, max_gap_s=60)
    assert at(path, 50) is None
    assert path.station_at(moment(50)) == pytest.approx(400, abs=10)
    assert path.length_m == pytest.approx(8 * 103, abs=1)


def test_single_outlier_does_not_move_the_path():
    fixes = [fix_at(t / 2, 4.0 * t, 30.0 if t == 20 else 0.0, 1.0) for t in range(40)]
    path = trajectory(fixes)
    assert path.fixes_left_out == 1
    assert abs(place_m(at(path, 10))[1]) < 0.5


def test_slow_bias_of_the_receiver_is_followed_not_rejected():
    driven = drive(9, lasts_s=60)
    assert trajectory(driven.fixes).fixes_left_out == 0


@pytest.mark.parametrize("jump_m", [6.0, 400.0], ids=["other-satellites", "elsewhere"])
def test_path_recovers_after_a_real_jump(jump_m):
    fixes = [fix_at(t / 2, 4.0 * t, jump_m if t >= 30 else 0.0, 1.0) for t in range(80)]
    path = trajectory(fixes)
    assert abs(place_m(at(path, 13.0))[1]) < 3.0
    assert place_m(at(path, 30))[1] == pytest.approx(jump_m, abs=3.0)
    assert at(path, 30).heading_deg == pytest.approx(90.0, abs=3.0)
    assert path.length_m == pytest.approx(316, abs=8)  # a jump is not driven


def test_kind_of_fix_that_gets_worse_makes_the_place_less_sure():
    fixed = [fix_at(t, 8 * t, 0, 0.02, fix=FixType.RTK_FIXED) for t in range(20)]
    single = [fix_at(t, 8 * t, 1.5, 2.5, fix=FixType.SINGLE) for t in range(20, 60)]
    path = trajectory(fixed + single)
    assert at(path, 10).cov_gnss.rms_m < 0.05
    assert abs(place_m(at(path, 18))[1]) < 0.05
    assert at(path, 55).cov_gnss.rms_m > 1.2
    assert at(path, 55).fix is FixType.SINGLE


def test_cold_start_that_is_far_off_is_no_part_of_the_path():
    fixes = [fix_at(t, 8 * t, 0, 2.0) for t in range(40)]
    fixes[0] = fix_at(0, -900, 700, 2.0)
    path = trajectory(fixes)
    assert at(path, 0.1) is None or math.hypot(*place_m(at(path, 0.1))) < 20
    assert place_m(at(path, 20)) == pytest.approx((160, 0), abs=0.5)
    assert at(path, 20).heading_deg == pytest.approx(90, abs=3)


def test_frames_before_the_first_fix_have_no_pose_though_wheels_were_read():
    driven = drive(11, lasts_s=40, wheels=True)
    path = trajectory([fix for fix in driven.fixes if fix.captured_at >= moment(10)], motion=driven.motion)
    assert at(path, 5) is None
    assert at(path, 12) is not None


def test_clock_that_leaps_forward_leaves_a_gap():
    """A receiver that gets its leap seconds late: 18 s in which it went no way."""
    fixes = [fix_at(t + (18 if t >= 20 else 0), 8 * t, 0, 2.5) for t in range(40)]
    path = trajectory(fixes)
    assert at(path, 28) is None
    assert place_m(at(path, 10)) == pytest.approx((80, 0), abs=1.0)
    assert place_m(at(path, 48)) == pytest.approx((240, 0), abs=1.0)


def test_hard_braking_between_sparse_fixes_is_followed():
    """6 m/s² from 50 km/h at one fix a second, 1 m accurate."""

    def braked(seconds):
        return max(13.9 - 6.0 * max(seconds - 10, 0.0), 0.0)

    driven = drive(12, lasts_s=25, fixes_per_s=1, sigma_m=0.5, white_m=0.05, speed_at=braked)
    path = trajectory(driven.fixes)
    assert path.fixes_left_out <= 1
    assert math.hypot(*np.subtract(driven.error_m(at(path, 20)), driven.bias_m[1000])) < 0.8


def test_reversing_keeps_the_heading_where_positions_are_good():
    def to_and_fro(seconds):
        return 3.0 if seconds < 10 else max(3.0 - (seconds - 10), -1.5)

    driven = drive(
        13, lasts_s=25, fixes_per_s=5, sigma_m=0.02, white_m=0.01, speed_at=to_and_fro, velocity=False
    )
    pose = at(trajectory(driven.fixes), 20)
    wrong_deg = math.remainder(pose.heading_deg - math.degrees(driven.heading_rad[1000]), 360)
    assert abs(wrong_deg) < 10


def test_gyro_bias_is_found_while_standing():
    driven = drive(14, lasts_s=60, speed_at=braking, wheels=True, gyro=True)
    turned = [replace(each, yaw_rate_dps=each.yaw_rate_dps + 2.0) for each in driven.motion]
    path = trajectory(tunnel(driven, 44, 59), motion=turned)
    pose = at(path, 50)
    wrong_deg = math.remainder(pose.heading_deg - math.degrees(driven.heading_rad[2500]), 360)
    assert abs(wrong_deg) < 6


def test_readings_of_one_moment_are_all_taken():
    fixes = [fix_at(t, 8 * t, 0) for t in range(10)]
    wheels = [Motion(moment(t), 8.0) for t in range(10)]
    assert at(trajectory(fixes, motion=wheels), 5.0).station_m == pytest.approx(40, abs=0.05)
