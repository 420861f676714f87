"""Hard negatives: undamaged training photographs on which a model nevertheless reports something."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wegewart.errors import DatasetInvalid
from wegewart_datasets.manifest import Manifest, manifest_text
from wegewart_datasets.opening import OpenedData
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, label_path_of, read_labels
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.sources import image_frame
from wegewart_training.photographs import refuse_reserved
from wegewart_training.pseudo_labels import teacher_name
from wegewart_training.run_record import git_commit, now


@dataclass(frozen=True)
class FalseAlarm:
    """An undamaged photograph with the surest box that the model puts on it."""

    image: Path
    code: str
    confidence: float


def mine(
    detector: Detector, opened: OpenedData, split: str, out: Path, settings: DataSettings
) -> list[FalseAlarm]:
    """Write a data set of list files that point at the photographs with a false box, the surest first.

    Undamaged is a photograph whose label file is there and empty. The thresholds are those of the card.

    Raises:
        DatasetInvalid: If a photograph is kept for scoring, none is undamaged, none has a false box, or
            `out` is not empty.
    """
    refuse_filled(out)
    undamaged = [
        image for image in images_of(opened.data, split) if _is_undamaged(image, len(opened.data.names))
    ]
    if not undamaged:
        raise DatasetInvalid(f"{opened.name} {split} has no image with an empty label file: nothing to mine")
    refuse_reserved({opened.name: undamaged}, settings)
    alarms = sorted(_alarms(detector, undamaged), key=lambda alarm: -alarm.confidence)
    if not alarms:
        raise DatasetInvalid(f"no false box on {len(undamaged)} undamaged images: nothing was written")
    (out / "extra").mkdir(parents=True)
    _write_lists(alarms, opened.data.names, out)
    manifest = _manifest(detector, opened, out)
    (out / f"{manifest.name}.toml").write_text(manifest_text(manifest), encoding="utf-8")
    facts: dict[str, object] = {
        "model": teacher_name(detector),
        "model_sha256": detector.card.sha256,
        "thresholds": dict(detector.card.thresholds),
        "data": opened.name,
        "split": split,
        "undamaged": len(undamaged),
        "mined": len(alarms),
        "git_commit": git_commit(Path(__file__).parent),
        "made_at": now(),
    }
    (out / "extra" / "provenance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return alarms


def _is_undamaged(image: Path, class_count: int) -> bool:
    return label_path_of(image).is_file() and not len(read_labels(image, class_count).classes)


def _alarms(detector: Detector, images: Sequence[Path]) -> Iterator[FalseAlarm]:
    for image in with_progress(images, "mine", len(images)):
        frame = image_frame(image, "mine", 0)
        if not isinstance(frame, Frame):
            raise DatasetInvalid(f"{image}: {frame.reason}; restore it or take it out of the set")
        found = detector.detect(frame)
        if len(found):
            code = detector.class_codes[found.classes[0]]
            yield FalseAlarm(image, code, float(found.confidences[0]))


def _write_lists(alarms: Sequence[FalseAlarm], names: Sequence[str], out: Path) -> None:
    lines = [os.path.relpath(alarm.image, out) for alarm in alarms]
    (out / "train.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    classes = [f"  {index}: {name}" for index, name in enumerate(names)]
    text = "\n".join(["train: train.txt", "names:", *classes]) + "\n"
    (out / "data.yaml").write_text(text, encoding="utf-8")
    with (out / "extra" / "false_boxes.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "surest", "confidence"])
        table.writerows((alarm.image.name, alarm.code, f"{alarm.confidence:.4f}") for alarm in alarms)


def _manifest(detector: Detector, opened: OpenedData, out: Path) -> Manifest:
    origin = opened.manifest
    return Manifest(
        name=out.resolve().name,
        title=f"Undamaged images of {opened.name} with a false box of {teacher_name(detector)}",
        folder=out.resolve().name,
        taxonomy=origin.taxonomy if origin else detector.card.taxonomy,
        licence=origin.licence if origin else "not stated: write it here before the data set is used",
        source=origin.source if origin else opened.name,
        notes=f"List files: the images stay in {opened.name}; they are shown once more for every `repeat`.",
        limits=("Chosen by one model's mistakes: never a measure of false alarms.",),
        mined_with=teacher_name(detector),
        splits={"train": "hard negatives in training"},
    )
