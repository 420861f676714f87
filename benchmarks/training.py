"""One training step of YOLO26 nano on the CPU: bfloat16, with and without channels last, against float32.

Forward, loss and backward of one batch of drawn noise with a few boxes, at 640 and 512 px, the contenders by
turns in one process on all cores; the figures are medians of the rounds. Without AVX512-BF16 bfloat16 is
emulated and loses.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reporting import arguments_of, median, print_heading, print_json, print_table

from wegewart_training.offline import quiet_ultralytics

SIZES_PX = (640, 512)
CONTENDERS = ("fp32", "bf16", "bf16 channels last")
BATCH, BOXES_PER_IMAGE, SEED = 4, 3, 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: the benchmark measures, it does not judge."""
    arguments = arguments_of(__doc__, argv)
    rounds = 3 if arguments.quick else 7
    with TemporaryDirectory() as folder, quiet_ultralytics(Path(folder)):
        import torch

        torch.manual_seed(SEED)
        torch.set_num_threads(_cores())
        steps = {(px, name): _step(px, name) for px in SIZES_PX for name in CONTENDERS}
        seconds = _measured(steps, rounds)
    print_heading(
        "Training step", rounds=rounds, seed=SEED, batch=BATCH, threads=_cores(), cpu_flags=_flags()
    )
    figures = _report(seconds)
    if arguments.json:
        print_json(figures)
    return 0


def _cores() -> int:
    """Usable by this process."""
    return len(os.sched_getaffinity(0))


def _flags() -> str:
    """Which instructions for bfloat16 the CPU has."""
    table = Path("/proc/cpuinfo")
    words = set(table.read_text(encoding="utf-8").split()) if table.is_file() else set()
    return " ".join(sorted(words & {"avx512_bf16", "amx_bf16"})) or "no bf16"


def _step(size_px: int, contender: str) -> Callable[[], None]:
    """A step to be timed, on a model and a batch of its own."""
    import torch
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    model: Any = DetectionModel("yolo26n.yaml", nc=4, verbose=False)  # type: ignore[no-untyped-call]
    model.args = get_cfg()
    model.train()
    if "channels last" in contender:
        model = model.to(memory_format=torch.channels_last)
    count = BATCH * BOXES_PER_IMAGE
    batch = {
        "img": torch.rand(BATCH, 3, size_px, size_px),
        "cls": torch.randint(0, 4, (count, 1)).float(),
        "bboxes": torch.rand(count, 4) * 0.3 + 0.2,
        "batch_idx": torch.arange(BATCH).repeat_interleave(BOXES_PER_IMAGE).float(),
    }
    return partial(_train_once, model, batch, bf16=contender.startswith("bf16"))


def _train_once(model: Any, batch: dict[str, Any], *, bf16: bool) -> None:  # noqa: ANN401  torch's module
    import torch

    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss, _ = model(batch)
    loss.sum().backward()


def _measured(
    steps: dict[tuple[int, str], Callable[[], None]], rounds: int
) -> dict[tuple[int, str], list[float]]:
    """Seconds of each step, by turns; the first round is not counted."""
    seconds: dict[tuple[int, str], list[float]] = {key: [] for key in steps}
    for number in range(rounds + 1):
        for key, step in steps.items():
            started = time.perf_counter()
            step()
            if number:
                seconds[key].append(time.perf_counter() - started)
    return seconds


def _report(seconds: dict[tuple[int, str], list[float]]) -> dict[str, float | int | str | None]:
    rows, figures = [], dict[str, float | int | str | None]()
    for size_px in SIZES_PX:
        base_s = median(seconds[size_px, "fp32"])
        for name in CONTENDERS:
            took_s = median(seconds[size_px, name])
            key = f"{name.replace(' ', '_')}_{size_px}"
            figures |= {f"{key}_images_per_s": BATCH / took_s, f"{key}_speedup": base_s / took_s}
            rows.append((f"{name}, {size_px} px", f"{BATCH / took_s:.1f}", f"{base_s / took_s:.2f}"))
    print_table(("step", "images/s", "times fp32"), rows)
    return figures


if __name__ == "__main__":
    sys.exit(main())
