"""One valid message of each kind, for tests to vary."""

from typing import Any
from uuid import UUID

from wegewart.identity import observation_id

DRIVE_ID = UUID("01970000-0000-7000-8000-000000000001")
BUNDLE = {"id": "road-damage-nano-0.1.0-fp32", "sha256": "ab" * 32}


def observation_fields(first_sequence: int = 7, first_number: int = 0, **changes: Any) -> dict[str, Any]:
    """JSON of an observation; the id follows from the first frame unless it is given."""
    fields: dict[str, Any] = {
        "id": str(observation_id(DRIVE_ID, "front", BUNDLE["sha256"], first_sequence, first_number)),
        "drive_id": str(DRIVE_ID),
        "device_id": "box-01",
        "camera_id": "front",
        "first_sequence": first_sequence,
        "first_number": first_number,
        "captured_at": "2026-05-04T10:00:01.5+02:00",
        "time_sigma_s": 0.01,
        "best_sequence": first_sequence + 1,
        "lat": 50.0,
        "lon": 11.5,
        "datum": "WGS84",
        "heading_deg": 90.0,
        "station_m": 12.5,
        "offset_right_m": -0.4,
        "cov_relative_m2": [0.09, 0.01, 0.04],
        "cov_gnss_m2": [6.25, 0.0, 6.25],
        "class_probabilities": {"D40": 0.8, "D20": 0.2},
        "confidence": 0.71,
        "length_m": 0.5,
        "length_sigma_m": 0.1,
        "width_m": 0.4,
        "width_sigma_m": 0.05,
        "looks": 2,
        "nearest_m": 5.5,
        "frame_size_px": {"width": 1024, "height": 640},
        "box_px": {"x1": 500.0, "y1": 400.0, "x2": 560.0, "y2": 440.0},
        "bundle": BUNDLE,
        "threshold": 0.25,
        "no_evidence_reason": "no mask bundle",
    }
    return fields | changes


def drive_track_fields(**changes: Any) -> dict[str, Any]:
    """JSON of a closed drive with one pose and one valid stretch."""
    fields: dict[str, Any] = {
        "drive_id": str(DRIVE_ID),
        "device_id": "box-01",
        "bundle": BUNDLE,
        "revision": 1,
        "state": "closed",
        "started_at": "2026-05-04T08:00:00Z",
        "ended_at": "2026-05-04T08:00:20Z",
        "datum": "WGS84",
        "cameras": [
            {
                "camera_id": "front",
                "intrinsics": {
                    "width_px": 1024,
                    "height_px": 640,
                    "focal_x_px": 900.0,
                    "focal_y_px": 900.0,
                    "centre_x_px": 512.0,
                    "centre_y_px": 320.0,
                },
                "mount": {"version": "1", "height_m": 1.8, "tilt_down_deg": 8.0},
            }
        ],
        "poses": [
            {
                "captured_at": "2026-05-04T08:00:00Z",
                "station_m": 0.0,
                "lat": 50.0,
                "lon": 11.5,
                "heading_deg": 90.0,
                "heading_sigma_deg": 0.3,
                "cov_gnss_m2": [6.25, 0.0, 6.25],
                "fix": "single",
            }
        ],
        "stretches": [
            {
                "camera_id": "front",
                "from_station_m": 0.0,
                "to_station_m": 120.0,
                "zone": {"near_m": 4.0, "far_m": 14.0, "left_m": -2.0, "right_m": 3.0},
                "valid": True,
            }
        ],
        "observations": 3,
    }
    return fields | changes
