"""What is seen in a frame: by the model, or given in a file. Both end in the same `Sightings`."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wegewart.damage import Taxonomy
from wegewart.drive import InvalidReason
from wegewart.errors import InvalidDrive, InvalidTaxonomy
from wegewart.wire import BundleRef
from wegewart_edge.drive_reader import FrameEntry, FrameLoader, RecordedDrive
from wegewart_edge.gate import Rejected, spoiled
from wegewart_edge.locate import Sightings
from wegewart_edge.outbox import Outbox
from wegewart_edge.settings import EdgeSettings, GateSettings
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.frame import BrokenFrame

Array = npt.NDArray[np.float64]

BOX_DECIMALS = 1  # a tenth of a pixel: far below what a detector can mean, far above its rounding noise
CONFIDENCE_DECIMALS = 3
GIVEN_BOXES = "given-boxes"
DOUBLE_IOU = 0.5  # of two boxes of one class in one frame: the challenges' measure of "the same"
DOUBLE_INSIDE = 0.9  # share of the smaller box inside the larger one


class Eyes(Protocol):
    """Whoever says what is in a frame."""

    def look(self, entry: FrameEntry) -> Sightings | Rejected:
        """Boxes in a frame, or why the frame shows nothing."""


class ModelEyes:
    """The damage detector; what it found before in the same run is taken from the outbox."""

    def __init__(
        self, detector: Detector, loader: FrameLoader, settings: EdgeSettings, outbox: Outbox, run: str
    ) -> None:
        self._detector = detector
        self._loader = loader
        self._settings = settings
        self._outbox = outbox
        self._run = run
        self._remembered = outbox.looked_at(run)

    def look(self, entry: FrameEntry) -> Sightings | Rejected:
        """Boxes in a frame, or why it shows nothing."""
        remembered = self._remembered.pop(entry.sequence, None)
        if remembered is not None:
            seen = _from_json(remembered, entry)
            if self._loader.in_order_only and isinstance(seen, Sightings) and seen.class_codes:
                self._loader.load(entry)  # in passing: a picture of it may be wanted, and going back is dear
        else:
            seen = self._look_afresh(entry)
            self._outbox.remember_look(self._run, entry.sequence, _as_json(seen))
        if isinstance(seen, Rejected):
            return seen
        return replace(seen, edge_share=self._settings.locate.box_edge_share)

    def _look_afresh(self, entry: FrameEntry) -> Sightings | Rejected:
        frame = self._loader.load(entry)
        if isinstance(frame, BrokenFrame):
            return Rejected(entry, InvalidReason.BROKEN_IMAGE, f"{frame.name}: {frame.reason}")
        problem = spoiled(frame.image, self._settings.gate)
        if problem is not None:
            return Rejected(entry, *problem)
        return sightings_of(self._detector.detect(frame), self._detector.class_codes)


class GivenEyes:
    """Boxes from a CSV file with the columns sequence, class, confidence, x1, y1, x2, y2."""

    def __init__(self, boxes: dict[int, Sightings]) -> None:
        self._boxes = boxes

    def look(self, entry: FrameEntry) -> Sightings | Rejected:
        """Boxes given for a frame; none is an answer too."""
        return self._boxes.get(entry.sequence, NOTHING)


NOTHING = Sightings(np.zeros((0, 4)), (), ())


def run_name(drive: RecordedDrive, bundle: BundleRef, settings: GateSettings) -> str:
    """Name under which the looks of a replay are kept: other inputs are another run."""
    parts = (drive.sha256(), bundle.sha256, settings.model_dump_json())
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def sightings_of(detections: Detections, class_codes: tuple[str, ...]) -> Sightings:
    """Detections with so few decimals that repeated runs agree, in an order that depends on them alone.

    Boxes that rounding closed are left out, and so are doubles: a detector's suppression keeps boxes of one
    class that overlap by half or lie within each other, and each would become a damage of its own.
    """
    boxes_px: Array = detections.boxes_px.astype(np.float64).round(BOX_DECIMALS)
    confidences: Array = detections.confidences.astype(np.float64).round(CONFIDENCE_DECIMALS)
    order = np.lexsort((boxes_px[:, 1], boxes_px[:, 0], detections.classes, -confidences))
    kept: list[int] = []
    for index in (int(each) for each in order):
        x1, y1, x2, y2 = boxes_px[index]
        same_class = [other for other in kept if detections.classes[other] == detections.classes[index]]
        if x2 > x1 and y2 > y1 and not any(_double(boxes_px[index], boxes_px[other]) for other in same_class):
            kept.append(index)
    return Sightings(
        boxes_px[kept],
        tuple(class_codes[int(detections.classes[index])] for index in kept),
        tuple(float(confidences[index]) for index in kept),
    )


def _double(box_px: Array, other_px: Array) -> bool:
    width_px, height_px = np.minimum(box_px[2:], other_px[2:]) - np.maximum(box_px[:2], other_px[:2])
    if width_px <= 0 or height_px <= 0:
        return False
    shared = float(width_px * height_px)
    area, other_area = (float(np.prod(each[2:] - each[:2])) for each in (box_px, other_px))
    return shared >= DOUBLE_IOU * (area + other_area - shared) or shared >= DOUBLE_INSIDE * min(
        area, other_area
    )


def _as_json(seen: Sightings | Rejected) -> dict[str, object]:
    if isinstance(seen, Rejected):
        return {"invalid": seen.reason.value, "detail": seen.detail}
    return {
        "boxes": seen.boxes_px.tolist(),
        "classes": list(seen.class_codes),
        "confidences": list(seen.confidences),
    }


def _from_json(text: str, entry: FrameEntry) -> Sightings | Rejected:
    outcome = json.loads(text)
    if "invalid" in outcome:
        return Rejected(entry, InvalidReason(outcome["invalid"]), outcome["detail"])
    boxes_px = np.array(outcome["boxes"], np.float64).reshape(-1, 4)
    return Sightings(boxes_px, tuple(outcome["classes"]), tuple(outcome["confidences"]))


def read_given_boxes(path: Path, drive: RecordedDrive, taxonomy: Taxonomy) -> tuple[GivenEyes, BundleRef]:
    """Boxes of a file and the name under which they count as a bundle.

    Raises:
        InvalidDrive: If the file is missing, lacks a column, or a row names no frame of the drive, no class
            of the taxonomy, or no box.
    """
    try:
        content = path.read_bytes()
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDrive(f"{path} cannot be read: {error}") from error
    missing = {"sequence", "class", "confidence", "x1", "y1", "x2", "y2"} - set(rows.fieldnames or ())
    if missing:
        raise InvalidDrive(f"{path} lacks the columns {', '.join(sorted(missing))}")
    cameras = {entry.sequence: entry.camera_id for entry in drive.frames}
    by_sequence: dict[int, list[tuple[list[float], str, float]]] = {}
    for row in rows:
        try:
            sequence, box = _given_box(row, cameras, taxonomy)
        except (ValueError, TypeError, KeyError, InvalidTaxonomy) as error:
            raise InvalidDrive(f"{path}, line {rows.line_num}: {error}") from error
        by_sequence.setdefault(sequence, []).append(box)
    eyes = GivenEyes(
        {
            sequence: Sightings(
                np.array([box for box, _, _ in boxes]),
                tuple(code for _, code, _ in boxes),
                tuple(confidence for _, _, confidence in boxes),
            )
            for sequence, boxes in by_sequence.items()
        }
    )
    # with the drive's own files: the same boxes after a new calibration are another pass over the drive
    named_by = hashlib.sha256(content + drive.sha256().encode()).hexdigest()
    return eyes, BundleRef(id=GIVEN_BOXES, sha256=named_by)


def _given_box(
    row: dict[str, str], cameras: dict[int, str], taxonomy: Taxonomy
) -> tuple[int, tuple[list[float], str, float]]:
    sequence = int(row["sequence"])
    if sequence not in cameras:
        raise ValueError(f"the drive has no frame with sequence {sequence}")
    camera_id = (row.get("camera_id") or "").strip()
    if camera_id and camera_id != cameras[sequence]:
        raise ValueError(f"sequence {sequence} is of camera {cameras[sequence]}, not {camera_id}")
    code = taxonomy.of(row["class"].strip()).code
    confidence = round(float(row["confidence"]), CONFIDENCE_DECIMALS)
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence {confidence} is not from 0 to 1")
    x1, y1, x2, y2 = (float(row[side]) for side in ("x1", "y1", "x2", "y2"))
    if not (np.isfinite([x1, y1, x2, y2]).all() and x2 > x1 and y2 > y1):
        raise ValueError("a box needs x2 > x1 and y2 > y1")
    return sequence, ([x1, y1, x2, y2], code, confidence)
