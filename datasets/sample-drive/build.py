"""Two recorded drives from the 27 photographs, with truth: pass-1, pass-2, truth.csv, true_path.csv.

    WEGEWART_DATA=… python datasets/sample-drive/build.py [--out FOLDER]

Same source, same library versions, same bytes. README.md says what is real here and what is constructed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from recording import LEAD_M, Moment, Ride, iso, write_csv
from source import (
    HEIGHT_PX,
    HERE,
    WIDTH_PX,
    CameraEstimate,
    photographs,
    read_boxes,
    read_estimate,
    read_image,
)
from street_path import read_lane
from truth import Damage, link

from wegewart.errors import CalledWrongly, WegewartError
from wegewart_datasets.settings import DataSettings

Image = npt.NDArray[np.uint8]

JPEG_QUALITY = {1: 90, 2: 75}
SHIFT_PX = 8
EXPOSURE = 0.2
MOSAIC_PX = 12  # side of one tile over a plate or a car window: a plate's letters are 9 px high
# Plates and windows of the one passing car, x1, y1, x2, y2; nobody else and no other plate is legible.
MASKED: dict[int, tuple[tuple[int, int, int, int], ...]] = {
    11: ((0, 55, 128, 140),),
    12: ((66, 76, 130, 112), (45, 6, 290, 66)),
    13: ((196, 22, 252, 54), (150, 0, 330, 12)),
    14: ((302, 0, 350, 16),),
}


@dataclass(frozen=True)
class Pass:
    """One of the two drives: what is fixed about it."""

    number: int
    drive_id: str
    started_at: datetime
    seed: int


PASSES = (
    Pass(1, "019df200-5000-7a1c-9c3e-5d2f60b8e471", datetime(2026, 5, 4, 8, tzinfo=UTC), 20260504),
    Pass(2, "019e3a19-5800-7b52-8f17-c9a4d03e6b28", datetime(2026, 5, 18, 8, tzinfo=UTC), 20260518),
)


@dataclass(frozen=True)
class Look:
    """One photograph of one pass: its number, its shift in rows, its exposure, and where it was taken."""

    sequence: int
    shift_px: int
    gain: float
    moment: Moment


def main(argv: Sequence[str] | None = None) -> int:
    """Build both passes; 0 when done, else the exit code of the error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder to write to (default: beside this script)"
    )
    arguments = parser.parse_args(argv)
    try:
        settings = DataSettings.load()
        if settings.data_root is None:
            raise CalledWrongly(
                "WEGEWART_DATA is not set: set it to the folder that holds drives/dnit-br386-run"
            )
        build(settings.data_root, arguments.out)
    except WegewartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def build(data_root: Path, out: Path) -> None:
    """Write everything below `out`.

    Raises:
        DatasetInvalid: If the photographs are not there.
    """
    estimate = read_estimate()
    sources = photographs(data_root)
    boxes = [box for sequence, path in enumerate(sources) for box in read_boxes(path, sequence)]
    damages = link(boxes, estimate)
    lane = read_lane(LEAD_M, estimate.station_m[-1] + 2 * LEAD_M)
    truth_rows: list[dict[str, str]] = []
    path_rows: list[dict[str, str]] = []
    for drive in PASSES:
        random = np.random.default_rng(drive.seed)
        ride = Ride(lane, estimate, drive.started_at, random)
        looks = _looks(drive, ride, estimate, random)
        folder = out / f"pass-{drive.number}"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for look in looks:
            _write_image(folder / "images" / _name(look), sources[look.sequence], drive, look)
        _write_recording(folder, drive, ride, looks, estimate, random)
        truth_rows += _truth_rows(drive, looks, damages)
        path_rows += [_path_row(drive, look) for look in looks]
    write_csv(out / "truth.csv", truth_rows)
    write_csv(out / "true_path.csv", path_rows)


def _looks(drive: Pass, ride: Ride, estimate: CameraEstimate, random: np.random.Generator) -> list[Look]:
    """Pass 1 has every photograph as it is; pass 2 lacks every third, the rest is shifted and re-exposed."""
    looks = []
    for sequence, station_m in enumerate(estimate.station_m):
        if drive.number == 1:
            looks.append(Look(sequence, 0, 1.0, ride.at_station(station_m)))
        elif sequence % 3 != 2:
            shift_px = int(random.integers(-SHIFT_PX, SHIFT_PX + 1))
            gain = float(random.uniform(1 - EXPOSURE, 1 + EXPOSURE))
            looks.append(Look(sequence, shift_px, gain, ride.at_station(station_m)))
    return looks


def _write_image(target: Path, source: Path, drive: Pass, look: Look) -> None:
    image = read_image(source)
    for x1, y1, x2, y2 in MASKED.get(look.sequence, ()):
        image[y1:y2, x1:x2] = _mosaic(image[y1:y2, x1:x2])
    if look.shift_px:
        rows = np.clip(np.arange(HEIGHT_PX) - look.shift_px, 0, HEIGHT_PX - 1)
        image = image[rows]
    if look.gain != 1.0:
        image = np.clip(np.rint(image * look.gain), 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY[drive.number]])[1]
    target.write_bytes(encoded.tobytes())


def _mosaic(region: Image) -> Image:
    """Region in tiles of one colour each: the mean of what they cover."""
    height_px, width_px = region.shape[:2]
    tiles = (max(1, width_px // MOSAIC_PX), max(1, height_px // MOSAIC_PX))
    small = cv2.resize(region, tiles, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_NEAREST), np.uint8)


def _write_recording(
    folder: Path,
    drive: Pass,
    ride: Ride,
    looks: Sequence[Look],
    estimate: CameraEstimate,
    random: np.random.Generator,
) -> None:
    write_csv(
        folder / "frames.csv",
        [
            {
                "sequence": str(look.sequence),
                "camera_id": "front",
                "captured_at": iso(look.moment.captured_at),
                "file": _name(look),
            }
            for look in looks
        ],
    )
    write_csv(folder / "gnss.csv", ride.gnss_rows(random))
    (folder / "drive.toml").write_text(_drive_toml(drive, estimate), encoding="utf-8")


def _drive_toml(drive: Pass, estimate: CameraEstimate) -> str:
    camera = estimate.camera
    return f"""\
format = 1
drive_id = "{drive.drive_id}"
device_id = "sample-box"
started_at = {drive.started_at:%Y-%m-%dT%H:%M:%SZ}
datum = "WGS84"

[frames]
images = "images"

[gnss]
file = "gnss.csv"
antenna_forward_m = 0.0
antenna_right_m = 0.0
sigma_m = 2.5

[[camera]]
camera_id = "front"

[camera.intrinsics]
width_px = {WIDTH_PX}
height_px = {HEIGHT_PX}
focal_x_px = {camera.focal_px}
focal_y_px = {camera.focal_px}
centre_x_px = {camera.centre_x_px}
centre_y_px = {camera.centre_y_px}
distortion = [{camera.radial}, {camera.radial**2:.6f}, 0.0, 0.0]

[camera.mount]
version = "estimated-1"
height_m = {camera.height_m}
tilt_down_deg = {camera.tilt_down_deg}
roll_right_deg = {camera.roll_right_deg}
yaw_right_deg = {camera.yaw_right_deg}
height_sigma_m = 0.07
tilt_sigma_deg = 0.25
roll_sigma_deg = 0.6
yaw_sigma_deg = 0.3
"""


def _truth_rows(drive: Pass, looks: Sequence[Look], damages: Sequence[Damage]) -> list[dict[str, str]]:
    shift_px = {look.sequence: look.shift_px for look in looks}
    rows = []
    for damage in damages:
        for box in damage.boxes:
            if box.sequence in shift_px:
                y1, y2 = (_shifted(y, shift_px[box.sequence]) for y in (box.y1, box.y2))
                rows.append(
                    {
                        "damage_id": damage.damage_id,
                        "pass": str(drive.number),
                        "sequence": str(box.sequence),
                        "class": damage.code,
                        "x1": f"{box.x1:.1f}",
                        "y1": f"{y1:.1f}",
                        "x2": f"{box.x2:.1f}",
                        "y2": f"{y2:.1f}",
                        "label_class": box.code,
                    }
                )
    return sorted(rows, key=lambda row: (int(row["sequence"]), row["damage_id"], float(row["x1"])))


def _shifted(y_px: float, shift_px: int) -> float:
    return min(max(y_px + shift_px, 0.0), float(HEIGHT_PX))


def _path_row(drive: Pass, look: Look) -> dict[str, str]:
    moment = look.moment
    return {
        "pass": str(drive.number),
        "sequence": str(look.sequence),
        "captured_at": iso(moment.captured_at),
        "station_m": f"{moment.station_m:.3f}",
        "lat": f"{moment.lat:.8f}",
        "lon": f"{moment.lon:.8f}",
        "heading_deg": f"{moment.heading_deg:.3f}",
        "bias_east_m": f"{moment.bias_east_m:.3f}",
        "bias_north_m": f"{moment.bias_north_m:.3f}",
        "shift_px": str(look.shift_px),
        "gain": f"{look.gain:.3f}",
    }


def _name(look: Look) -> str:
    return f"{look.sequence:03d}.jpg"


if __name__ == "__main__":
    sys.exit(main())
