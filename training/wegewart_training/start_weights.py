"""Checkpoints from which the next training can start: of a finished run, or of a released bundle.

Ultralytics' own best.pt tells where the training ran (folders, commit message) and what it was told. Only the
averaged weights (EMA, half precision) and the class names are kept, in the form of the COCO start checkpoint.
A bundle's are kept in single precision: what its norms add and take away again would not cancel in half.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wegewart.errors import CalledWrongly
from wegewart_inference.model_bundle import Bundle, file_sha256
from wegewart_training.bundle_weights import model_of_bundle
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.onnx_graph import Float32Array

LICENCE = "AGPL-3.0 (https://ultralytics.com/license)"


def write_start_weights(checkpoint: Path, target: Path, image_px: int) -> str:
    """Write the checkpoint's weights for a later training and return the file's SHA-256.

    Raises:
        CalledWrongly: If the target exists: a release does not change.
    """
    if target.exists():
        raise CalledWrongly(f"{target} exists: a release does not change, give it a new version")
    with tempfile.TemporaryDirectory() as folder, quiet_ultralytics(Path(folder)):
        import torch

        loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
        _save((loaded.get("ema") or loaded["model"]).half(), target, image_px)
    return file_sha256(target)


def write_bundle_weights(bundle: Bundle, tensors: Iterable[Float32Array], target: Path) -> None:
    """Write a bundle's weights for a training that goes on from it. Call it inside `quiet_ultralytics`.

    Args:
        tensors: Inputs (1, 3, H, W) of photographs like those of the training; see bundle_weights.py.
    """
    _save(model_of_bundle(bundle, tensors), target, bundle.card.input_hw[0])


def _save(trained: Any, target: Path, image_px: int) -> None:  # noqa: ANN401  Ultralytics' own
    import torch
    from ultralytics.cfg import get_cfg

    told = {"task": "detect", "imgsz": image_px}
    model = trained.eval()
    model.args = vars(get_cfg(overrides=told))
    model.criterion = None
    vars(model).pop("pt_path", None)
    for parameter in model.parameters():
        parameter.requires_grad = False
    content = {"epoch": -1, "best_fitness": None, "model": model, "ema": None, "updates": None}
    content |= {"optimizer": None, "train_args": told, "date": None, "version": None, "license": LICENCE}
    begun = target.with_name(f".{target.name}.begun")
    torch.save(content, begun)
    begun.replace(target)
