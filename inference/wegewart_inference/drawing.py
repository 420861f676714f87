"""Detections drawn into their frame, for people to look at."""

import cv2
import numpy as np

from wegewart_inference.detections import Detections
from wegewart_inference.frame import ImageU8

# Okabe and Ito's palette, told apart with the common colour vision deficiencies; BGR.
COLOURS_BGR = ((0, 159, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240), (178, 114, 0), (0, 94, 213))


def drawn(image: ImageU8, detections: Detections, labels: tuple[str, ...]) -> ImageU8:
    """Copy of the image with boxes, labels and confidences.

    Args:
        labels: One per class index. OpenCV's letters are ASCII; others become question marks.
    """
    canvas = image.copy()
    scale = max(image.shape[:2]) / 640
    for box, class_index, confidence in zip(
        detections.boxes_px, detections.classes, detections.confidences, strict=True
    ):
        colour = COLOURS_BGR[int(class_index) % len(COLOURS_BGR)]
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, max(round(2 * scale), 1))
        _write(canvas, f"{labels[int(class_index)]} {confidence:.2f}", (x1, y1), colour, scale)
    return canvas


def _write(
    canvas: ImageU8, text: str, corner: tuple[int, int], colour: tuple[int, int, int], scale: float
) -> None:
    """Text on a filled ground above the corner, or below it at the image's upper edge."""
    font, size, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * scale, max(round(scale), 1)
    (width, height), baseline = cv2.getTextSize(text, font, size, thickness)
    left = int(np.clip(corner[0], 0, max(canvas.shape[1] - width, 0)))
    bottom = corner[1] - baseline if corner[1] > height + baseline else corner[1] + height + baseline
    cv2.rectangle(canvas, (left, bottom - height - 2), (left + width, bottom + baseline), colour, cv2.FILLED)
    cv2.putText(canvas, text, (left, bottom), font, size, (0, 0, 0), thickness, cv2.LINE_AA)
