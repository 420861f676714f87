"""Positions in ETRS89, in which the store keeps them, from the datum in which they were sent."""

from calendar import isleap
from datetime import UTC, datetime, timedelta
from functools import cache

from pyproj import Transformer

from wegewart.drive import DriveTrack, Pose
from wegewart.geo import Datum

ITRF2020 = "EPSG:9989"  # WGS84 (G2296) is ITRF2020 to a centimetre: NGA.SIG.0012, EPSG:10608
ETRF2000 = "EPSG:7931"  # the realisation of ETRS89 behind the German DREF91 (2016), to some centimetres


def to_etrs89(lat: float, lon: float, datum: Datum, captured_at: datetime) -> tuple[float, float]:
    """Latitude and longitude in ETRS89 of a position measured at a moment.

    Europe moves 2.5 cm a year against the world: positions in WGS84 are those of the moment they were taken.
    """
    if datum is Datum.ETRS89:
        return lat, lon
    lat, lon, _, _ = _from_wgs84().transform(lat, lon, 0.0, decimal_year(captured_at))
    return float(lat), float(lon)


def track_in_etrs89(track: DriveTrack) -> DriveTrack:
    """The same track with its poses in ETRS89."""
    if track.datum is Datum.ETRS89:
        return track
    poses = tuple(_pose_in_etrs89(pose, track.datum) for pose in track.poses)
    return track.model_copy(update={"datum": Datum.ETRS89, "poses": poses})


def decimal_year(moment: datetime) -> float:
    """Moment as a year with decimals, the epoch of a coordinate."""
    start = datetime(moment.year, 1, 1, tzinfo=UTC)
    year = timedelta(days=366 if isleap(moment.year) else 365)
    return moment.year + (moment - start) / year


def _pose_in_etrs89(pose: Pose, datum: Datum) -> Pose:
    lat, lon = to_etrs89(pose.lat, pose.lon, datum, pose.captured_at)
    return pose.model_copy(update={"lat": lat, "lon": lon})


@cache
def _from_wgs84() -> Transformer:
    """Fourteen-parameter Helmert transformation of EUREF (Altamimi 2018, TN v1.0); PROJ holds it, no grid."""
    return Transformer.from_crs(ITRF2020, ETRF2000)
