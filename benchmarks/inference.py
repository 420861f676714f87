"""Looking: INT8 against float32, and the detector against the bare graph, on one thread.

Rounds are interleaved, so that what else the machine does meets all sides alike; medians count. The change of
mAP50 is always over the whole test split of road-damage, with an interval over paired resamples.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from reporting import arguments_of, median, print_heading, print_json, print_table

from wegewart.errors import WegewartError
from wegewart_datasets.manifest import data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_inference.detector import Detector
from wegewart_inference.frame import Frame
from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
from wegewart_inference.runtime import onnxruntime
from wegewart_inference.sources import frames_from
from wegewart_training.comparison import Difference, compare
from wegewart_training.evaluate import look_at, scored_codes, scored_thresholds
from wegewart_training.evaluation import Evaluation, evaluate_images

ROOT = Path(__file__).resolve().parents[1]
FRAMES = ROOT / "datasets" / "sample-drive" / "pass-1" / "images"
ROUNDS, QUICK_ROUNDS = 200, 40


def main() -> int:
    """Measure, and print medians."""
    arguments = arguments_of(__doc__)
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    default = default_bundles(ROOT / "models").damage
    name = default.name.rsplit("-", 1)[0]
    folders = {precision: default.parent / f"{name}-{precision}" for precision in ("fp32", "int8")}
    detectors = {key: Detector(read_bundle(path, Role.DAMAGE), threads=1) for key, path in folders.items()}
    print_heading("inference: one frame, one thread", rounds=rounds, model=name)
    times_ms = timed(detectors, rounds)
    medians = {name: median(values) for name, values in times_ms.items()}
    print_table(
        ["one frame, milliseconds", "session.run", "detect"],
        [[key, *(f"{medians[f'{key} {what}']:.2f}" for what in ("run", "detect"))] for key in detectors],
    )
    difference = None if arguments.quick else int8_change(detectors)
    figures: dict[str, float | int | str | None] = {
        "int8_speedup": medians["fp32 run"] / medians["int8 run"],
        "overhead_over_session_run": medians["fp32 detect"] / medians["fp32 run"],
        "overhead_over_session_run_int8": medians["int8 detect"] / medians["int8 run"],
        **delta_figures(difference),
    }
    if arguments.quick:
        print("--quick leaves the change of mAP50 out: it needs every test image, some minutes")
    print_table(["figure", "value"], [[key, "-" if v is None else f"{v:.4f}"] for key, v in figures.items()])
    if arguments.json:
        print_json({**figures, "model": name, "rounds": rounds, "threads": 1})
    return 0


def timed(detectors: dict[str, Detector], rounds: int) -> dict[str, list[float]]:
    """Milliseconds by side and round; every round has each side once, on the same frame."""
    frames = [frame for frame in frames_from([FRAMES]) if isinstance(frame, Frame)]
    sides: dict[str, Callable[[Frame], object]] = {}
    for key, detector in detectors.items():
        sides[f"{key} run"] = bare_graph(detector)
        sides[f"{key} detect"] = detector.detect
    for side in sides.values():
        side(frames[0])  # the first call allocates
    times_ms: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        frame = frames[number % len(frames)]
        for key, side in sides.items():
            start_s = time.perf_counter()
            side(frame)
            times_ms[key].append((time.perf_counter() - start_s) * 1000)
    return times_ms


def bare_graph(detector: Detector) -> Callable[[Frame], object]:
    """The physical limit: session.run alone on a ready tensor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(detector.bundle.model_path), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: np.full((1, 3, *detector.card.input_hw), 0.5, np.float32)}
    return lambda _frame: session.run(None, feed)


def int8_change(detectors: dict[str, Detector]) -> Difference | None:
    """mAP50 of INT8 less that of float32, over the whole test split; None where the data is not here."""
    try:
        settings = DataSettings.load()
        data_yaml = data_yaml_of(read_manifest("road-damage", settings), settings)
    except WegewartError as error:
        print(f"the change of mAP50 is not measured: {error}")
        return None
    evaluations = [evaluation(detectors[key], data_yaml) for key in ("int8", "fp32")]
    return compare(*evaluations).differences()["map50"]


def evaluation(detector: Detector, data_yaml: Path) -> Evaluation:
    """One detector on the test split."""
    images = list(look_at(detector, data_yaml, "test"))
    print(f"{detector.card.id}: {len(images)} test images", file=sys.stderr, flush=True)
    return evaluate_images(
        "road-damage test", detector.card.id, images, scored_codes(detector), scored_thresholds(detector)
    )


def delta_figures(difference: Difference | None) -> dict[str, float | None]:
    """The change with its interval, flat."""
    interval: Sequence[float | None] = (None, None)
    if difference is not None and difference.interval is not None:
        interval = difference.interval
    return {
        "int8_delta_map50": None if difference is None else difference.value,
        "int8_delta_map50_low": interval[0],
        "int8_delta_map50_high": interval[1],
    }


if __name__ == "__main__":
    sys.exit(main())
