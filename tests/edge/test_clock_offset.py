"""The offset of two clocks from the same motion, and when there is none to be had."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.edge.conftest import write_rows
from tests.edge.driving import AT_THE_ANTENNA, drive, fix_at

from wegewart.drive import FixType
from wegewart_edge.clock_offset import ClockOffset, NoOffset, Series, clock_offset
from wegewart_edge.drive_pose import camera_clock_offset, of_the_days, trajectory_of
from wegewart_edge.drive_reader import read_drive
from wegewart_edge.motion import Motion
from wegewart_edge.pose import Trajectory
from wegewart_edge.settings import PoseSettings


def wandering(seed, at_s):
    """A quantity that goes up and down over some seconds, the same for one seed."""
    random = np.random.default_rng(seed)
    phases, speeds = random.uniform(0, 6, 12), random.uniform(0.2, 1.5, 12)
    return sum(np.sin(speed * at_s + phase) for speed, phase in zip(speeds, phases, strict=True))


@pytest.mark.parametrize("ahead_s", [-0.83, 0.0, 0.08, 1.4])
def test_offset_is_found_within_its_sigma(ahead_s):
    wrong = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        first_s, second_s = np.arange(0, 60, 0.1), np.arange(-5, 65, 0.0625)
        first = wandering(seed, first_s) + random.normal(size=len(first_s)) * 0.3
        second = wandering(seed, second_s - ahead_s) + random.normal(size=len(second_s)) * 0.3 + 5.0
        found = clock_offset(Series(first_s, first), Series(second_s, second), least_change=1.0)
        assert isinstance(found, ClockOffset)
        wrong.append((found.ahead_s - ahead_s) / found.sigma_s)
        assert abs(found.ahead_s - ahead_s) < 0.05
    assert np.mean(np.abs(wrong) < 2.5) >= 0.9


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (lambda at_s: 0.01 * wandering(1, at_s), "changes too little"),
        (lambda at_s: wandering(2, at_s), "do not agree"),
        (lambda at_s: wandering(1, at_s - 2.6), "do not agree|lies beyond"),
    ],
    ids=["straight-road", "another-drive", "too-far"],
)
def test_no_offset_is_given_where_the_records_do_not_tell(values, says):
    at_s = np.arange(0, 60, 0.1)
    first = values(at_s) if says == "changes too little" else wandering(1, at_s)
    found = clock_offset(Series(at_s, first), Series(at_s, values(at_s)), least_change=1.0)
    assert isinstance(found, NoOffset)
    import re

    assert re.search(says, found.reason)


def test_motion_that_repeats_itself_gives_no_offset():
    at_s = np.arange(0, 60, 0.1)
    wave = 3 * np.sin(2 * math.pi * at_s / 1.5)
    found = clock_offset(Series(at_s, wave), Series(at_s, wave), least_change=1.0)
    assert isinstance(found, NoOffset)
    assert "repeats itself" in found.reason


def test_short_overlap_gives_no_offset():
    at_s = np.arange(0, 15, 0.1)
    found = clock_offset(Series(at_s, wandering(1, at_s)), Series(at_s, wandering(1, at_s)), least_change=1.0)
    assert isinstance(found, NoOffset)
    assert "overlap" in found.reason


def test_camera_clock_is_found_from_its_gyro_and_the_receivers_path():
    driven = drive(41, lasts_s=60, fixes_per_s=5, gyro=True)
    ahead = timedelta(seconds=0.42)
    stamped = [Motion(each.captured_at + ahead, None, each.yaw_rate_dps) for each in driven.motion]
    found = camera_clock_offset(driven.fixes, stamped, AT_THE_ANTENNA, PoseSettings())
    assert isinstance(found, ClockOffset)
    assert found.ahead_s == pytest.approx(0.42, abs=0.06)


@pytest.mark.parametrize("kind", [FixType.NONE, FixType.SINGLE], ids=["no-lock", "with-a-place"])
@pytest.mark.parametrize("days", [4, 7168], ids=["last-drive", "week-rollover"])
def test_stale_date_before_the_first_lock_is_not_searched_over_and_is_said(monkeypatch, caplog, kind, days):
    driven = drive(41, lasts_s=60, fixes_per_s=5, gyro=True)
    stale = [replace(f, captured_at=f.captured_at - timedelta(days=days), fix=kind) for f in driven.fixes[:4]]
    stamped = [
        Motion(each.captured_at + timedelta(seconds=0.42), None, each.yaw_rate_dps) for each in driven.motion
    ]
    asked, at = [], Trajectory.at

    def counted(path, moment):
        asked.append(moment)
        assert len(asked) <= 600, "more moments are asked for than the drive has tenths of a second"
        return at(path, moment)

    monkeypatch.setattr(Trajectory, "at", counted)
    monkeypatch.setattr(np, "arange", _sane(np.arange))
    found = camera_clock_offset([*stale, *driven.fixes], stamped, AT_THE_ANTENNA, PoseSettings())
    assert isinstance(found, ClockOffset)
    assert found.ahead_s == pytest.approx(0.42, abs=0.06)
    assert "4 positions left out whose date is not that of the drive, 2026-05-04" in caplog.text


@pytest.mark.parametrize("hours", [-2, 2])
def test_records_that_share_no_time_are_refused_for_that_and_not_for_the_path(hours):
    driven = drive(3, lasts_s=60, gyro=True)
    motion = [replace(each, captured_at=each.captured_at + timedelta(hours=hours)) for each in driven.motion]
    found = camera_clock_offset(driven.fixes, motion, AT_THE_ANTENNA, PoseSettings())
    assert found == NoOffset("the records overlap by 0 s, 20 are needed")


def _sane(arange):
    """numpy's, but never so much that the test itself would take all memory."""

    def limited(start, stop, step=1):
        assert (stop - start) / step < 1e6, f"{(stop - start) / step:.0f} moments are asked for"
        return arange(start, stop, step)

    return limited


def test_stale_dates_are_no_part_of_a_drives_path(make_drive, caplog):
    folder = make_drive()
    rows = [line.split(",") for line in (folder / "gnss.csv").read_text().splitlines()]
    stale = [[row[0].replace("2026", "2006"), *row[1:]] for row in rows[1:5]]
    write_rows(folder / "gnss.csv", rows[0], stale + rows[1:])
    drive = read_drive(folder)
    path = trajectory_of(drive, PoseSettings())
    assert path.at(drive.frames[6].captured_at).station_m == pytest.approx(30.0, abs=0.5)
    assert "4 positions left out" in caplog.text


def test_drive_whose_frames_have_another_date_keeps_all_positions(make_drive, caplog):
    """Which of the two clocks is wrong cannot be told: the frames have no position, as before."""
    folder = make_drive()
    text = (folder / "frames.csv").read_text()
    (folder / "frames.csv").write_text(text.replace("2026-05-04", "2026-03-04"))
    drive = read_drive(folder)
    path = trajectory_of(drive, PoseSettings())
    assert path.at(drive.frames[6].captured_at) is None
    assert path.length_m > 50
    assert "left out" not in caplog.text


def test_rows_without_a_place_do_not_decide_which_days_are_the_drives():
    placed = [replace(fix_at(second, 8.0 * second, 0.0, 1.0), fix=FixType.SINGLE) for second in (0.0, 1.0)]
    none = replace(placed[0], captured_at=placed[0].captured_at + timedelta(days=9), fix=FixType.NONE)
    assert of_the_days([*placed, none], [none.captured_at]) == [*placed, none]
