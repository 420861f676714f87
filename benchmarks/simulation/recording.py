"""Simulated drives as the vehicle gets them: fixes as values, or a folder for `wegewart-edge locate`."""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

from simulation.passing import Drives
from simulation.scene import Scene
from simulation.seeing import NOTHING_TRUE
from simulation.setting import Setting
from simulation.world import lat_lon_of
from wegewart.camera import Camera
from wegewart.drive import FixType
from wegewart_edge.gnss import Fix

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
RTK_BELOW_M = 0.05  # sigma below which a receiver says "fixed"
DECIMALS = 9  # of degrees: 0.1 mm
DEVICE = "simulated-01"


def moment_of(seconds: float) -> datetime:
    """Time of day of a simulated second."""
    return START + timedelta(seconds=round(seconds, 6))


def fixes_of(drives: Drives, number: int, setting: Setting) -> tuple[Fix, ...]:
    """What the receiver said on one drive, with the accuracy it states."""
    fixes, gnss = drives.fixes, setting.gnss
    lat, lon = (each.round(DECIMALS) for each in lat_lon_of(fixes.east_m[number], fixes.north_m[number]))
    kind = FixType.RTK_FIXED if gnss.sigma_m < RTK_BELOW_M else FixType.SINGLE
    sigma_m = round(float(np.hypot(gnss.sigma_m, gnss.white_m)), 4)
    course_deg = (np.degrees(fixes.course_rad[number]) % 360.0).round(3) % 360.0
    speed_mps = fixes.speed_mps[number].round(3)
    return tuple(
        Fix(
            captured_at=moment_of(float(fixes.time_s[number, index])),
            lat=float(lat[index]),
            lon=float(lon[index]),
            sigma_east_m=sigma_m,
            sigma_north_m=sigma_m,
            fix=kind,
            heading_deg=float(course_deg[index]) if gnss.says_course else None,
            speed_mps=float(speed_mps[index]) if gnss.says_course else None,
        )
        for index in range(len(lat))
    )


def write_drive(folder: Path, scene: Scene, number: int, drive_id: UUID) -> Path:
    """Write drive.toml, frames.csv, gnss.csv and boxes.csv of one drive; the path of boxes.csv.

    The frames are named but not drawn: `wegewart-edge locate` needs none. Format: docs/recorded-drive.md.

    Args:
        drive_id: A UUIDv7.
    """
    folder.mkdir(parents=True, exist_ok=True)
    setting, drives, boxes = scene.setting, scene.drives, scene.boxes_of(number)
    (folder / "drive.toml").write_text(_drive_toml(setting, drive_id), encoding="utf-8")
    stamps = [_iso(moment_of(float(stamp_s))) for stamp_s in drives.shake.stamped_s[number]]
    camera_id = setting.camera.camera_id
    frames = [(sequence, camera_id, stamp, f"{sequence:06}.jpg") for sequence, stamp in enumerate(stamps)]
    _write(folder / "frames.csv", ("sequence", "camera_id", "captured_at", "file"), frames)
    _write_fixes(folder / "gnss.csv", fixes_of(drives, number, setting))
    rows = zip(boxes.frame, scene.codes_of(boxes), boxes.confidence, boxes.box_px, strict=True)
    _write(
        folder / "boxes.csv",
        ("sequence", "class", "confidence", "x1", "y1", "x2", "y2"),
        [(int(frame), code, float(sure), *map(float, box_px)) for frame, code, sure, box_px in rows],
    )
    return folder / "boxes.csv"


def write_truth(folder: Path, scene: Scene, number: int) -> None:
    """Write truth.csv beside a drive: for each row of boxes.csv the damage, its place, the GNSS bias.

    For whoever scores; no part of the recorded-drive format. `damage_id` is empty for a false detection.
    """
    drives, boxes = scene.drives, scene.boxes_of(number)
    bias_m = drives.bias_at(number, drives.shake.stamped_s[number]).round(4)
    lat, lon = (each.round(DECIMALS) for each in lat_lon_of(*scene.places_m.T))
    rows = []
    for frame, truth, range_m in zip(boxes.frame, boxes.truth, boxes.range_m, strict=True):
        place = (int(truth), lat[truth], lon[truth]) if truth != NOTHING_TRUE else ("", "", "")
        rows.append((int(frame), *place, round(float(range_m), 3), *bias_m[frame]))
    header = ("sequence", "damage_id", "lat", "lon", "range_m", "bias_east_m", "bias_north_m")
    _write(folder / "truth.csv", header, rows)


def _write_fixes(path: Path, fixes: Iterable[Fix]) -> None:
    _write(
        path,
        ("captured_at", "lat", "lon", "sigma_east_m", "sigma_north_m", "heading_deg", "speed_mps", "fix"),
        [
            (
                _iso(fix.captured_at),
                fix.lat,
                fix.lon,
                fix.sigma_east_m,
                fix.sigma_north_m,
                fix.heading_deg,
                fix.speed_mps,
                fix.fix.value,
            )
            for fix in fixes
        ],
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _drive_toml(setting: Setting, drive_id: UUID) -> str:
    return "\n".join(
        [
            "format = 1",
            f'drive_id = "{drive_id}"',
            f'device_id = "{DEVICE}"',
            f"started_at = {_iso(START)}",
            'datum = "WGS84"',
            "",
            "[frames]",
            'images = "images"',
            f"time_sigma_s = {setting.time_sigma_s}",
            "",
            "[gnss]",
            'file = "gnss.csv"',
            f"antenna_forward_m = {setting.antenna_forward_m}",
            f"antenna_right_m = {setting.antenna_right_m}",
            f"sigma_m = {setting.gnss.sigma_m}",
            "",
            *_camera_toml(setting.camera),
            "",
        ]
    )


def _camera_toml(camera: Camera) -> list[str]:
    lines = ["[[camera]]", f'camera_id = "{camera.camera_id}"']
    for table in ("intrinsics", "mount"):
        lines.append(f"[camera.{table}]")
        for key, value in getattr(camera, table).model_dump(mode="json").items():
            lines.append(f"{key} = {json.dumps(value)}")  # TOML writes strings, numbers and lists alike
    return lines
