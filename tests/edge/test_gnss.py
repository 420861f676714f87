"""Positions from NMEA, GPX and CSV, and what happens when the file says less than hoped."""

import math
import os
from datetime import UTC, date, datetime, time
from functools import reduce
from itertools import pairwise
from operator import xor
from pathlib import Path

import pytest
from pynmeagps import NMEAMessage

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss import Fix, read_fixes
from wegewart_edge.gnss.reading import without_overlap


def sentence(kind, at, **fields):
    return NMEAMessage("GN", kind, 0, time=at, **fields).serialize().decode().strip()


def epoch(at, quality=4, lat=49.94, lon=11.57, gst=True, day=date(2026, 5, 4)):
    """GGA, RMC and GST of one moment, as a receiver writes them."""
    north = {"lat": lat, "NS": "N", "lon": lon, "EW": "E"}
    lines = [
        sentence("GGA", at, **north, quality=quality, numSV=12, HDOP=0.8, alt=340, altUnit="M"),
        sentence("RMC", at, **north, status="A", spd=16.2, cog=93.5, date=day),
    ]
    if gst:
        lines.append(sentence("GST", at, stdMajor=0.02, stdMinor=0.01, orient=0, stdLat=0.012, stdLong=0.018))
    return lines


def test_nmea_epoch_gives_position_accuracy_course_and_speed(tmp_path):
    path = tmp_path / "gnss.nmea"
    path.write_text("\r\n".join(epoch(time(8, 0)) + epoch(time(8, 0, 1), quality=1, gst=False)) + "\r\n")
    first, second = read_fixes(path, sigma_m=2.5)
    assert first.captured_at == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert (first.lat, first.lon) == pytest.approx((49.94, 11.57), abs=1e-7)
    assert (first.sigma_east_m, first.sigma_north_m, first.fix) == (0.018, 0.012, FixType.RTK_FIXED)
    assert (first.heading_deg, first.speed_mps) == (pytest.approx(93.5), pytest.approx(16.2 * 1852 / 3600))
    assert (second.sigma_east_m, second.fix) == (2.5, FixType.SINGLE)


def test_nmea_sentence_with_a_wrong_checksum_is_left_out_and_counted(tmp_path, caplog):
    path = tmp_path / "gnss.nmea"
    lines = epoch(time(8, 0)) + epoch(time(8, 0, 1))
    lines[3] = lines[3].replace("4956", "4957")
    path.write_text("\n".join([*lines, "$GNGGA,080002.00,49"]))
    assert len(read_fixes(path, 2.5)) == 2  # RMC still places the second epoch
    assert "2 damaged NMEA sentences" in caplog.text


def test_nmea_goes_on_past_midnight(tmp_path):
    path = tmp_path / "gnss.nmea"
    gga = {"lat": 49.94, "NS": "N", "lon": 11.57, "EW": "E", "quality": 1}
    lines = [
        *epoch(time(23, 59, 59)),
        sentence("GGA", time(0, 0, 0), **gga),
        sentence("GGA", time(0, 0, 1), **gga),
    ]
    path.write_text("\n".join(lines))
    days = [fix.captured_at.day for fix in read_fixes(path, 2.5)]
    assert days == [4, 5, 5]


def test_nmea_without_a_fix_keeps_the_moment_and_says_none(tmp_path):
    path = tmp_path / "gnss.nmea"
    lines = [*epoch(time(8, 0)), sentence("GGA", time(8, 0, 1), quality=0)]
    path.write_text("\n".join(lines))
    assert [fix.fix for fix in read_fixes(path, 2.5)] == [FixType.RTK_FIXED, FixType.NONE]


def test_csv_takes_what_is_stated_and_leaves_the_rest_unknown(tmp_path):
    path = tmp_path / "gnss.csv"
    path.write_text(
        "captured_at,lat,lon,sigma_east_m,sigma_north_m,heading_deg,fix,remark\n"
        "2026-05-04T08:00:01Z,49.94,11.57,0.02,0.03,361,rtk_fixed,later row first\n"
        "2026-05-04T10:00:00+02:00,49.93,11.57,,,,,\n"
        "2026-05-04T08:00:02Z,,,,,,none,\n"
    )
    first, second, third = read_fixes(path, 2.5)
    assert (first.lat, first.sigma_east_m, first.heading_deg, first.fix) == (49.93, 2.5, None, FixType.SINGLE)
    assert (second.sigma_north_m, second.heading_deg, second.fix) == (0.03, 1.0, FixType.RTK_FIXED)
    assert third.fix is FixType.NONE
    assert math.isnan(third.lat)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("captured_at,lat\n", "lon"),
        ("captured_at,lat,lon\n2026-05-04T08:00:00,1,2\n", "time zone"),
        ("captured_at,lat,lon\n2026-05-04T08:00:00Z,99,2\n", "no position on Earth"),
        ("captured_at,lat,lon\n2026-05-04T08:00:00Z,north,2\n", "line 2"),
        ("captured_at,lat,lon,sigma_east_m\n2026-05-04T08:00:00Z,49,11,0\n", "above 0"),
        ("captured_at,lat,lon,sigma_east_m\n2026-05-04T08:00:00Z,49,11,nan\n", "line 2: .*accuracy of nan"),
        ("captured_at,lat,lon,sigma_north_m\n2026-05-04T08:00:00Z,49,11,inf\n", "line 2: .*accuracy of inf"),
        ("captured_at,lat,lon\n2026-05-04T08:00:00Z,nan,11\n", "line 2: .*no position on Earth"),
        ("captured_at,lat,lon,heading_deg\n2026-05-04T08:00:00Z,49,11,inf\n", "heading_deg is no number"),
        ("captured_at,lat,lon,heading_sigma_deg\n2026-05-04T08:00:00Z,49,11,-1\n", "heading_sigma_deg -1.0"),
        ("captured_at,lat,lon,speed_mps\n2026-05-04T08:00:00Z,49,11,nan\n", "speed_mps nan"),
        ("captured_at,lat,lon\n0001-01-01T00:00:00+01:00,49,11\n", "line 2: .*outside the years"),
        ("captured_at,lat,lon\n", "holds no position"),
    ],
    ids=[
        "column",
        "zone",
        "range",
        "number",
        "sigma",
        "sigma-nan",
        "sigma-inf",
        "lat-nan",
        "heading-inf",
        "heading-sigma",
        "speed-nan",
        "year-one",
        "empty",
    ],
)
def test_csv_with_a_mistake_is_refused_with_its_place(tmp_path, text, says):
    path = tmp_path / "gnss.csv"
    path.write_text(text)
    with pytest.raises(InvalidPositions, match=says):
        read_fixes(path, 2.5)


@pytest.mark.parametrize("name", ["gnss.xyz", "gone.csv"])
def test_file_of_an_unknown_kind_or_missing_is_refused(tmp_path, name):
    with pytest.raises(InvalidPositions, match=name):
        read_fixes(tmp_path / name, 2.5)


def test_gpx_that_is_no_xml_is_refused(tmp_path):
    path = tmp_path / "track.gpx"
    path.write_text("<gpx")
    with pytest.raises(InvalidPositions, match="no GPX"):
        read_fixes(path, 2.5)


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ('lat="nan" lon="11.57"><time>2026-05-04T08:00:00Z</time>', "no position on Earth"),
        ('lat="91" lon="11.57"><time>2026-05-04T08:00:00Z</time>', "no position on Earth"),
        ('lat="49" lon="11.57"><time>1970-01-01T00:00:00Z</time>', "outside the years"),
        ('lat="49" lon="11.57"><time>2026-05-04T08:00:00Z</time><speed>nan</speed>', "speed_mps nan"),
    ],
    ids=["nan", "range", "unset-clock", "speed"],
)
def test_gpx_point_that_cannot_be_is_refused(tmp_path, point, says):
    path = tmp_path / "track.gpx"
    path.write_text(
        '<gpx version="1.0" creator="test" xmlns="http://www.topografix.com/GPX/1/0">'
        f"<trk><trkseg><trkpt {point}</trkpt></trkseg></trk></gpx>"
    )
    with pytest.raises(InvalidPositions, match=says):
        read_fixes(path, 2.5)


def test_nmea_epochs_before_the_receiver_knows_the_date_are_passed_over(tmp_path):
    path = tmp_path / "gnss.nmea"
    path.write_text("\n".join(epoch(time(0, 0), quality=0, day=date(1980, 1, 6)) + epoch(time(8, 0))))
    assert [fix.captured_at.year for fix in read_fixes(path, 2.5)] == [2026]


def test_nmea_accuracy_below_zero_is_refused(tmp_path):
    path = tmp_path / "gnss.nmea"
    gst = sentence("GST", time(8, 0), stdMajor=0.02, stdMinor=0.01, orient=0, stdLat=-0.5, stdLong=0.018)
    path.write_text("\n".join([*epoch(time(8, 0), gst=False), gst]))
    with pytest.raises(
        InvalidPositions, match=r"gnss\.nmea, 2026-05-04T08:00:00\+00:00: .*accuracy of -0\.5"
    ):
        read_fixes(path, 2.5)


def test_nmea_vtg_gives_course_and_speed_where_rmc_has_none(tmp_path):
    path = tmp_path / "gnss.nmea"
    gga, rmc = epoch(time(8, 0), gst=False)
    body = "GNRMC,080000.00,A,4956.40000,N,01134.20000,E,,,040526,,,A"
    bare = f"${body}*{reduce(xor, body.encode()):02X}"
    vtg = NMEAMessage(
        "GN", "VTG", 0, cogt=93.5, cogtUnit="T", sogn=16.2, sognUnit="N", sogk=30.0, sogkUnit="K"
    )
    path.write_text("\n".join([gga, bare, vtg.serialize().decode().strip()]))
    (fix,) = read_fixes(path, 2.5)
    assert (fix.heading_deg, fix.speed_mps) == (93.5, pytest.approx(30 / 3.6))
    path.write_text("\n".join([gga, rmc]))
    assert read_fixes(path, 2.5)[0].speed_mps == pytest.approx(16.2 * 1852 / 3600)


def test_nmea_on_a_local_datum_is_refused(tmp_path):
    path = tmp_path / "gnss.nmea"
    dtm = NMEAMessage(
        "GN", "DTM", 0, datum="S42", latOfset=0.1, NS="N", lonOfset=0.1, EW="E", alt=0, refDatum="W84"
    )
    path.write_text("\n".join([dtm.serialize().decode().strip(), *epoch(time(8, 0))]))
    with pytest.raises(InvalidPositions, match="datum 'S42'"):
        read_fixes(path, 2.5)


def test_receiver_that_sets_its_clock_back_loses_what_it_said_twice(tmp_path, caplog):
    """It learns its leap seconds after five epochs: the last three of them lie in the time that follows."""
    path = tmp_path / "gnss.nmea"
    early = [line for second in range(5) for line in epoch(time(8, 0, second), lat=49.90)]
    late = [line for second in range(2, 8) for line in epoch(time(8, 0, second), lat=49.94)]
    path.write_text("\n".join(early + late))
    fixes = read_fixes(path, 2.5)
    assert [round(fix.lat, 2) for fix in fixes] == [49.90] * 2 + [49.94] * 6
    assert "3 fixes left out" in caplog.text


def test_an_old_time_without_a_place_takes_nothing_away():
    def fix(minute, kind=FixType.SINGLE, year=2026):
        return Fix(datetime(year, 5, 4, 8, minute, tzinfo=UTC), 49.9, 11.5, 2.5, 2.5, kind)

    restarted = fix(3, FixType.NONE, year=2007)

    kept = without_overlap([fix(1), fix(2), restarted, fix(4)], "drive")

    assert [each.captured_at.minute for each in kept] == [1, 2, 4]


@pytest.fixture
def drives():
    root = os.environ.get("WEGEWART_DATA")
    if not root or not (Path(root) / "drives").is_dir():
        pytest.skip("WEGEWART_DATA names no folder with drives/: real GPX tracks are not read")
    return Path(root) / "drives"


def test_real_gpx_track_drawn_at_30_km_h_has_that_speed(drives):
    from wegewart.geo import ground_distance_m

    fixes = read_fixes(drives / "mapillary" / "sf_30km_h.gpx", 2.5)
    driven_m = sum(ground_distance_m(a.lat, a.lon, b.lat, b.lon) for a, b in pairwise(fixes))
    took_s = (fixes[-1].captured_at - fixes[0].captured_at).total_seconds()
    assert driven_m / took_s * 3.6 == pytest.approx(30, rel=0.03)


def test_real_gpx_tracks_of_leipzig_are_in_leipzig_and_in_order(drives):
    read = 0
    for path in sorted((drives / "graphhopper-gpx").glob("*.gpx")):
        text = path.read_text()
        if "<time>" not in text or "<time>1970" in text:  # drawn, not driven: cannot place a frame
            with pytest.raises(InvalidPositions, match=r"no position with a time|outside the years"):
                read_fixes(path, 2.5)
            continue
        fixes = read_fixes(path, 2.5)
        assert all(51.2 < fix.lat < 51.5 and 12.2 < fix.lon < 12.6 for fix in fixes)
        assert all(a.captured_at < b.captured_at for a, b in pairwise(fixes))
        read += 1
    assert read
