"""Positions from photographs' EXIF data, written as cameras write them."""

import struct
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss import read_fixes

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
GPS_IFD, EXIF_IFD = 0x8825, 0x8769


def ascii_(text):
    return ASCII, text.encode() + b"\0", len(text) + 1


def rationals(*values):
    return (
        RATIONAL,
        b"".join(struct.pack("<II", round(value * 10_000), 10_000) for value in values),
        len(values),
    )


def short(value):
    return SHORT, struct.pack("<H", value), 1


def ifd(tags, at):
    """An IFD that stands at an offset, with its long values behind it."""
    table, behind = struct.pack("<H", len(tags)), b""
    behind_at = at + 2 + 12 * len(tags) + 4
    for tag, (kind, value, count) in sorted(tags.items()):
        if len(value) <= 4:
            held = value.ljust(4, b"\0")
        else:
            held = struct.pack("<I", behind_at + len(behind))
            behind += value + b"\0" * (len(value) % 2)
        table += struct.pack("<HHI", tag, kind, count) + held
    return table + struct.pack("<I", 0) + behind


def photograph(path, gps, exif=None):
    """A JPEG with a GPS and an EXIF directory."""
    exif_at = 8 + 2 + 24 + 4
    exif_part = ifd(exif or {0x9003: ascii_("2026:05:04 10:00:00")}, exif_at)
    gps_at = exif_at + len(exif_part)
    main = ifd(
        {EXIF_IFD: (LONG, struct.pack("<I", exif_at), 1), GPS_IFD: (LONG, struct.pack("<I", gps_at), 1)}, 8
    )
    tiff = b"II*\0" + struct.pack("<I", 8) + main + exif_part + ifd(gps, gps_at)
    _, jpeg = cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))
    content = jpeg.tobytes()
    header = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff
    path.write_bytes(content[:2] + header + content[2:])


def place(lat=(49, 56, 24.0), lon=(11, 34, 12.0), **more):
    tags = {1: ascii_("N"), 2: rationals(*lat), 3: ascii_("E"), 4: rationals(*lon)}
    return tags | {int(key[1:], 16): value for key, value in more.items()}


TIME = {"x07": rationals(8, 0, 1.25), "x1d": ascii_("2026:05:04")}


def test_photographs_of_a_folder_are_a_path(tmp_path):
    photograph(tmp_path / "b.jpg", place(lon=(11, 34, 13.0), **TIME | {"x07": rationals(8, 0, 2.25)}))
    photograph(
        tmp_path / "a.JPG",
        place(
            **TIME,
            x0c=ascii_("K"),
            x0d=rationals(30),
            x0e=ascii_("T"),
            x0f=rationals(93.5),
            x1f=rationals(3.03),
        ),
    )
    first, second = read_fixes(tmp_path, 2.5)
    assert (first.lat, first.lon) == pytest.approx((49.94, 11.57), abs=1e-7)
    assert first.captured_at == datetime(2026, 5, 4, 8, 0, 1, 250_000, tzinfo=UTC)
    assert (first.speed_mps, first.heading_deg) == (pytest.approx(30 / 3.6), pytest.approx(93.5))
    assert first.sigma_north_m == pytest.approx(2.0, abs=0.01)
    assert (second.sigma_north_m, second.fix) == (2.5, FixType.SINGLE)


def test_time_of_the_camera_counts_only_with_its_offset(tmp_path, caplog):
    zone = {0x9003: ascii_("2026:05:04 10:00:00"), 0x9011: ascii_("+02:00")}
    photograph(tmp_path / "a.jpg", place(), zone)
    photograph(tmp_path / "b.jpg", place())
    (only,) = read_fixes(tmp_path, 2.5)
    assert only.captured_at == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert "1 pictures without" in caplog.text


def test_south_and_west_are_negative_and_void_is_no_fix(tmp_path):
    tags = place(**TIME, x09=ascii_("V")) | {1: ascii_("S"), 3: ascii_("W")}
    photograph(tmp_path / "a.jpg", tags)
    (only,) = read_fixes(tmp_path, 2.5)
    assert (only.lat < 0, only.lon < 0, only.fix) == (True, True, FixType.NONE)


def test_local_datum_is_refused(tmp_path):
    photograph(tmp_path / "a.jpg", place(**TIME, x12=ascii_("TOKYO")))
    with pytest.raises(InvalidPositions, match="datum TOKYO"):
        read_fixes(tmp_path, 2.5)


def test_folder_without_positions_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((8, 8, 3), 90, np.uint8))
    with pytest.raises(InvalidPositions, match="holds no position"):
        read_fixes(tmp_path, 2.5)
