"""Streets and addresses from OSM (.osm, .osm.gz, .osm.bz2, .osm.pbf) and from GeoJSON.

OSM coordinates are taken as ETRS89: in Germany they were mostly drawn over the surveying offices' aerial
images, which are in ETRS89; the difference to WGS84 is below a metre either way.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import osmium
from osmium.osm import Node, Way

from wegewart_api.streets.network import (
    HIGHWAY_LENGTH,
    NAME_LENGTH,
    NO_STREET,
    NUMBER_LENGTH,
    REF_LENGTH,
    Address,
    LonLat,
    Network,
    StreetLine,
    StreetsInvalid,
)

OSM_SUFFIXES = (".osm", ".osm.gz", ".osm.bz2", ".osm.xml", ".osm.pbf", ".pbf")
GEOJSON_SUFFIXES = (".geojson", ".json")
PROGRESS_EVERY = 20_000

Progress = Callable[[str], None]


def read_network(path: Path, progress: Progress = lambda _: None) -> Network:
    """Streets and addresses of a file, by its suffix.

    Raises:
        StreetsInvalid: If the file is missing, is of no known kind, cannot be read, or holds nothing usable.
    """
    if not path.is_file():
        raise StreetsInvalid(f"{path}: no such file")
    name = path.name.lower()
    if name.endswith(OSM_SUFFIXES):
        network = _read_osm(path, progress)
    elif name.endswith(GEOJSON_SUFFIXES):
        network = _read_geojson(path)
    else:
        raise StreetsInvalid(
            f"{path}: streets come as OSM ({', '.join(OSM_SUFFIXES)}) or as GeoJSON"
            f" ({', '.join(GEOJSON_SUFFIXES)})"
        )
    if not network.streets and not network.addresses:
        raise StreetsInvalid(f"{path} holds no way with a highway tag and no address")
    return network


def _read_osm(path: Path, progress: Progress) -> Network:
    streets: list[StreetLine] = []
    addresses: list[Address] = []
    left_out = 0
    try:
        for number, each in enumerate(osmium.FileProcessor(str(path)).with_locations(), start=1):
            if number % PROGRESS_EVERY == 0:
                progress(f"{number} Objekte gelesen / objects read")
            if not isinstance(each, Node | Way) or not len(each.tags):
                continue
            found = _street_of_way(each) if isinstance(each, Way) else None
            address = _address_of(each)
            left_out += _is_street(dict(each.tags)) and isinstance(each, Way) and found is None
            streets += [found] if found else []
            addresses += [address] if address else []
    except (RuntimeError, ValueError) as error:
        raise StreetsInvalid(f"{path} cannot be read as OSM: {error}") from error
    return Network(tuple(streets), tuple(addresses), left_out)


def _is_street(tags: Mapping[str, str]) -> bool:
    return "highway" in tags and tags["highway"] not in NO_STREET and tags.get("area") != "yes"


def _street_of_way(way: Way) -> StreetLine | None:
    tags = dict(way.tags)
    if not _is_street(tags):
        return None
    return _street(
        f"way/{way.id}", tags, [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
    )


def _address_of(each: Node | Way) -> Address | None:
    tags = dict(each.tags)
    if "addr:housenumber" not in tags:
        return None
    if isinstance(each, Way):
        outline = [(node.lon, node.lat) for node in each.nodes if node.location.valid()]
        return _address(f"way/{each.id}", tags, _middle(outline))
    return _address(f"node/{each.id}", tags, (each.location.lon, each.location.lat))


def _middle(outline: list[LonLat]) -> LonLat | None:
    """Mean of a building's corners; a closed way names its first corner twice."""
    corners = outline[:-1] if len(outline) > 1 and outline[0] == outline[-1] else outline
    if not corners:
        return None
    return sum(lon for lon, _ in corners) / len(corners), sum(lat for _, lat in corners) / len(corners)


def _street(source_id: str, tags: Mapping[str, str], line: list[LonLat]) -> StreetLine | None:
    """A street of two points or more; what repeats a point is drawn together."""
    points = [point for index, point in enumerate(line) if index == 0 or point != line[index - 1]]
    if len(points) < 2 or not all(_on_earth(point) for point in points):
        return None
    return StreetLine(
        source_id,
        _short(tags.get("name"), NAME_LENGTH),
        _short(tags.get("ref"), REF_LENGTH),
        tags["highway"][:HIGHWAY_LENGTH],
        tuple(points),
    )


def _address(source_id: str, tags: Mapping[str, str], place: LonLat | None) -> Address | None:
    """An address; villages without street names number their houses by place (OSM's addr:place)."""
    street = _short(tags.get("addr:street") or tags.get("addr:place"), NAME_LENGTH)
    number = _short(tags.get("addr:housenumber"), NUMBER_LENGTH)
    if street is None or number is None or place is None or not _on_earth(place):
        return None
    return Address(source_id, street, number, place[1], place[0])


def _short(words: str | None, most: int) -> str | None:
    return (words or "").strip()[:most] or None


def _on_earth(point: LonLat) -> bool:
    return all(math.isfinite(value) for value in point) and abs(point[0]) <= 180 and abs(point[1]) <= 90


def _read_geojson(path: Path) -> Network:
    try:
        collection = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StreetsInvalid(f"{path} cannot be read as GeoJSON: {error}") from error
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        raise StreetsInvalid(f"{path} is no GeoJSON FeatureCollection")
    streets: list[StreetLine] = []
    addresses: list[Address] = []
    left_out = 0
    for number, feature in enumerate(collection.get("features") or []):
        try:
            found = list(_of_feature(number, feature))
        except (AttributeError, TypeError, ValueError, KeyError, IndexError):
            found = []  # a malformed feature is counted, the others still come in
        left_out += not found
        streets += [each for each in found if isinstance(each, StreetLine)]
        addresses += [each for each in found if isinstance(each, Address)]
    return Network(tuple(streets), tuple(addresses), left_out)


def _of_feature(number: int, feature: Mapping[str, Any]) -> Iterator[StreetLine | Address]:
    tags = {str(key): str(value) for key, value in (feature["properties"] or {}).items() if value is not None}
    source_id = str(feature.get("id") or tags.get("@id") or tags.get("id") or f"feature/{number}")[:60]
    geometry = feature["geometry"]
    if geometry["type"] in ("LineString", "MultiLineString"):
        lines = (
            geometry["coordinates"] if geometry["type"] == "MultiLineString" else [geometry["coordinates"]]
        )
        tags.setdefault("highway", "road")
        for part, line in enumerate(lines):
            points = [(float(lon), float(lat)) for lon, lat, *_ in line]
            street = _street(source_id if part == 0 else f"{source_id}/{part}", tags, points)
            if street is not None and _is_street(tags):
                yield street
    elif geometry["type"] == "Point":
        for bare in ("street", "place", "housenumber"):
            if bare in tags:
                tags.setdefault(f"addr:{bare}", tags[bare])
        lon, lat, *_ = geometry["coordinates"]
        address = _address(source_id, tags, (float(lon), float(lat)))
        if address is not None:
            yield address
