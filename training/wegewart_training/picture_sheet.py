"""Excerpts of photographs around a mistake, as pictures inside an HTML page."""

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from wegewart_inference.frame import ImageU8
from wegewart_inference.sources import decode_image
from wegewart_training.mistakes import Mistake

EXCERPT_WH = (300, 225)  # pixels
AROUND = 2.2  # the excerpt shows this many times the box
JPEG_QUALITY = 82
FOUND_BGR, TRUTH_BGR = (0, 140, 255), (255, 180, 0)


def picture_sheet(mistakes: Sequence[Mistake], codes: Sequence[str]) -> str:
    """HTML of the excerpts with captions; false boxes are orange, damage is blue."""
    figures = "".join(_figure(mistake, codes) for mistake in mistakes)
    return f'<div class="sheet">{figures}</div>' if figures else "<p>Keine. / None.</p>"


def _figure(mistake: Mistake, codes: Sequence[str]) -> str:
    path = mistake.image.path
    if path is None:
        return ""
    image, reason = decode_image(path.read_bytes())
    code = codes[mistake.class_index]
    words = (
        f"{code} {mistake.confidence:.2f}" if mistake.confidence is not None else f"{code} übersehen / missed"
    )
    caption = f"<figcaption>{html.escape(words)}<br>{html.escape(path.name)}</figcaption>"
    if image is None:
        return f"<figure><p>{html.escape(str(reason))}</p>{caption}</figure>"
    uri = jpeg_uri(excerpt(image, mistake, codes))
    return f'<figure><img alt="{html.escape(words)}" src="{uri}">{caption}</figure>'


def excerpt(image: ImageU8, mistake: Mistake, codes: Sequence[str]) -> ImageU8:
    """The part of the photograph around the mistake, enlarged, with its box and the damage that is there."""
    height, width = image.shape[:2]
    left, top, part_w, part_h = _window(mistake.box_px, width, height)
    scale = EXCERPT_WH[0] / part_w
    part = cv2.resize(
        image[top : top + part_h, left : left + part_w], EXCERPT_WH, interpolation=cv2.INTER_AREA
    )
    drawn = np.ascontiguousarray(part.astype(np.uint8))
    offset = np.array([left, top] * 2, np.float64)
    truths = zip(mistake.image.truth_boxes_px, mistake.image.truth_classes, strict=True)
    for box, class_index in truths:
        _draw(drawn, (box - offset) * scale, codes[int(class_index)], TRUTH_BGR)
    if mistake.confidence is not None:
        words = f"{codes[mistake.class_index]} {mistake.confidence:.2f}"
        _draw(drawn, (mistake.box_px - offset) * scale, words, FOUND_BGR)
    return drawn


def _window(box_px: npt.NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the excerpt, inside the image and of the excerpt's proportions."""
    ratio = EXCERPT_WH[0] / EXCERPT_WH[1]
    wide = max(AROUND * (box_px[2] - box_px[0]), AROUND * (box_px[3] - box_px[1]) * ratio, width / 4)
    part_w = int(min(wide, width, height * ratio))
    part_h = max(int(part_w / ratio), 1)
    middle_x, middle_y = (box_px[0] + box_px[2]) / 2, (box_px[1] + box_px[3]) / 2
    left = int(np.clip(middle_x - part_w / 2, 0, width - part_w))
    top = int(np.clip(middle_y - part_h / 2, 0, height - part_h))
    return left, top, part_w, part_h


def _draw(image: ImageU8, box_px: npt.NDArray[np.float64], words: str, colour: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = (int(np.clip(value, -2000, 2000)) for value in box_px)
    cv2.rectangle(image, (x1, y1), (x2, y2), (0, 0, 0), 4)
    cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2)
    place = (min(max(x1 + 3, 3), image.shape[1] - 60), min(max(y1 - 5, 14), image.shape[0] - 5))
    cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


def jpeg_uri(image: ImageU8) -> str:
    """The image as a data URI."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
