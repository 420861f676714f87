"""Detector: frame in, detections in its own pixels out. Follows the bundle's card, on ONNX Runtime."""

import numpy as np
import numpy.typing as npt

from wegewart.errors import BundleInvalid, ModelMismatch
from wegewart_inference.detections import Detections
from wegewart_inference.frame import Frame, ImageU8, check_image
from wegewart_inference.model_bundle import Bundle, BundleCard
from wegewart_inference.postprocess import Candidates, candidates_of, head_kind_of, in_frame, suppressed
from wegewart_inference.preprocess import input_tensor, letterbox_for
from wegewart_inference.runtime import onnxruntime

NEVER = 2.0  # above every score


class Detector:
    """One bundle, ready to look at frames.

    Raises:
        BundleInvalid: If ONNX Runtime cannot load the graph.
        ModelMismatch: If its input or output is not what the card says.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        self.card: BundleCard = bundle.card
        self._session = _open(bundle, threads)
        _check_graph(self._session, self.card)
        self._input_name: str = self._session.get_inputs()[0].name

    @property
    def class_codes(self) -> tuple[str, ...]:
        """What `Detections.classes` indexes."""
        return self.card.classes

    def detect(self, frame: Frame | ImageU8, min_confidence: float | None = None) -> Detections:
        """What is in the frame, the surest first.

        Args:
            frame: A frame, or its BGR image.
            min_confidence: One floor for all reported classes, instead of the card's thresholds; scoring
                uses 0.001. The card's limit of detections applies (300).
        """
        image = frame.image if isinstance(frame, Frame) else frame
        check_image(image)
        letterbox = letterbox_for((image.shape[0], image.shape[1]), self.card.input_hw, self.card.preprocess)
        output = self._session.run(
            None, {self._input_name: input_tensor(image, letterbox, self.card.preprocess)}
        )[0]
        candidates = self._calibrated(output, self._floors(min_confidence))
        if self.card.head.suppression is not None:
            candidates = suppressed(candidates, self.card.head.suppression)
        return in_frame(candidates, letterbox)

    def _floors(self, min_confidence: float | None) -> npt.NDArray[np.float32]:
        """Least confidence per class; a class without a threshold is never reported."""
        floors = {
            code: threshold if min_confidence is None else min_confidence
            for code, threshold in self.card.thresholds.items()
        }
        return np.array([floors.get(code, NEVER) for code in self.card.classes], np.float32)

    def _calibrated(self, output: npt.NDArray[np.float32], floors: npt.NDArray[np.float32]) -> Candidates:
        """Candidates whose score is the card's calibrated confidence, not the graph's own."""
        temperature = self.card.temperature
        if temperature == 1.0:
            return candidates_of(output, len(self.card.classes), floors)
        # The map keeps the order, so the floors are mapped back and only the survivors are mapped.
        raw_floors = np.where(floors > 1, floors, tempered(np.minimum(floors, 1), 1 / temperature))
        found = candidates_of(output, len(self.card.classes), raw_floors.astype(np.float32))
        return Candidates(found.boxes_input_px, found.classes, tempered(found.scores, temperature))


def tempered(scores: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """Scores after temperature scaling: the sigmoid of the score's logit over the temperature.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    odds = np.power(scores.astype(np.float64), 1 / temperature)
    rest = np.power(1 - scores.astype(np.float64), 1 / temperature)
    calibrated: npt.NDArray[np.float32] = (odds / (odds + rest)).astype(np.float32)
    return calibrated


def _open(bundle: Bundle, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: warnings about unused initialisers are not for the crew
    try:
        return onnxruntime.InferenceSession(
            bundle.model_path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise BundleInvalid(f"{bundle.model_path} cannot be loaded, export it again: {error}") from error


def _check_graph(session: onnxruntime.InferenceSession, card: BundleCard) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    expected = [1, 3, *card.input_hw]
    if len(inputs) != 1 or list(inputs[0].shape) != expected or inputs[0].type != "tensor(float)":
        found = [(entry.shape, entry.type) for entry in inputs]
        raise ModelMismatch(f"{card.id} takes {found}, its card says one float {expected}: export it again")
    if len(outputs) != 1:
        raise ModelMismatch(f"{card.id} has {len(outputs)} outputs, one is expected: export it again")
    kind = head_kind_of(outputs[0].shape, len(card.classes))
    if kind is not card.head.kind:
        raise ModelMismatch(f"{card.id} has the {kind} head, its card says {card.head.kind}: export it again")
