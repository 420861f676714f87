"""How many epochs a time budget is worth."""

from dataclasses import replace

import pytest

from wegewart_training.epoch_plan import drawn_size_px, planned_epochs, planned_epochs_of, trained_seconds
from wegewart_training.recipe import TrainerPlan

HOUR = TrainerPlan(416, epochs=10, budget_h=1.0, batch=16, warmup_epochs=1.0, close_mosaic_epochs=1)


@pytest.mark.parametrize(
    ("done", "spent_s", "planned"),
    [
        (0, 0.0, 10),  # nothing known yet: the recipe's own number
        (1, 500.0, 7),  # 7.2 fit
        (5, 2950.0, 6),  # 6.1 fit
        (5, 2300.0, 8),  # 7.8: a little over the budget rather than a rate that never came down
        (1, 100.0, 10),  # never more than the recipe's
        (7, 5000.0, 7),  # late: what is done is done
    ],
)
def test_as_many_epochs_as_fit_best_are_planned(done, spent_s, planned):
    assert planned_epochs(HOUR, done, spent_s) == planned


def test_without_a_budget_the_recipe_counts():
    assert planned_epochs(replace(HOUR, budget_h=None), 3, 1e6) == 10


def test_the_clock_of_results_starts_again_with_every_resume(tmp_path):
    (tmp_path / "results.csv").write_text("epoch,time\n1,100\n2,220\n3,90\n4,200\n")

    assert trained_seconds(tmp_path) == 220 + 200


def test_every_batch_draws_its_size_by_seed_epoch_and_number():
    plan = replace(HOUR, sizes_px=(320, 416), full_size_epochs=1)

    sizes = [drawn_size_px(plan, 0, 0, 3, batch) for batch in range(1, 101)]

    assert sizes == [drawn_size_px(plan, 0, 0, 3, batch) for batch in range(1, 101)]
    assert 35 <= sizes.count(320) <= 65
    assert sizes != [drawn_size_px(plan, 0, 1, 3, batch) for batch in range(1, 101)]
    assert drawn_size_px(plan, 0, 2, 3, 1) == 416  # the last epoch is at full size
    assert drawn_size_px(HOUR, 0, 0, 3, 1) == 416


def test_a_resumed_run_gets_one_more_epoch_when_its_last_was_never_looked_at(tmp_path):
    plan = TrainerPlan(64, 10, 1.0, 4, 0.0, 0, check_every_epochs=5)
    head = "epoch,time,metrics/mAP50(B)\n"
    rows = [f"{epoch},{epoch * 720},{0.0 if epoch < 5 else 0.4}\n" for epoch in range(1, 7)]

    (tmp_path / "results.csv").write_text(head + "".join(rows[:5]))
    looked_at = planned_epochs_of(plan, tmp_path)
    (tmp_path / "results.csv").write_text(head + "".join(rows))
    not_looked_at = planned_epochs_of(plan, tmp_path)

    assert (looked_at, not_looked_at) == (5, 7)
