"""Error over range, and a street with ellipses, drawn with matplotlib (training extra)."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Polygon

from simulation.campaign import MEASURED_SEEDS
from simulation.estimating import Found, covariance_of, drive_through, single_looks
from simulation.scene import Scene
from simulation.scoring import GATE95, Rows, horizontal_m, score
from simulation.setting import GnssSetting, Setting
from simulation.world import Array, east_north_of
from wegewart_edge.settings import EdgeSettings

STREETS = range(500_000, 500_030)  # of the error over range: no table uses them
MAP_SEED = 500_004
DPI = 90
BINS_M = np.arange(4.0, 13.0, 1.0)
FOUND = "found, with its 95 % ellipse"
BLUE, RED, GREY = "#1f5c99", "#b3261e", "#777777"


def draw_plots(folder: Path, setting: Setting, settings: EdgeSettings) -> list[Path]:
    """Write both plots into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "location-error-over-range.png", folder / "location-street.png"]
    error_over_range(setting, settings).savefig(paths[0], dpi=DPI)
    street_with_ellipses(setting, settings).savefig(paths[1], dpi=DPI)
    return paths


def error_over_range(setting: Setting, settings: EdgeSettings) -> Figure:
    """Relative error of single looks and of fused tracks, by the true distance of the nearest look."""
    ranges_m, single_m, stated_m, fused = [], [], [], []
    for seed in STREETS:
        scene = Scene.draw(setting, MEASURED_SEEDS, seed)
        for number in range(setting.passes):
            looks = single_looks(scene, number, settings)
            ranges_m.append(looks.range_m)
            single_m.append(horizontal_m(looks.relative_m))
            stated_m.append(np.sqrt(np.trace(looks.covariance_m2, axis1=1, axis2=2)))
            fused.append(score(drive_through(scene, number, settings)[0], scene, number)[0])
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    at_m, ranges = (BINS_M[:-1] + BINS_M[1:]) / 2, np.concatenate(ranges_m)
    for share, style in ((50, "-"), (90, "--")):
        label = f"single look, {'median' if share == 50 else '90 %'}"
        axes.plot(at_m, _binned(ranges, np.concatenate(single_m), share), style, color=RED, label=label)
    stated = _binned(ranges, np.concatenate(stated_m), 50)
    axes.plot(at_m, stated, ":", color=RED, label="single look, stated sigma (east and north together)")
    rows = Rows.joined(fused)
    for share, style in ((50, "-"), (90, "--")):
        label = f"fused track by its nearest look, {'median' if share == 50 else '90 %'}"
        values = _binned(rows.nearest_m, horizontal_m(rows.relative_m), share)
        axes.plot(at_m, values, style, color=BLUE, marker="o", markersize=3, label=label)
    axes.set(xlabel="distance from the camera, m", ylabel="horizontal error less the receiver's bias, m")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _binned(ranges_m: Array, values: Array, percentile: float) -> Array:
    """Percentile by bin; NaN where a bin holds fewer than 20."""
    number = np.digitize(ranges_m, BINS_M) - 1
    bins = [values[number == index] for index in range(len(BINS_M) - 1)]
    return np.array([np.percentile(each, percentile) if len(each) >= 20 else np.nan for each in bins])


def street_with_ellipses(setting: Setting, settings: EdgeSettings) -> Figure:
    """One street from above with 95 % ellipses: ten passes with a plain receiver, one with RTK."""
    figure = Figure(figsize=(8.5, 7.0), layout="constrained")
    left, right = figure.subplots(2, 1, height_ratios=(1, 1.6))
    plain = Scene.draw(setting, MEASURED_SEEDS, MAP_SEED)
    _draw_street(left, plain)
    for number in range(setting.passes):
        _draw_found(left, plain, drive_through(plain, number, settings)[0], absolute=True, alpha=0.35)
    left.set_title(f"{setting.passes} passes, receiver {setting.gnss.sigma_m} m per axis", fontsize=9)
    rtk = Scene.draw(
        Setting(camera=setting.camera, gnss=GnssSetting.of_sigma(0.02)), MEASURED_SEEDS, MAP_SEED
    )
    _draw_street(right, rtk)
    _draw_found(right, rtk, drive_through(rtk, 0, settings)[0], absolute=True, alpha=1.0)
    right.set_title("one pass, RTK 2 cm", fontsize=9)
    for axes in (left, right):
        axes.set_aspect("equal")
        axes.set(xlabel="along the street, m", ylabel="left of the lane's beginning, m")
    middle_m = _along(rtk, *(each[0] for each in rtk.street.place(np.array([_middle_m(rtk)]), 0.0)))
    right.set_xlim(middle_m[0] - 8, middle_m[0] + 8)
    right.set_ylim(middle_m[1] - 4, middle_m[1] + 4)
    left.legend(fontsize=8, loc="upper right")
    return figure


def _middle_m(scene: Scene) -> float:
    """Way of the damage with the most neighbours within 8 m."""
    near_m = scene.damages.near_m
    close = np.abs(near_m[:, None] - near_m) < 8.0
    return float(near_m[close.sum(axis=1).argmax()])


def _along(scene: Scene, east_m: float, north_m: float) -> Array:
    """A point turned so that the street's beginning leads right."""
    (from_east_m,), (from_north_m,) = scene.street.place(np.array([0.0]), 0.0)
    turn = _turn(scene)
    turned: Array = turn @ np.array([east_m - from_east_m, north_m - from_north_m])
    return turned


def _turn(scene: Scene) -> Array:
    heading_rad = scene.street.mean_heading_rad
    sin, cos = np.sin(heading_rad), np.cos(heading_rad)
    return np.array([[sin, cos], [-cos, sin]])


def _draw_street(axes: Axes, scene: Scene) -> None:
    half_m = scene.setting.street.lane_m / 2
    way_m = np.arange(-5.0, scene.setting.street.length_m + 5.0, 1.0)
    for side_m in (-half_m, half_m):
        east_m, north_m = scene.street.place(way_m, side_m)
        axes.plot(
            *np.array([_along(scene, *each) for each in zip(east_m, north_m, strict=True)]).T, color=GREY
        )
    damages = scene.damages
    for index in range(len(damages)):
        along = np.array([0.0, 0.0, 1.0, 1.0]) * damages.length_m[index] + damages.near_m[index]
        across = np.array([-0.5, 0.5, 0.5, -0.5]) * damages.width_m[index] + damages.right_m[index]
        corners = [_along(scene, *each) for each in zip(*scene.street.place(along, across), strict=True)]
        name = "damage" if index == 0 else None
        axes.add_patch(Polygon(np.array(corners), color="black", alpha=0.5, label=name))
        true = _along(scene, *scene.places_m[index])
        axes.plot(*true, ".", color="black", markersize=4, label=name and "its true place")


def _draw_found(axes: Axes, scene: Scene, found: list[Found], *, absolute: bool, alpha: float) -> None:
    """Places with their 95 % ellipses."""
    turn, named = _turn(scene), axes.get_legend_handles_labels()[1]
    for index, each in enumerate(found):
        east_m, north_m = east_north_of(np.array(each.lat), np.array(each.lon))
        x, y = _along(scene, float(east_m), float(north_m))
        packed = np.array([each.cov_relative_m2]) + np.array([each.cov_gnss_m2]) * absolute
        values, vectors = np.linalg.eigh(turn @ covariance_of(packed)[0] @ turn.T)
        high, low = 2 * np.sqrt(GATE95 * values[::-1])
        angle_deg = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        axes.add_patch(Ellipse((x, y), high, low, angle=angle_deg, fill=False, color=BLUE, alpha=alpha))
        axes.plot(
            x, y, "+", color=RED, markersize=5, label=FOUND if index == 0 and FOUND not in named else None
        )
