"""Station and offset of a place on the driven path."""

import math
from datetime import timedelta

import pytest
from tests.edge.conftest import METRES_PER_DEGREE_NORTH, START

from wegewart.geo import LocalPlane
from wegewart_edge.abeam import abeam_of

RADIUS_M = 20.0
SPEED_MPS = 8.0


class Bend:
    """A circle to the right with a radius of 20 m, begun northwards; it ends after a quarter."""

    def __init__(self, make_pose, ends_m=RADIUS_M * math.pi / 2):
        self._make_pose = make_pose
        self._ends_m = ends_m

    def at(self, moment):
        way_m = (moment - START).total_seconds() * SPEED_MPS
        if not 0 <= way_m <= self._ends_m:
            return None
        angle = way_m / RADIUS_M
        lat, lon = LocalPlane(49.94, 11.57).lat_lon(
            RADIUS_M * (1 - math.cos(angle)), RADIUS_M * math.sin(angle)
        )
        turned = {"lat": lat, "lon": lon, "heading_deg": math.degrees(angle), "speed_mps": SPEED_MPS}
        return self._make_pose(way_m, captured_at=moment, **turned)


def place_in_the_bend(way_m, offset_m):
    angle = way_m / RADIUS_M
    east_m = RADIUS_M - (RADIUS_M - offset_m) * math.cos(angle)
    return LocalPlane(49.94, 11.57).lat_lon(east_m, (RADIUS_M - offset_m) * math.sin(angle))


@pytest.mark.parametrize("offset_m", [-1.5, 0.0, 2.0])
def test_in_a_bend_station_and_offset_follow_the_driven_path(make_pose, offset_m):
    """Seen from 8 m before it: along the heading of the view the place would lie 1.6 m further right."""
    path = Bend(make_pose)
    seen_from = path.at(START + timedelta(seconds=1.0))
    abeam = abeam_of(*place_in_the_bend(16.0, offset_m), seen_from, path)
    assert (abeam.station_m, abeam.offset_right_m) == pytest.approx((16.0, offset_m), abs=0.02)


def test_where_the_drive_ends_before_the_place_its_last_heading_goes_on(make_pose):
    path = Bend(make_pose, ends_m=9.0)
    seen_from = path.at(START + timedelta(seconds=1.0))
    lat = seen_from.lat + 5.0 / METRES_PER_DEGREE_NORTH
    abeam = abeam_of(lat, seen_from.lon, seen_from, path)
    angle = math.radians(seen_from.heading_deg)
    assert abeam.station_m == pytest.approx(8.0 + 5.0 * math.cos(angle), abs=0.02)
    assert abeam.offset_right_m == pytest.approx(-5.0 * math.sin(angle), abs=0.02)
