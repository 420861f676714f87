"""The demo's score, on cases worked by hand."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCORE_FILE = Path(__file__).parents[2] / "demo" / "score.py"


def load_score() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_score", SCORE_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_score"] = module
    spec.loader.exec_module(module)
    return module


score = load_score()
HOLE = (100.0, 100.0, 200.0, 200.0)
CRACK = (300.0, 100.0, 320.0, 300.0)
TRUTH = [
    score.TruthBox(damage, p, s, box)
    for p, s in ((1, 4), (2, 3))
    for damage, box in (("a", HOLE), ("b", CRACK))
]


def seen(drive_pass: int, box: tuple[float, float, float, float], defect: str | None) -> object:
    return score.Seen(drive_pass, 4 if drive_pass == 1 else 3, box, defect)


def test_a_damage_seen_twice_and_kept_in_one_defect_counts_as_merged() -> None:
    result = score.score_merging([seen(1, HOLE, "d1"), seen(2, HOLE, "d1")], TRUTH)
    assert (result.seen_again, result.merged_second_pass, result.wrong_merges) == (1, 1, 0)


def test_a_damage_split_into_two_defects_is_seen_again_but_not_merged() -> None:
    result = score.score_merging([seen(1, HOLE, "d1"), seen(2, HOLE, "d2")], TRUTH)
    assert (result.seen_again, result.merged_second_pass, result.wrong_merges) == (1, 0, 0)


def test_two_damages_in_one_defect_are_a_wrong_merge() -> None:
    result = score.score_merging([seen(1, HOLE, "d1"), seen(2, CRACK, "d1")], TRUTH)
    assert (result.seen_again, result.merged_second_pass, result.wrong_merges) == (0, 0, 1)


def test_a_damage_that_reached_no_defect_lowers_the_score() -> None:
    result = score.score_merging([seen(1, HOLE, None), seen(2, HOLE, "d1")], TRUTH)
    assert (result.seen_again, result.merged_second_pass) == (1, 0)


def test_a_box_on_no_label_is_left_out() -> None:
    result = score.score_merging([seen(1, (500.0, 0.0, 600.0, 90.0), "d1"), seen(2, HOLE, "d1")], TRUTH)
    assert (result.matched, result.seen_again, result.wrong_merges) == (1, 0, 0)


@pytest.mark.parametrize(
    ("other", "expected"),
    [(HOLE, 1.0), ((150.0, 100.0, 250.0, 200.0), 1 / 3), ((200.0, 100.0, 300.0, 200.0), 0.0)],
    ids=["same", "half shifted", "touching"],
)
def test_overlap_is_intersection_over_union(
    other: tuple[float, float, float, float], expected: float
) -> None:
    assert score.overlap(HOLE, other) == pytest.approx(expected)
