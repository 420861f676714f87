"""Seen, looked and not seen, and time: what is believed, and what counts as looking."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegewart.drive import InvalidReason, Stretch, ViewingZone
from wegewart_api.defects.existence import (
    DefectStatus,
    ExistenceRules,
    Look,
    believe,
    faded,
    probability,
    status_of,
)
from wegewart_api.defects.visibility import DrivenPath, OnPath, along_path, looked_at

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
TIMELESS = ExistenceRules(repairs_per_year=0.0)
ZONE = ViewingZone(near_m=4.0, far_m=14.0, left_m=-2.0, right_m=3.0)


def looks(*seen: bool, days: float = 7) -> list[Look]:
    """Looks at equal distances in time."""
    return [Look(START + timedelta(days=days * number), each) for number, each in enumerate(seen)]


def test_log_odds_add_up_as_in_the_table() -> None:
    """FORMULAS section 4: pF 0.02 and pD 0.6 give + 3.40 and − 0.90."""
    prior = math.log(0.2 / 0.8)
    assert believe([], TIMELESS) == pytest.approx(prior)
    assert believe(looks(True), TIMELESS) == pytest.approx(prior + 3.401, abs=1e-3)
    assert believe(looks(True, False), TIMELESS) == pytest.approx(prior + 3.401 - 0.896, abs=1e-3)


def test_nine_clean_passes_close_what_was_certain() -> None:
    certain = [True] * 10
    after = [believe(looks(*certain, *[False] * clean), TIMELESS) for clean in (8, 9)]
    assert believe(looks(*certain), TIMELESS) == 5.0
    assert after[0] > -3.0 > after[1]
    assert status_of(after[1], 10) is DefectStatus.GONE


def test_the_order_in_which_looks_arrive_does_not_matter() -> None:
    in_order = looks(True, False, True, True)
    assert believe(in_order[::-1]) == believe(in_order)


def test_old_sightings_fade_to_the_prior_and_a_fresh_one_counts_in_full() -> None:
    rules = ExistenceRules(repairs_per_year=0.5)
    assert probability(faded(3.0, 50 * 365.25 * 86_400, rules)) == pytest.approx(rules.prior, abs=1e-6)
    half = probability(faded(3.0, 365.25 * 86_400, rules))
    assert half == pytest.approx(rules.prior + (probability(3.0) - rules.prior) * math.exp(-0.5))
    assert believe(looks(True, True, days=3650), rules) >= believe(looks(True), rules) - 0.01


@given(st.lists(st.booleans(), max_size=40))
def test_belief_stays_within_its_bounds_and_a_sighting_never_lowers_it(history: list[bool]) -> None:
    belief = believe(looks(*history), TIMELESS)
    assert -5.0 <= belief <= 5.0
    assert believe(looks(*history, True), TIMELESS) >= belief
    assert believe(looks(*history, False), TIMELESS) <= belief


@pytest.mark.parametrize(
    ("log_odds", "observations", "status"),
    [
        (2.0, 1, DefectStatus.PRESENT),
        (-0.1, 1, DefectStatus.DOUBTFUL),
        (-3.0, 1, DefectStatus.GONE),
        (5.0, 0, DefectStatus.WITHDRAWN),
    ],
)
def test_belief_in_a_word(log_odds: float, observations: int, status: DefectStatus) -> None:
    assert status_of(log_odds, observations) is status


def path(*places: tuple[float, float]) -> DrivenPath:
    """Path through places, with its stations."""
    points = np.array(places)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return DrivenPath(np.concatenate([[0.0], np.cumsum(steps)]), points, [START] * len(points))


def test_places_lie_ahead_and_to_the_right_of_a_path() -> None:
    """North for 10 m, then east: right of north is east, right of east is south."""
    bent = path((0, 0), (0, 5), (0, 10), (5, 10), (10, 10))
    on = along_path(bent, np.array([[2.0, 3.0], [7.0, 9.0], [7.0, 12.0]]))
    assert on.station_m == pytest.approx([3.0, 17.0, 17.0])
    assert on.offset_right_m == pytest.approx([2.0, 1.0, -2.0])


def test_what_lies_beyond_the_ends_of_a_path_has_no_station() -> None:
    on = along_path(path((0, 0), (0, 5)), np.array([[0.0, 40.0], [0.0, -30.0]]))
    assert np.isnan(on.station_m).all()


def stretch(start_m: float, end_m: float, valid: bool = True) -> Stretch:
    return Stretch(
        camera_id="front",
        from_station_m=start_m,
        to_station_m=end_m,
        zone=ZONE,
        valid=valid,
        invalid_reason=None if valid else InvalidReason.GLARE,
    )


@pytest.mark.parametrize(
    ("station_m", "offset_m", "sigma_m", "stretches", "looked"),
    [
        (50.0, 0.0, 0.3, [stretch(0, 100)], True),
        (50.0, 2.5, 0.3, [stretch(0, 100)], True),
        (50.0, 2.9, 0.3, [stretch(0, 100)], False),
        (50.0, -1.0, 2.0, [stretch(0, 100)], False),
        (5.0, 0.0, 0.3, [stretch(0, 100)], False),
        (50.0, 0.0, 0.3, [stretch(0, 100, valid=False)], False),
        (50.0, 0.0, 0.3, [stretch(0, 40), stretch(40, 60)], True),
        (50.0, 0.0, 0.3, [stretch(0, 40), stretch(40, 44, valid=False), stretch(44, 90)], False),
        (math.nan, math.nan, 0.3, [stretch(0, 100)], False),
    ],
    ids=[
        "in the middle of the zone",
        "at its right border",
        "half outside",
        "too uncertain",
        "before the camera could see it",
        "glare",
        "two valid stretches together",
        "not seen from near by",
        "not abeam",
    ],
)
def test_only_what_was_really_in_view_counts_as_looked_at(
    station_m: float, offset_m: float, sigma_m: float, stretches: list[Stretch], looked: bool
) -> None:
    on = OnPath(np.array([station_m]), np.array([offset_m]), np.zeros(1, dtype=np.intp))
    assert looked_at(on, np.array([sigma_m]), stretches).tolist() == [looked]
