"""Convert: a bundle's graph for another runtime, written only if it sees there what it sees here.

The bundle itself has passed the gate against its checkpoint. A conversion is made on the kind of machine that
will run it; it is no release, and the vehicle's own software runs the bundle.
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from wegewart.errors import CalledWrongly
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import Bundle, file_sha256
from wegewart_training.evaluate import scored_codes, scored_thresholds
from wegewart_training.export import compared_frames
from wegewart_training.onnx_graph import Float32Array
from wegewart_training.parity import LIMITS, check_map50, check_parity
from wegewart_training.score import score
from wegewart_training.validation import Source, looks_of, pooled

logger = logging.getLogger(__name__)
Run = Callable[[Float32Array], Float32Array]
"""A graph on another runtime: input tensor to output."""


class Compute(StrEnum):
    """Numbers in which a runtime computes a float32 graph."""

    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


class Built(NamedTuple):
    """A graph that was written for another runtime and can be run here."""

    run: Run
    runtime: str
    """Name and version."""


class Target(Protocol):
    """One other runtime."""

    def __call__(self, bundle: Bundle, folder: Path, compute: Compute) -> Built:
        """Write the graph into the folder and load it."""


class ConvertedDetector(Detector):
    """The bundle's card around its graph on another runtime."""

    def __init__(self, bundle: Bundle, run: Run) -> None:
        self.bundle = bundle
        self.card = bundle.card
        self._session = _Session(run)
        self._input_name = "images"


@dataclass(frozen=True)
class _Session:
    """As much of ONNX Runtime's session as a detector asks for."""

    graph: Run

    def run(self, outputs: None, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        """The graph's one output."""
        (tensor,) = feeds.values()
        return [self.graph(tensor)]


def convert(bundle: Bundle, out: Path, target: Target, compute: Compute, sources: Sequence[Source]) -> str:
    """Write the converted graph, its card and conversion.json into `out`; say what the gate found.

    Args:
        sources: Labelled images for the gate, such as the recipe's val parts.
    Raises:
        CalledWrongly: If `out` exists, or there are no images.
        SettingsInvalid: If the runtime is not on this machine.
        ModelMismatch: If it does not see what the bundle sees; then nothing is written.
    """
    if out.exists():
        raise CalledWrongly(f"{out} exists: remove it, or name another folder")
    if not sources:
        raise CalledWrongly("no images for the gate: give --data")
    making = out.with_name(f".{out.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        built = target(bundle, making, compute)
        found = _gate(Detector(bundle, threads=2), ConvertedDetector(bundle, built.run), compute, sources)
        _write_papers(making, bundle, built.runtime, compute, found)
        making.rename(out)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return found


def _gate(here: Detector, there: Detector, compute: Compute, sources: Sequence[Source]) -> str:
    """Boxes and scores where both compute alike, and mAP50 always."""
    name, found = f"{here.card.id} in {compute}", ""
    if here.card.precision != "int8" and compute is Compute.F32:
        frames = compared_frames(sources)
        expected = [here.detect(frame, LIMITS["fp32"].from_score) for frame in frames]
        found = f"{check_parity(expected, there, frames, LIMITS[here.card.precision])}; "
    before, after = (_map50(detector, sources) for detector in (here, there))
    change = check_map50(name, before, after)
    found += f"mAP50 {change:+.4f} on {sum(len(source.images) for source in sources)} images"
    logger.info("%s: %s", name, found)
    return found


def _map50(detector: Detector, sources: Sequence[Source]) -> float | None:
    images = pooled(looks_of(detector, sources))
    return score(images, scored_codes(detector), scored_thresholds(detector)).map50


def _write_papers(folder: Path, bundle: Bundle, runtime: str, compute: Compute, found: str) -> None:
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    shutil.copyfile(bundle.folder / "card.json", folder / "card.json")
    papers = {
        "bundle": bundle.ref.id,
        "bundle_sha256": bundle.ref.sha256,
        "runtime": runtime,
        "compute": compute,
        "gate": found,
        "files": files,
    }
    (folder / "conversion.json").write_text(json.dumps(papers, indent=2) + "\n", encoding="utf-8")
