"""A simulated town as messages: drives over true damages, sent as a vehicle would send them."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from tests.api.street_simulation import Damages, Setting, draw_damages, drive
from tests.core.messages import BUNDLE, drive_track_fields, observation_fields

from wegewart.geo import LocalPlane
from wegewart.identity import observation_id
from wegewart_api.defects.sighting import FloatArray, Sightings

CODES = ("D00", "D10", "D20", "D40")
ORIGIN = LocalPlane(50.0, 11.5)
SPEED_MPS = 8.0
FIRST_DRIVE = UUID("01970000-0000-7000-8000-000000000000")
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class SentDrive:
    """One pass as messages, with the truth beside it: the damage of each observation, −1 for a false one."""

    track: dict[str, Any]
    observations: list[dict[str, Any]]
    truth: list[int]


class Town:
    """One straight street that runs east, with damages, driven again and again."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.random = np.random.default_rng(seed)
        self.damages: Damages = draw_damages(setting, self.random)

    def drive(self, number: int, bundle: dict[str, str] = BUNDLE, day: int | None = None) -> SentDrive:
        """One pass; its drive is named by its number and driven on that day unless told."""
        seen, truth, bias = drive(self.damages, self.setting, number, self.random)
        return sent_drive(seen, truth.tolist(), bias, number, self.setting, bundle, day)


def sent_drive(
    seen: Sightings,
    truth: list[int],
    bias_m: FloatArray,
    number: int,
    setting: Setting,
    bundle: dict[str, str] = BUNDLE,
    day: int | None = None,
) -> SentDrive:
    """Messages of one pass along the single street of a setting."""
    drive_id = UUID(int=FIRST_DRIVE.int + number)
    start = START + timedelta(days=number if day is None else day)
    observations = [_observation(seen, index, drive_id, bundle, start) for index in range(len(seen))]
    mean_bias = bias_m.mean(axis=0) if len(bias_m) else np.zeros(2)
    return SentDrive(
        _track(drive_id, bundle, start, len(observations), mean_bias, setting), observations, truth
    )


def _observation(
    seen: Sightings, index: int, drive_id: UUID, bundle: dict[str, str], start: datetime
) -> dict[str, Any]:
    lat, lon = ORIGIN.lat_lon(*seen.place_m[index])
    length_m, width_m = np.exp(seen.log_size[index])
    station_m = float(seen.station_m[index])
    number = 10 * index
    return observation_fields(
        number,
        id=str(observation_id(drive_id, "front", bundle["sha256"], number, 0)),
        drive_id=str(drive_id),
        bundle=bundle,
        captured_at=(start + timedelta(seconds=station_m / SPEED_MPS)).isoformat(),
        datum="ETRS89",
        lat=lat,
        lon=lon,
        heading_deg=90.0,
        station_m=station_m,
        cov_relative_m2=_three(seen.relative_m2[index]),
        cov_gnss_m2=_three(seen.gnss_m2[index]),
        class_probabilities={code: float(p) for code, p in zip(CODES, seen.classes[index], strict=True)},
        length_m=float(length_m),
        length_sigma_m=float(length_m * seen.log_size_sigma[index, 0]),
        width_m=float(width_m),
        width_sigma_m=float(width_m * seen.log_size_sigma[index, 1]),
        area_m2=float(length_m * width_m),
        area_sigma_m2=float(0.1 * length_m * width_m),
    )


def _track(
    drive_id: UUID, bundle: dict[str, str], start: datetime, made: int, bias_m: FloatArray, setting: Setting
) -> dict[str, Any]:
    length_m = setting.streets_m[0]
    poses = []
    for station_m in np.arange(0.0, length_m + 20.0, 5.0):
        lat, lon = ORIGIN.lat_lon(station_m + bias_m[0], bias_m[1])
        poses.append(
            {
                "captured_at": (start + timedelta(seconds=station_m / SPEED_MPS)).isoformat(),
                "station_m": float(station_m),
                "lat": lat,
                "lon": lon,
                "heading_deg": 90.0,
                "heading_sigma_deg": 0.3,
                "cov_gnss_m2": [setting.sigma_m**2, 0.0, setting.sigma_m**2],
                "fix": "single",
            }
        )
    zone = {"near_m": 4.0, "far_m": 14.0, "left_m": -4.0, "right_m": 4.0}
    return drive_track_fields(
        drive_id=str(drive_id),
        bundle=bundle,
        datum="ETRS89",
        started_at=start.isoformat(),
        ended_at=(start + timedelta(seconds=math.ceil(length_m / SPEED_MPS) + 5)).isoformat(),
        poses=poses,
        stretches=[
            {
                "camera_id": "front",
                "from_station_m": 0.0,
                "to_station_m": length_m + 20.0,
                "zone": zone,
                "valid": True,
            }
        ],
        observations=made,
    )


def _three(covariance_m2: FloatArray) -> list[float]:
    return [float(covariance_m2[0, 0]), float(covariance_m2[0, 1]), float(covariance_m2[1, 1])]
