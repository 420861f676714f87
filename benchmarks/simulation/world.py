"""Streets and the damages on them: plane coordinates in metres east and north of a fixed origin."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from simulation.setting import DamageSetting, StreetSetting

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.intp]
Truth = npt.NDArray[np.bool_]

ORIGIN_LAT, ORIGIN_LON = 49.94, 11.57  # streets lie around it; which town it is does not matter
GRID_M = 0.25  # of the integrated centreline; on a radius of 60 m a chord of it is off by 0.1 mm
WAVES = 5
# Azimuthal equidistant on the ellipsoid: within 1 km of the origin, lengths are true to 1e-8.
_TO_PLANE = Transformer.from_crs(
    "EPSG:4326", f"+proj=aeqd +lat_0={ORIGIN_LAT} +lon_0={ORIGIN_LON} +ellps=WGS84 +units=m", always_xy=True
)


def lat_lon_of(east_m: Array, north_m: Array) -> tuple[Array, Array]:
    """Latitude and longitude in degrees (WGS84) of points on the plane."""
    lon, lat = _TO_PLANE.transform(east_m, north_m, direction="INVERSE")
    return np.asarray(lat), np.asarray(lon)


def east_north_of(lat: Array, lon: Array) -> tuple[Array, Array]:
    """Metres east and north on the plane of positions in degrees."""
    east_m, north_m = _TO_PLANE.transform(lon, lat)
    return np.asarray(east_m), np.asarray(north_m)


@dataclass(frozen=True)
class Waves:
    """A smooth random function of the way: a sum of sinusoids, with its exact derivative."""

    amplitude: Array
    per_m: Array  # angular, 2π / wavelength
    phase: Array

    @classmethod
    def draw(
        cls,
        rms: float,
        wavelengths_m: tuple[float, float],
        random: np.random.Generator,
        rows: int | None = None,
    ) -> "Waves":
        """Random waves; with `rows`, as many functions at once."""
        shape = (WAVES,) if rows is None else (rows, WAVES)
        shortest_m, longest_m = np.log(wavelengths_m)
        per_m = 2 * np.pi / np.exp(random.uniform(shortest_m, longest_m, shape))
        share = random.dirichlet(np.ones(WAVES), None if rows is None else rows)
        return cls(rms * np.sqrt(2 * share), per_m, random.uniform(0, 2 * np.pi, shape))

    def at(self, way_m: Array) -> tuple[Array, Array]:
        """Value and derivative: way (..., N) gives (..., N); rows of the waves go with rows of the way."""
        angle = way_m[..., None] * self.per_m[..., None, :] + self.phase[..., None, :]
        value: Array = (self.amplitude[..., None, :] * np.sin(angle)).sum(-1)
        slope: Array = (self.amplitude[..., None, :] * self.per_m[..., None, :] * np.cos(angle)).sum(-1)
        return value, slope


@dataclass(frozen=True)
class Street:
    """The middle of one driven lane; the way runs from −margin to length + margin."""

    setting: StreetSetting
    grid_m: Array
    east_m: Array
    north_m: Array
    mean_heading_rad: float
    turn: Waves
    rise: Waves

    @classmethod
    def draw(cls, setting: StreetSetting, random: np.random.Generator) -> "Street":
        """One street that begins near the plane's origin."""
        reach_m = setting.margin_m + 40.0
        grid_m = np.arange(-reach_m, setting.length_m + reach_m + GRID_M, GRID_M)
        mean_heading_rad = float(random.uniform(0, 2 * np.pi))
        turn = Waves.draw(np.radians(setting.turn_rms_deg), setting.turn_waves_m, random)
        heading_rad = mean_heading_rad + turn.at(grid_m)[0]
        east_m, north_m = (_integral(part, grid_m) for part in (np.sin(heading_rad), np.cos(heading_rad)))
        shift_m = random.uniform(-300, 300, 2)
        rise = Waves.draw(setting.rise_rms_m, setting.rise_waves_m, random)
        return cls(setting, grid_m, east_m + shift_m[0], north_m + shift_m[1], mean_heading_rad, turn, rise)

    def heading_rad(self, way_m: Array) -> Array:
        """Direction of the lane, clockwise from north."""
        value: Array = self.mean_heading_rad + self.turn.at(way_m)[0]
        return value

    def place(self, way_m: Array, right_m: Array | float) -> tuple[Array, Array]:
        """East and north of points right of the lane's middle."""
        heading_rad = self.heading_rad(way_m)
        east_m = np.interp(way_m, self.grid_m, self.east_m) + right_m * np.cos(heading_rad)
        north_m = np.interp(way_m, self.grid_m, self.north_m) - right_m * np.sin(heading_rad)
        return east_m, north_m


def _integral(rate: Array, grid_m: Array) -> Array:
    steps = (rate[1:] + rate[:-1]) / 2 * np.diff(grid_m)
    total: Array = np.concatenate([[0.0], np.cumsum(steps)])
    return total


@dataclass(frozen=True)
class Damages:
    """Damages of one street, sorted by way: rectangles along the lane.

    `near_m` is the way of the near end and `right_m` the offset of its middle: the place that the vehicle's
    code gives (docs/frames.md). `exists` (passes, N) tells in which pass a damage is there.
    """

    near_m: Array
    right_m: Array
    width_m: Array
    length_m: Array
    class_index: Whole
    exists: Truth

    def __len__(self) -> int:
        return len(self.near_m)


def draw_damages(street: Street, setting: DamageSetting, passes: int, random: np.random.Generator) -> Damages:
    """Damages with clumps, class mix, and some that appear or are repaired between passes."""
    count = max(1, int(random.poisson(street.setting.length_m / setting.spacing_m)))
    near_m = random.uniform(0, street.setting.length_m, count)
    follows = np.flatnonzero(random.random(count) < setting.clumped)
    follows = follows[follows > 0]
    near_m[follows] = near_m[follows - 1] + random.normal(0, setting.clump_sigma_m, len(follows))
    near_m = np.sort(np.clip(near_m, 0, street.setting.length_m))
    class_index, width_m, length_m = draw_looks(count, setting, random)
    free_m = np.maximum(street.setting.lane_m - width_m, 0.0) / 2
    first = np.where(random.random(count) < setting.appearing_per_pass * passes, passes, 0)
    first = (first * random.random(count)).astype(np.intp)
    last = first + random.geometric(max(setting.repaired_per_pass, 1e-9), count)
    number = np.arange(passes)[:, None]
    return Damages(
        near_m=near_m,
        right_m=random.uniform(-1, 1, count) * free_m,
        width_m=width_m,
        length_m=length_m,
        class_index=class_index,
        exists=(number >= first) & (number < last),
    )


def draw_looks(count: int, setting: DamageSetting, random: np.random.Generator) -> tuple[Whole, Array, Array]:
    """Class index, width and length of damages."""
    share = np.array([each.share for each in setting.classes])
    class_index = random.choice(len(share), count, p=share / share.sum()).astype(np.intp)
    median_m = np.array([(each.width_m, each.length_m) for each in setting.classes])[class_index]
    log_sigma = np.array([each.log_sigma for each in setting.classes])[class_index]
    size_m = median_m * np.exp(random.normal(0, 1, (count, 2)) * log_sigma[:, None])
    return class_index, np.minimum(size_m[:, 0], 3.0), size_m[:, 1]
