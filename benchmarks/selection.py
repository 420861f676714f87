"""Frames chosen by wegewart-train select against frames drawn at random: what a labeller finds in them.

The pool is labelled, so that it is known what the detector got wrong in each frame, but the choice does not
see the labels. The frames are photographs that the shipped model was not trained on: DRDD train (another
country and camera), the val parts of road-damage and road-damage-europe; and, as undamaged roads, the train
part of road-negatives, which it did see. Needs WEGEWART_DATA; looks are remembered in WEGEWART_WORK.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from reporting import print_heading, print_json, print_table

from wegewart_datasets.feedback_guarding import Reserved
from wegewart_datasets.settings import REPOSITORY, DataSettings
from wegewart_datasets.yolo import read_labels
from wegewart_inference.detector import Detector
from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
from wegewart_training.judged import IOUS, taken_boxes
from wegewart_training.select_choice import ChoiceOptions, choose
from wegewart_training.select_frames import Candidate, PoolOptions, candidates_of
from wegewart_training.select_likeness import Likeness, directions
from wegewart_training.select_scan import FrameLook, Pool, ScanBook, Scanner, pool_of

SOURCES = (
    ("road-damage-more", "train"),
    ("road-damage", "val"),
    ("road-damage-europe", "val"),
    ("road-negatives", "train"),
)
SEED, DRAWS = 20220930, 1000
MEASURES = ("mistakes", "missed", "boxes", "wrong")
NOTHING_RESERVED = Reserved({}, np.zeros((0, 4), np.uint64), (), frozenset(), ())

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """By frame of the pool: what is in it, and what the detector got wrong there at its thresholds."""

    missed: FloatArray
    false: FloatArray
    boxes: FloatArray
    groups: npt.NDArray[np.str_]

    def of(self, measure: str) -> FloatArray:
        """One of `MEASURES` by frame."""
        mistakes = self.missed + self.false
        by_name = {"mistakes": mistakes, "missed": self.missed, "boxes": self.boxes}
        return by_name[measure] if measure in by_name else (mistakes > 0).astype(np.float64)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: the benchmark measures, it does not judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the pool that is chosen (default 0.1)")
    parser.add_argument("--source", nargs=2, action="append", metavar=("MANIFEST", "SPLIT"))
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args(argv)
    settings = DataSettings.load()
    bundle = read_bundle(default_bundles(REPOSITORY / "models").damage, Role.DAMAGE)
    sources = [tuple(source) for source in arguments.source] if arguments.source else SOURCES
    candidates = [
        candidate
        for name, split in sources
        for candidate in candidates_of([name], PoolOptions((split,)), settings)
    ]
    pool, truth = _seen(candidates, Detector(bundle, 2), settings.work)
    count = max(1, round(arguments.share * len(pool.candidates)))
    print_heading(
        "Selection against chance",
        model=bundle.card.id,
        pool=" + ".join(f"{name} {split}" for name, split in sources),
        frames=len(pool.candidates),
        chosen=count,
        draws=DRAWS,
        seed=SEED,
    )
    figures = _compare(pool, truth, count)
    if arguments.json:
        print_json(figures)
    return 0


def _seen(candidates: Sequence[Candidate], detector: Detector, work: Path) -> tuple[Pool, Truth]:
    scanner = Scanner(detector, Likeness(detector.bundle))
    with ScanBook(work, scanner.bundle) as book:
        book.scan(candidates, scanner, "look")
        pool = pool_of(candidates, book)
        codes = detector.class_codes
        judged = [_judged(one, book.remembered(one) or FrameLook(), codes) for one in pool.candidates]
    missed, false, boxes = np.array(judged, np.float64).reshape(-1, 3).T
    return pool, Truth(missed, false, boxes, np.array([one.group for one in pool.candidates]))


def _judged(candidate: Candidate, look: FrameLook, codes: Sequence[str]) -> tuple[int, int, int]:
    """Damage that was missed, false boxes (class by class, IoU 0.5), and boxes of the truth."""
    labels = read_labels(candidate.path, len(codes))
    there = labels.boxes_px(look.width_px, look.height_px)
    found = [(codes.index(code), corners) for code, _, corners in look.boxes_px()]
    right = 0
    for number in range(len(codes)):
        of_class = np.array([box for kind, box in found if kind == number], np.float64).reshape(-1, 4)
        right += int((taken_boxes(of_class, there[labels.classes == number], IOUS[:1]) >= 0).sum())
    return len(there) - right, len(found) - right, len(there)


def _compare(pool: Pool, truth: Truth, count: int) -> dict[str, float | int | str | None]:
    def chosen(pool: Pool, explore: float) -> IntArray:
        choice = choose(pool, None, NOTHING_RESERVED, ChoiceOptions(count, explore=explore))
        return np.array([pick.number for pick in choice.picks], np.int64)

    rules: dict[str, Callable[[], IntArray]] = {
        "doubt alone": lambda: np.argsort(-pool.bits, kind="stable")[:count],
        "unlikeness alone": lambda: chosen(replace(pool, bits=np.zeros_like(pool.bits)), 1.0),
        "select": lambda: chosen(pool, ChoiceOptions(count).explore),
    }
    generator = np.random.default_rng(SEED)
    draws = np.array([generator.choice(len(pool.bits), count, replace=False) for _ in range(DRAWS)])
    rows, figures = [_random_row(truth, draws, pool)], dict[str, float | int | str | None]()
    for name, rule in rules.items():
        picks = rule()
        rows.append(_row(name, truth, picks, generator, pool))
        for measure in MEASURES:
            value, by_chance = truth.of(measure)[picks].mean(), truth.of(measure)[draws].mean()
            figures[f"{name.replace(' ', '_')}_{measure}_over_random"] = float(value / max(by_chance, 1e-9))
    print_table(("rule", *(f"{one} per frame" for one in MEASURES), "places", "farthest"), rows)
    return figures


def _random_row(truth: Truth, draws: IntArray, pool: Pool) -> list[str]:
    """Mean over the draws and the middle 95 % of them."""
    cells = []
    for measure in MEASURES:
        means = truth.of(measure)[draws].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        cells.append(f"{means.mean():.2f} ({low:.2f}-{high:.2f})")
    places = [len(set(truth.groups[draw])) for draw in draws[:100]]
    return ["random", *cells, f"{np.mean(places):.0f}", f"{_uncovered(pool, draws[0]):.2f}"]


def _row(name: str, truth: Truth, picks: IntArray, generator: np.random.Generator, pool: Pool) -> list[str]:
    """Mean over the picks, and the middle 95 % of it when the picks are resampled."""
    again = generator.integers(0, len(picks), (DRAWS, len(picks)))
    cells = []
    for measure in MEASURES:
        values = truth.of(measure)[picks]
        low, high = np.quantile(values[again].mean(axis=1), [0.025, 0.975])
        cells.append(f"{values.mean():.2f} ({low:.2f}-{high:.2f})")
    return [name, *cells, str(len(set(truth.groups[picks]))), f"{_uncovered(pool, picks):.2f}"]


def _uncovered(pool: Pool, picks: IntArray) -> float:
    """95th percentile of the distance of a frame to the nearest pick: what the picks stand for badly."""
    unit = directions(pool.described)
    return float(np.quantile((1 - unit @ unit[picks].T).min(axis=1), 0.95))


if __name__ == "__main__":
    sys.exit(main())
