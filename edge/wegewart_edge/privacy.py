"""The picture of a damage: the road strip below the horizon, people and vehicles masked. Fails closed.

What cannot be masked is not kept: no mask bundle, an error while masking, or an encoder that fails all
give a reason instead of an image.
"""

import hashlib
import logging
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.observation import Evidence
from wegewart.wire import BundleRef
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import EvidenceSettings
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame, ImageU8

logger = logging.getLogger(__name__)

MASK_GREY = 128  # one flat colour: nothing of what was there can be recovered
MASK_HALO_PX = 4
MASK_DECIMALS = 1  # a tenth of a pixel, as for the boxes of damages
FLOAT_DECIMALS = 6  # hides that 300.0 - 0.15 * 40 is not quite 294 in floating point
SHORTEST_STRIP_PX = 64

NO_MASK_BUNDLE = "no mask bundle: without it no image is kept"
WITHOUT_IMAGES = "located without images"


@dataclass(frozen=True)
class Picture:
    """Bytes that may leave the vehicle, and what the message says about them."""

    evidence: Evidence
    content: bytes


@dataclass(frozen=True, slots=True)
class NoPicture:
    """Why there is no image."""

    reason: str


@dataclass(frozen=True)
class MaskedFrame:
    """A whole frame in which people and vehicles are grey; it never leaves this process."""

    image: ImageU8
    mask_bundle: BundleRef


class Privacy:
    """Masks frames and cuts evidence out of them."""

    def __init__(self, detector: Detector | None, settings: EvidenceSettings) -> None:
        self._detector = detector
        self._settings = settings

    def masked(self, frame: Frame) -> MaskedFrame | NoPicture:
        """The frame with every masked class covered, each box widened by the margin; or why there is none."""
        if self._detector is None:
            return NoPicture(NO_MASK_BUNDLE)
        try:
            boxes_px = self._detector.detect(frame).boxes_px
        except Exception as error:
            logger.exception("masking failed: %s", frame.name)
            return NoPicture(f"masking failed ({type(error).__name__}): no image is kept")
        image = frame.image.copy()
        for box_px in boxes_px.astype(np.float64):
            left, top, right, bottom = _covered(box_px, self._settings.mask_margin)
            image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = MASK_GREY
        return MaskedFrame(image, self._detector.bundle.ref)

    def picture(
        self, masked: MaskedFrame | NoPicture, box_px: tuple[float, float, float, float], camera: RoadCamera
    ) -> Picture | NoPicture:
        """Evidence of one damage: the strip around its box at native resolution, as JPEG."""
        if isinstance(masked, NoPicture):
            return masked
        height, width = masked.image.shape[:2]
        top = masking_row_px(camera, self._settings)
        if height - top < SHORTEST_STRIP_PX:
            return NoPicture("the camera sees too little road below the horizon")
        left, right = _columns(box_px, width, self._settings.min_width_px)
        strip = np.ascontiguousarray(masked.image[top:, left:right])
        encoded, content = cv2.imencode(
            ".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, self._settings.jpeg_quality]
        )
        if not encoded:
            return NoPicture("the image could not be encoded")
        as_bytes = content.tobytes()
        evidence = Evidence(
            sha256=hashlib.sha256(as_bytes).hexdigest(),
            left_px=left,
            top_px=top,
            width_px=right - left,
            height_px=height - top,
            mask_bundle=masked.mask_bundle,
        )
        return Picture(evidence, as_bytes)


def _covered(box_px: npt.NDArray[np.float64], margin: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels to cover: the box with its margin, rounded outward.

    Rounded to a tenth of a pixel first: a detector's noise in the last bits must not move a border, or the
    same frame would give another picture with another hash.
    """
    x1, y1, x2, y2 = (round(float(side), MASK_DECIMALS) for side in box_px)
    across_px, down_px = (x2 - x1) * margin + MASK_HALO_PX, (y2 - y1) * margin + MASK_HALO_PX
    left, top = (math.floor(round(side, FLOAT_DECIMALS)) for side in (x1 - across_px, y1 - down_px))
    right, bottom = (math.ceil(round(side, FLOAT_DECIMALS)) for side in (x2 + across_px, y2 + down_px))
    return left, top, right, bottom


def masking_row_px(camera: RoadCamera, settings: EvidenceSettings) -> int:
    """First row that is kept: a little below the lowest point of the horizon."""
    height_px = camera.camera.intrinsics.height_px
    return min(int(camera.horizon_row_px + settings.below_horizon * height_px) + 1, height_px)


def _columns(
    box_px: tuple[float, float, float, float], frame_width_px: int, least_px: int
) -> tuple[int, int]:
    """Columns of the crop: the box whole and in the middle, at least so wide, within the frame."""
    width_px = min(max(least_px, int(box_px[2] - box_px[0]) + 2), frame_width_px)
    middle_px = (box_px[0] + box_px[2]) / 2
    left_px = min(max(int(middle_px - width_px / 2), 0), frame_width_px - width_px)
    return left_px, left_px + width_px
