"""The parity gate lets a true export through and stops planted faults.

The checkpoint is the COCO one in the repository, on photographs of the sample drive that show cars. Torch
looks once, in a process of its own.
"""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from wegewart.errors import CalledWrongly, ModelMismatch
from wegewart_inference import detector as detector_module
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import BundleCard, file_sha256, read_bundle, write_card
from wegewart_training.parity import LIMITS, check_map50, check_parity, frames_of_every_shape
from wegewart_training.quantise import (
    nodes_behind_the_last_convolutions,
    quantise,
    stem_nodes,
    to_float16,
)

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "training" / "checkpoints" / "yolo26n-coco-dequant.pt"
PHOTOGRAPHS = sorted((ROOT / "datasets" / "smoke" / "images" / "train").glob("*.jpg"))[:16]
SIDE_PX = 320

EXPORT_AND_LOOK = """
import pickle, sys
from pathlib import Path
import cv2
from wegewart_inference import preprocess
from wegewart_inference.model_bundle import BundleCard, Head, HeadKind, Suppression, file_sha256, write_card
from wegewart_training import parity
from wegewart_training.onnx_graph import export_graph
from wegewart_training.start_weights import write_start_weights

checkpoint, folder, template, *photographs = sys.argv[1:]
folder = Path(folder)
export_graph(Path(checkpoint), folder / "model.onnx", SIDE_PX, HeadKind.RAW, {"made": "by a test"})
card = BundleCard.model_validate_json(Path(template).read_text())
card = card.model_copy(update={"name": "coco", "precision": "fp32", "input_hw": (SIDE_PX, SIDE_PX),
    "masked_classes": card.classes,
    "thresholds": dict.fromkeys(card.classes, 0.25),
    "head": Head(kind=HeadKind.RAW, suppression=Suppression()),
    "sha256": file_sha256(folder / "model.onnx"), "signature": None})
write_card(folder, card)
frames = list(parity.frames_of_every_shape(cv2.imread(path) for path in photographs))
seen = parity.checkpoint_sees(Path(checkpoint), card, frames)
letterbox_for = parity.letterbox_for

def shifted(*arguments):
    from dataclasses import replace
    letterbox = preprocess.letterbox_for(*arguments)
    return replace(letterbox, pad_top_px=0, pad_left_px=0)

parity.letterbox_for = shifted  # a fault in the preprocessing that both sides share
try:
    parity.checkpoint_sees(Path(checkpoint), card, frames[:4])
    refused = ""
except Exception as error:
    refused = f"{type(error).__name__}: {error}"
parity.letterbox_for = letterbox_for
weights = folder.parent / "coco-0.1.0.pt"
write_start_weights(Path(checkpoint), weights, SIDE_PX)
again = parity.checkpoint_sees(weights, card, frames[:4])
(folder.parent / "seen.pickle").write_bytes(pickle.dumps((seen, refused, again)))
""".replace("SIDE_PX", str(SIDE_PX))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Bundle of the checkpoint, frames, what torch sees, how a shared fault was refused, released weights."""
    folder = tmp_path_factory.mktemp("parity") / "coco-0.1.0-fp32"
    folder.mkdir()
    drive = ROOT / "datasets" / "sample-drive" / "pass-1" / "images"
    photographs = [str(drive / name) for name in ("011.jpg", "012.jpg", "013.jpg")]
    template = ROOT / "models" / "coco-mask-0.1.0-int8" / "card.json"
    command = [sys.executable, "-c", EXPORT_AND_LOOK, str(CHECKPOINT), str(folder), str(template)]
    done = subprocess.run([*command, *photographs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    seen, refused, again = pickle.loads((folder.parent / "seen.pickle").read_bytes())
    frames = list(frames_of_every_shape(cv2.imread(path) for path in photographs))
    return folder, frames, seen, refused, again


def variant(made, tmp_path, *, graph=None, **preprocess):
    """The bundle with another graph, or a card that says otherwise how frames reach it."""
    folder = tmp_path / made[0].name
    folder.mkdir()
    model = graph or onnx.load(str(made[0] / "model.onnx"))
    onnx.save(model, str(folder / "model.onnx"))
    card = BundleCard.model_validate_json((made[0] / "card.json").read_text())
    updates = {
        "sha256": file_sha256(folder / "model.onnx"),
        "preprocess": card.preprocess.model_copy(update=preprocess),
    }
    write_card(folder, card.model_copy(update=updates))
    return Detector(read_bundle(folder, allow_unsigned=True), threads=2)


def test_a_true_export_sees_what_its_checkpoint_sees_on_every_shape(made):
    folder, frames, seen, *_ = made
    parity = check_parity(
        seen, Detector(read_bundle(folder, allow_unsigned=True), threads=2), frames, LIMITS["fp32"]
    )

    assert {frame.shape[1] / frame.shape[0] for frame in frames} >= {1.0, 2.0, 0.5}
    assert parity.frames == 12
    assert parity.boxes > 50
    assert parity.largest_box_gap_px < 0.05
    assert parity.largest_score_gap < 1e-4


@pytest.mark.parametrize(
    "fault",
    [{"colour_order": "BGR"}, {"pad_value": 0}, {"scale": 1 / 128}],
    ids=["channel-order", "padding-colour", "scale"],
)
def test_a_card_that_feeds_the_graph_otherwise_than_in_training_is_stopped(made, tmp_path, fault):
    detector = variant(made, tmp_path, **fault)
    with pytest.raises(ModelMismatch, match="does not see what its checkpoint sees"):
        check_parity(made[2], detector, made[1], LIMITS["fp32"])


def test_letterbox_padding_on_the_wrong_side_is_stopped(made, monkeypatch):
    true_letterbox = detector_module.letterbox_for

    def top_left(*arguments):
        return replace(true_letterbox(*arguments), pad_left_px=0, pad_top_px=0)

    monkeypatch.setattr(detector_module, "letterbox_for", top_left)
    with pytest.raises(ModelMismatch, match="does not see what its checkpoint sees"):
        check_parity(
            made[2], Detector(read_bundle(made[0], allow_unsigned=True), threads=2), made[1], LIMITS["fp32"]
        )


def test_a_padding_fault_that_both_sides_share_is_stopped_too(made):
    assert "ModelMismatch" in made[3]
    assert "reaches the graph otherwise than in training" in made[3]


def test_released_weights_see_what_the_checkpoint_sees_and_tell_no_folder(made):
    for before, after in zip(made[2], made[4], strict=False):
        np.testing.assert_array_equal(after.boxes_px, before.boxes_px)
        np.testing.assert_array_equal(after.confidences, before.confidences)
    assert str(ROOT).encode() not in (made[0].parent / "coco-0.1.0.pt").read_bytes()


def test_a_wrong_stride_of_one_level_is_stopped(made, tmp_path):
    """Boxes of the coarsest level are scaled by 32; here by 16, as if its stride were the middle level's."""
    graph = onnx.load(str(made[0] / "model.onnx"))
    strides = [
        (entry, array)
        for entry in graph.graph.initializer
        if (array := onnx.numpy_helper.to_array(entry)).dtype == np.float32
        and set(np.unique(array)) == {8.0, 16.0, 32.0}
    ]
    assert len(strides) == 1
    entry, array = strides[0]
    wrong = np.where(array == 32.0, np.float32(16.0), array).astype(np.float32)
    entry.CopyFrom(onnx.numpy_helper.from_array(wrong, entry.name))

    with pytest.raises(ModelMismatch, match="does not see what its checkpoint sees"):
        check_parity(made[2], variant(made, tmp_path, graph=graph), made[1], LIMITS["fp32"])


def test_nothing_to_compare_is_no_agreement(made):
    folder, frames, seen, *_ = made
    blank = [np.zeros_like(frame) for frame in frames[:1]]
    nothing = [seen[0].only(np.zeros(len(seen[0]), bool))]
    with pytest.raises(ModelMismatch, match="cannot be compared"):
        check_parity(nothing, Detector(read_bundle(folder, allow_unsigned=True)), blank, LIMITS["fp16"])


def test_float16_stays_within_its_own_limits(made, tmp_path):
    to_float16(made[0] / "model.onnx", tmp_path / "half.onnx")
    detector = variant(made, tmp_path, graph=onnx.load(str(tmp_path / "half.onnx")))
    parity = check_parity(made[2], detector, made[1], LIMITS["fp16"])

    assert parity.largest_score_gap > 0  # it is not the float32 graph
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (made[0] / "model.onnx").stat().st_size


def test_int8_spares_the_head_and_finds_the_same_cars(made, tmp_path):
    folder, frames, *_ = made
    reference = Detector(read_bundle(folder, allow_unsigned=True), threads=2)
    tensors = [
        np.float32(
            cv2.dnn.blobFromImage(cv2.resize(cv2.imread(str(path)), (SIDE_PX, SIDE_PX)), 1 / 255, swapRB=True)
        )
        for path in PHOTOGRAPHS
    ]
    quantise(folder / "model.onnx", tmp_path / "int8.onnx", tensors)
    graph = onnx.load(str(tmp_path / "int8.onnx"))
    detector = variant(made, tmp_path, graph=graph)

    last = next(node for node in graph.graph.node if graph.graph.output[0].name in node.output)
    assert last.op_type == "Concat"  # of boxes and scores, in float
    assert sum(node.op_type == "QuantizeLinear" for node in graph.graph.node) > 50
    sure = [reference.detect(frame, 0.5) for frame in frames]
    found = [detector.detect(frame, 0.2) for frame in frames]
    missed = sum(1 for one, other in zip(sure, found, strict=True) if len(one) and not len(other))
    assert sum(len(one) for one in sure) >= 3
    assert missed == 0


def test_too_few_calibration_images_are_refused(made, tmp_path):
    tensor = np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32)
    with pytest.raises(CalledWrongly, match="16 to 100"):
        quantise(made[0] / "model.onnx", tmp_path / "int8.onnx", [tensor] * 15)
    assert not (tmp_path / "int8.onnx").exists()


def test_the_tail_behind_the_last_convolutions_is_found(made):
    model = onnx.load(str(made[0] / "model.onnx"))
    behind = nodes_behind_the_last_convolutions(model)
    by_name = {node.name: node for node in model.graph.node}

    assert 5 <= len(behind) < 80
    assert all(by_name[name].op_type != "Conv" for name in behind)
    assert model.graph.node[-1].name in behind


def test_the_stem_ends_before_the_third_halving(made):
    model = onnx.load(str(made[0] / "model.onnx"))
    stem = set(stem_nodes(model))
    blocks = {name.split("/")[1] for name in stem if name.startswith("/model.")}

    assert blocks == {"model.0", "model.1", "model.2"}
    assert stem.isdisjoint(nodes_behind_the_last_convolutions(model))


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [(0.40, 0.391, True), (0.40, 0.389, False), (0.40, 0.45, True), (None, 0.4, False), (0.0, 0.0, True)],
)
def test_the_gate_of_map50_allows_a_hundredth(before, after, passes):
    if passes:
        assert check_map50("x", before, after) == after - before
    else:
        with pytest.raises(ModelMismatch):
            check_map50("x", before, after)
