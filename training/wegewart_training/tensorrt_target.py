"""A bundle's graph as a TensorRT engine (NVIDIA), by TensorRT's own Python interface.

An engine belongs to the GPU and the version that it was built with. Written after the documentation of
TensorRT 10; no machine with TensorRT was at hand, so only its refusals are tested.
"""

import importlib
from pathlib import Path
from types import ModuleType

from wegewart.errors import CalledWrongly, ModelMismatch, SettingsInvalid
from wegewart_inference.model_bundle import Bundle
from wegewart_training.convert import Built, Compute, Run
from wegewart_training.onnx_graph import Float32Array


def to_tensorrt(bundle: Bundle, folder: Path, compute: Compute) -> Built:
    """Write model.engine, in the numbers of the bundle's graph, and load it on the first GPU.

    Raises:
        CalledWrongly: If the bundle is INT8, or other numbers than its own are asked for.
        SettingsInvalid: If TensorRT or a GPU is missing.
        ModelMismatch: If TensorRT cannot build the graph.
    """
    if bundle.card.precision == "int8":
        raise CalledWrongly(
            f"{bundle.card.id} has unsigned INT8 ranges, foreign to TensorRT: convert the fp16 bundle"
        )
    if compute is not Compute.F32:
        raise CalledWrongly(f"--compute {compute} is for OpenVINO; for TensorRT convert the fp16 bundle")
    trt = _tensorrt()
    talk = trt.Logger(trt.Logger.WARNING)
    engine = folder / "model.engine"
    engine.write_bytes(_build(trt, talk, bundle.model_path))
    return Built(_runner(trt, talk, engine), f"TensorRT {trt.__version__}")


def _tensorrt() -> ModuleType:
    try:
        trt = importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            "TensorRT is not installed: convert on the machine with the NVIDIA GPU that will run the engine, "
            "with the package tensorrt beside wegewart[train]"
        ) from error
    if not importlib.import_module("torch").cuda.is_available():
        raise SettingsInvalid("TensorRT needs an NVIDIA GPU and its driver, and torch finds none here")
    return trt


def _build(trt: ModuleType, talk: object, graph: Path) -> bytes:
    builder = trt.Builder(talk)
    # Strongly typed: the engine computes in the graph's own numbers instead of choosing faster ones.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, talk)
    if not parser.parse(graph.read_bytes()):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ModelMismatch(f"TensorRT cannot read {graph}: {reasons}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # ten bits of mantissa are not float32
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ModelMismatch(f"TensorRT cannot build {graph}: its log above says why")
    return bytes(engine)


def _runner(trt: ModuleType, talk: object, path: Path) -> Run:
    torch = importlib.import_module("torch")
    engine = trt.Runtime(talk).deserialize_cuda_engine(path.read_bytes())
    context = engine.create_execution_context()
    source_name, answer_name = (engine.get_tensor_name(index) for index in range(2))
    answer = torch.empty(tuple(engine.get_tensor_shape(answer_name)), dtype=torch.float32, device="cuda")
    context.set_tensor_address(answer_name, answer.data_ptr())

    def run(tensor: Float32Array) -> Float32Array:
        source = torch.from_numpy(tensor).to("cuda")
        context.set_tensor_address(source_name, source.data_ptr())
        stream = torch.cuda.current_stream()
        context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        seen: Float32Array = answer.cpu().numpy()
        return seen

    return run
