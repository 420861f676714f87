"""From the graph's output to boxes: reads the shape of what came out, suppresses repeats where needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wegewart.errors import ModelMismatch
from wegewart_inference.detections import Detections
from wegewart_inference.model_bundle import HeadKind, Suppression
from wegewart_inference.preprocess import Letterbox

END2END_COLUMNS = 6


@dataclass(frozen=True)
class Candidates:
    """Boxes in the graph's input pixels (x1, y1, x2, y2), each with one class and its score."""

    boxes_input_px: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    def only(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Candidates":
        """The chosen candidates."""
        return Candidates(self.boxes_input_px[chosen], self.classes[chosen], self.scores[chosen])


def head_kind_of(output_shape: Sequence[int | str | None], class_count: int) -> HeadKind:
    """Which head an output of this shape belongs to.

    Raises:
        ModelMismatch: If it is neither, or not of this many classes.
    """
    if len(output_shape) == 3 and output_shape[0] == 1:
        if output_shape[2] == END2END_COLUMNS:
            return HeadKind.END2END
        if output_shape[1] == 4 + class_count:
            return HeadKind.RAW
    raise ModelMismatch(
        f"the graph's output has the shape {list(output_shape)}: with {class_count} classes it is "
        f"[1, N, 6] or [1, {4 + class_count}, N]; export it again, one image per batch, with its own classes"
    )


def candidates_of(
    output: npt.NDArray[np.float32], class_count: int, floors: npt.NDArray[np.float32]
) -> Candidates:
    """Boxes of the graph's output whose score reaches the floor of their class.

    Args:
        output: (1, N, 6) or (1, 4 + classes, N).
        floors: (classes,), the least score by class; above 1 for a class that is never wanted.
    """
    if head_kind_of(output.shape, class_count) is HeadKind.END2END:
        return _end2end_candidates(output[0], class_count, floors)
    return _raw_candidates(output[0], floors)


def _end2end_candidates(
    rows: npt.NDArray[np.float32], class_count: int, floors: npt.NDArray[np.float32]
) -> Candidates:
    classes = rows[:, 5].astype(np.int64)
    if len(classes) and not (classes.min() >= 0 and classes.max() < class_count):
        raise ModelMismatch(
            f"the graph found class {classes.max()}, its card has {class_count}: export it again"
        )
    return Candidates(rows[:, :4], classes, rows[:, 4]).only(rows[:, 4] >= floors[classes])


def _raw_candidates(columns: npt.NDArray[np.float32], floors: npt.NDArray[np.float32]) -> Candidates:
    scores = columns[4:]
    classes, anchors = np.nonzero(scores >= floors[:, None])
    centres, sizes = columns[:2, anchors].T, columns[2:4, anchors].T
    boxes = np.hstack([centres - sizes / 2, centres + sizes / 2]).astype(np.float32, copy=False)
    return Candidates(boxes, classes.astype(np.int64), scores[classes, anchors])


def suppressed(candidates: Candidates, suppression: Suppression) -> Candidates:
    """The surest candidates of each class, none of which overlaps a surer one of its class too much."""
    order = np.argsort(-candidates.scores, kind="stable")[: suppression.max_candidates]
    ranked = candidates.only(order)
    if not len(order):
        return ranked
    boxes = ranked.boxes_input_px
    boxes_xywh = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    kept = cv2.dnn.NMSBoxesBatched(
        boxes_xywh.tolist(),
        ranked.scores.tolist(),
        ranked.classes.tolist(),
        score_threshold=0.0,
        nms_threshold=suppression.iou,
    )
    return ranked.only(np.sort(np.asarray(kept, dtype=np.int64).ravel())[: suppression.max_detections])


def in_frame(candidates: Candidates, letterbox: Letterbox) -> Detections:
    """Detections in frame pixels, clipped to the frame, the surest first; what lies outside is left out."""
    height, width = letterbox.frame_hw
    boxes = letterbox.to_frame(candidates.boxes_input_px)
    clipped = np.clip(boxes, 0.0, np.array([width, height, width, height])).astype(np.float32)
    inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    order = np.argsort(-candidates.scores[inside], kind="stable")
    scores = np.clip(candidates.scores[inside][order], 0.0, 1.0)
    return Detections(clipped[inside][order], candidates.classes[inside][order], scores)
