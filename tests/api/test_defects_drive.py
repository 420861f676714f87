"""One drive against the map: what it looked at in vain, and where it believes to have been."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tests.api.sent import observation, track

from wegewart.drive import DriveTrack
from wegewart.geo import Covariance, LocalPlane
from wegewart.observation import Observation
from wegewart_api.database.ids import new_id
from wegewart_api.defects.drive import compare_drive
from wegewart_api.defects.existence import DefectStatus
from wegewart_api.defects.repository import StoredDefect
from wegewart_api.intake.repository import StoredObservation

PLANE = LocalPlane(50.0, 11.5)
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
GNSS = [6.25, 0.0, 6.25]
FRAME = Covariance(0.5, 0.0, 0.5)
CLUSTER_M = tuple(7.0 * number + number % 3 for number in range(20))


def known_at(east_m: float) -> StoredDefect:
    """A defect on the street's middle, in a map that is known to decimetres."""
    lat, lon = PLANE.lat_lon(east_m, 0.0)
    place, relative = Covariance(0.6, 0.0, 0.6), Covariance(0.02, 0.0, 0.02)
    return StoredDefect(
        new_id(), lat, lon, place, lat, lon, relative, FRAME, "D40", {"D40": 1.0}, None, None, None, 3.0,
        DefectStatus.PRESENT, START, START, 3, 3, None, None, START, START,
    )  # fmt: skip


def seen_at(number: int, east_m: float, north_m: float) -> StoredObservation:
    """An observation as the drive's own receiver placed it."""
    lat, lon = PLANE.lat_lon(east_m, north_m)
    sent = observation(
        number, lat=lat, lon=lon, datum="ETRS89", station_m=east_m, cov_relative_m2=[0.02, 0.0, 0.02],
        cov_gnss_m2=GNSS, class_probabilities={"D40": 1.0},
    )  # fmt: skip
    return StoredObservation(Observation.model_validate(sent), lat, lon, START, None, None)


def straight_track(length_m: float) -> DriveTrack:
    """A drive along the street, whose receiver has drifted back to the truth behind the cluster."""
    stations = np.arange(0.0, length_m, 25.0)
    poses: list[dict[str, Any]] = []
    for station_m in map(float, stations):
        lat, lon = PLANE.lat_lon(station_m, 0.0)
        at = (START + timedelta(seconds=station_m / 8)).isoformat()
        poses.append(
            track()["poses"][0] | {"captured_at": at, "station_m": station_m, "lat": lat, "lon": lon}
        )
    zone = {"near_m": 4.0, "far_m": 14.0, "left_m": -20.0, "right_m": 20.0}
    stretch = track()["stretches"][0] | {"from_station_m": 0.0, "to_station_m": length_m, "zone": zone}
    return DriveTrack.model_validate(track(poses=poses, stretches=[stretch], datum="ETRS89"))


@pytest.mark.parametrize("away_m", [400.0, 5000.0])
def test_what_a_cluster_says_of_the_receiver_fades_with_distance(away_m: float) -> None:
    """The bias of 3 m that the cluster shows holds within its correlation length of 750 m, and not beyond."""
    far = known_at(CLUSTER_M[-1] + away_m)
    observations = [seen_at(number, east_m, 3.0) for number, east_m in enumerate(CLUSTER_M)]
    compared = compare_drive(
        straight_track(6000.0), observations, [*(known_at(east_m) for east_m in CLUSTER_M), far]
    )
    assert all(each.defect is not None for each in compared.sighted)
    offset = next(look.offset for look in compared.missed if look.defect_id == far.id)
    rho = np.exp(-away_m / 750.0)
    assert offset.north_m == pytest.approx(3.0 * rho, abs=0.1)
    assert offset.remaining is not None
    assert offset.remaining.nn == pytest.approx((1 - rho**2) * (6.25 + 0.5), rel=0.15)


def test_without_any_observation_the_offset_is_not_known() -> None:
    missed = compare_drive(straight_track(200.0), [], [known_at(100.0)]).missed
    assert [(look.offset.east_m, look.offset.north_m) for look in missed] == [(0.0, 0.0)]
    assert missed[0].offset.remaining == pytest.approx((6.75, 0.0, 6.75))
