"""The simulated town is what its settings say: reproducible, with the noises it claims."""

import time
from dataclasses import replace

import numpy as np
import pytest
from simulation.passing import draw_drives, gauss_markov
from simulation.scene import Scene
from simulation.seeing import NOTHING_TRUE
from simulation.setting import DriveSetting, GnssSetting, PitchKind, Setting, StreetSetting
from simulation.world import Street, Waves, east_north_of, lat_lon_of


def test_same_seed_gives_the_same_scene_and_another_seed_another():
    one, same, other = Scene.draw(Setting(), 7), Scene.draw(Setting(), 7), Scene.draw(Setting(), 8)
    assert np.array_equal(one.boxes.box_px, same.boxes.box_px)
    assert np.array_equal(one.drives.fixes.east_m, same.drives.fixes.east_m)
    assert not np.array_equal(one.boxes.box_px[:5], other.boxes.box_px[:5])


def test_another_receiver_sees_the_same_street_and_the_same_boxes():
    plain = Scene.draw(Setting(), 7)
    rtk = Scene.draw(Setting(gnss=GnssSetting.of_sigma(0.02)), 7)
    assert np.array_equal(plain.boxes.box_px, rtk.boxes.box_px)
    assert np.array_equal(plain.places_m, rtk.places_m)
    assert np.allclose(plain.drives.fixes.bias_m / 2.5, rtk.drives.fixes.bias_m / 0.02)


def test_waves_have_the_rms_and_the_slope_they_claim():
    random = np.random.default_rng(1)
    waves = Waves.draw(0.3, (40.0, 200.0), random, rows=150)
    way_m = np.broadcast_to(np.arange(0.0, 2000.0, 5.0), (150, 400))
    value, slope = waves.at(way_m)
    assert value.std() == pytest.approx(0.3, rel=0.05)
    ahead, _ = waves.at(way_m + 1e-4)
    assert slope == pytest.approx((ahead - value) / 1e-4, abs=1e-5)


def test_street_keeps_its_own_metre():
    street = Street.draw(StreetSetting(length_m=300.0), np.random.default_rng(3))
    way_m = np.arange(0.0, 300.0, 0.5)
    east_m, north_m = street.place(way_m, 0.0)
    assert np.hypot(np.diff(east_m), np.diff(north_m)) == pytest.approx(0.5, abs=1e-4)
    assert np.allclose(east_north_of(*lat_lon_of(east_m, north_m)), (east_m, north_m), atol=1e-6)


def test_receiver_bias_has_its_sigma_and_its_correlation_length():
    random = np.random.default_rng(2)
    way = np.broadcast_to(np.array([0.0, 0.01, 0.5, 1.0]), (20_000, 4))
    process = gauss_markov(way, random)
    assert process.std(axis=0) == pytest.approx(1.0, abs=0.02)
    correlation = (process[:, :1] * process).mean(axis=0)
    assert correlation == pytest.approx(np.exp(-way[0]), abs=0.02)


@pytest.mark.parametrize("kind", list(PitchKind))
def test_pitch_has_its_sigma_and_the_memory_of_a_damped_spring(kind):
    drive = DriveSetting(pitch_kind=kind, tilt_drift_deg=0.0, frame_spacing_m=0.5, speed_swing=0.0)
    setting = replace(Setting(), drive=drive, passes=300)
    setting = replace(setting, camera=without_sigmas(setting.camera))
    random = np.random.default_rng(4)
    drives = draw_drives(Street.draw(setting.street, random), setting, random)
    tilt_deg = np.degrees(drives.shake.tilt_down_rad) - setting.camera.mount.tilt_down_deg
    assert tilt_deg.std() == pytest.approx(0.5, rel=0.03)
    step_s = float(np.diff(drives.frames.time_s, axis=1).mean())
    for lag in (1, 3, 6):
        own, decay = 2 * np.pi * 1.3, 2 * np.pi * 1.3 * 0.3
        swing = own * np.sqrt(1 - 0.3**2)
        spring = np.exp(-decay * lag * step_s) * (
            np.cos(swing * lag * step_s) + decay / swing * np.sin(swing * lag * step_s)
        )
        expected = spring if kind is PitchKind.BODY else 0.0
        found = (tilt_deg[:, lag:] * tilt_deg[:, :-lag]).mean() / tilt_deg.var()
        assert found == pytest.approx(expected, abs=0.03)


def without_sigmas(camera):
    none = dict.fromkeys(("height_sigma_m", "tilt_sigma_deg", "roll_sigma_deg", "yaw_sigma_deg"), 0.0)
    return camera.model_copy(update={"mount": camera.mount.model_copy(update=none)})


def test_damages_are_seen_from_4_to_12_m_and_repaired_ones_no_more():
    scene = Scene.draw(Setting(), 11)
    boxes = scene.boxes
    assert boxes.range_m.min() >= 4.0
    assert boxes.range_m.max() <= 12.0
    real = boxes.chosen(boxes.truth != NOTHING_TRUE)
    assert scene.damages.exists[real.drive, real.truth].all()
    lives = np.concatenate([Scene.draw(Setting(), seed).damages.exists for seed in range(20)], axis=1)
    assert 0.02 < (lives[0] & ~lives[-1]).mean() < 0.35  # 2 % per pass are repaired


def test_near_and_large_damages_are_found_more_often():
    setting = replace(Setting(), passes=20)
    ranges_m = np.concatenate([Scene.draw(setting, seed).boxes.range_m for seed in range(10)])
    near, far = ((ranges_m >= low) & (ranges_m < low + 2) for low in (4.0, 10.0))
    assert near.sum() > 1.3 * far.sum()


def test_thousands_of_frames_a_second_are_simulated():
    """Process time, so that neighbours on the machine do not count; measured about 30,000."""
    Scene.draw(Setting(), 0)
    begin_s = time.process_time()
    frames = sum(Scene.draw(Setting(), seed).drives.frames.way_m.size for seed in range(3))
    assert frames / (time.process_time() - begin_s) > 3000
