"""What a released graph holds can be trained on: the model rebuilt from it sees what the graph sees."""

from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart.errors import ModelMismatch
from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
from wegewart_inference.runtime import onnxruntime
from wegewart_training.bundle_weights import graph_weights, model_of_bundle
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.start_weights import write_bundle_weights
from wegewart_training.validation import tensors

torch = pytest.importorskip("torch", reason="the training extra is not installed: install wegewart[train]")

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS = sorted((ROOT / "datasets" / "smoke" / "images" / "val").iterdir())[:4]
INT8 = ROOT / "models" / "road-damage-nano-0.2.0-int8"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The damage bundle in use, its inputs for some photographs, and the model rebuilt from it."""
    bundle = read_bundle(default_bundles(ROOT / "models").damage, Role.DAMAGE)
    inputs = list(tensors(PHOTOGRAPHS, bundle.card))
    with quiet_ultralytics(tmp_path_factory.mktemp("ultralytics")):
        return bundle, inputs, model_of_bundle(bundle, inputs)


def test_the_model_sees_what_the_graph_sees(rebuilt):
    bundle, inputs, model = rebuilt
    session = onnxruntime.InferenceSession(str(bundle.model_path))
    for tensor in inputs:
        expected = session.run(None, {session.get_inputs()[0].name: tensor})[0]
        with torch.no_grad():
            answer = model.eval()(torch.from_numpy(tensor))[0].numpy()
        assert np.abs(answer[:, :4] - expected[:, :4]).max() < 0.05  # px
        assert np.abs(answer[:, 4:] - expected[:, 4:]).max() < 1e-4


def test_the_checkpoint_that_training_loads_sees_what_the_graph_sees(rebuilt, tmp_path):
    from ultralytics.nn.tasks import load_checkpoint

    bundle, inputs, _ = rebuilt
    with quiet_ultralytics(tmp_path):
        write_bundle_weights(bundle, inputs, tmp_path / "start.pt")
        model, _ = load_checkpoint(str(tmp_path / "start.pt"))
    session = onnxruntime.InferenceSession(str(bundle.model_path))
    expected = session.run(None, {session.get_inputs()[0].name: inputs[0]})[0]
    with torch.no_grad():
        answer = model.eval()(torch.from_numpy(inputs[0]))[0].numpy()
    assert np.abs(answer[:, :4] - expected[:, :4]).max() < 0.05  # px
    assert np.abs(answer[:, 4:] - expected[:, 4:]).max() < 1e-4


def test_it_sees_nearly_the_same_in_training_mode_where_norms_are_those_of_the_batch(rebuilt):
    _, inputs, model = rebuilt
    batch = torch.from_numpy(np.concatenate(inputs))
    with torch.no_grad():
        still = model.eval()(batch)[1]["one2many"]["scores"].sigmoid()
        training = model.train()(batch)["one2many"]["scores"].sigmoid()
    assert float(still.max()) > 0.3
    assert float((still - training).abs().max()) < 0.05


def test_an_int8_graph_gives_weights_within_half_a_step_of_its_whole_numbers(rebuilt):
    whole = graph_weights(INT8 / "model.onnx")
    assert whole.keys() == graph_weights(rebuilt[0].model_path).keys()
    name = "model.22.cv2.conv.weight"
    steps = np.abs(whole[name]).max(axis=(1, 2, 3), keepdims=True) / 127
    assert np.abs(whole[name] / steps - np.round(whole[name] / steps)).max() < 0.01


def test_a_graph_of_another_model_is_refused_by_name(tmp_path):
    folder = write_bundle(tmp_path, end2end_answer(), name="tiny", signed=False)
    with quiet_ultralytics(tmp_path), pytest.raises(ModelMismatch, match=r"tiny.* is none of yolo26n"):
        model_of_bundle(read_bundle(folder, Role.DAMAGE, allow_unsigned=True), [])
