"""The two messages: what they refuse, that their identity is derived, and that their schemas do not drift."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.core.messages import drive_track_fields, observation_fields

from wegewart.camera import CameraIntrinsics
from wegewart.drive import DriveTrack
from wegewart.identity import content_sha256
from wegewart.observation import Observation
from wegewart.schemas import schema_texts

SCHEMAS = Path(__file__).parents[2] / "core" / "schemas"

EVIDENCE = {
    "sha256": "cd" * 32,
    "left_px": 0,
    "top_px": 300,
    "width_px": 1024,
    "height_px": 340,
    "mask_bundle": {"id": "coco-mask-0.1.0-int8", "sha256": "ef" * 32},
}


def test_an_observation_survives_the_wire_unchanged() -> None:
    observation = Observation.model_validate(observation_fields())
    again = Observation.model_validate_json(observation.model_dump_json())
    assert again == observation
    assert content_sha256(again) == content_sha256(observation)


def test_times_become_utc() -> None:
    observation = Observation.model_validate(observation_fields())
    assert observation.captured_at.tzinfo is UTC
    assert observation.captured_at.isoformat() == "2026-05-04T08:00:01.500000+00:00"


def test_the_likeliest_class_is_the_most_probable() -> None:
    assert Observation.model_validate(observation_fields()).likeliest_class == "D40"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"id": "00000000-0000-5000-8000-000000000000"}, "is not the one that follows"),
        ({"captured_at": "2026-05-04T10:00:00"}, "timezone"),
        ({"captured_at": "0001-01-01T00:00:00+02:00"}, "outside the years 2000 to 2099"),
        ({"captured_at": "1980-01-06T00:00:00Z"}, "outside the years 2000 to 2099"),
        ({"captured_at": "2100-01-01T00:00:00Z"}, "outside the years 2000 to 2099"),
        ({"captured_at": "9999-12-31T23:59:59-02:00"}, "outside the years 2000 to 2099"),
        ({"evidence": EVIDENCE}, "either evidence or no_evidence_reason"),
        ({"no_evidence_reason": None}, "either evidence or no_evidence_reason"),
        ({"class_probabilities": {"D40": 0.8, "D20": 0.4}}, "at most 1 together"),
        ({"class_probabilities": {}}, "at least 1 item"),
        ({"length_sigma_m": None}, "known together or not at all"),
        ({"box_px": {"x1": 5.0, "y1": 5.0, "x2": 5.0, "y2": 9.0}}, "x2 > x1"),
        ({"lat": 91.0}, "less than or equal to 90"),
        ({"lat": float("nan")}, "finite"),
        ({"cov_gnss_m2": [1.0, 2.0, 1.0]}, "is no covariance"),
        ({"cov_gnss_m2": [1e7, 0.0, 1.0]}, "at most 1e6"),
        ({"length_m": 1000.5}, "less than or equal to 1000"),
        ({"width_sigma_m": 1e300}, "less than or equal to 1000"),
        ({"area_m2": 2e6, "area_sigma_m2": 1.0}, "less than or equal to 1000000"),
        ({"station_m": 1e300}, "less than or equal to 10000000"),
        ({"looks": 2**31}, "less than or equal to 2147483647"),
        ({"no_evidence_reason": "no\x00mask"}, "should match pattern"),
        ({"taxonomy": "road damage"}, "should match pattern"),
        ({"speed": 3}, "Extra inputs are not permitted"),
        ({"schema_version": 2}, "Input should be 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_faulty_observation_is_refused_with_the_reason(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Observation.model_validate(observation_fields(**changes))


POSE = drive_track_fields()["poses"][0]
STRETCH = drive_track_fields()["stretches"][0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"observations": None}, "closed drive says when it ended and how many", id="no count"),
        pytest.param({"ended_at": None}, "closed drive says when it ended and how many", id="no end"),
        pytest.param(
            {"poses": [POSE, POSE | {"captured_at": "2026-05-04T07:00:00Z"}]},
            "order of time",
            id="poses mixed up",
        ),
        pytest.param(
            {"stretches": [STRETCH | {"camera_id": "rear"}]}, "cameras .'rear'.", id="unknown camera"
        ),
        pytest.param(
            {"stretches": [STRETCH | {"valid": False}]}, "invalid one needs it", id="invalid, no reason"
        ),
        pytest.param({"stretches": [STRETCH | {"to_station_m": 0.0}]}, "greater than 0", id="empty stretch"),
        pytest.param({"revision": 2**31}, "less than or equal to 2147483647", id="revision too high"),
        pytest.param({"observations": 2**31}, "less than or equal to 2147483647", id="too many"),
        pytest.param({"cameras": []}, "at least 1 item", id="no camera"),
    ],
)
def test_a_faulty_drive_track_is_refused_with_the_reason(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        DriveTrack.model_validate(drive_track_fields(**changes))


@pytest.mark.parametrize("length", [0, 4, 5, 8, 12, 14])
def test_distortion_has_a_length_of_opencv(length: int) -> None:
    intrinsics = drive_track_fields()["cameras"][0]["intrinsics"]
    assert len(CameraIntrinsics(**intrinsics, distortion=(0.1,) * length).distortion) == length


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"distortion": (0.1,)}, "distortion has 1 values"),
        ({"distortion": (0.1,) * 6}, "OpenCV's model knows 0, 4, 5, 8, 12, 14"),
        ({"distortion": (0.1, float("nan"), 0.0, 0.0)}, "finite"),
        ({"centre_x_px": float("inf")}, "finite"),
        ({"focal_x_px": float("inf")}, "finite"),
    ],
    ids=["one", "six", "nan", "centre", "focal"],
)
def test_intrinsics_that_map_nothing_are_refused(changes: dict[str, Any], complaint: str) -> None:
    intrinsics = drive_track_fields()["cameras"][0]["intrinsics"]
    with pytest.raises(ValidationError, match=complaint):
        CameraIntrinsics(**(intrinsics | changes))


def test_an_open_drive_needs_no_count_yet() -> None:
    track = DriveTrack.model_validate(drive_track_fields(state="open", observations=None, ended_at=None))
    assert track.observations is None


def test_another_first_frame_or_bundle_gives_another_id() -> None:
    ids = {observation_fields(first_sequence=s, first_number=n)["id"] for s in (1, 2, 12) for n in (0, 1, 2)}
    assert len(ids) == 9


def test_the_hash_sees_every_field() -> None:
    observation = Observation.model_validate(observation_fields())
    changed = observation.model_copy(update={"confidence": 0.72})
    assert content_sha256(changed) != content_sha256(observation)


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_the_checked_in_schema_is_the_one_the_code_gives(name: str) -> None:
    assert (SCHEMAS / name).read_text(encoding="utf-8") == schema_texts()[name], (
        "the message changed: run `python -m wegewart.schemas core/schemas` and say in CHANGELOG what changed"
    )


def test_the_checked_in_schemas_are_json_schemas_without_foreign_references() -> None:
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        references = [part for part in path.read_text(encoding="utf-8").split('"') if part.startswith("http")]
        assert schema["type"] == "object"
        assert references == ["https://json-schema.org/draft/2020-12/schema"]
