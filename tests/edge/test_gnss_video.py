"""Positions that cameras write into their videos: GPMF of a real GoPro, GPS9 and CAMM built as specified."""

import os
import struct
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from wegewart.drive import FixType
from wegewart.errors import InvalidPositions
from wegewart_edge.gnss import read_fixes
from wegewart_edge.gnss.camm import utc_of_gps
from wegewart_edge.gnss.gpmf import fixes_of_gpmf, payload_of, payloads_of
from wegewart_edge.gnss.mp4 import Sample, metadata_tracks
from wegewart_edge.gnss.video import video_clock

MADE_S = int((datetime(2026, 5, 4, 8, 0, tzinfo=UTC) - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds())


def box(kind, *contents):
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def video(path, sample_format, samples, lasts_ms=1000, created_s=MADE_S, handler=b"meta"):
    """An MP4 with one metadata track: samples in chunks of two."""
    content = b"".join(samples)
    first = 16 + 8
    sizes = [len(sample) for sample in samples]
    chunks = [first + sum(sizes[:number]) for number in range(0, len(samples), 2)]
    stbl = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), struct.pack(">I4s8x", 16, sample_format)),
        box(b"stts", struct.pack(">IIII", 0, 1, len(samples), lasts_ms)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 2, 1)),
        box(b"stsz", struct.pack(f">III{len(sizes)}I", 0, 0, len(sizes), *sizes)),
        box(b"stco", struct.pack(f">II{len(chunks)}I", 0, len(chunks), *chunks)),
    )
    mdia = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIII", 0, created_s, created_s, 1000, lasts_ms * len(samples), 0)),
        box(b"hdlr", struct.pack(">II4s12x", 0, 0, handler), b"\0"),
        box(b"minf", stbl),
    )
    path.write_bytes(box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat", content) + box(b"moov", box(b"trak", mdia)))
    return path


def entry(key, kind, size, count, content):
    padded = content + b"\0" * (-len(content) % 4)
    return struct.pack(">4scBH", key, kind, size, count) + padded


def nested(key, *entries):
    content = b"".join(entries)
    return struct.pack(">4sBBH", key, 0, 1, len(content)) + content


def gps9_payload(seconds, fix=3):
    scales = (10_000_000, 10_000_000, 1000, 1000, 100, 1, 1000, 100, 1)
    rows = b"".join(
        struct.pack(
            ">7i2H",
            499_400_000,
            -115_700_000,
            340_000,
            8330,
            833,
            9620,
            int((28_800 + seconds + step / 10) * 1000),
            150,
            fix,
        )
        for step in range(10)
    )
    stream = nested(
        b"STRM",
        entry(b"SCAL", b"l", 4, 9, struct.pack(">9i", *scales)),
        entry(b"TYPE", b"c", 1, 9, b"lllllllSS"),
        entry(b"GPS9", b"?", 32, 10, rows),
    )
    return nested(b"DEVC", entry(b"DVNM", b"c", 1, 6, b"HERO11"), stream)


def camm(kind, layout, *values):
    return struct.pack("<HH", 0, kind) + struct.pack("<" + layout, *values)


def gps_seconds(when):
    return (when - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds() + 18


def test_gps9_rows_carry_their_own_time(tmp_path):
    path = video(tmp_path / "hero11.mp4", b"gpmd", [gps9_payload(second) for second in range(3)])
    fixes = read_fixes(path, 2.5)
    assert len(fixes) == 30
    assert (fixes[0].lat, fixes[0].lon) == pytest.approx((49.94, -11.57))
    assert fixes[0].captured_at == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert fixes[-1].captured_at == datetime(2026, 5, 4, 8, 0, 2, 900_000, tzinfo=UTC)
    assert fixes[0].speed_mps == pytest.approx(8.33)
    clock = video_clock(path)
    assert clock.started_at == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert 0.28 < clock.sigma_s < 0.3


def test_gps9_without_a_lock_is_no_fix(tmp_path):
    path = video(tmp_path / "hero11.mp4", b"gpmd", [gps9_payload(0, fix=0)])
    assert {fix.fix for fix in read_fixes(path, 2.5)} == {FixType.NONE}
    with pytest.raises(InvalidPositions, match="0 stamps"):
        video_clock(path)


def test_camm_with_time_and_accuracy_is_taken_as_stated(tmp_path):
    when = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    samples = [
        camm(6, "di2df2f3ff", gps_seconds(when) + n, 3, 49.94, 11.57, 340, 3.03, 5, 8, 0, 0, 0.2)
        for n in range(3)
    ]
    first, *_ = fixes = read_fixes(video(tmp_path / "a.mp4", b"camm", samples, handler=b"camm"), 2.5)
    assert len(fixes) == 3
    assert first.captured_at == when
    assert first.sigma_east_m == pytest.approx(2.0, abs=0.01)  # 68 % within 3.03 m
    assert (first.heading_deg, first.speed_mps) == (pytest.approx(90.0), 8.0)
    assert first.heading_sigma_deg == pytest.approx(1.43, abs=0.01)


def test_plain_camm_takes_the_time_of_the_video(tmp_path):
    samples = [
        camm(2, "3f", 0.0, 0.1, 0.0),
        camm(5, "3d", 49.94, 11.57, 340),
        camm(5, "3d", 49.95, 11.57, 340),
    ]
    fixes = read_fixes(video(tmp_path / "a.mp4", b"camm", samples), 2.5)
    assert [fix.captured_at.second for fix in fixes] == [1, 2]


def test_plain_camm_of_a_video_without_a_date_is_refused(tmp_path):
    path = video(tmp_path / "a.mp4", b"camm", [camm(5, "3d", 49.94, 11.57, 340)], created_s=0)
    with pytest.raises(InvalidPositions, match="no time of their own"):
        read_fixes(path, 2.5)


@pytest.mark.parametrize(
    ("when", "leap_s"),
    [(datetime(2016, 12, 31, tzinfo=UTC), 17), (datetime(2017, 1, 2, tzinfo=UTC), 18)],
    ids=["before", "after"],
)
def test_leap_seconds_are_those_of_the_day(when, leap_s):
    ahead_s = (when - datetime(1980, 1, 6, tzinfo=UTC)).total_seconds() + leap_s
    assert utc_of_gps(ahead_s) == when


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:200], "no index"),
        (lambda content: content.replace(b"stsz", b"junk"), "damaged"),
        (lambda content: content.replace(b"camm", b"mett"), "no GPMF"),
        (lambda content: b"no video at all", "no index"),
    ],
    ids=["cut-off", "no-sizes", "no-track", "no-mp4"],
)
def test_video_that_cannot_be_read_is_refused_with_what_to_do(tmp_path, damage, says):
    samples = [camm(5, "3d", 49.94, 11.57, 340)] * 9
    path = video(tmp_path / "a.mp4", b"camm", samples)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidPositions, match=says):
        read_fixes(path, 2.5)


def test_camm_packet_that_is_cut_off_is_refused(tmp_path):
    path = video(tmp_path / "a.mp4", b"camm", [camm(6, "di", 1.4e9, 3)])
    with pytest.raises(InvalidPositions, match="cut off"):
        read_fixes(path, 2.5)


@pytest.fixture
def gopro():
    root = os.environ.get("WEGEWART_DATA")
    folder = Path(root or "") / "drives" / "gopro-gpmf"
    if not root or not folder.is_dir():
        pytest.skip("WEGEWART_DATA names no folder with drives/gopro-gpmf: no real GPMF is read")
    return folder


def test_real_gopro_video_gives_the_walk_that_other_tools_read_from_it(gopro):
    """First place and speed as ExifTool 12.57 prints them: 33° 7' 36.37" N, 117° 19' 38.44" W, 1.046 m/s."""
    fixes = read_fixes(gopro / "max-heromode.mp4", 2.5)
    assert len(fixes) == 191
    assert fixes[0].lat == pytest.approx(33 + 7 / 60 + 36.37 / 3600, abs=2e-6)
    assert fixes[0].lon == pytest.approx(-(117 + 19 / 60 + 38.44 / 3600), abs=2e-6)
    assert fixes[0].speed_mps == pytest.approx(1.046)
    steps_s = [(b.captured_at - a.captured_at).total_seconds() for a, b in pairwise(fixes)]
    assert max(steps_s) < 0.07  # the stamps themselves jump by 1.5 s after the first payload
    assert all(fix.fix is FixType.SINGLE for fix in fixes)


def test_clock_of_a_real_gopro_video_agrees_with_all_but_its_first_stamp(gopro):
    clock = video_clock(gopro / "max-heromode.mp4")
    assert clock.stamps == 11
    assert clock.started_at == datetime(2019, 11, 18, 23, 45, 15, 425_000, tzinfo=UTC)


def test_real_payload_without_a_lock_is_no_fix(gopro):
    sample = Sample(0.0, 1.001, (gopro / "hero6.raw").read_bytes())
    payload = payload_of(sample)
    assert (payload.has_fix, len(payload.rows)) == (False, 17)
    assert list(fixes_of_gpmf(payloads_of([sample]), 2.5)) == []  # nor has it a time to be trusted


def test_boxes_without_end_are_refused_and_not_followed(tmp_path):
    nested = b""
    for _ in range(3000):
        nested = struct.pack(">I", 8 + len(nested)) + b"mdia" + nested
    track = struct.pack(">I", 8 + len(nested)) + b"trak" + nested
    (tmp_path / "deep.mp4").write_bytes(struct.pack(">I", 8 + len(track)) + b"moov" + track)

    with pytest.raises(InvalidPositions, match=r"deep\.mp4"):
        list(metadata_tracks(tmp_path / "deep.mp4"))


def test_camm_positions_from_before_the_first_lock_are_left_out_and_counted(tmp_path, caplog):
    when = gps_seconds(datetime(2026, 5, 4, 8, 0, tzinfo=UTC))
    early = (0.0, 1.5, -1.0, float("nan"), float("inf"), 1e300, gps_seconds(datetime(1998, 1, 1, tzinfo=UTC)))
    samples = [
        camm(6, "di2df2f3ff", gps_s, kind, 49.94, 11.57, 340, 3.03, 5, 8, 0, 0, 0.2)
        for gps_s, kind in (*((each, 0) for each in early), (when, 3), (when + 1, 3))
    ]
    fixes = read_fixes(video(tmp_path / "a.mp4", b"camm", samples, handler=b"camm"), 2.5)
    assert [fix.captured_at.second for fix in fixes] == [0, 1]
    assert f"{len(early)} positions left out that come from before the receiver knew the time" in caplog.text


@pytest.mark.parametrize("days", [0, -7305, 2**31 - 1], ids=["never-set", "1980", "nonsense"])
def test_gps9_rows_from_before_the_first_lock_are_left_out_and_counted(tmp_path, caplog, days):
    early = gps9_payload(0, fix=0).replace(struct.pack(">i", 9620), struct.pack(">i", days))
    path = video(tmp_path / "hero11.mp4", b"gpmd", [early, *(gps9_payload(second) for second in (1, 2, 3))])
    assert len(read_fixes(path, 2.5)) == 30
    assert "10 positions left out that come from before the receiver knew the time" in caplog.text
    assert video_clock(path).stamps == 3


def test_gps5_payload_whose_stamp_is_no_date_says_nothing_of_the_videos_start():
    def gps5(stamp, fix):
        stream = nested(
            b"STRM",
            entry(b"GPSF", b"L", 4, 1, struct.pack(">I", fix)),
            entry(b"GPSU", b"U", 16, 1, stamp),
            entry(b"SCAL", b"l", 4, 5, struct.pack(">5i", 10_000_000, 10_000_000, 1000, 1000, 100)),
            entry(b"GPS5", b"l", 20, 1, struct.pack(">5i", 499_400_000, 115_700_000, 340_000, 8330, 833)),
        )
        return nested(b"DEVC", stream)

    samples = [Sample(0.0, 1.0, gps5(b"000000000000.000", 0)), Sample(1.0, 1.0, gps5(b"260504080001.000", 3))]
    none, fix = fixes_of_gpmf(payloads_of(samples), 2.5)
    assert (none.fix, fix.fix) == (FixType.NONE, FixType.SINGLE)
    assert fix.captured_at == datetime(2026, 5, 4, 8, 0, 1, tzinfo=UTC)


def camm_video(path):
    return video(path, b"camm", [camm(5, "3d", 49.94, 11.57, 340)] * 9)


def sizes_as(content, common, count):
    """The video's table of sizes with other numbers."""
    at = content.index(b"stsz") + 8
    return content[:at] + struct.pack(">II", common, count) + content[at + 8 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: sizes_as(content, 2**32 - 1, 9), "9 samples of 4294967295 bytes"),
        (lambda content: sizes_as(content, 1, 9_999_999), "9999999 samples of 1 bytes"),
        (lambda content: content.replace(struct.pack(">I", 28) * 9, b"\x7f" * 36), "samples of 19251"),
        (lambda content: content[:-40], "where the file has"),
    ],
    ids=["huge", "many", "each-huge", "index-cut-off"],
)
def test_sizes_beyond_the_files_own_are_refused_before_anything_is_read(tmp_path, damage, says):
    path = camm_video(tmp_path / "a.mp4")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidPositions, match=says):
        metadata_tracks(path)


def test_video_cut_off_behind_its_index_is_refused_and_says_so(tmp_path):
    """The index first, as cameras and editors write it for streaming; then the samples are missing."""
    path = camm_video(tmp_path / "a.mp4")
    content = path.read_bytes()
    at = content.index(b"moov") - 4
    whole = content[at:] + content[:at]
    moved = struct.pack(">5I", *(24 + 56 * chunk + len(content) - at for chunk in range(5)))
    whole = whole.replace(struct.pack(">5I", *(24 + 56 * chunk for chunk in range(5))), moved)
    path.write_bytes(whole)
    assert len(read_fixes(path, 2.5)) == 9
    path.write_bytes(whole[:-60])
    with pytest.raises(InvalidPositions, match="was cut off: its camm track reaches to byte"):
        read_fixes(path, 2.5)
