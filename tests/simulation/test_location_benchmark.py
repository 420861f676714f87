"""benchmarks/location.py: the keys, going on after an interruption, and the promises on a few streets."""

import json

import numpy as np
from simulation.campaign import Measured, measure
from simulation.setting import Setting, StreetSetting

from wegewart_edge.settings import EdgeSettings

KEYS = {
    "relative_median_m",
    "single_pass_over_gnss",
    "ten_pass_median_m",
    "rtk_median_m",
    "ellipse95_coverage",
    "ellipse95_median_area_m2",
    "nees_mean",
    "detections_per_s",
}


def test_json_has_exactly_the_figures_of_the_issue_and_nothing_else_is_printed(capsys, tmp_path, monkeypatch):
    import location

    monkeypatch.setattr(location, "PASSES", 2)
    run = ["--json", "--seeds", "2", "--commanded", "1", "--keep", str(tmp_path)]
    assert location.main(run) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert set(figures) == KEYS
    assert all(np.isfinite(value) and value > 0 for value in figures.values())
    assert "flat ground, fixed tilt, single frame" in said.err
    assert "wegewart-edge locate" in said.err


def test_what_was_measured_is_not_measured_again(tmp_path):
    setting, settings = Setting(passes=1), EdgeSettings()
    ((_, first),) = measure(setting, settings, range(2), tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    ((done, again),) = measure(setting, settings, range(2), tmp_path)
    assert (done, kept.stat().st_mtime_ns) == (2, written)
    assert np.array_equal(first.all_rows.error_m, again.all_rows.error_m)
    assert (first.counts, first.effort) == (again.counts, again.effort)
    other = EdgeSettings.load(None, {"locate": {"far_m": 14.0}}, {})
    list(measure(setting, other, range(2), tmp_path))
    assert len(list(tmp_path.iterdir())) == 2  # other settings, other results


def test_workers_find_the_same_as_one_process(tmp_path):
    setting, settings = Setting(passes=1, street=StreetSetting(length_m=30.0)), EdgeSettings()
    outcomes = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        measured = Measured()
        for _, part in measure(setting, settings, range(11), folder, workers):
            measured.add(part)
        outcomes.append(measured)
    alone, together = outcomes
    assert np.array_equal(alone.all_rows.error_m, together.all_rows.error_m)
    assert alone.counts == together.counts
