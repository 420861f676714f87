"""epochs.csv and curves.png: what a run's epochs came to, without scores that nobody measured."""

import csv
import struct
from dataclasses import replace

from tests.training.test_planned_epochs import HOUR

from wegewart_training.epoch_plan import drop_rows_after, epoch_seconds, planned_epochs_of
from wegewart_training.epoch_table import epochs_of, write_epochs

HEAD = "epoch,time,train/box_loss,metrics/mAP50(B),val/box_loss,lr/pg0"
EVERY_OTHER = replace(HOUR, check_every_epochs=2)
ROWS = ["1,10,2.5,0,0,0.001", "2,20,2.2,0.3,2.4,0.0008", "3,31,2.1,0.3,2.4,0.0004", "4,45,2.0,0.4,2.2,0.0001"]


def write_results(run, rows=ROWS):
    (run / "results.csv").write_text("\n".join([HEAD, *rows]) + "\n")


def test_an_epoch_that_did_not_look_at_val_has_no_scores(tmp_path):
    write_results(tmp_path)

    write_epochs(tmp_path, EVERY_OTHER)

    with (tmp_path / "epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["looked_at_val"] for row in rows] == ["no", "yes", "no", "yes"]
    assert [row["metrics/mAP50(B)"] for row in rows] == ["", "0.3", "", "0.4"]
    assert [row["train/box_loss"] for row in rows] == ["2.5", "2.2", "2.1", "2"]
    assert [row["seconds"] for row in rows] == ["10.0", "10.0", "11.0", "14.0"]


def test_the_last_epoch_looks_whatever_its_number(tmp_path):
    write_results(tmp_path, [*ROWS, "5,60,1.9,0.45,2.1,0.00001"])

    assert [epoch.checked for epoch in epochs_of(tmp_path, EVERY_OTHER)] == [False, True, False, True, True]


def test_curves_are_a_picture_of_some_size(tmp_path):
    write_results(tmp_path)

    write_epochs(tmp_path, EVERY_OTHER)

    head = (tmp_path / "curves.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", head[16:24])) > 500


def test_nothing_is_written_before_the_first_epoch(tmp_path):
    write_epochs(tmp_path, HOUR)

    assert list(tmp_path.iterdir()) == []


def test_a_row_without_its_checkpoint_is_dropped(tmp_path):
    write_results(tmp_path)

    drop_rows_after(tmp_path, 3)

    assert [epoch.number for epoch in epochs_of(tmp_path, HOUR)] == [1, 2, 3]
    assert epoch_seconds(tmp_path) == [10.0, 10.0, 11.0]


def test_the_zeros_after_a_resume_are_no_look_at_val(tmp_path):
    write_results(tmp_path, [*ROWS[:2], "3,31,2.1,0,0,0.0004"])

    assert [epoch.checked for epoch in epochs_of(tmp_path, EVERY_OTHER)] == [False, True, False]
    assert (
        planned_epochs_of(replace(EVERY_OTHER, budget_h=31 / 3600), tmp_path) == 4
    )  # one more, to be looked at
