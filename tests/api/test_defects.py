"""What is known of a defect from its views, and how it is shown."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.office import Office, problem
from tests.api.street_simulation import Setting
from tests.api.test_flow import listed, send
from tests.api.town import Town
from tests.core.messages import observation_fields

from wegewart.geo import Covariance, LocalPlane
from wegewart.observation import Observation
from wegewart_api.auth.principal import Role
from wegewart_api.database.engine import Database
from wegewart_api.defects.existence import Look
from wegewart_api.defects.fusion import fuse_classes, fuse_places, fuse_sizes
from wegewart_api.defects.state import Offset, View, class_row, derive
from wegewart_api.flow import process_pass
from wegewart_api.settings import Settings

PLANE = LocalPlane(50.0, 11.5)
FRAME = Covariance(6.25, 0.0, 6.25)
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def view(east_m: float, north_m: float, offset_m: tuple[float, float], **changes: Any) -> View:
    """A view at a place on the plane by a drive with an offset."""
    seen = Observation.model_validate(observation_fields(**changes))
    lat, lon = PLANE.lat_lon(east_m, north_m)
    return View(seen, lat, lon, Offset(*offset_m, None))


# --- fusing -----------------------------------------------------------------------------------------------


def test_the_sharper_view_decides_the_place() -> None:
    """By hand: variances 1 and 4 weigh 4 to 1, so 0 and 5 give 1; the variance is 1/(1 + 1/4)."""
    fused = fuse_places(np.array([[0.0, 0.0], [5.0, 0.0]]), np.array([np.eye(2), 4 * np.eye(2)]))
    assert fused.place_m == pytest.approx([1.0, 0.0])
    assert fused.covariance_m2 == pytest.approx(0.8 * np.eye(2))


def test_a_view_that_is_sharp_across_and_vague_along_is_taken_at_its_word() -> None:
    along, across = np.diag([100.0, 0.01]), np.diag([0.01, 100.0])
    fused = fuse_places(np.array([[0.0, 3.0], [7.0, 0.0]]), np.array([along, across]))
    assert fused.place_m == pytest.approx([7.0, 3.0], abs=0.01)


def test_views_of_one_class_agree_ever_more_and_one_outlier_does_not_turn_them() -> None:
    crack, pothole = [0.8, 0.2], [0.1, 0.9]
    one, three, four = (
        fuse_classes(np.array(rows), 0.15)[0]
        for rows in ([crack], [crack] * 3, [crack, crack, crack, pothole])
    )
    assert 0.5 < one < three
    assert 0.5 < four < three


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.integers(1, 8))
def test_class_shares_sum_to_one(shares: list[float], count: int) -> None:
    row = np.array(shares) / sum(shares)
    assert fuse_classes(np.tile(row, (count, 1)), 0.15).sum() == pytest.approx(1.0)


def test_sizes_are_averaged_as_factors() -> None:
    fused = fuse_sizes([(0.2, 0.02), (0.8, 0.08)], 0.15)
    assert fused is not None
    assert fused.size == pytest.approx(0.4)  # twice 0.2, half of 0.8
    assert fused.sigma == pytest.approx(0.4 * math.sqrt((0.01 + 0.0225) / 2))
    assert fuse_sizes([], 0.15) is None
    assert fuse_sizes([(0.0, 0.1)], 0.15) is None


def test_what_a_model_leaves_open_is_spread_over_all_classes() -> None:
    assert class_row({"D00": 0.6}, ["D00", "D40"]) == pytest.approx([0.8, 0.2])
    assert class_row({}, ["D00", "D40"]) == pytest.approx([0.5, 0.5])
    assert class_row({"D00": 0.7, "D40": 0.3}, ["D00", "D40"]) == pytest.approx([0.7, 0.3])


# --- a defect from its views --------------------------------------------------------------------------------


def test_one_view_is_where_its_receiver_was_and_as_uncertain() -> None:
    state = derive([view(3.0, 4.0, (0.0, 0.0))], [Look(START, True)], FRAME)
    assert PLANE.east_north_m(state.lat, state.lon) == pytest.approx((3.0, 4.0), abs=1e-6)
    assert state.relative == pytest.approx((0.09, 0.01, 0.04))
    assert state.covariance == pytest.approx((6.34, 0.01, 6.29))
    assert (state.class_code, state.observation_count, state.drive_count) == ("D40", 1, 1)


def test_a_second_drive_moves_the_place_half_its_offset_and_halves_the_receivers_part() -> None:
    """The second receiver was 4 m further east than the first: the truth lies, as far as known, halfway."""
    other = "01970000-0000-7000-8000-000000000002"
    second = view(4.0, 0.0, (4.0, 0.0))
    second = replace(second, observation=second.observation.model_copy(update={"drive_id": UUID(other)}))
    looks = [Look(START, True), Look(START + timedelta(days=1), True)]
    state = derive([view(0.0, 0.0, (0.0, 0.0)), second], looks, FRAME)
    assert PLANE.east_north_m(state.map_lat, state.map_lon) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert PLANE.east_north_m(state.lat, state.lon) == pytest.approx((2.0, 0.0), abs=1e-6)
    assert state.covariance.ee == pytest.approx(6.25 / 2 + 0.09 / 2)
    assert state.relative.ee == pytest.approx(0.09 / 2)
    assert state.drive_count == 2


def test_what_remained_of_an_offset_makes_the_view_weigh_less() -> None:
    vague = view(1.0, 0.0, (0.0, 0.0))
    vague = replace(vague, offset=Offset(0.0, 0.0, Covariance(0.81, 0.0, 0.81)))
    state = derive([view(0.0, 0.0, (0.0, 0.0)), vague], [Look(START, True)], FRAME)
    east_m, _ = PLANE.east_north_m(state.map_lat, state.map_lon)
    assert 0.05 < east_m < 0.2  # 0.09 against 0.90: about a tenth


def test_the_order_of_views_does_not_matter() -> None:
    views = [view(0.0, 0.0, (0.0, 0.0)), view(1.0, 0.5, (0.8, 0.4), class_probabilities={"D20": 1.0})]
    one, other = derive(views, [], FRAME), derive(views[::-1], [], FRAME)
    assert (one.lat, one.lon) == pytest.approx((other.lat, other.lon), abs=1e-10)
    assert one.class_probabilities == pytest.approx(other.class_probabilities)


# --- as lists and one by one --------------------------------------------------------------------------------

STREET = Setting(streets_m=(200.0,), spacing_m=20.0, seen=1.0, false_per_km=0.0, clumped=0.0)


@pytest.fixture
def known(store: Database, settings: Settings) -> Office:
    """An office that two drives told of ten damages."""
    office = Office.open(store, settings, process_pass)
    town = Town(STREET, 1)
    for number in (0, 1):
        send(office, town.drive(number))
    return office


def test_a_defect_shows_all_that_it_stands_on(known: Office) -> None:
    defect = listed(known, "defects")[0]
    shown = known.person().get(f"/api/v1/defects/{defect['id']}").json()
    assert len(shown["observations"]) == len(shown["looks"]) == shown["observation_count"] == 2
    assert [each["kind"] for each in shown["events"]] == ["created"]
    assert shown["existence"] > 0.99
    assert sum(shown["class_probabilities"].values()) == pytest.approx(1.0)
    assert shown["length_m"]["sigma"] > 0
    ee, en, nn = shown["place"]["covariance_m2"]
    assert ee * nn > en * en
    assert ee == pytest.approx(6.25 / 2, rel=0.2)


def test_defects_are_narrowed_by_class_status_and_box(known: Office) -> None:
    everything = listed(known, "defects")
    code = everything[0]["class_code"]
    of_class = listed(known, "defects", **{"class": code})
    assert {each["id"] for each in of_class} == {
        each["id"] for each in everything if each["class_code"] == code
    }
    assert len(listed(known, "defects", status="present")) == len(everything)
    assert listed(known, "defects", status="withdrawn") == []
    middle = sorted(each["place"]["lon"] for each in everything)[4]
    west = listed(known, "defects", bbox=f"11,49,{middle},51")
    assert len(west) == 5


def test_defects_come_in_pages_that_hold_everything_once(known: Office) -> None:
    viewer = known.person()
    ids: list[str] = []
    cursor = None
    while cursor is not None or not ids:
        page = viewer.get(
            "/api/v1/defects", params={"limit": 4} | ({"cursor": cursor} if cursor else {})
        ).json()
        ids += [each["id"] for each in page["defects"]]
        cursor = page["next"]
    assert sorted(ids) == sorted(each["id"] for each in listed(known, "defects"))
    assert len(ids) == len(set(ids))


def test_observations_of_a_defect_are_found_by_it(known: Office) -> None:
    defect = listed(known, "defects")[0]["id"]
    assert {each["defect_id"] for each in listed(known, "observations", defect_id=defect)} == {defect}


def test_the_map_gets_points_in_lon_lat(known: Office) -> None:
    collection = known.person().get("/api/v1/map/defects.geojson", params={"bbox": "11,49,12,51"}).json()
    assert len(collection["features"]) == 10
    lon, lat = collection["features"][0]["geometry"]["coordinates"]
    assert (lon, lat) == (pytest.approx(11.5, abs=0.01), pytest.approx(50.0, abs=0.01))
    assert collection["features"][0]["properties"]["status"] == "present"


def test_a_defect_that_is_not_there_is_not_found(known: Office) -> None:
    problem(known.person(Role.ADMIN).get(f"/api/v1/defects/{UUID(int=7)}"), 404)
    problem(known.anybody().get("/api/v1/defects"), 401)
