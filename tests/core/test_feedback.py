"""Feedback lines: what they hold, and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from wegewart.feedback import Feedback

BOX = {"x1": 10.0, "y1": 20.0, "x2": 60.0, "y2": 70.0}
OTHER_BOX = {"x1": 12.0, "y1": 20.0, "x2": 70.0, "y2": 70.0}
ID = "01970000-0000-7000-8000-000000000001"
SEEN = {"observation_id": ID, "class_code": "D00", "confidence": 0.4, "box_px": BOX}


def line(verdict: str = "confirmed", **changes: Any) -> dict[str, Any]:
    return {
        "id": "01970000-0000-7000-8000-000000000002",
        "drive_id": ID,
        "camera_id": "front",
        "sequence": 8,
        "captured_at": "2026-05-04T08:00:00Z",
        "evidence": {
            "sha256": "cd" * 32,
            "left_px": 100,
            "top_px": 300,
            "width_px": 640,
            "height_px": 340,
            "mask_bundle": {"id": "coco-mask-0.1.0-int8", "sha256": "ef" * 32},
        },
        "bundle": {"id": "road-damage-nano-0.1.0-fp32", "sha256": "ab" * 32},
        "seen": SEEN,
        "verdict": verdict,
        "whole_picture": True,
        "role": "inspector",
        "decided_at": "2026-05-05T10:00:00Z",
        "licence": "internal",
        "training_allowed": True,
        **changes,
    }


@pytest.mark.parametrize(
    ("fields", "true_class", "true_box"),
    [
        (line(), "D00", BOX),
        (line("rejected", rejection="no_damage", instead="shadow"), None, None),
        (line("class_corrected", class_code="D20"), "D20", BOX),
        (line("class_corrected", class_code="D20", box_px=OTHER_BOX), "D20", OTHER_BOX),
        (line("box_corrected", box_px=OTHER_BOX), "D00", OTHER_BOX),
        (line("damage_added", seen=None, class_code="D40", box_px=OTHER_BOX), "D40", OTHER_BOX),
        (line("withdrawn", supersedes=ID), None, None),
    ],
    ids=lambda value: value["verdict"] if isinstance(value, dict) and "verdict" in value else None,
)
def test_each_verdict_says_what_is_there(
    fields: dict[str, Any], true_class: str | None, true_box: dict[str, float] | None
) -> None:
    decision = Feedback.model_validate(fields)

    assert decision.true_class == true_class
    assert (decision.true_box_px and decision.true_box_px.model_dump()) == true_box
    assert Feedback.model_validate_json(decision.model_dump_json()) == decision


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (line("rejected"), "a rejection is needed"),
        (line(rejection="no_damage"), "a rejection is needed"),
        (line("rejected", rejection="duplicate", instead="shadow"), "instead says what no_damage is"),
        (line("class_corrected"), "class_code is needed"),
        (line("class_corrected", class_code="D00"), "that was there before"),
        (line(class_code="D20"), "class_code is needed"),
        (line("box_corrected"), "box_px is needed"),
        (line(box_px=OTHER_BOX), "box_px is needed"),
        (line("damage_added", class_code="D40", box_px=BOX), "seen is what the bundle reported"),
        (line(seen=None), "seen is what the bundle reported"),
        (line("withdrawn"), "name it in supersedes"),
        (line(supersedes="01970000-0000-7000-8000-000000000002"), "cannot take back itself"),
        (line(seen={**SEEN, "box_px": {**BOX, "y2": 345.0}}), "not of the frame"),
        (line(role="viewer"), "crew"),
        (line(reviewer="somebody"), "Extra inputs are not permitted"),
        (line(comment="…"), "Extra inputs are not permitted"),
        (line(decided_at="2026-05-05T10:00:00"), "timezone"),
        (line(schema_version=2), "Input should be 1"),
        (line(training_allowed=None), "valid boolean"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else None,
)
def test_a_line_that_contradicts_itself_or_names_a_person_is_refused(
    fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Feedback.model_validate(fields)
