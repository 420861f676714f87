"""Condition values of a driven town: from messages to the list and the map's layer, on both stores."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.api.office import Office
from tests.api.sent import OTHER_BUNDLE
from tests.api.street_simulation import Setting
from tests.api.test_flow import send
from tests.api.town import ORIGIN, START, Town

from wegewart.condition import shipped_condition_table
from wegewart.errors import LimitsInvalid
from wegewart_api.app import create_app
from wegewart_api.auth.principal import Role
from wegewart_api.database import tables
from wegewart_api.database.engine import Database
from wegewart_api.flow import process_pass, refresh_seen_streets
from wegewart_api.settings import Settings
from wegewart_api.streets.network import Network, StreetLine
from wegewart_api.streets.repository import store_network

STREET = Setting(
    streets_m=(400.0,), spacing_m=20.0, passes=1, sigma_m=1.0, seen=1.0, false_per_km=0.0, clumped=0.0
)
YESTERDAY = (datetime.now(UTC) - START).days - 1
CONDITION = "/api/v1/streets/condition"
LAYER = "/api/v1/map/condition.geojson"


def line(*places_m: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Line through places east and north of the town's origin."""
    return tuple(tuple(reversed(ORIGIN.lat_lon(*place))) for place in places_m)  # type: ignore[misc]


NETWORK = Network(
    (
        StreetLine("way/1", "Hauptstraße", None, "residential", line((-50, 0), (450, 0))),
        StreetLine("way/2", "Seitenweg", None, "residential", line((200, 0), (200, 300))),
        StreetLine("way/3", "Fußweg", None, "footway", line((0, 5), (400, 5))),
    ),
    (),
    0,
)


@pytest.fixture
def town(store: Database, settings: Settings) -> Office:
    """An office with three ways, none of them driven yet."""
    office = Office.open(store, settings, process_pass)
    tenant_id = office.tenant("default")
    with store.writing() as connection:
        store_network(connection, tenant_id, NETWORK)
    return office


@pytest.fixture(scope="module")
def driven(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The same ways on the embedded store, the first of them driven once; for tests that only read."""
    folder = tmp_path_factory.mktemp("driven")
    database = Database.open(f"sqlite:///{shutil.copy(migrated_file, folder / 'wegewart.sqlite')}")
    office = Office.open(database, Settings.load(data_dir=folder), process_pass)
    tenant_id = office.tenant("default")
    with database.writing() as connection:
        store_network(connection, tenant_id, NETWORK)
    send(office, Town(STREET, 3).drive(0, day=YESTERDAY))
    yield office
    database.close()


def segments(office: Office, **asked: Any) -> dict[str, list[dict[str, Any]]]:
    """Segments of each street in order, as the list tells them."""
    answer = office.person().get(CONDITION, params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, Any]]] = {}
    for each in answer.json()["segments"]:
        found.setdefault(each["name"], []).append(each)
    return found


def test_before_any_drive_every_street_is_unknown_and_has_no_value(town: Office) -> None:
    found = segments(town)
    assert set(found) == {"Hauptstraße", "Seitenweg"}  # nobody drives on a footway
    for (each,) in found.values():
        assert each["state"] == "unknown"
        assert {each[name] for name in ("value", "least", "most", "band", "last_seen_at")} == {None}
        assert (each["seen_m"], each["damages"], each["parts"]) == (0.0, 0, [])


def test_a_driven_street_has_values_where_it_was_seen_and_none_elsewhere(driven: Office) -> None:
    found = segments(driven)
    assert [each["state"] for each in found["Seitenweg"]] == ["unknown"]
    main = found["Hauptstraße"]
    assert [(each["from_m"], each["to_m"]) for each in main] == [
        (pytest.approx(50 * k, abs=0.5), pytest.approx(50 * k + 50, abs=0.5)) for k in range(10)
    ]
    assert [each["state"] for each in main] == [*["unknown"] * 2, *["known"] * 7, "unknown"]
    # driven from 0 to 420 m; of the second segment too little: the camera looks 4 to 14 m ahead
    assert 30 < main[1]["seen_m"] < 40
    for each in main[2:-1]:
        assert 1 <= each["least"] <= each["value"] <= each["most"] <= 5
        assert each["lanes"] == 1
        assert each["seen_m"] >= 40
        assert each["approximation"] == "Näherung"
        assert each["value"] == pytest.approx(max(part["value"] for part in each["parts"]), abs=0.056)
    assert sum(each["damages"] for each in main) == 20


def test_a_value_follows_from_the_stored_defects_by_the_published_formula(driven: Office) -> None:
    office_defects = driven.person().get("/api/v1/defects", params={"limit": 1000}).json()["defects"]
    for segment in segments(driven)["Hauptstraße"][2:-1]:
        sound = 1.0
        for defect in office_defects:
            along_m = ORIGIN.east_north_m(defect["place"]["lat"], defect["place"]["lon"])[0] + 50
            if segment["from_m"] <= along_m < segment["to_m"] and defect["class_code"] in (
                "D00",
                "D10",
                "D20",
            ):
                rows, columns = defect["length_m"]["value"] / 1.0, defect["width_m"]["value"] / (3.5 / 3)
                touched = (1 + rows) * (1 + columns) if defect["class_code"] == "D20" else 1 + rows + columns
                share = touched / (segment["seen_m"] * 3)
                sound *= (1 - share) ** defect["existence"]
        percent = 100 * (1 - sound)
        value = 1.5 + 2 * (percent - 1) / 14 if percent <= 15 else 3.5 + (percent - 15) / 10
        (cracks,) = [part for part in segment["parts"] if part["characteristic"] == "RISS"]
        assert cracks["share_percent"] == pytest.approx(percent, abs=0.06)
        assert cracks["value"] == pytest.approx(min(max(value, 1), 5), abs=0.02)


def test_both_directions_seen_are_two_lanes(town: Office) -> None:
    send(town, Town(STREET, 3).drive(0, day=YESTERDAY))
    one = segments(town)["Hauptstraße"][4]
    with town.database.writing() as connection:
        connection.execute(update(tables.street_seen).values(forward=False))
    send(town, Town(replace(STREET, seen=0.0), 4).drive(1, day=YESTERDAY))
    two = segments(town)["Hauptstraße"][4]
    assert (one["lanes"], two["lanes"]) == (1, 2)


def test_what_was_seen_too_long_ago_is_unknown_again(town: Office) -> None:
    send(town, Town(STREET, 3).drive(0, day=YESTERDAY))
    assert "known" in {each["state"] for each in segments(town)["Hauptstraße"]}
    before = datetime.now(UTC) - timedelta(days=shipped_condition_table().valid_days)
    with town.database.writing() as connection:
        connection.execute(update(tables.street_seen).values(at=before))
    assert {each["state"] for each in segments(town)["Hauptstraße"]} == {"unknown"}


def test_the_layer_tells_the_same_and_says_how_it_came_about(driven: Office) -> None:
    layer = driven.person().get(LAYER).json()
    told = [each for group in segments(driven).values() for each in group]
    assert {each["properties"]["id"]: each["properties"]["band"] for each in layer["features"]} == {
        each["id"]: each["band"] for each in told
    }
    unknown = [each for each in layer["features"] if each["properties"]["state"] == "unknown"]
    assert unknown
    assert all(each["properties"]["band"] is None for each in unknown)
    for each in layer["features"]:
        assert each["geometry"]["type"] == "LineString"
        assert len(each["geometry"]["coordinates"]) >= 2
    method = layer["method"]
    assert method["approximation"] == "Näherung"
    assert "G35" in method["formula"]
    assert "ruts" in method["not_measured"]
    assert all(each["recalled"] for each in method["limits"])


def test_a_box_narrows_the_list(driven: Office) -> None:
    south, west = ORIGIN.lat_lon(150, 100)
    north, east = ORIGIN.lat_lon(250, 200)
    assert set(segments(driven, bbox=f"{west},{south},{east},{north}")) == {"Seitenweg"}


def test_another_models_pass_and_a_pass_taken_back_leave_nothing_double(town: Office) -> None:
    first = Town(STREET, 3).drive(0, day=YESTERDAY)
    send(town, first)
    send(town, Town(STREET, 3).drive(0, OTHER_BUNDLE, day=YESTERDAY))
    with town.database.reading() as connection:
        assert len({row.bundle_sha256 for row in connection.execute(select(tables.street_seen))}) == 2
    assert {each["lanes"] for each in segments(town)["Hauptstraße"][2:-1]} == {1}
    taken_back = first.track | {
        "bundle": OTHER_BUNDLE,
        "revision": 2,
        "state": "superseded",
        "observations": 0,
    }
    answer = town.device().post("/api/v1/drives", json={"drives": [taken_back]})
    assert answer.status_code == 200, answer.text
    assert {each["state"] for each in segments(town)["Hauptstraße"]} == {"unknown"}


def test_streets_that_come_after_the_drives_are_graded_after_a_refresh(
    store: Database, settings: Settings
) -> None:
    office = Office.open(store, settings, process_pass)
    send(office, Town(STREET, 3).drive(0, day=YESTERDAY))
    tenant_id = office.tenant("default")
    with store.writing() as connection:
        store_network(connection, tenant_id, NETWORK)
    assert {each["state"] for each in segments(office)["Hauptstraße"]} == {"unknown"}
    assert refresh_seen_streets(store) == 1
    assert refresh_seen_streets(store) == 0
    assert [each["state"] for each in segments(office)["Hauptstraße"]].count("known") == 7


def test_another_tenant_sees_nothing_of_it(driven: Office) -> None:
    stranger = driven.person(Role.ADMIN, tenant="elsewhere")
    assert stranger.get(CONDITION).json()["segments"] == []
    assert stranger.get(LAYER).json()["features"] == []


def test_nobody_reads_it_without_a_login(driven: Office) -> None:
    assert driven.anybody().get(CONDITION).status_code == 401


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "de",
            ("Straßenzustand (Näherung)", "Schlechtester Abschnitt (Näherung)", "unbekannt", "Warnwert 3,5"),
        ),
        ("en", ("Street condition (approximation)", "Worst segment (approximation)", "unknown", "value 3.5")),
    ],
)
def test_the_page_shows_the_worst_street_first_and_says_how_values_come_about(
    driven: Office, language: str, said: tuple[str, ...]
) -> None:
    reader = driven.person()
    reader.cookies.set("wegewart_language", language)
    page = reader.get("/streets").text
    for words in said:
        assert words in page
    assert page.index("Hauptstraße") < page.index("Seitenweg")
    worst = max(each["value"] or 0 for each in segments(driven)["Hauptstraße"])
    number = f"{worst:.1f}".replace(".", "," if language == "de" else ".")
    assert f'<strong class="number">{number}</strong>' in page


def test_the_maps_lines_are_unknown_where_nothing_was_seen_and_say_so(driven: Office) -> None:
    lines = driven.person().get("/map/condition.geojson").json()["features"]
    side = [each["properties"] for each in lines if each["properties"]["title"] == "Seitenweg"]
    assert [(each["band"], each["state"]) for each in side] == [("unknown", "unbekannt (nicht gesehen)")]
    graded = [each["properties"] for each in lines if each["properties"]["band"] != "unknown"]
    assert len(graded) == 7
    assert all(each["state"].startswith("Näherung: ") for each in graded)


def test_a_faulty_table_stops_the_start(driven: Office, tmp_path: Path) -> None:
    table = tmp_path / "limits.toml"
    table.write_text('id = "x"\n', encoding="utf-8")
    settings = Settings.load(data_dir=tmp_path, condition_limits=table)
    with pytest.raises(LimitsInvalid, match=r"limits\.toml"):
        create_app(settings, driven.database, lambda _connection, _pass: None)
