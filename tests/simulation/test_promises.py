"""The promises of docs/location.md on a few streets, as recorded drives through `wegewart-edge locate`.

The streets are fixed and few, so the bounds of coverage and NEES are wider than the promise itself; the
benchmark holds the promise on 1,000 streets.
"""

import numpy as np
import pytest
from simulation.campaign import Measured
from simulation.commanded import street_by_command
from simulation.scoring import GATE95, Rows, horizontal_m, nees
from simulation.setting import GnssSetting, Setting

STREETS = range(900_000, 900_004)  # no table and no plot uses them


def measured(setting, folder) -> Measured:
    total = Measured()
    for seed in STREETS:
        total.add(street_by_command(setting, seed, folder))
    return total


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Measured:
    return measured(Setting(passes=6), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def rtk(tmp_path_factory) -> Measured:
    setting = Setting(passes=6, gnss=GnssSetting.of_sigma(0.02))
    return measured(setting, tmp_path_factory.mktemp("rtk"))


def test_relative_error_stays_below_a_quarter_of_a_metre(plain):
    assert np.median(horizontal_m(plain.all_rows.relative_m)) <= 0.25


def test_rtk_places_a_damage_to_30_cm(rtk):
    assert np.median(horizontal_m(rtk.all_rows.error_m)) <= 0.30


def test_absolute_error_is_little_more_than_the_receivers_own(plain):
    rows = plain.all_rows
    assert np.median(horizontal_m(rows.error_m)) <= 1.05 * np.median(horizontal_m(rows.own_m))


@pytest.mark.parametrize("receiver", ["plain", "rtk"])
def test_ellipses_are_honest(receiver, request):
    rows: Rows = request.getfixturevalue(receiver).all_rows
    squared = nees(rows.relative_m, rows.cov_relative_m2)
    assert 0.90 <= (squared <= GATE95).mean() <= 0.99
    assert 1.5 <= squared.mean() <= 2.6


def test_hardly_any_damage_is_missed_or_followed_twice(plain):
    counts = plain.counts
    assert counts.damages_missed <= 0.02 * counts.damages_seen
    assert counts.split_tracks <= 0.10 * counts.tracks
