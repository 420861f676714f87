"""Weights that a training can go on from, rebuilt from the graph of a released bundle.

A graph holds each convolution with its batch norm folded in, an INT8 graph in whole numbers; training needs
them apart. A folded convolution with weights W and bias b is W followed by a batch norm of any mean m and
variance v whose scale is sqrt(v + eps) and whose shift is b + m. With m and v measured on photographs, the
model sees in inference what the graph sees, and hardly anything else in training mode, where mean and
variance are those of the batch.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from wegewart.errors import ModelMismatch
from wegewart_inference.model_bundle import Bundle
from wegewart_training.onnx_graph import Float32Array
from wegewart_training.recipe import MODELS

if TYPE_CHECKING:
    from torch import Tensor

COCO_CLASSES = 80
FOLDED = ".conv.weight"  # of a convolution whose batch norm was folded in; others have none
IN_WHOLE_NUMBERS = "_quantized"


def graph_weights(graph: Path) -> dict[str, Float32Array]:
    """Weights and biases of all convolutions by their names in the model, from a float or INT8 graph.

    Raises:
        ModelMismatch: If a convolution's weights are neither constants nor scaled constants.
    """
    content = onnx.load(str(graph)).graph
    constants = {each.name: numpy_helper.to_array(each) for each in content.initializer}
    scaled = {node.output[0]: node for node in content.node if node.op_type == "DequantizeLinear"}
    weights: dict[str, Float32Array] = {}
    for node in content.node:
        for name in node.input[1:] if node.op_type == "Conv" else ():
            source = scaled[name].input[0] if name in scaled else name
            if source not in constants:
                raise ModelMismatch(f"{graph}: {name} is no constant: this graph was not made by our export")
            value = constants[source]
            if name in scaled:
                scale, zero = (constants[each] for each in scaled[name].input[1:])
                shape = (-1, *(1,) * (value.ndim - 1))
                value = (value.astype(np.int64) - zero.reshape(shape)) * scale.reshape(shape)
            weights[source.removesuffix(IN_WHOLE_NUMBERS)] = value.astype(np.float32)
    return weights


def model_of_bundle(bundle: Bundle, tensors: Iterable[Float32Array]) -> Any:  # noqa: ANN401  Ultralytics' own
    """The bundle's graph as a model that can be trained on; its end-to-end head is a copy of the other.

    Args:
        tensors: Inputs (1, 3, H, W) of some photographs like those of the training.
    Raises:
        ModelMismatch: If the graph is none of the models of `MODELS`.
    """
    weights = graph_weights(bundle.model_path)
    model = _described(weights, bundle)
    _unfold(model, weights)
    _measure(model, tensors)
    head: Any = model.model[-1]
    head.one2one_cv2.load_state_dict(head.cv2.state_dict())
    head.one2one_cv3.load_state_dict(head.cv3.state_dict())
    return model


def _described(weights: Mapping[str, Float32Array], bundle: Bundle) -> Any:  # noqa: ANN401  Ultralytics' own
    """The model of these shapes, without weights; one fine-tuned from COCO has COCO's width of class head."""
    shapes = {name: value.shape for name, value in weights.items() if value.ndim == 4}
    classes = bundle.card.classes
    for description, built_for in product(MODELS, (COCO_CLASSES, len(classes))):
        model = _empty_model(description, built_for, len(classes))
        own = {name: tuple(value.shape) for name, value in model.state_dict().items() if value.ndim == 4}
        if {name: shape for name, shape in own.items() if "one2one" not in name} == shapes:
            model.names = dict(enumerate(classes))
            return model.eval()
    raise ModelMismatch(
        f"{bundle.folder.name} is none of {', '.join(MODELS)}: start from a checkpoint instead"
    )


def _empty_model(description: str, built_for: int, classes: int) -> Any:  # noqa: ANN401  Ultralytics' own
    import torch
    from ultralytics.nn.tasks import DetectionModel

    model: Any = DetectionModel(description, nc=built_for, verbose=False)  # type: ignore[no-untyped-call]
    head = model.model[-1]
    for branch in (*head.cv3, *head.one2one_cv3):
        branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, classes, 1)
    head.nc = model.nc = model.yaml["nc"] = classes
    head.no = classes + 4 * head.reg_max
    return model


def _unfold(model: Any, weights: Mapping[str, Float32Array]) -> None:  # noqa: ANN401  Ultralytics' own
    """Every batch norm passes its input on, shifted by the folded bias."""
    import torch

    with torch.no_grad():
        for name, value in weights.items():
            place, _, kind = name.rpartition(".")
            if name.endswith(FOLDED):
                folded = model.get_submodule(name.removesuffix(FOLDED))
                folded.conv.weight.copy_(torch.from_numpy(value))
                folded.bn.running_mean.zero_()
                folded.bn.running_var.fill_(1.0 - folded.bn.eps)
                folded.bn.weight.fill_(1.0)
                folded.bn.bias.copy_(torch.from_numpy(weights[f"{place}.bias"]))
            elif f"{place}.weight" in weights and not place.endswith(".conv"):
                getattr(model.get_submodule(place), kind).copy_(torch.from_numpy(value))


def _measure(model: Any, tensors: Iterable[Float32Array]) -> None:  # noqa: ANN401  Ultralytics' own
    """Give every batch norm mean and variance of what comes to it; what it makes of it stays the same."""
    import torch

    with _watched(model) as sums, torch.no_grad():
        for tensor in tensors:
            model(torch.from_numpy(tensor))
    with torch.no_grad():
        for norm, (count, total, squares) in sums.items():
            mean = total / count
            variance = (squares / count - mean**2).clamp(min=0.0)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean.to(norm.bias.dtype))


@contextmanager
def _watched(model: Any) -> "Iterator[dict[Any, tuple[int, Tensor, Tensor]]]":  # noqa: ANN401  Ultralytics' own
    """Count, sum and sum of squares per channel of what comes to each batch norm inside this context."""
    import torch

    sums: dict[Any, tuple[int, Tensor, Tensor]] = {}

    def add(norm: Any, inputs: "tuple[Tensor]") -> None:  # noqa: ANN401
        values = inputs[0].double()
        count, total, squares = sums.get(norm, (0, torch.tensor(0.0), torch.tensor(0.0)))
        each = values.numel() // values.shape[1]
        axes = (0, 2, 3)
        sums[norm] = (count + each, total + values.sum(axes), squares + (values**2).sum(axes))

    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(add) for norm in norms]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()
