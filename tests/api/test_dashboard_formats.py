"""Figures, dates and places as each language writes them."""

from datetime import UTC, datetime, timedelta

import pytest

from wegewart.damage import shipped_taxonomy
from wegewart.drive import InvalidReason, Stretch, ViewingZone
from wegewart.geo import Covariance, LocalPlane
from wegewart_api.dashboard.drives_page import inspected_m
from wegewart_api.dashboard.formats import Formats, ellipse_axes_m
from wegewart_api.dashboard.labels import coordinates, place_words
from wegewart_api.dashboard.marks import one_ticket_marks
from wegewart_api.dashboard.repository import DefectRecord, TicketRecord
from wegewart_api.dashboard.text import Language, words_in
from wegewart_api.database.ids import new_id

NOW = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)  # half past midnight of the next day in Berlin
DE = Formats(words_in(Language.DE), NOW)
EN = Formats(words_in(Language.EN), NOW)
GAP = "\N{NO-BREAK SPACE}"


def test_numbers_have_the_languages_signs():
    assert (DE.number(12345.678, 1), EN.number(12345.678, 1)) == ("12.345,7", "12,345.7")


@pytest.mark.parametrize(
    ("share", "german"),
    [(0.0, "0 %"), (0.001, "unter 1 %"), (0.5, "50 %"), (0.999, "über 99 %"), (1.0, "100 %")],
)
def test_a_share_is_rounded_to_none_or_all_only_if_it_is(share, german):
    assert DE.percent(share) == german.replace(" %", f"{GAP}%")


def test_dates_are_those_of_the_office_clock():
    assert (DE.date(NOW), EN.date(NOW)) == ("05.05.2026", "5 May 2026")
    assert (DE.moment(NOW), EN.moment(NOW)) == ("05.05.2026, 00:30 Uhr", "5 May 2026, 00:30")


@pytest.mark.parametrize(
    ("ago", "german", "english"),
    [
        (timedelta(minutes=10), "heute", "today"),
        (timedelta(hours=1), "gestern", "yesterday"),
        (timedelta(days=3), "vor 3 Tagen", "3 days ago"),
        (-timedelta(hours=2), "heute", "today"),
    ],
)
def test_age_counts_days_of_the_calendar(ago, german, english):
    assert (DE.age(NOW - ago), EN.age(NOW - ago)) == (german, english)


@pytest.mark.parametrize(
    ("probability", "word"),
    [(0.95, "sehr wahrscheinlich"), (0.66, "wahrscheinlich"), (0.5, "möglich"), (0.2, "unwahrscheinlich"),
     (0.05, "sehr unwahrscheinlich")],
)  # fmt: skip
def test_a_probability_has_its_word(probability, word):
    assert DE.chance(probability).startswith(f"{word} (")


def test_accuracy_is_the_longer_half_axis_of_the_95_percent_ellipse():
    # By hand: √(5.991 · 4) = 4.895 m along east, √5.991 = 2.448 m along north.
    longer_m, shorter_m, angle = ellipse_axes_m(Covariance(4.0, 0.0, 1.0))
    assert (round(longer_m, 3), round(shorter_m, 3), angle) == (4.895, 2.448, 0.0)
    assert DE.accuracy(Covariance(1.0, 0.0, 4.0)) == f"auf ±{GAP}4,9{GAP}m (95{GAP}%)"


def test_size_says_its_bounds_where_they_are_known():
    assert DE.size(0.62, 0.06, "m") == f"0,62{GAP}m ±{GAP}0,12{GAP}m (95{GAP}%)"
    assert EN.size(0.62, None, "m²") == f"0.62{GAP}m²"


def test_lengths_and_spans():
    assert (DE.kilometres(840), DE.kilometres(3480)) == (f"840{GAP}m", f"3,5{GAP}km")
    assert DE.duration(timedelta(seconds=20)) == "20 Sekunden"
    assert DE.duration(timedelta(minutes=1)) == "1 Minute"
    assert EN.duration(timedelta(minutes=125)) == "2:05 hours"


def test_place_and_position_in_words():
    assert place_words("Euben", "5", DE.words) == "Euben, bei Hausnummer 5"
    assert place_words("Euben", None, EN.words) == "Euben"
    assert place_words(None, None, DE.words) == "Keine Straße in der Nähe"
    assert coordinates(-49.5, 11.25, EN) == "49.50000° S, 11.25000° E"


def test_ellipse_on_the_map_is_as_wide_as_the_words_say():
    covariance = Covariance(2.0, 0.7, 1.0)
    sizes = dict.fromkeys(
        ("length_m", "length_sigma_m", "width_m", "width_sigma_m", "area_m2", "area_sigma_m2")
    )
    defect = DefectRecord(
        new_id(), 50.0, 11.5, covariance, "D40", {"D40": 1.0}, **sizes,
        existence_log_odds=1.0, first_seen_at=NOW, last_seen_at=NOW, observation_count=1, drive_count=1,
    )  # fmt: skip
    ticket = TicketRecord(new_id(), "2026-000001", "new", None, "D40", 1, 50.0, 11.5, None, None, NOW, None)
    area, point = one_ticket_marks(ticket, [defect], shipped_taxonomy(), DE.words)["features"]
    plane = LocalPlane(50.0, 11.5)
    offsets = [plane.east_north_m(lat, lon) for lon, lat in area["geometry"]["coordinates"][0]]
    assert all(abs(covariance.mahalanobis2(*offset) - 5.991) < 0.01 for offset in offsets)
    assert offsets[0] == offsets[-1]
    assert point["geometry"]["coordinates"] == [11.5, 50.0]


def stretch(camera: str, start_m: float, end_m: float, reason: InvalidReason | None = None) -> Stretch:
    """A stretch as one camera saw it."""
    zone = ViewingZone(near_m=4, far_m=14, left_m=-2, right_m=3)
    return Stretch(
        camera_id=camera, from_station_m=start_m, to_station_m=end_m, zone=zone,
        valid=reason is None, invalid_reason=reason,
    )  # fmt: skip


def test_road_that_two_cameras_saw_counts_once_and_invalid_road_does_not_count():
    stretches = [
        stretch("front", 0, 100),
        stretch("left", 50, 130),
        stretch("front", 100, 400, InvalidReason.DARK),
        stretch("left", 350, 360),
    ]
    assert inspected_m(stretches) == 140
