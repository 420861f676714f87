"""The pictures of docs/location.md are drawn from what was measured, and stay small."""

import pytest
from simulation.setting import Setting

from wegewart_edge.settings import EdgeSettings

pytest.importorskip("matplotlib", reason="plots need the training extra")


def test_plots_are_drawn_and_small_enough_for_the_repository(tmp_path, monkeypatch):
    from simulation import plots

    monkeypatch.setattr(plots, "STREETS", range(500_000, 500_001))
    for path in plots.draw_plots(tmp_path, Setting(passes=2), EdgeSettings()):
        assert 10_000 < path.stat().st_size < 200 * 1024
