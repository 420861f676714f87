"""Labels made by a model: photographs that nobody has labelled, with the boxes of which a teacher is sure.

A box is sure from one confidence on and noise below another. In between nobody knows, and YOLO's labels
cannot say "look away here": such a photograph is left out as a whole. One without any box above noise is
undamaged to the teacher; as it misses much, only as many of them are taken as asked for.
"""

import csv
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from wegewart.damage import shipped_taxonomy
from wegewart.errors import CalledWrongly, DatasetInvalid, ModelMismatch
from wegewart_datasets.manifest import Manifest, manifest_text
from wegewart_datasets.out_folder import refuse_filled
from wegewart_datasets.progress import with_progress
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import label_path_of, split_sha256
from wegewart_inference.detections import Detections
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.sources import image_frame
from wegewart_training.foreign import ForeignGraph
from wegewart_training.photographs import Photographs, refuse_reserved
from wegewart_training.run_record import git_commit, now


@dataclass(frozen=True)
class Certainty:
    """Confidence by class from which a box is sure, and below which it is noise."""

    sure: Mapping[str, float]
    noise: Mapping[str, float]

    def __post_init__(self) -> None:
        for code, sure in self.sure.items():
            if not 0 < self.noise[code] <= sure < 1:
                noise = self.noise[code]
                raise CalledWrongly(f"{code}: noise {noise}, sure {sure}: 0 < noise <= sure < 1 is needed")


@dataclass(frozen=True)
class Choice:
    """What is made of photographs."""

    certainty: Certainty
    empties: int = 0
    """Photographs without a box that are taken at most, drawn by the seed."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.empties < 0:
            raise CalledWrongly(f"--empties {self.empties}: name a number from 0 on")


@dataclass(frozen=True)
class Verdict:
    """One photograph as the teacher sees it; `reason` says why it stays out, "" if it does not."""

    image: Path
    size_px: tuple[int, int]
    """Width and height."""
    boxes: Detections
    reason: str

    @property
    def label(self) -> str:
        """Lines of a YOLO label file."""
        width_px, height_px = self.size_px
        sides = self.boxes.boxes_px.astype(np.float64) / [width_px, height_px, width_px, height_px]
        corners = np.clip(sides, 0.0, 1.0)
        lines = []
        for number, (x1, y1, x2, y2) in zip(self.boxes.classes, corners, strict=True):
            lines.append(f"{number} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n")
        return "".join(lines)


def judge(detector: Detector, images: Iterable[Path], certainty: Certainty) -> Iterator[Verdict]:
    """What the teacher says of each photograph."""
    noise = np.array([certainty.noise[code] for code in detector.class_codes])
    sure = np.array([certainty.sure[code] for code in detector.class_codes])
    for image in images:
        frame = image_frame(image, "teacher", 0)
        if not isinstance(frame, Frame):
            yield Verdict(image, (1, 1), Detections.none(), frame.reason)
            continue
        found = detector.detect(frame, min_confidence=float(noise.min()))
        found = found.only(found.confidences >= noise[found.classes])
        between = found.only(found.confidences < sure[found.classes])
        reason = ""
        if len(between):
            code, confidence = detector.class_codes[between.classes[0]], between.confidences[0]
            reason = f"unsure: {code} at {confidence:.3f}"
        yield Verdict(image, (frame.width_px, frame.height_px), found, reason)


def pseudo_label(
    detector: Detector, photographs: Photographs, out: Path, choice: Choice, settings: DataSettings
) -> Manifest:
    """Write the data set into the new folder `out`; its name names the data set.

    Raises:
        DatasetInvalid: If a photograph is kept for scoring, no box is sure, or `out` is not empty.
        ModelMismatch: If the teacher's classes are not the taxonomy's.
    """
    refuse_filled(out)
    codes = shipped_taxonomy(detector.card.taxonomy).codes
    if detector.class_codes != codes:
        raise ModelMismatch(f"the teacher knows {detector.class_codes}, {detector.card.taxonomy} has {codes}")
    images = [path for path in photographs.images if not _has_truth(path, photographs)]
    if not images:
        raise DatasetInvalid(f"every image of {photographs.name} has a label file: nothing is left to label")
    refuse_reserved({photographs.name: images}, settings)
    seen = judge(detector, with_progress(images, "pseudo-label", len(images)), choice.certainty)
    verdicts = _some_empties(list(seen), choice)
    taken = [verdict for verdict in verdicts if not verdict.reason]
    if not any(len(verdict.boxes) for verdict in taken):
        raise DatasetInvalid(f"the teacher is sure of no box in {len(images)} images: nothing was written")
    _write_images(taken, out)
    _write_left_out(verdicts, out)
    _write_data_yaml(codes, out)
    manifest = _manifest(detector, photographs, out)
    _write_provenance(detector, photographs, verdicts, out, choice)
    (out / f"{manifest.name}.toml").write_text(manifest_text(manifest), encoding="utf-8")
    return manifest


def _has_truth(image: Path, photographs: Photographs) -> bool:
    return photographs.labelled and label_path_of(image).is_file()


def _some_empties(verdicts: Sequence[Verdict], choice: Choice) -> list[Verdict]:
    """The verdicts, with a reason for those photographs without a box that are too many."""
    empty = [index for index, one in enumerate(verdicts) if not one.reason and not len(one.boxes)]
    count = min(choice.empties, len(empty))
    too_many = set(empty) - set(random.Random(choice.seed).sample(empty, count))  # noqa: S311
    return [
        replace(one, reason="no box above noise") if index in too_many else one
        for index, one in enumerate(verdicts)
    ]


def _write_images(taken: Sequence[Verdict], out: Path) -> None:
    for kind in ("images", "labels"):
        (out / kind / "train").mkdir(parents=True)
    width = len(str(len(taken)))
    for number, verdict in enumerate(taken):  # numbered: two folders may hold files of one name
        name = f"{number:0{width}d}__{verdict.image.name}"
        shutil.copyfile(verdict.image, out / "images" / "train" / name)
        label = out / "labels" / "train" / Path(name).with_suffix(".txt")
        label.write_text(verdict.label, encoding="utf-8")


def _write_left_out(verdicts: Sequence[Verdict], out: Path) -> None:
    (out / "extra").mkdir()
    with (out / "extra" / "left_out.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "reason"])
        table.writerows((one.image.name, one.reason) for one in verdicts if one.reason)


def _write_data_yaml(codes: Sequence[str], out: Path) -> None:
    names = [f"  {index}: {code}" for index, code in enumerate(codes)]
    text = "\n".join(["train: images/train", "names:", *names]) + "\n"
    (out / "data.yaml").write_text(text, encoding="utf-8")


def _manifest(detector: Detector, photographs: Photographs, out: Path) -> Manifest:
    teacher = teacher_name(detector)
    return Manifest(
        name=out.resolve().name,
        title=f"{photographs.name}, labelled by {teacher}",
        folder=out.resolve().name,
        taxonomy=detector.card.taxonomy,
        licence=photographs.licence or "not stated: write it here before the data set is used",
        source=photographs.source or f"photographs of the folder {photographs.name}",
        notes=f"Boxes by {teacher} (sha256 {detector.card.sha256}); thresholds in extra/provenance.json.",
        limits=(
            "No person has seen these labels: they hold the teacher's mistakes and lack what it misses.",
            "Only photographs of which the teacher is sure: easy damage, never a measure of quality.",
        ),
        splits={"train": "training"},
    )


def teacher_name(detector: Detector) -> str:
    """How papers call the teacher."""
    return detector.card.origin if isinstance(detector.bundle, ForeignGraph) else detector.card.id


def _write_provenance(
    detector: Detector, photographs: Photographs, verdicts: Sequence[Verdict], out: Path, choice: Choice
) -> None:
    reasons = Counter(one.reason.partition(":")[0] for one in verdicts if one.reason)
    boxes = Counter(
        detector.class_codes[index] for one in verdicts if not one.reason for index in one.boxes.classes
    )
    images = sorted((out / "images" / "train").iterdir())
    content = {
        "teacher": teacher_name(detector),
        "teacher_sha256": detector.card.sha256,
        "temperature": detector.card.temperature,
        **asdict(choice.certainty),
        "seed": choice.seed,
        "photographs_of": photographs.name,
        "photographs": len(photographs.images),
        "labelled_by_people": len(photographs.images) - len(verdicts),
        "taken": len(images),
        "without_box": sum(not one.reason and not len(one.boxes) for one in verdicts),
        "left_out": dict(reasons),
        "boxes": dict(boxes),
        "content_sha256": split_sha256(images, out),
        "git_commit": git_commit(Path(__file__).parent),
        "made_at": now(),
    }
    text = json.dumps(content, indent=2) + "\n"
    (out / "extra" / "provenance.json").write_text(text, encoding="utf-8")
