"""How near the filtered path is to the reference, on a real drive: a phone's receiver and a u-blox M8.

Evaluation only: 60 s and 1.0 km near San Francisco (comma2k19, MIT), reference = post-processed pose. Nothing
of the reference is given to the filter, and nothing is tuned to the u-blox, which lags the reference by about
0.08 s. Neither file states an accuracy: 2.5 m per axis is assumed for the phone and 1.0 m for the u-blox.
"""

import argparse
import csv
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from reporting import print_heading, print_json, print_table

from wegewart.geo import LocalPlane
from wegewart_edge.clock_offset import ClockOffset
from wegewart_edge.drive_pose import camera_clock_offset
from wegewart_edge.gnss import Fix
from wegewart_edge.motion import Motion
from wegewart_edge.placing import placed_fixes
from wegewart_edge.pose import LeverArm, Trajectory, VehiclePose
from wegewart_edge.sensors import MotionAt
from wegewart_edge.settings import PoseSettings
from wegewart_edge.smoothing import filtered

Array = npt.NDArray[np.float64]
Rows = list[dict[str, float]]

START = datetime(2018, 8, 2, 16, 0, tzinfo=UTC)  # of the log's own clock; only differences count
ZERO_S = 46408.0
AT_THE_ANTENNA = LeverArm()
PHONE_SIGMA_M, UBLOX_SIGMA_M = 2.5, 1.0
GAP_S, GAP_EVERY_S = 10.0, 4.0
CHI2_95_PLANE = 5.991
SETTINGS = PoseSettings()


@dataclass(frozen=True)
class Reference:
    """Where the vehicle really was."""

    time_s: Array
    east_m: Array
    north_m: Array
    heading_rad: Array
    plane: LocalPlane

    @classmethod
    def of(cls, rows: Rows) -> "Reference":
        """From the rows of pose_reference.csv."""
        plane = LocalPlane(rows[0]["lat_deg"], rows[0]["lon_deg"])
        places = np.array([plane.east_north_m(row["lat_deg"], row["lon_deg"]) for row in rows])
        heading = np.unwrap([math.radians(row["heading_deg"]) for row in rows])
        return cls(np.array([row["t_s"] for row in rows]), places[:, 0], places[:, 1], heading, plane)

    def error_m(self, at_s: float, lat: float, lon: float) -> tuple[float, float]:
        """East and north error of a position at a moment."""
        east_m, north_m = self.plane.east_north_m(lat, lon)
        return (
            east_m - float(np.interp(at_s, self.time_s, self.east_m)),
            north_m - float(np.interp(at_s, self.time_s, self.north_m)),
        )

    def along_cross_m(self, at_s: float, error_m: tuple[float, float]) -> tuple[float, float]:
        """The same error along the driving direction, and right of it."""
        heading = float(np.interp(at_s, self.time_s, self.heading_rad))
        sin, cos = math.sin(heading), math.cos(heading)
        return error_m[0] * sin + error_m[1] * cos, error_m[0] * cos - error_m[1] * sin


@dataclass(frozen=True)
class Figures:
    """Errors over one drive."""

    name: str
    median_m: float
    p95_m: float
    along_m: tuple[float, float]
    cross_m: tuple[float, float]
    nees: float | None = None
    inside95: float | None = None
    count: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run both receivers, cut gaps, print, and draw if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--plot", type=Path, help="write a picture of the drive (PNG, needs matplotlib)")
    arguments = parser.parse_args(argv)
    folder = drive_folder()
    if folder is None:
        print("skipped: WEGEWART_DATA names no folder with drives/comma2k19-gnss", file=sys.stderr)
        return 0
    reference = Reference.of(rows_of(folder / "pose_reference.csv"))
    phone = fixes_of(folder / "gnss_qcom.csv", PHONE_SIGMA_M)
    ublox = fixes_of(folder / "gnss_ublox.csv", UBLOX_SIGMA_M)
    wheels = [Motion(moment(row["t_s"]), row["speed_mps"]) for row in rows_of(folder / "can_speed.csv")]
    print_heading("pose: comma2k19, a phone's receiver and a u-blox M8", seed="none: nothing is drawn")
    paths = {
        "phone + wheel speed": Trajectory(phone, AT_THE_ANTENNA, SETTINGS, wheels),
        "phone alone": Trajectory(phone, AT_THE_ANTENNA, SETTINGS),
        "u-blox + wheel speed": Trajectory(ublox, AT_THE_ANTENNA, SETTINGS, wheels),
        "u-blox alone": Trajectory(ublox, AT_THE_ANTENNA, SETTINGS),
    }
    figures = [raw_figures("phone, raw fixes", phone, reference)]
    figures += [raw_figures("u-blox, raw fixes", ublox, reference)]
    figures += [filtered_figures(name, path, reference) for name, path in paths.items()]
    report(figures)
    gaps = {
        "wheel speed, end of the gap": ends_of_gaps(ublox, wheels, reference),
        "no wheels, end of the gap": ends_of_gaps(ublox, [], reference),
        "wheel speed, smoothed, middle": middles_of_gaps(ublox, wheels, reference),
    }
    report_gaps(gaps)
    lag = camera_clock_offset(ublox, wheels, AT_THE_ANTENNA, SETTINGS)
    print(f"wheels' clock against the u-blox, from their speeds (not applied): {lag}\n")
    if arguments.plot:
        from pose_plot import draw

        draw(arguments.plot, reference, phone, paths["phone + wheel speed"])
        print(f"wrote {arguments.plot}")
    if arguments.json:
        print_json(as_json(figures, gaps, lag.ahead_s if isinstance(lag, ClockOffset) else None))
    return 0


def drive_folder() -> Path | None:
    """Where the drive lies, if it does."""
    root = os.environ.get("WEGEWART_DATA")
    folder = Path(root or "") / "drives" / "comma2k19-gnss"
    return folder if root and folder.is_dir() else None


def rows_of(path: Path) -> Rows:
    """Rows of numbers."""
    with path.open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def moment(log_s: float) -> datetime:
    """The log's clock as a time."""
    return START + timedelta(seconds=log_s - ZERO_S)


def log_seconds(captured_at: datetime) -> float:
    """Back again."""
    return (captured_at - START).total_seconds() + ZERO_S


def fixes_of(path: Path, sigma_m: float) -> list[Fix]:
    """Fixes with course and speed as the receiver stated them."""
    return [
        Fix(
            moment(row["t_s"]),
            row["lat_deg"],
            row["lon_deg"],
            sigma_m,
            sigma_m,
            heading_deg=row["bearing_deg"],
            speed_mps=row["speed_mps"],
        )
        for row in rows_of(path)
    ]


def within(reference: Reference, at_s: float) -> bool:
    """Whether the reference covers a moment."""
    return bool(reference.time_s[0] <= at_s <= reference.time_s[-1])


def raw_figures(name: str, fixes: Sequence[Fix], reference: Reference) -> Figures:
    """The receiver's own positions."""
    timed = [(log_seconds(fix.captured_at), fix) for fix in fixes]
    errors = [
        (at_s, reference.error_m(at_s, fix.lat, fix.lon)) for at_s, fix in timed if within(reference, at_s)
    ]
    return figures_of(name, errors, reference)


def filtered_figures(name: str, path: Trajectory, reference: Reference) -> Figures:
    """Poses at the reference's own moments, 20 a second."""
    poses = [(at_s, path.at(moment(at_s))) for at_s in reference.time_s.tolist()]
    known = [(at_s, pose) for at_s, pose in poses if pose is not None]
    errors = [(at_s, reference.error_m(at_s, pose.lat, pose.lon)) for at_s, pose in known]
    squared = [
        pose.cov_gnss.mahalanobis2(*error) for (_, pose), (_, error) in zip(known, errors, strict=True)
    ]
    plain = figures_of(name, errors, reference)
    inside = float(np.mean(np.array(squared) < CHI2_95_PLANE))
    return Figures(
        name,
        plain.median_m,
        plain.p95_m,
        plain.along_m,
        plain.cross_m,
        float(np.mean(squared)),
        inside,
        len(known),
    )


def figures_of(
    name: str, errors: Sequence[tuple[float, tuple[float, float]]], reference: Reference
) -> Figures:
    """Median, 95 %, and mean and scatter along and across."""
    lengths_m = [math.hypot(*error) for _, error in errors]
    turned = np.array([reference.along_cross_m(at_s, error) for at_s, error in errors])
    (along_m, cross_m), (along_sd_m, cross_sd_m) = turned.mean(axis=0), turned.std(axis=0)
    return Figures(
        name,
        float(np.median(lengths_m)),
        float(np.percentile(lengths_m, 95)),
        (float(along_m), float(along_sd_m)),
        (float(cross_m), float(cross_sd_m)),
        count=len(errors),
    )


@dataclass(frozen=True)
class Gap:
    """Drift in one gap, beside what the filter said of it."""

    drift_m: float
    stated95_m: float
    inside: bool


def gap_starts(fixes: Sequence[Fix]) -> list[float]:
    """Where gaps are cut: from 5 s after the first fix to 15 s before the last."""
    first, last = log_seconds(fixes[0].captured_at), log_seconds(fixes[-1].captured_at)
    return np.arange(first + 5, last - GAP_S - 5, GAP_EVERY_S).tolist()


def gap_of(drift: tuple[float, float], covariance: Array) -> Gap:
    """Drift against its covariance; the 95 % is the ellipse's longer half axis."""
    worst_m2 = float(np.linalg.eigvalsh(covariance)[-1])
    squared = float(np.array(drift) @ np.linalg.solve(covariance, np.array(drift)))
    return Gap(math.hypot(*drift), math.sqrt(CHI2_95_PLANE * worst_m2), squared < CHI2_95_PLANE)


def ends_of_gaps(fixes: Sequence[Fix], wheels: Sequence[Motion], reference: Reference) -> list[Gap]:
    """Dead reckoning forwards only: the place just before the receiver comes back.

    Drift is the change of the error since the last fix; its covariance is what the filter added since then.
    """
    noise = Trajectory(fixes, AT_THE_ANTENNA, SETTINGS, wheels).noise
    return [end_of_gap(fixes, wheels, reference, start_s, noise) for start_s in gap_starts(fixes)]


def end_of_gap(
    fixes: Sequence[Fix], wheels: Sequence[Motion], reference: Reference, start_s: float, noise: object
) -> Gap:
    """One gap."""
    from wegewart_edge.motion_model import ReceiverNoise

    if not isinstance(noise, ReceiverNoise):
        raise TypeError("noise of a trajectory")
    before = [fix for fix in fixes if log_seconds(fix.captured_at) <= start_s]
    placed = placed_fixes(before)
    zero_s = log_seconds(before[0].captured_at)
    readings = [
        MotionAt(at_s, each.speed_mps)
        for each in wheels
        if 0 <= (at_s := log_seconds(each.captured_at) - zero_s) <= start_s + GAP_S - zero_s
    ]
    if not readings or readings[-1].at_s < start_s + GAP_S - zero_s:
        readings.append(MotionAt(start_s + GAP_S - zero_s))
    stretches, _ = filtered(placed, readings, SETTINGS, AT_THE_ANTENNA, noise)
    knots = [knot.belief for knot in stretches[-1].knots]
    first = max((belief for belief in knots if belief.at_s <= placed[-1].at_s), key=lambda each: each.at_s)
    errors = []
    for belief in (first, knots[-1]):
        anchor = LocalPlane(before[0].lat, before[0].lon)
        lat, lon = anchor.lat_lon(float(belief.mean[0]), float(belief.mean[1]))
        errors.append(np.array(reference.error_m(belief.at_s + zero_s, lat, lon)))
    added = knots[-1].covariance[:2, :2] - first.covariance[:2, :2] + np.eye(2) * SETTINGS.noise_floor_m**2
    drift = errors[1] - errors[0]
    return gap_of((float(drift[0]), float(drift[1])), added)


def middles_of_gaps(fixes: Sequence[Fix], wheels: Sequence[Motion], reference: Reference) -> list[Gap]:
    """What the smoother makes of the middle once both ends are known.

    Drift is against the path without a gap; whether it lies inside is told by the reference, because the
    stated covariance is that of the place, the receiver's bias included.
    """
    whole = Trajectory(fixes, AT_THE_ANTENNA, SETTINGS, wheels)
    gaps = []
    for start_s in gap_starts(fixes):
        kept = [fix for fix in fixes if not start_s < log_seconds(fix.captured_at) < start_s + GAP_S]
        path = Trajectory(kept, AT_THE_ANTENNA, SETTINGS, wheels)
        middle_s = start_s + GAP_S / 2
        pose, undisturbed = path.at(moment(middle_s)), whole.at(moment(middle_s))
        if pose is None or undisturbed is None:
            continue
        gaps.append(_middle(pose, undisturbed, reference, middle_s))
    return gaps


def _middle(pose: VehiclePose, undisturbed: VehiclePose, reference: Reference, at_s: float) -> Gap:
    """How far the place moved through the gap; inside: whether it still is where its covariance says."""
    error_m = reference.error_m(at_s, pose.lat, pose.lon)
    moved_m = np.subtract(error_m, reference.error_m(at_s, undisturbed.lat, undisturbed.lon))
    cov = pose.cov_gnss
    stated = gap_of(error_m, np.array([[cov.ee, cov.en], [cov.en, cov.nn]]))
    return Gap(math.hypot(*moved_m), stated.stated95_m, stated.inside)


def report(figures: Sequence[Figures]) -> None:
    """Table of the paths."""
    rows = [
        [
            each.name,
            f"{each.median_m:.2f}",
            f"{each.p95_m:.2f}",
            f"{each.along_m[0]:+.2f} ± {each.along_m[1]:.2f}",
            f"{each.cross_m[0]:+.2f} ± {each.cross_m[1]:.2f}",
            "" if each.nees is None else f"{each.nees:.2f}",
            "" if each.inside95 is None else f"{100 * each.inside95:.0f} %",
            each.count,
        ]
        for each in figures
    ]
    print_table(["path", "median m", "95 % m", "along m", "right m", "NEES", "in 95 %", "n"], rows)


def report_gaps(gaps: dict[str, list[Gap]]) -> None:
    """Table of the gaps."""
    rows = [
        [
            name,
            f"{np.median([gap.drift_m for gap in found]):.2f}",
            f"{max(gap.drift_m for gap in found):.2f}",
            f"{np.median([gap.stated95_m for gap in found]):.2f}",
            f"{sum(gap.inside for gap in found)} of {len(found)}",
        ]
        for name, found in gaps.items()
        if found
    ]
    columns = [f"gaps of {GAP_S:.0f} s in the u-blox", "drift median m", "most m", "stated 95 % m", "inside"]
    print_table(columns, rows)


def as_json(
    figures: Sequence[Figures], gaps: dict[str, list[Gap]], lag_s: float | None
) -> dict[str, float | int | str | None]:
    """Flat figures."""
    named = {each.name: each for each in figures}
    phone, raw = named["phone + wheel speed"], named["phone, raw fixes"]
    ublox_raw, ublox = named["u-blox, raw fixes"], named["u-blox + wheel speed"]
    ends, unaided, middles = gaps.values()
    return {
        "phone_raw_median_m": round(raw.median_m, 3),
        "phone_raw_p95_m": round(raw.p95_m, 3),
        "phone_median_m": round(phone.median_m, 3),
        "phone_p95_m": round(phone.p95_m, 3),
        "phone_nees": None if phone.nees is None else round(phone.nees, 3),
        "ublox_raw_along_m": round(ublox_raw.along_m[0], 3),
        "ublox_raw_cross_m": round(ublox_raw.cross_m[0], 3),
        "ublox_along_m": round(ublox.along_m[0], 3),
        "ublox_cross_m": round(ublox.cross_m[0], 3),
        "ublox_nees": None if ublox.nees is None else round(ublox.nees, 3),
        "ublox_wheel_clock_ahead_s": None if lag_s is None else round(lag_s, 3),
        "gaps": len(ends),
        "gap_end_drift_median_m": round(float(np.median([gap.drift_m for gap in ends])), 3),
        "gap_end_stated95_median_m": round(float(np.median([gap.stated95_m for gap in ends])), 3),
        "gap_end_inside95": round(float(np.mean([gap.inside for gap in ends])), 3),
        "gap_end_no_wheels_drift_median_m": round(float(np.median([gap.drift_m for gap in unaided])), 3),
        "gap_end_no_wheels_inside95": round(float(np.mean([gap.inside for gap in unaided])), 3),
        "gap_middle_smoothed_drift_median_m": round(float(np.median([gap.drift_m for gap in middles])), 3),
        "gap_middle_smoothed_inside95": round(float(np.mean([gap.inside for gap in middles])), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
