"""Feedback as the office would write it, with real pictures beside it, for tests to vary."""

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import cv2
import numpy as np

SPACE = UUID("01970000-0000-7000-8000-000000000000")
WIDTH_PX, HEIGHT_PX = 160, 96
BUNDLE = {"id": "road-damage-nano-0.1.0-fp32", "sha256": "ab" * 32}
MASK = {"id": "coco-mask-0.1.0-int8", "sha256": "ef" * 32}
HERE, MOVED, ELSEWHERE = (20.0, 30.0, 60.0, 70.0), (24.0, 32.0, 64.0, 70.0), (100.0, 20.0, 150.0, 80.0)


def named(word: str) -> str:
    """The same id for the same word."""
    return str(uuid5(SPACE, word))


def box(corners: tuple[float, float, float, float]) -> dict[str, float]:
    return dict(zip(("x1", "y1", "x2", "y2"), corners, strict=True))


class Office:
    """Pictures in a folder, and the lines about them."""

    def __init__(self, root: Path) -> None:
        self.root, self.file, self.evidence = root, root / "feedback.jsonl", root / "evidence"
        self.lines: list[str] = []
        self.pictures: dict[str, str] = {}
        self.evidence.mkdir()

    def picture(self, name: str, like: int | None = None) -> str:
        """Hash of a picture of that name; it is drawn and stored when it is first asked for."""
        if name not in self.pictures:
            seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) if like is None else like
            coarse = np.random.default_rng(seed).integers(0, 255, (8, 12, 3)).astype(np.uint8)
            image = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
            content = cv2.imencode(".jpg", image)[1].tobytes()
            self.pictures[name] = hashlib.sha256(content).hexdigest()
            self.path(name).parent.mkdir(exist_ok=True)
            self.path(name).write_bytes(content)
        return self.pictures[name]

    def path(self, name: str) -> Path:
        """Where the office keeps it."""
        return self.evidence / self.pictures[name][:2] / self.pictures[name]

    def says(self, decision: str, picture: str, verdict: str, **changes: Any) -> dict[str, Any]:
        """Add one line, and return it as it was before it became text."""
        line: dict[str, Any] = {
            "id": named(decision),
            "drive_id": named("drive a"),
            "camera_id": "front",
            "sequence": int(hashlib.sha256(picture.encode()).hexdigest()[:4], 16),
            "captured_at": "2026-05-04T08:00:00Z",
            "evidence": {
                "sha256": self.picture(picture),
                "left_px": 0,
                "top_px": 200,
                "width_px": WIDTH_PX,
                "height_px": HEIGHT_PX,
                "mask_bundle": MASK,
            },
            "bundle": BUNDLE,
            "seen": {
                "observation_id": named(f"seen in {picture}"),
                "class_code": "D00",
                "confidence": 0.4,
                "box_px": box(HERE),
            },
            "verdict": verdict,
            "whole_picture": True,
            "role": "inspector",
            "decided_at": "2026-05-05T10:00:00Z",
            "licence": "internal",
            "training_allowed": True,
            **changes,
        }
        if verdict == "damage_added":
            line["seen"] = changes.get("seen")
        self.lines.append(json.dumps(line))
        return line

    def write(self) -> None:
        self.file.write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
