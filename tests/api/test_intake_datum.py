"""From WGS84 to ETRS89 at the epoch of capture."""

import math
from datetime import UTC, datetime

import pytest

from wegewart.geo import Datum, LocalPlane
from wegewart_api.intake.datum import decimal_year, to_etrs89

BAYREUTH = (49.95, 11.58)


def shift_m(at: datetime, lat: float = BAYREUTH[0], lon: float = BAYREUTH[1]) -> tuple[float, float]:
    return LocalPlane(lat, lon).east_north_m(*to_etrs89(lat, lon, Datum.WGS84, at))


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2024, 7, 2, tzinfo=UTC), 2024.5),
        (datetime(9999, 12, 31, tzinfo=UTC), 9999 + 364 / 365),
    ],
    ids=["leap year", "last year"],
)
def test_a_moment_is_a_year_with_decimals(moment: datetime, year: float) -> None:
    assert decimal_year(moment) == pytest.approx(year, abs=1e-9)


def test_in_2026_a_position_in_germany_moves_almost_a_metre_to_the_south_west() -> None:
    east_m, north_m = shift_m(datetime(2026, 5, 4, tzinfo=UTC))
    assert east_m == pytest.approx(-0.70, abs=0.02)
    assert north_m == pytest.approx(-0.65, abs=0.02)


def test_the_shift_is_the_motion_of_the_plate_since_1989() -> None:
    """By hand: Eurasia turns 0.081, 0.490, −0.792 mas a year, and the frames' origins lie 5, 5, −8 cm apart.

    Source: EUREF Technical Note 1, ITRF2020 to ETRF2000 (the vertical part is left out here).
    """
    turn = [math.radians(mas / 3.6e6) * (2026.338 - 1989.0) for mas in (0.081, 0.490, -0.792)]
    origin_m = [0.0538 + 0.0001 * 11.338, 0.0518, -0.0822 - 0.0017 * 11.338]
    lat, lon = (math.radians(degrees) for degrees in BAYREUTH)
    place = [6_378_137.0 * part for part in (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon))]
    place.append(6_356_752.0 * math.sin(lat))
    moved = [
        origin_m[0] + turn[1] * place[2] - turn[2] * place[1],
        origin_m[1] + turn[2] * place[0] - turn[0] * place[2],
        origin_m[2] + turn[0] * place[1] - turn[1] * place[0],
    ]
    east_m = -moved[0] * math.sin(lon) + moved[1] * math.cos(lon)
    north_m = (
        -math.sin(lat) * (moved[0] * math.cos(lon) + moved[1] * math.sin(lon)) + math.cos(lat) * moved[2]
    )
    found_east_m, found_north_m = shift_m(datetime(2026, 5, 4, tzinfo=UTC))
    assert found_east_m == pytest.approx(east_m, abs=0.005)
    assert found_north_m == pytest.approx(north_m, abs=0.005)


def test_ten_years_earlier_the_shift_was_a_quarter_of_a_metre_less() -> None:
    now, then = (math.hypot(*shift_m(datetime(year, 5, 4, tzinfo=UTC))) for year in (2026, 2016))
    assert now - then == pytest.approx(0.25, abs=0.02)


def test_what_is_etrs89_already_stays_as_it_is() -> None:
    assert to_etrs89(*BAYREUTH, Datum.ETRS89, datetime(2026, 5, 4, tzinfo=UTC)) == BAYREUTH


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), 2026.0),
        (datetime(2024, 7, 2, tzinfo=UTC), 2024.5),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), 2026 + 364.5 / 365),
    ],
)
def test_a_moment_as_a_year(moment: datetime, year: float) -> None:
    assert decimal_year(moment) == pytest.approx(year, abs=1e-9)
