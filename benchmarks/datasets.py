"""Import and audit of many images: images per second, and how the memory grows with their number.

Small pictures are generated (320 x 240, a few boxes each), imported from COCO to YOLO layout and audited,
each in a process of its own, once with a fifth of the images and once with all. The growth per image between
the two tells what 50,000 images need; --images 50000 measures it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from reporting import print_heading, print_json, print_table

TARGET_IMAGES = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: the benchmark measures, it does not judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--quick", action="store_true", help="1000 images, about half a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--step", nargs=3, metavar=("STEP", "SOURCE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.step:
        return _step(*arguments.step)
    count = 1000 if arguments.quick else arguments.images
    print_heading("Data sets: import and audit", images=count, seed=0)
    figures = _measure(count)
    if arguments.json:
        print_json(figures)
    return 0


def _measure(count: int) -> dict[str, float | int | str | None]:
    rows, figures = [], dict[str, float | int | str | None]()
    peaks: dict[tuple[str, int], float] = {}
    with TemporaryDirectory() as folder:
        for images in (count // 5, count):
            source = Path(folder) / f"source-{images}"
            _generate(source, images)
            for step in ("import", "audit", "audit again"):
                out = Path(folder) / f"out-{images}"
                seconds, peak_mib = _run(step, source, out)
                peaks[step, images] = peak_mib
                rows.append((step, images, f"{images / seconds:.0f}", f"{peak_mib:.0f}"))
                key = step.replace(" ", "_")
                figures |= {f"{key}_images_per_s": images / seconds, f"{key}_peak_mib": peak_mib}
    print_table(("step", "images", "images/s", "peak RSS MiB"), rows)
    for step in ("import", "audit"):
        growth = (peaks[step, count] - peaks[step, count // 5]) / (count - count // 5)
        expected = peaks[step, count] + growth * (TARGET_IMAGES - count)
        figures[f"{step}_kib_per_image"] = growth * 1024
        figures[f"{step}_mib_at_{TARGET_IMAGES}"] = expected
        print(
            f"{step}: {growth * 1024:.1f} KiB per image more, {expected:.0f} MiB at {TARGET_IMAGES:,} images"
        )
    return figures


def _run(step: str, source: Path, out: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, "--step", step, str(source), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    return figures["seconds"], figures["peak_mib"]


def _step(step: str, source: str, out: str) -> int:
    from wegewart_datasets.__main__ import main as wegewart_data

    started = time.perf_counter()
    if step == "import":
        code = wegewart_data(["import", "coco", f"{source}/train.json", "--out", out])
    else:
        code = wegewart_data(["audit", f"{out}/data.yaml", "--work", f"{out}-work", "--json"])
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mib": peak_mib}) + "\n")
    return code


def _generate(folder: Path, count: int) -> None:
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for number in range(count):
        coarse = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
        name = f"{number:06}.jpg"
        cv2.imwrite(
            str(folder / "images" / name), cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
        )
        images.append({"id": number, "file_name": name, "width": 320, "height": 240})
        for x in range(number % 4):
            boxes.append(
                {"id": len(boxes), "image_id": number, "category_id": 1 + x, "bbox": [60 * x, 80, 50, 40]}
            )
    categories = [{"id": 1 + i, "name": name} for i, name in enumerate(("D00", "D10", "D20", "D40"))]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "train.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
