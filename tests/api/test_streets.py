"""Streets from files into the store, places in words, and the map's background."""

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from tests.api.office import Office, problem

from wegewart.geo import LocalPlane
from wegewart_api.database import tables
from wegewart_api.database.engine import Database
from wegewart_api.streets.box import Box
from wegewart_api.streets.locating import StoredAddress, StoredStreet, StreetFinder, StreetPlace
from wegewart_api.streets.network import StreetsInvalid
from wegewart_api.streets.readers import read_network
from wegewart_api.streets.repository import finder_for, import_streets

SHIPPED = Path(__file__).parents[2] / "datasets" / "streets" / "north-bayreuth.osm.gz"

OSM = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6" generator="test">
  <node id="1" lat="50.0000" lon="11.5000"/>
  <node id="2" lat="50.0000" lon="11.5050"/>
  <node id="3" lat="50.0010" lon="11.5050"/>
  <node id="4" lat="50.0003" lon="11.5020">
    <tag k="addr:street" v="Hauptstraße"/><tag k="addr:housenumber" v="7"/></node>
  <node id="5" lat="50.0002" lon="11.5030"/><node id="6" lat="50.0002" lon="11.5032"/>
  <node id="7" lat="50.0004" lon="11.5032"/><node id="8" lat="50.0004" lon="11.5030"/>
  <node id="9" lat="50.0003" lon="11.5040"><tag k="addr:housenumber" v="99"/></node>
  <way id="10"><nd ref="1"/><nd ref="2"/>
    <tag k="highway" v="residential"/><tag k="name" v="Hauptstraße"/></way>
  <way id="11"><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="ref" v="B 85"/></way>
  <way id="12"><nd ref="1"/><nd ref="3"/><tag k="highway" v="construction"/></way>
  <way id="13"><nd ref="1"/><tag k="highway" v="service"/></way>
  <way id="14"><nd ref="5"/><nd ref="6"/><nd ref="7"/><nd ref="8"/><nd ref="5"/>
    <tag k="building" v="yes"/><tag k="addr:street" v="Hauptstraße"/><tag k="addr:housenumber" v="9 a"/></way>
</osm>
"""


@pytest.fixture
def osm_file(tmp_path: Path) -> Path:
    """A small extract, packed as they come."""
    path = tmp_path / "town.osm.gz"
    path.write_bytes(gzip.compress(OSM.encode()))
    return path


def geojson_file(path: Path, *features: dict[str, Any]) -> Path:
    """A feature collection in a file."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}), encoding="utf-8")
    return path


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def test_osm_gives_streets_and_addresses_of_nodes_and_buildings(osm_file: Path) -> None:
    network = read_network(osm_file)
    assert [(each.source_id, each.name, each.ref, each.highway) for each in network.streets] == [
        ("way/10", "Hauptstraße", None, "residential"),
        ("way/11", None, "B 85", "primary"),
    ]
    assert network.streets[0].line == ((11.5, 50.0), (11.505, 50.0))
    houses = {each.house_number: (each.street_name, each.lat, each.lon) for each in network.addresses}
    assert houses == {
        "7": ("Hauptstraße", 50.0003, 11.502),
        "9 a": ("Hauptstraße", pytest.approx(50.0003), pytest.approx(11.5031)),
    }
    assert network.left_out == 1  # the way of one point


def test_geojson_gives_lines_and_points(tmp_path: Path) -> None:
    path = geojson_file(
        tmp_path / "town.geojson",
        feature("LineString", [[11.5, 50.0], [11.6, 50.0]], name="Weg", highway="residential"),
        feature(
            "MultiLineString", [[[11.5, 50.0], [11.6, 50.1]], [[11.7, 50.0], [11.8, 50.0, 312.0]]], ref="B 2"
        ),
        feature("Point", [11.5, 50.0], street="Weg", housenumber="3"),
        feature("Point", [11.5, 50.0], **{"addr:place": "Crottendorf", "addr:housenumber": "8"}),
        feature("Polygon", [[[0, 0], [1, 0], [1, 1], [0, 0]]], name="Platz"),
        feature("LineString", [["x", 50.0], [11.6, 50.0]], name="kaputt"),
        {"type": "Feature"},
    )
    network = read_network(path)
    assert [each.name or each.ref for each in network.streets] == ["Weg", "B 2", "B 2"]
    assert len({each.source_id for each in network.streets}) == 3
    assert [(each.street_name, each.house_number) for each in network.addresses] == [
        ("Weg", "3"),
        ("Crottendorf", "8"),
    ]
    assert network.left_out == 3


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.osm", None, "no such file"),
        ("town.shp", b"x", "OSM .* or as GeoJSON"),
        ("town.osm", b"<osm><node", "cannot be read as OSM"),
        ("town.osm.gz", b"not packed", "cannot be read as OSM"),
        ("town.geojson", b"{", "cannot be read as GeoJSON"),
        ("town.geojson", b'{"type":"Feature"}', "no GeoJSON FeatureCollection"),
        ("town.geojson", b'{"type":"FeatureCollection","features":[]}', "holds no way"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StreetsInvalid, match=complaint):
        read_network(path)


def rows(database: Database, tenant_id: UUID) -> dict[str, dict[str, Any]]:
    with database.reading() as connection:
        found = connection.execute(
            select(tables.street.c.source_id, tables.street.c.id, tables.street.c.name).where(
                tables.street.c.tenant_id == tenant_id
            )
        ).mappings()
        return {row["source_id"]: dict(row) for row in found}


def test_importing_again_replaces_and_keeps_ids(store: Database, tenant_id: UUID, osm_file: Path) -> None:
    said: list[str] = []
    with store.writing() as connection:
        imported = import_streets(connection, tenant_id, osm_file, said.append)
    assert (imported.streets, imported.addresses, imported.left_out) == (2, 2, 1)
    assert "2 Straßenabschnitte" in said[-1]
    assert "2 house numbers" in said[-1]
    before = rows(store, tenant_id)
    with store.writing() as connection:
        import_streets(connection, tenant_id, osm_file)
    assert rows(store, tenant_id) == before
    other = geojson_file(
        osm_file.with_name("new.geojson"),
        feature("LineString", [[11.5, 50.0], [11.6, 50.0]], name="Neue Straße", highway="residential"),
    )
    with store.writing() as connection:
        import_streets(connection, tenant_id, other)
        addresses = connection.execute(select(func.count()).select_from(tables.street_address)).scalar_one()
    assert [each["name"] for each in rows(store, tenant_id).values()] == ["Neue Straße"]
    assert addresses == 2  # a file without addresses leaves those of the file before


def test_an_import_belongs_to_its_tenant(office: Office, osm_file: Path) -> None:
    ours, theirs = office.tenant("default"), office.tenant("elsewhere")
    for tenant_id in (ours, theirs):
        with office.database.writing() as connection:
            import_streets(connection, tenant_id, osm_file)
    assert len(rows(office.database, ours)) == len(rows(office.database, theirs)) == 2


# --- places in words --------------------------------------------------------------------------------------

PLANE = LocalPlane(50.0, 11.5)


def street(
    number: int, name: str | None, *places_m: tuple[float, float], highway: str = "residential"
) -> StoredStreet:
    """A street through places on the plane."""
    line = tuple((lon, lat) for lat, lon in (PLANE.lat_lon(*place) for place in places_m))
    return StoredStreet(UUID(int=number), name, None, highway, line)


def house(name: str, number: str, east_m: float, north_m: float) -> StoredAddress:
    return StoredAddress(name, number, *PLANE.lat_lon(east_m, north_m))


MAIN = street(1, "Hauptstraße", (-200, 0), (200, 0))
CROSSING = street(2, "Querweg", (0, -100), (0, 100))
FOOTWAY = street(3, "Fußweg", (-200, 4), (200, 4), highway="footway")
SERVICE = street(4, None, (-200, 8), (200, 8), highway="service")
HOUSES = [
    house("Hauptstraße", "1", 10, 12),
    house("Hauptstraße", "3", 60, 12),
    house("Querweg", "5", 41, 2),
]


def found(east_m: float, north_m: float, heading_deg: float | None) -> StreetPlace:
    finder = StreetFinder([MAIN, CROSSING, FOOTWAY, SERVICE], HOUSES, PLANE.lat, PLANE.lon)
    return finder.place(*PLANE.lat_lon(east_m, north_m), heading_deg)


@pytest.mark.parametrize(
    ("east_m", "north_m", "heading_deg", "name", "number"),
    [
        (40.0, 1.5, 90.0, "Hauptstraße", "3"),
        (40.0, 1.5, 270.0, "Hauptstraße", "3"),
        (1.0, 5.0, 90.0, "Hauptstraße", "1"),
        (1.0, 5.0, 2.0, "Querweg", "5"),
        (1.0, 5.0, None, "Querweg", "5"),
        (40.0, 4.0, 90.0, "Hauptstraße", "3"),
        (40.0, 6.0, 90.0, "Hauptstraße", "3"),
        (-190.0, 0.0, 90.0, "Hauptstraße", None),
        (120.0, 31.0, 90.0, None, None),
        (120.0, 60.0, 90.0, None, None),
    ],
    ids=[
        "beside the house of another street",
        "driven the other way",
        "at a crossing, heading along",
        "at a crossing, heading across",
        "at a crossing, heading not known",
        "on a footway that no car uses",
        "nearer to an unnamed service road",
        "far from any house",
        "beside an unnamed road only",
        "far from any street",
    ],
)
def test_a_place_gets_the_street_that_was_driven_and_a_house_on_it(
    east_m: float, north_m: float, heading_deg: float | None, name: str | None, number: str | None
) -> None:
    place = found(east_m, north_m, heading_deg)
    assert (place.street_name, place.house_number) == (name, number)


def test_a_road_without_a_name_is_called_by_its_number() -> None:
    road = StoredStreet(UUID(int=9), None, "B 85", "primary", MAIN.line)
    place = StreetFinder([road], [], PLANE.lat, PLANE.lon).place(PLANE.lat, PLANE.lon, 90.0)
    assert place == StreetPlace(UUID(int=9), "B 85", None)


def test_the_shipped_streets_find_the_houses_in_them(store: Database, tenant_id: UUID) -> None:
    with store.writing() as connection:
        imported = import_streets(connection, tenant_id, SHIPPED)
        finder = finder_for(connection, tenant_id, Box(11.45, 49.96, 11.62, 50.07))
    assert (imported.streets, imported.addresses) == (2056, 800)
    addresses = read_network(SHIPPED).addresses
    places = [finder.place(each.lat, each.lon, None) for each in addresses]
    asked = list(zip(addresses, places, strict=True))
    on_its_street = [(each, place) for each, place in asked if place.street_name == each.street_name]
    assert len(on_its_street) > 500  # measured: 536; 197 stand more than 30 m from any street
    assert all(place.house_number == each.house_number for each, place in on_its_street)


# --- the map's background -----------------------------------------------------------------------------------


@pytest.fixture
def drawn(office: Office, osm_file: Path) -> Office:
    """An office with imported streets."""
    tenant_id = office.tenant("default")
    with office.database.writing() as connection:
        import_streets(connection, tenant_id, osm_file)
    return office


def test_the_background_shows_the_streets_of_a_box(drawn: Office) -> None:
    viewer = drawn.person()
    answer = viewer.get("/api/v1/map/streets.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    assert "OpenStreetMap" in answer.json()["attribution"]
    names = {each["properties"].get("name") for each in answer.json()["features"]}
    assert names == {"Hauptstraße", None}
    east = viewer.get("/api/v1/map/streets.geojson", params={"bbox": "11.5045,50.0005,11.51,50.1"})
    assert [each["properties"]["ref"] for each in east.json()["features"]] == ["B 85"]
    nowhere = viewer.get("/api/v1/map/streets.geojson", params={"bbox": "12,51,13,52"})
    assert nowhere.json()["features"] == []


def test_the_background_is_fetched_once_and_again_after_an_import(drawn: Office, osm_file: Path) -> None:
    viewer = drawn.person()
    first = viewer.get("/api/v1/map/streets.geojson")
    assert "max-age" in first.headers["cache-control"]
    known = {"If-None-Match": first.headers["etag"]}
    again = viewer.get("/api/v1/map/streets.geojson", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    tenant_id = drawn.tenant("default")
    with drawn.database.writing() as connection:
        import_streets(connection, tenant_id, osm_file)
    assert viewer.get("/api/v1/map/streets.geojson", headers=known).status_code == 200


def test_the_background_is_for_people_of_the_tenant(drawn: Office) -> None:
    problem(drawn.anybody().get("/api/v1/map/streets.geojson"), 401)
    stranger = drawn.person(tenant="elsewhere")
    assert stranger.get("/api/v1/map/streets.geojson").json()["features"] == []
    problem(stranger.get("/api/v1/map/streets.geojson", params={"bbox": "1,2"}), 400)
