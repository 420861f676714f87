"""Small pictures with their boxes drawn, as they stand inside a report."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from wegewart.errors import DatasetInvalid
from wegewart_datasets.yolo import read_labels

WIDTH_PX = 300
JPEG_QUALITY = 72
COLOURS_BGR = ((40, 90, 230), (200, 120, 0), (0, 150, 60), (170, 40, 160), (0, 140, 200), (90, 90, 90))


def picture(path: Path, codes: Sequence[str]) -> str:
    """An image with its boxes as one HTML element; a broken image gives a box with its name."""
    image = _decoded(path)
    if image is None:
        return (
            f'<figure><div class="gone">kein Bild</div><figcaption>{escape(path.name)}</figcaption></figure>'
        )
    scale = WIDTH_PX / image.shape[1]
    small = cv2.resize(image, (WIDTH_PX, max(1, round(image.shape[0] * scale))), interpolation=cv2.INTER_AREA)
    found = _draw_boxes(small, path, codes)
    done, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise DatasetInvalid(f"{path} cannot be shown: it has {image.shape[1]}x{image.shape[0]} pixels")
    source = base64.b64encode(content.tobytes()).decode()
    caption = f"{escape(path.parent.name)}/{escape(path.name)}"
    return (
        f'<figure><img alt="{escape(path.name)}: {escape(found)}" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{caption}<br>{escape(found)}</figcaption></figure>"
    )


def _decoded(path: Path) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None


def _draw_boxes(image: np.ndarray, path: Path, codes: Sequence[str]) -> str:
    try:
        labels = read_labels(path, len(codes))
    except DatasetInvalid:
        return "Labeldatei nicht lesbar"
    for number, box in zip(labels.classes, labels.boxes_px(image.shape[1], image.shape[0]), strict=True):
        colour = COLOURS_BGR[number % len(COLOURS_BGR)]
        x1, y1, x2, y2 = (round(float(side)) for side in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2)
        at = (max(0, min(x1, image.shape[1] - 30)), max(11, y1 - 3))
        cv2.putText(image, codes[number], at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.putText(image, codes[number], at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    counts = {code: int((labels.classes == index).sum()) for index, code in enumerate(codes)}
    return ", ".join(f"{code} {count}" for code, count in counts.items() if count) or "ohne Rahmen"
