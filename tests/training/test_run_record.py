"""run.json: what a run remembers of its resumes, and how long it trained."""

import pytest

from wegewart_training.run_record import begin, epoch_clocks_s, read_record, trained_seconds

RECIPE = "few.toml"
SHA256 = "0" * 64


def results(run, *clocks_s):
    """results.csv as Ultralytics writes it, with these clocks."""
    rows = [f"{epoch},{clock_s},0.1" for epoch, clock_s in enumerate(clocks_s, start=1)]
    run.mkdir(exist_ok=True)
    (run / "results.csv").write_text("\n".join(["epoch,time,metrics/mAP50-95(B)", *rows]) + "\n")


def test_a_resume_is_noted_with_the_epochs_that_were_finished_by_then(tmp_path):
    run = tmp_path / "run"
    begin(run, tmp_path / RECIPE, SHA256, "cpu")
    results(run, 30.0, 60.0)

    begin(run, tmp_path / RECIPE, SHA256, "cpu")
    results(run, 30.0, 60.0, 100.0)
    begin(run, tmp_path / RECIPE, SHA256, "cpu")

    record = read_record(run)
    assert tuple(record.resumed_after) == (2, 3)
    assert len(record.resumed_with) == 2
    assert epoch_clocks_s(run) == [30.0, 60.0, 100.0]


@pytest.mark.parametrize(
    ("clocks_s", "resumed_after", "seconds"),
    [
        ([], (), 0.0),
        ([30.0, 60.0], (), 60.0),
        ([30.0, 60.0, 25.0, 50.0], (2,), 110.0),
        ([30.0, 45.0, 80.0], (1,), 110.0),  # the clock rose although it had started again
        ([30.0, 60.0, 25.0], (), 85.0),  # a record that does not name its resumes
        ([30.0, 60.0], (0, 0), 60.0),  # resumed before the first epoch was finished
        ([30.0, 40.0], (1, 1), 70.0),  # resumed twice without an epoch between
    ],
    ids=["none", "one-piece", "resumed", "slow-after-resume", "old-record", "at-once", "twice"],
)
def test_every_epoch_counts_from_the_start_or_resume_before_it(clocks_s, resumed_after, seconds):
    assert trained_seconds(clocks_s, resumed_after) == pytest.approx(seconds)
