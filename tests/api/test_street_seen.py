"""Which streets a drive saw: pure on a small town, and kept by the flow through drives and imports."""

import itertools
import math
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import numpy as np
import pytest
from tests.core.messages import drive_track_fields

from wegewart.drive import DriveTrack
from wegewart.geo import LocalPlane
from wegewart_api.defects.street_seen import SeenPart, merged, seen_parts
from wegewart_api.streets.locating import StoredStreet, StreetFinder

PLANE = LocalPlane(50.0, 11.5)
SPACE = UUID("01970000-0000-7000-8000-000000000000")
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def street(name: str, *places_m: tuple[float, float]) -> StoredStreet:
    """Street through places east and north of the plane's origin."""
    line = tuple(tuple(reversed(PLANE.lat_lon(*place))) for place in places_m)
    return StoredStreet(uuid5(SPACE, name), name, None, "residential", line)  # type: ignore[arg-type]


MAIN = street("Hauptstraße", (0, 0), (400, 0))
SIDE = street("Seitenweg", (200, 0), (200, 300))
PARALLEL = street("Parallelweg", (0, 40), (400, 40))
FINDER = StreetFinder([MAIN, SIDE, PARALLEL], [], 50.0, 11.5)


def drive(*places_m: tuple[float, float], invalid: tuple[float, float] | None = None) -> DriveTrack:
    """Track over places with a pose every 5 m, looking 4 to 14 m ahead; invalid between two stations."""
    stations, points, total = [0.0], [places_m[0]], 0.0
    for begin, end in itertools.pairwise(places_m):
        length = math.dist(begin, end)
        for step in np.arange(5.0, length + 0.1, 5.0):
            share = step / length
            points.append((begin[0] + share * (end[0] - begin[0]), begin[1] + share * (end[1] - begin[1])))
            stations.append(total + float(step))
        total += length
    fields = drive_track_fields()
    pose = fields["poses"][0]
    fields["datum"] = "ETRS89"
    fields["poses"] = [
        pose
        | dict(zip(("lat", "lon"), PLANE.lat_lon(*point), strict=True))
        | {"station_m": station, "captured_at": (START + timedelta(seconds=index)).isoformat()}
        for index, (station, point) in enumerate(zip(stations, points, strict=True))
    ]
    zone = {"near_m": 4.0, "far_m": 14.0, "left_m": -3.0, "right_m": 3.0}
    camera = fields["cameras"][0]["camera_id"]
    borders = [0.0, *(invalid or ()), total]
    fields["stretches"] = [
        {
            "camera_id": camera,
            "from_station_m": begin,
            "to_station_m": end,
            "zone": zone,
            "valid": index != 1,
            "invalid_reason": "dark" if index == 1 else None,
        }
        for index, (begin, end) in enumerate(itertools.pairwise(borders))
    ]
    return DriveTrack.model_validate(fields)


def seen_m(parts: list[SeenPart], of: StoredStreet, length_m: float, forward: bool = True) -> list[list[int]]:
    """Metres of a street that were seen, rounded."""
    return [
        [round(part.from_share * length_m), round(part.to_share * length_m)]
        for part in parts
        if part.street_id == of.id and part.forward is forward
    ]


def test_a_driven_street_is_seen_from_where_the_first_frame_looked() -> None:
    parts = seen_parts(drive((0, 0), (400, 0)), FINDER)
    ((start, end),) = seen_m(parts, MAIN, 400)
    assert 8 <= start <= 14  # the road under the bonnet and just ahead at the start was seen by no frame
    assert end >= 396
    assert {part.street_id for part in parts} == {MAIN.id}  # neither the crossing nor the parallel one


def test_driven_backwards_is_told_apart() -> None:
    parts = seen_parts(drive((400, 0), (0, 0)), FINDER)
    assert seen_m(parts, MAIN, 400) == []
    ((start, end),) = seen_m(parts, MAIN, 400, forward=False)
    assert start <= 4
    assert 386 <= end <= 392


def test_what_lay_in_an_invalid_stretch_is_not_seen() -> None:
    parts = seen_parts(drive((0, 0), (400, 0), invalid=(100, 200)), FINDER)
    (_, first_end), (second_start, _) = seen_m(parts, MAIN, 400)
    assert 100 <= first_end <= 112
    assert 208 <= second_start <= 216


def test_turning_into_a_side_street_sees_both() -> None:
    parts = seen_parts(drive((0, 0), (200, 0), (200, 300)), FINDER)
    ((_, main_end),) = seen_m(parts, MAIN, 400)
    ((side_start, side_end),) = seen_m(parts, SIDE, 300)
    assert 196 <= main_end <= 204
    assert side_start <= 8
    assert side_end >= 296


@pytest.mark.parametrize("east_m", [20.0, 60.0])
def test_a_place_beside_the_streets_is_on_none(east_m: float) -> None:
    assert seen_parts(drive((200 + east_m, 60), (200 + east_m, 200)), FINDER) == []


def test_a_drive_that_stood_saw_no_street() -> None:
    assert seen_parts(drive((0, 0), (0.01, 0)), FINDER) == []


def test_pieces_closer_than_the_slack_are_one() -> None:
    assert merged([(0.5, 0.6), (0.0, 0.2), (0.21, 0.3)], 0.02) == [(0.0, 0.3), (0.5, 0.6)]
