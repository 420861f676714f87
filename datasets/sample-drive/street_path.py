"""Where the sample drive is laid: a stretch of one named street of datasets/streets, right-hand lane."""

import gzip
import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wegewart.geo import LocalPlane

FloatArray = npt.NDArray[np.float64]

STREETS = Path(__file__).resolve().parents[1] / "streets" / "north-bayreuth.osm.gz"
WAY_ID = "158336430"  # Hauptstraße (St 2183): the straightest stretch of 180 m with the most house numbers
WAY_START_M = 35.0
LANE_OFFSET_M = 1.75  # right of the centre line: the middle of a lane of 3.5 m
SMOOTHING_M = 12.0  # a driver rounds the corners of a drawn line
STEP_M = 0.5


@dataclass(frozen=True)
class LanePath:
    """The middle of the right-hand lane, sampled every STEP_M; station 0 is the first frame."""

    plane: LocalPlane
    station_m: FloatArray
    east_m: FloatArray
    north_m: FloatArray
    bearing_deg: FloatArray

    def at(self, station_m: float, right_m: float) -> tuple[float, float, float]:
        """East and north in metres and bearing in degrees, `right_m` beside the middle of the lane."""
        bearing_deg = float(np.interp(station_m, self.station_m, self.bearing_deg))
        bearing = math.radians(bearing_deg)
        east_m = float(np.interp(station_m, self.station_m, self.east_m)) + right_m * math.cos(bearing)
        north_m = float(np.interp(station_m, self.station_m, self.north_m)) - right_m * math.sin(bearing)
        return east_m, north_m, bearing_deg % 360.0


def read_lane(before_m: float, length_m: float) -> LanePath:
    """Lane from `before_m` ahead of the first frame over `length_m`.

    Raises:
        ValueError: If the way is missing or too short.
    """
    lat_lon = _way_lat_lon(STREETS, WAY_ID)
    plane = LocalPlane(*lat_lon[0])
    drawn = np.array([plane.east_north_m(lat, lon) for lat, lon in lat_lon])
    along_m = np.r_[0.0, np.cumsum(np.hypot(*np.diff(drawn, axis=0).T))]
    margin_m = 3 * SMOOTHING_M
    wanted_m = np.arange(WAY_START_M - margin_m, WAY_START_M + length_m + margin_m, STEP_M)
    if wanted_m[-1] > along_m[-1]:
        raise ValueError(f"way {WAY_ID} is {along_m[-1]:.0f} m long, {wanted_m[-1]:.0f} m are needed")
    centre = np.c_[_along(wanted_m, along_m, drawn[:, 0]), _along(wanted_m, along_m, drawn[:, 1])]
    smooth = _smoothed(centre)
    heading = np.unwrap(np.arctan2(np.gradient(smooth[:, 0]), np.gradient(smooth[:, 1])))
    lane = smooth + LANE_OFFSET_M * np.c_[np.cos(heading), -np.sin(heading)]
    keep = slice(round(margin_m / STEP_M), None)
    lane, heading = lane[keep], heading[keep]
    station_m = np.r_[0.0, np.cumsum(np.hypot(*np.diff(lane, axis=0).T))] - before_m
    return LanePath(plane, station_m, lane[:, 0], lane[:, 1], np.degrees(heading))


def _along(wanted_m: FloatArray, along_m: FloatArray, values: FloatArray) -> FloatArray:
    """Linear interpolation that goes straight on before the way's first node."""
    slope = (values[1] - values[0]) / (along_m[1] - along_m[0])
    inside = np.interp(wanted_m, along_m, values)
    return np.where(wanted_m < 0, values[0] + slope * wanted_m, inside)


def _smoothed(points: FloatArray) -> FloatArray:
    reach = round(3 * SMOOTHING_M / STEP_M)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) * STEP_M / SMOOTHING_M) ** 2)
    weight /= weight.sum()
    padded = np.pad(points, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.column_stack(
        (np.convolve(padded[:, 0], weight, mode="valid"), np.convolve(padded[:, 1], weight, mode="valid"))
    )


def _way_lat_lon(path: Path, way_id: str) -> list[tuple[float, float]]:
    with gzip.open(path) as file:
        root = ET.parse(file).getroot()  # noqa: S314 -- our own checked-in file
    way = next((way for way in root.iter("way") if way.get("id") == way_id), None)
    if way is None:
        raise ValueError(f"{path.name} has no way {way_id}")
    places = {
        node.get("id"): (float(node.get("lat", "nan")), float(node.get("lon", "nan")))
        for node in root.iter("node")
    }
    return [places[step.get("ref")] for step in way.iter("nd")]
