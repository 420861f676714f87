"""Any ONNX detector of a known head, dressed as a bundle, so that it is scored by the same code as ours.

Assumed of it: one image of float RGB in 0..1, letterboxed with grey 114, as Ultralytics trains and exports.
"""

import ast
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from wegewart.damage import DEFAULT_TAXONOMY
from wegewart.errors import CalledWrongly, ModelMismatch
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import (
    GRAPH_NAME,
    Bundle,
    BundleCard,
    Head,
    HeadKind,
    Preprocess,
    Role,
    Suppression,
    file_sha256,
)
from wegewart_inference.postprocess import head_kind_of
from wegewart_inference.runtime import onnxruntime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ForeignGraph(Bundle):
    """A graph without a card of its own; the card says how it is used here."""

    graph: Path

    @property
    def model_path(self) -> Path:
        """The graph."""
        return self.graph


@dataclass(frozen=True)
class ForeignOptions:
    """What a graph does not say of itself; None where it is to be read from it."""

    head: HeadKind | None = None
    imgsz: tuple[int, int] | None = None
    """Height and width of the input, for a graph that takes any."""
    names: tuple[str, ...] | None = None
    confidence: float = 0.25  # what Ultralytics' predict reports from, unless told otherwise


def foreign_detector(graph: Path, options: ForeignOptions, threads: int) -> Detector:
    """Detector around the graph.

    Raises:
        CalledWrongly: If the file is missing, or its class names or input size must be given.
        ModelMismatch: If its input or output is of no known kind.
    """
    if not graph.is_file():
        raise CalledWrongly(f"{graph} is missing: name an ONNX file")
    try:
        model = onnx.load(str(graph))
    except Exception as error:  # protobuf's own errors have no common root
        raise ModelMismatch(f"{graph} is no ONNX graph: {error}") from error
    names = options.names or _names_in(model)
    if not names:
        raise CalledWrongly(f"{graph} does not name its classes: give them with --names D00,D10,…")
    input_hw = _input_hw(model, options, graph)
    with tempfile.TemporaryDirectory() as folder:
        fixed, shape = _with_fixed_shapes(model, input_hw, graph, Path(folder))
        kind = head_kind_of(shape, len(names))
        if options.head not in (None, kind):
            raise ModelMismatch(f"{graph} has the {kind} head (output {shape}), not {options.head}")
        card = _card(graph, names, input_hw, kind, model, options)
        return Detector(ForeignGraph(graph.parent, card, fixed), threads)


def _names_in(model: onnx.ModelProto) -> tuple[str, ...]:
    """Class names as Ultralytics writes them into the metadata: a Python dictionary by index."""
    written = {entry.key: entry.value for entry in model.metadata_props}.get("names")
    try:
        names = ast.literal_eval(written) if written else {}
    except (SyntaxError, ValueError):
        return ()
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))):
        return ()
    return tuple(str(names[index]) for index in range(len(names)))


def _input_hw(model: onnx.ModelProto, options: ForeignOptions, graph: Path) -> tuple[int, int]:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ModelMismatch(f"{graph} takes {len(dims)} dimensions, not one image [1, 3, height, width]")
    stated = (dims[2].dim_value, dims[3].dim_value)  # 0 where it is left open
    if not all(stated) and options.imgsz is None:
        raise CalledWrongly(f"{graph} takes images of any size: give one with --imgsz")
    if options.imgsz is not None and any(
        one not in (0, other) for one, other in zip(stated, options.imgsz, strict=True)
    ):
        raise CalledWrongly(f"{graph} takes images of {stated}, not of {options.imgsz}: leave --imgsz out")
    return options.imgsz if options.imgsz is not None else stated


def _with_fixed_shapes(
    model: onnx.ModelProto, input_hw: tuple[int, int], graph: Path, folder: Path
) -> tuple[Path, tuple[int, ...]]:
    """Graph with one image per batch, and the shape of its answer; the file itself where nothing is open."""
    for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, *input_hw), strict=True):
        dim.dim_value = value
    name, tensor = model.graph.input[0].name, np.zeros((1, 3, *input_hw), np.float32)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        answer = session.run(None, {name: tensor})[0]
    except Exception as error:  # ONNX Runtime's errors have no common root either
        raise ModelMismatch(f"{graph} cannot be run on one float image of {input_hw}: {error}") from error
    output = model.graph.output[0].type.tensor_type.shape.dim
    if tuple(dim.dim_value for dim in output) == answer.shape:
        return graph, answer.shape
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for value in answer.shape:
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = value
    onnx.save(model, str(folder / GRAPH_NAME))
    return folder / GRAPH_NAME, answer.shape


def _card(
    graph: Path,
    names: Sequence[str],
    input_hw: tuple[int, int],
    kind: HeadKind,
    model: onnx.ModelProto,
    options: ForeignOptions,
) -> BundleCard:
    codes = tuple(name.split()[0] if name.split() else f"class-{index}" for index, name in enumerate(names))
    return BundleCard(
        name="foreign",
        version="0.0.0",
        precision="fp32",
        role=Role.DAMAGE,
        taxonomy=DEFAULT_TAXONOMY,
        classes=codes,
        input_hw=input_hw,
        preprocess=Preprocess(),
        head=Head(kind=kind, suppression=Suppression() if kind is HeadKind.RAW else None),
        opset=max(entry.version for entry in model.opset_import),
        thresholds=dict.fromkeys(codes, options.confidence),
        thresholds_chosen_on=f"nothing: {options.confidence} for every class",
        origin=graph.name,
        licence="not stated",
        sha256=file_sha256(graph),
    )
