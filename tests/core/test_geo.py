"""Positions: the local plane agrees with the ellipsoid, covariances behave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pyproj import Geod

from wegewart.geo import Covariance, CovarianceM2, LocalPlane, ground_distance_m

GEOD = Geod(ellps="GRS80")
latitudes = st.floats(-69, 69)
longitudes = st.floats(-179.9, 179.9)
offsets_m = st.floats(-2000, 2000)


@given(lat=latitudes, lon=longitudes, east_m=offsets_m, north_m=offsets_m)
def test_a_place_on_the_plane_comes_back_to_itself(
    lat: float, lon: float, east_m: float, north_m: float
) -> None:
    plane = LocalPlane(lat, lon)
    assert plane.east_north_m(*plane.lat_lon(east_m, north_m)) == pytest.approx((east_m, north_m), abs=1e-6)


@given(lat=latitudes, lon=longitudes, east_m=st.floats(-100, 100), north_m=st.floats(-100, 100))
def test_distances_within_100_m_agree_with_the_ellipsoid_to_2_mm(
    lat: float, lon: float, east_m: float, north_m: float
) -> None:
    lat_b, lon_b = LocalPlane(lat, lon).lat_lon(east_m, north_m)
    _, _, geodesic_m = GEOD.inv(lon, lat, lon_b, lat_b)
    assert ground_distance_m(lat, lon, lat_b, lon_b) == pytest.approx(geodesic_m, abs=2e-3)


def test_the_plane_takes_the_short_way_over_the_date_line() -> None:
    east_m, north_m = LocalPlane(0.0, 179.9999).east_north_m(0.0, -179.9999)
    assert (east_m, north_m) == pytest.approx((22.264, 0.0), abs=1e-3)  # 0.0002° of the equator


def test_independent_errors_add_and_the_gate_is_measured_in_sigmas() -> None:
    together = Covariance(4.0, 0.0, 1.0).plus(Covariance(5.0, 0.0, 3.0))
    assert together == Covariance(9.0, 0.0, 4.0)
    assert together.mahalanobis2(3.0, 0.0) == pytest.approx(1.0)
    assert together.mahalanobis2(0.0, 4.0) == pytest.approx(4.0)


@pytest.mark.parametrize("values", [[0, 0, 1], [1, 1, 1], [1, -2, 1], [-1, 0, -1]], ids=str)
def test_what_is_no_covariance_is_refused(values: list[float]) -> None:
    with pytest.raises(ValidationError, match="is no covariance"):
        TypeAdapter(CovarianceM2).validate_python(values)
