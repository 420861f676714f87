"""What a frame looks like to the detector itself: mean and spread of its backbone's last feature map.

A bundle's graph has one output, the boxes. The tensor that its first upsampling reads is the end of the
backbone; the graph up to there is cut out and run beside the detector, half its work again. Measured against
colour and texture or a perceptual hash, this likeness finds frames with the same kinds of damage best and
the same place about as well (docs/feedback.md).
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx.utils import Extractor

from wegewart.errors import ModelMismatch
from wegewart_inference.frame import ImageU8
from wegewart_inference.model_bundle import Bundle
from wegewart_inference.preprocess import input_tensor, letterbox_for
from wegewart_inference.runtime import onnxruntime

UPSAMPLING = frozenset({"Resize", "Upsample"})
FloatArray = npt.NDArray[np.float32]


class Likeness:
    """Describes frames by the backbone of a bundle.

    Raises:
        ModelMismatch: If the graph has no upsampling, behind which the backbone would end.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self._card = bundle.card
        model = onnx.shape_inference.infer_shapes(onnx.load(str(bundle.model_path)))
        end = next((node.input[0] for node in model.graph.node if node.op_type in UPSAMPLING), None)
        if end is None:
            raise ModelMismatch(
                f"{bundle.card.id} has no upsampling layer: its backbone cannot be told from its head"
            )
        self._input = model.graph.input[0].name
        part = Extractor(model).extract_model([self._input], [end])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def of(self, image: ImageU8) -> FloatArray:
        """Mean and standard deviation of every channel over the frame, shape (2 x channels,)."""
        letterbox = letterbox_for(
            (image.shape[0], image.shape[1]), self._card.input_hw, self._card.preprocess
        )
        tensor = input_tensor(image, letterbox, self._card.preprocess)
        features = self._session.run(None, {self._input: tensor})[0][0]
        described = np.concatenate([features.mean(axis=(1, 2)), features.std(axis=(1, 2))])
        return described.astype(np.float32)


def directions(described: FloatArray) -> FloatArray:
    """Descriptions (N, D) as unit vectors after each column has mean 0 and spread 1 over all of them.

    One minus the product of two of them is their distance: 0 for the same, 1 for the unrelated, at most 2.
    """
    centred = described - described.mean(axis=0)
    centred /= centred.std(axis=0) + 1e-6
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    unit: FloatArray = centred
    return unit
