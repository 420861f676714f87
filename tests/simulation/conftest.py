"""Makes benchmarks/ importable, as it is for the benchmarks themselves, and gives scenes for the tests."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

from simulation.setting import (  # noqa: E402 - found only now
    CLASSES,
    DamageSetting,
    DetectorSetting,
    DriveSetting,
    GnssSetting,
    Setting,
    StreetSetting,
    example_camera,
)


@pytest.fixture(scope="session")
def calm() -> Setting:
    """A town without any error: curving flat streets, small damages, all seen, and a perfect receiver."""
    camera = example_camera()
    sigmas = dict.fromkeys(("height_sigma_m", "tilt_sigma_deg", "roll_sigma_deg", "yaw_sigma_deg"), 0.0)
    return Setting(
        camera=camera.model_copy(update={"mount": camera.mount.model_copy(update=sigmas)}),
        street=StreetSetting(rise_rms_m=0.0),
        damage=DamageSetting(
            spacing_m=12.0,
            clumped=0.0,
            classes=tuple(replace(each, width_m=0.4, length_m=0.3, log_sigma=0.01) for each in CLASSES),
            repaired_per_pass=0.0,
            appearing_per_pass=0.0,
        ),
        drive=DriveSetting(pitch_sigma_deg=0.0, roll_sigma_deg=0.0, heave_sigma_m=0.0, tilt_drift_deg=0.0),
        gnss=GnssSetting(
            sigma_m=1e-4, white_m=1e-4, rate_hz=20.0, course_velocity_sigma_mps=1e-4, speed_sigma_mps=1e-4
        ),
        detector=DetectorSetting(
            best_probability=1.0,
            half_size_px=0.01,
            class_confusion=0.0,
            edge_sigma_px=0.0,
            false_objects_per_km=0.0,
            false_flickers_per_frame=0.0,
            leading_vehicle_share=0.0,
            parked_share=0.0,
        ),
        passes=2,
        time_sigma_s=0.0,
        time_jitter_s=0.0,
    )
