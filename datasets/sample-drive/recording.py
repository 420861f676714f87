"""What a box on the vehicle would have recorded: times, true path, GNSS with a bias that drifts."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from source import CameraEstimate
from street_path import LanePath

FloatArray = npt.NDArray[np.float64]

SPEED_MPS = 30 / 3.6
LEAD_M = 20.0  # driven before the first and after the last frame, so that no frame lies at the track's end
GNSS_PERIOD_S = 0.2
BIAS_SIGMA_M = 2.5  # per axis: a plain receiver in a town, FORMULAS section 3
BIAS_LENGTH_M = 750.0
NOISE_SIGMA_M = 0.03  # from fix to fix, as a receiver's own filter leaves it
HEADING_SIGMA_DEG = 0.3  # course from Doppler at 30 km/h: 0.05 m/s across, FORMULAS section 3


@dataclass(frozen=True)
class Moment:
    """The vehicle's reference point at one instant: where it truly was, and the receiver's bias there."""

    captured_at: datetime
    station_m: float
    lat: float
    lon: float
    heading_deg: float
    bias_east_m: float
    bias_north_m: float


class Ride:
    """One pass over the street: constant speed, true path, and the bias drawn for this pass."""

    def __init__(
        self, lane: LanePath, estimate: CameraEstimate, started_at: datetime, random: np.random.Generator
    ) -> None:
        self._lane = lane
        self._started_at = started_at
        self._frame_station_m = np.array(estimate.station_m)
        self._right_m = np.array(estimate.right_of_lane_axis_m)
        self._heading_right_deg = np.array(estimate.heading_right_deg)
        self._bias_station_m = np.arange(-LEAD_M, estimate.station_m[-1] + LEAD_M + 2.0, 1.0)
        self._bias_m = np.c_[
            _gauss_markov(self._bias_station_m, random), _gauss_markov(self._bias_station_m, random)
        ]

    @property
    def end_station_m(self) -> float:
        """Station at which the recording ends."""
        return float(self._frame_station_m[-1]) + LEAD_M

    def at_station(self, station_m: float) -> Moment:
        """The instant at which the vehicle passed a station (0 = first frame), to the millisecond."""
        elapsed_ms = round((station_m + LEAD_M) / SPEED_MPS * 1000)
        station_m = elapsed_ms / 1000 * SPEED_MPS - LEAD_M  # where it was at the millisecond written down
        right_m = float(np.interp(station_m, self._frame_station_m, self._right_m))
        east_m, north_m, bearing_deg = self._lane.at(station_m, right_m)
        lat, lon = self._lane.plane.lat_lon(east_m, north_m)
        turned_deg = float(np.interp(station_m, self._frame_station_m, self._heading_right_deg))
        bias_m = [float(np.interp(station_m, self._bias_station_m, self._bias_m[:, axis])) for axis in (0, 1)]
        captured_at = self._started_at + timedelta(milliseconds=elapsed_ms)
        return Moment(captured_at, station_m, lat, lon, (bearing_deg + turned_deg) % 360.0, *bias_m)

    def gnss_rows(self, random: np.random.Generator) -> list[dict[str, str]]:
        """Fixes every GNSS_PERIOD_S from the first to the last metre of the recording."""
        rows = []
        count = math.ceil((self.end_station_m + LEAD_M) / SPEED_MPS / GNSS_PERIOD_S) + 1
        for number in range(count):
            moment = self.at_station(number * GNSS_PERIOD_S * SPEED_MPS - LEAD_M)
            noise_m = random.normal(0.0, NOISE_SIGMA_M, 2)
            lat, lon = _moved(
                self._lane, moment, moment.bias_east_m + noise_m[0], moment.bias_north_m + noise_m[1]
            )
            heading_deg = (moment.heading_deg + random.normal(0.0, HEADING_SIGMA_DEG)) % 360.0
            rows.append(
                {
                    "captured_at": iso(moment.captured_at),
                    "lat": f"{lat:.8f}",
                    "lon": f"{lon:.8f}",
                    "sigma_east_m": f"{BIAS_SIGMA_M}",
                    "sigma_north_m": f"{BIAS_SIGMA_M}",
                    "heading_deg": f"{heading_deg:.2f}",
                    "heading_sigma_deg": f"{HEADING_SIGMA_DEG}",
                    "speed_mps": f"{SPEED_MPS:.2f}",
                    "fix": "single",
                }
            )
        return rows


def _moved(lane: LanePath, moment: Moment, east_m: float, north_m: float) -> tuple[float, float]:
    here_east_m, here_north_m = lane.plane.east_north_m(moment.lat, moment.lon)
    return lane.plane.lat_lon(here_east_m + east_m, here_north_m + north_m)


def _gauss_markov(station_m: FloatArray, random: np.random.Generator) -> FloatArray:
    """First-order Gauss–Markov process along the way, stationary from its first value on."""
    values = np.empty(len(station_m))
    values[0] = random.normal(0.0, BIAS_SIGMA_M)
    for index in range(1, len(station_m)):
        keep = math.exp(-(station_m[index] - station_m[index - 1]) / BIAS_LENGTH_M)
        values[index] = keep * values[index - 1] + random.normal(
            0.0, BIAS_SIGMA_M * math.sqrt(1 - keep * keep)
        )
    return values


def iso(moment: datetime) -> str:
    """UTC time with milliseconds and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """CSV with a header taken from the first row and plain newlines."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
