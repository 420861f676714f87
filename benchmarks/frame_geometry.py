"""How large, and how much of the frame, a model should see: mAP50 on the Czech val photographs.

An exported graph has one input size. A photograph (or a band of its rows) is therefore laid into a larger
grey square, so that its longer side has so many pixels in the graph's input. Sizes above the input's cannot
be tried, nor whole frames: the val photographs are rows 240 to 599 of them. Val only; the model is the
shipped float32 bundle.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from reporting import arguments_of, print_heading, print_json, print_table

from wegewart.errors import DatasetInvalid
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import images_of, read_data_yaml, read_labels
from wegewart_inference.detector import Detector, tempered
from wegewart_inference.frame import ImageU8
from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
from wegewart_inference.sources import decode_image
from wegewart_training.judged import ScoredImage
from wegewart_training.score import SCORE_FLOOR, score

ROOT = Path(__file__).resolve().parents[1]
DATA, SPLIT = "road-damage-europe", "val"  # its val part is Czech
HEIGHT_PX, WIDTH_PX = 360, 600
ROW_0 = 240  # of the camera's frame, the first row of the photograph
BANDS = {
    "rows 240 to 599 (road)": (240, 600),
    "rows 280 to 519 (no bonnet)": (280, 520),
}
SIZES_PX = (320, 416, 512, 640)
GREY = 114
INSIDE = 0.5  # share of a box that must lie in the band for the box to count there

Photograph = tuple[ImageU8, npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Image, true boxes as corners in pixels, classes."""


def main() -> int:
    """Measure, and print the table of docs/decisions/0017."""
    arguments = arguments_of(__doc__)
    default = default_bundles(ROOT / "models").damage
    folder = default.with_name(default.name.rsplit("-", 1)[0] + "-fp32")
    detector = Detector(read_bundle(folder, Role.DAMAGE), threads=2)
    photographs = list(photographs_of(5 if arguments.quick else 1))
    print_heading("part and size of the frame", model=folder.name, photographs=len(photographs))
    figures: dict[str, float | int | str | None] = {"model": folder.name, "images": len(photographs)}
    rows = []
    for name, band in BANDS.items():
        row: list[object] = []
        for size_px in SIZES_PX:
            images = [seen(detector, cut(photograph, band), size_px) for photograph in photographs]
            map50 = score(images, detector.class_codes, detector.card.thresholds).map50
            figures[f"{name}, {size_px} px"] = map50
            row.append("-" if map50 is None else f"{map50:.3f}")
        rows.append([name, sum(len(image.truth_classes) for image in images), *row])
    print_table(["mAP50, longer side in the graph", "boxes", *(f"{px} px" for px in SIZES_PX)], rows)
    if arguments.json:
        print_json(figures)
    return 0


def photographs_of(every: int) -> Iterator[Photograph]:
    """Each `every`-th val photograph."""
    settings = DataSettings.load()
    data = read_data_yaml(data_yaml_of(read_manifest(DATA, settings), settings))
    for path in images_of(data, SPLIT)[::every]:
        image, reason = decode_image(path.read_bytes())
        if image is None or image.shape[:2] != (HEIGHT_PX, WIDTH_PX):
            raise DatasetInvalid(f"{path}: {reason or 'other size'}; {WIDTH_PX}x{HEIGHT_PX} px are needed")
        labels = read_labels(path, len(data.names))
        yield image, labels.boxes_px(WIDTH_PX, HEIGHT_PX), labels.classes


def cut(photograph: Photograph, rows: tuple[int, int]) -> Photograph:
    """A band of the camera's rows, with the boxes of which at least half lies in it."""
    image, boxes_px, classes = photograph
    top, bottom = (row - ROW_0 for row in rows)
    inside = boxes_px.copy()
    inside[:, [1, 3]] = np.clip(boxes_px[:, [1, 3]], top, bottom) - top
    heights_px = boxes_px[:, 3] - boxes_px[:, 1]
    kept = inside[:, 3] - inside[:, 1] >= INSIDE * heights_px
    return image[top:bottom], inside[kept], classes[kept]


def seen(detector: Detector, photograph: Photograph, size_px: int) -> ScoredImage:
    """Truth and detections where the photograph's longer side has so many pixels in the graph's input."""
    image, boxes_px, classes = photograph
    height_px, width_px = image.shape[:2]
    side_px = round(max(height_px, width_px) * max(detector.card.input_hw) / size_px)
    left, top = (side_px - width_px) // 2, (side_px - height_px) // 2
    square = np.full((side_px, side_px, 3), GREY, np.uint8)
    square[top : top + height_px, left : left + width_px] = image
    floor = float(tempered(np.array([SCORE_FLOOR], np.float32), detector.card.temperature)[0])
    return ScoredImage(
        truth_boxes_px=boxes_px + np.array([left, top, left, top]),
        truth_classes=classes,
        found=detector.detect(square, min_confidence=floor),
    )


if __name__ == "__main__":
    sys.exit(main())
