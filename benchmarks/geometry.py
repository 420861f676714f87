"""How far off pixel-to-road geometry is on real data: KITTI's boxes and the real 27-frame drive.

    WEGEWART_DATA=… python benchmarks/geometry.py [--json]

KITTI may be used for evaluation only and is not shipped: where it is absent, its rows are left out, and the
reason is printed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from geometry_drive import DriveFigures, drive_figures
from geometry_kitti import FOLDER, Band, Spread, kitti_bands
from reporting import arguments_of, print_heading, print_json, print_table

from wegewart_datasets.settings import DataSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when done."""
    arguments = arguments_of("Pixel-to-road geometry on real data", argv)
    print_heading("Geometry on real data")
    figures: dict[str, float | int | str | None] = {}
    root = DataSettings.load().data_root
    if root is None or not (root / FOLDER).is_dir():
        reason = missing_kitti(root)
        print(f"KITTI left out: {reason}\n")
        figures["kitti_left_out"] = reason
    else:
        spread, bands = kitti_bands(root)
        print_kitti(spread, bands)
        figures |= kitti_figures(bands)
    drive = drive_figures()
    print_drive(drive)
    figures |= {
        "drive_points": drive.points,
        "drive_pairs": drive.pairs,
        "drive_along_median_m": drive.along_m,
        "drive_along_p90_m": drive.along_p90_m,
        "drive_across_median_m": drive.across_m,
        "drive_pixel_median_px": drive.pixel_px,
    }
    if arguments.json:
        print_json(figures)
    return 0


def missing_kitti(root: Path | None) -> str:
    """Why there is no KITTI, and what to do."""
    if root is None:
        return f"WEGEWART_DATA is not set: set it to the folder that holds {FOLDER}"
    return f"{root} holds no {FOLDER}"


def kitti_figures(bands: Sequence[Band]) -> dict[str, float | int | str | None]:
    """Flat figures for scripts."""
    figures: dict[str, float | int | str | None] = {}
    for band in bands:
        key = f"kitti_{band.name.replace('-', '_')}"
        figures |= {
            f"{key}_naive_median_m": band.naive_m,
            f"{key}_median_m": band.ours_m,
            f"{key}_interval95_coverage": band.held,
            f"{key}_interval95_half_m": band.half_length_m,
        }
    return figures


def print_kitti(spread: Spread, bands: Sequence[Band]) -> None:
    """One row per band of depths."""
    columns = ("KITTI depth m", "objects", "flat ground m", "ours m", "held by 95 %", "half length m")
    rows = [
        (b.name, b.objects, f"{b.naive_m:.2f}", f"{b.ours_m:.2f}", f"{b.held:.1%}", f"{b.half_length_m:.2f}")
        for b in bands
    ]
    print_table(columns, rows)
    columns = ("… by other boxes", "with a tilt", "flat ground m", "ours m", "without", "no place")
    tilted = [
        (
            b.name,
            b.with_tilt,
            f"{b.naive_with_tilt_m:.2f}",
            f"{b.ours_with_tilt_m:.2f}",
            b.objects - b.with_tilt - b.unplaced,
            b.unplaced,
        )
        for b in bands
    ]
    print_table(columns, tilted)
    print(f"tilts vary by {spread.tilt_rad * 57.2958:.2f}° from frame to frame (fitted to the boxes)\n")


def print_drive(drive: DriveFigures) -> None:
    """The real drive: mount and what is left over."""
    mount, residuals = drive.estimate.camera.mount, drive.estimate.residuals
    print_table(
        ("real drive", "found", "sigma"),
        [
            ("tilt deg", f"{mount.tilt_down_deg:.2f}", f"{mount.tilt_sigma_deg:.2f}"),
            ("roll deg", f"{mount.roll_right_deg:.2f}", f"{mount.roll_sigma_deg:.2f}"),
            ("yaw deg", f"{mount.yaw_right_deg:.2f}", f"{mount.yaw_sigma_deg:.2f}"),
            ("height m", f"{mount.height_m:.3f}", f"{mount.height_sigma_m:.3f}"),
        ],
    )
    print(f"calibrated on {residuals.matches} spots of the first half, {residuals.pixel_px:.2f} px (median)")
    print_table(
        ("tested on the second half", "points", "along m", "p90 m", "across m", "pixels"),
        [
            (
                f"{drive.pairs} pairs of frames",
                drive.points,
                f"{drive.along_m:.3f}",
                f"{drive.along_p90_m:.3f}",
                f"{drive.across_m:.3f}",
                f"{drive.pixel_px:.2f}",
            )
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
