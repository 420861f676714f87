"""Small real things that several tests of the vehicle need: cameras, poses, drives on disk."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.office import Office, OfficeServer
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart.camera import Camera, CameraIntrinsics, CameraMount
from wegewart.drive import FixType
from wegewart.geo import Covariance
from wegewart_edge.pose import VehiclePose
from wegewart_inference.model_bundle import Role

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
DRIVE_ID = "0198a0d2-6c00-7000-8000-000000000001"
METRES_PER_DEGREE_NORTH = 111_229.0  # meridian arc at 49.94° north on GRS80


@pytest.fixture
def make_camera() -> Callable[..., Camera]:
    """FORMULAS' camera unless told otherwise: 1920×1080, f 1104 px, 1.30 m high."""

    def make(
        distortion: Sequence[float] = (),
        size_px: tuple[int, int] = (1920, 1080),
        focal_px: float = 1104.0,
        **mount: float,
    ) -> Camera:
        given = {"height_m": 1.30, "tilt_down_deg": 5.0} | mount
        return Camera(
            camera_id="front",
            intrinsics=CameraIntrinsics(
                width_px=size_px[0],
                height_px=size_px[1],
                focal_x_px=focal_px,
                focal_y_px=focal_px,
                centre_x_px=size_px[0] / 2,
                centre_y_px=size_px[1] / 2,
                distortion=tuple(distortion),
            ),
            mount=CameraMount(version="test", **given),
        )

    return make


@pytest.fixture
def make_pose() -> Callable[..., VehiclePose]:
    """A pose at a station along a street that leads north."""

    def make(station_m: float = 0.0, heading_deg: float = 0.0, **other: object) -> VehiclePose:
        given: dict[str, object] = {
            "captured_at": START + timedelta(seconds=station_m / 8),
            "station_m": station_m,
            "lat": 49.94 + station_m / METRES_PER_DEGREE_NORTH,
            "lon": 11.57,
            "heading_deg": heading_deg,
            "heading_sigma_deg": 0.3,
            "speed_mps": 8.0,
            "cov_gnss": Covariance(6.25, 0.0, 6.25),
            "fix": FixType.SINGLE,
        }
        return VehiclePose(**(given | other))  # type: ignore[arg-type]

    return make


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


@pytest.fixture
def make_drive(tmp_path: Path) -> Callable[..., Path]:
    """A recorded drive: grey textured frames every 5 m at 8 m/s straight north, positions at every frame."""

    def make(frames: int = 12, name: str = "drive", replace: Mapping[str, str] | None = None) -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        moments = [START + timedelta(seconds=0.625 * number) for number in range(frames)]
        stamps = [moment.isoformat().replace("+00:00", "Z") for moment in moments]
        noise = np.random.default_rng(5)
        for number in range(frames):
            blocks = noise.integers(40, 220, (18, 32, 3), dtype=np.uint8)
            image = cv2.resize(blocks, (640, 360), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / "images" / f"{number:04}.jpg"), image)
        write_rows(
            folder / "frames.csv",
            ("sequence", "camera_id", "captured_at", "file"),
            [(number, "front", stamp, f"{number:04}.jpg") for number, stamp in enumerate(stamps)],
        )
        write_rows(
            folder / "gnss.csv",
            ("captured_at", "lat", "lon", "sigma_east_m", "sigma_north_m"),
            [
                (stamp, f"{49.94 + 5 * number / METRES_PER_DEGREE_NORTH:.9f}", "11.57", 2.5, 2.5)
                for number, stamp in enumerate(stamps)
            ],
        )
        text = DRIVE_TOML
        for old, new in (replace or {}).items():
            assert old in text
            text = text.replace(old, new)
        (folder / "drive.toml").write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def office() -> Iterator[Office]:
    """A server of the contract on a free port."""
    office = Office()
    server = OfficeServer(office)
    yield office
    server.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A damage bundle that sees the same two damages in every frame, and a mask bundle that sees a person."""
    folder = tmp_path_factory.mktemp("models")
    # Frames of 640×360 shrink by ten into 64×64, with 14 rows of padding above and below.
    write_bundle(folder, end2end_answer((20, 32, 26, 37.5, 0.81, 3), (40, 33, 50, 40, 0.52, 2)), name="sees")
    write_bundle(
        folder,
        end2end_answer((30, 30, 33, 38, 0.9, 0)),
        name="masks",
        role=Role.MASK,
        taxonomy="coco-80",
        classes=("person", "dog"),
        masked_classes=("person",),
        thresholds={"person": 0.1},
    )
    (folder / "default.toml").write_text('damage = "sees-0.1.0-fp32"\nmask = "masks-0.1.0-fp32"\n')
    return folder


DRIVE_TOML = f"""\
format = 1
drive_id = "{DRIVE_ID}"
device_id = "box-01"
started_at = 2026-05-04T08:00:00Z
datum = "WGS84"

[frames]
images = "images"

[gnss]
file = "gnss.csv"

[[camera]]
camera_id = "front"
[camera.intrinsics]
width_px = 640
height_px = 360
focal_x_px = 368.0
focal_y_px = 368.0
centre_x_px = 320.0
centre_y_px = 180.0
[camera.mount]
version = "test"
height_m = 1.3
tilt_down_deg = 5.0
"""
