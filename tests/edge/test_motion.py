"""motion.csv: wheels and gyro of a drive, and how they become part of its path."""

import pytest
from tests.edge.driving import moment

from wegewart.errors import InvalidDrive, InvalidPositions
from wegewart_edge.drive_pose import trajectory_of
from wegewart_edge.drive_reader import read_drive
from wegewart_edge.motion import Motion, read_motion, thinned
from wegewart_edge.settings import PoseSettings

MOTION = '[[camera]]\ncamera_id = "front"\n'


def test_rows_hold_wheels_or_gyro_or_both(tmp_path):
    path = tmp_path / "motion.csv"
    path.write_text(
        "captured_at,speed_mps,yaw_rate_dps\n2026-05-04T08:00:01Z,,-3.5\n2026-05-04T08:00:00Z,8.0,\n"
    )
    assert read_motion(path) == (Motion(moment(0), 8.0, None), Motion(moment(1), None, -3.5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("captured_at\n", "speed_mps or yaw_rate_dps"),
        ("captured_at,speed_mps\n2026-05-04T08:00:00Z,-1\n", "line 2: speed_mps -1"),
        ("captured_at,yaw_rate_dps\n2026-05-04T08:00:00Z,nan\n", "line 2: yaw_rate_dps nan"),
        ("captured_at,speed_mps\n2026-05-04T08:00:00,1\n", "line 2: .*time zone"),
    ],
    ids=["columns", "negative", "nan", "zone"],
)
def test_mistake_is_named_with_its_line(tmp_path, text, says):
    path = tmp_path / "motion.csv"
    path.write_text(text)
    with pytest.raises(InvalidPositions, match=says):
        read_motion(path)


def test_thinning_keeps_the_angle_that_was_turned():
    readings = [Motion(moment(tick / 200), None, 10.0 + tick % 2) for tick in range(400)]
    thin = thinned(readings, 0.1)
    assert len(thin) == pytest.approx(20, abs=1)
    assert sum(each.yaw_rate_dps for each in thin) / len(thin) == pytest.approx(10.5, abs=0.01)


def test_drive_with_motion_bridges_what_its_positions_leave_open(make_drive):
    drive = make_drive(frames=40, replace={MOTION: '[motion]\nfile = "motion.csv"\n\n' + MOTION})
    gnss = (drive / "gnss.csv").read_text().splitlines()
    (drive / "gnss.csv").write_text("\n".join(gnss[:16] + gnss[32:]) + "\n")
    rows = [f"{moment(tick / 10).isoformat()},8.0,0.0" for tick in range(250)]
    (drive / "motion.csv").write_text("captured_at,speed_mps,yaw_rate_dps\n" + "\n".join(rows) + "\n")
    path = trajectory_of(read_drive(drive), PoseSettings())
    pose = path.at(moment(0.625 * 23))
    assert pose is not None
    assert pose.station_m == pytest.approx(115, abs=1.0)
    (drive / "motion.csv").write_text("captured_at,speed_mps\n2026-05-04T08:00:00Z,8.0\n")
    assert trajectory_of(read_drive(drive), PoseSettings()).at(moment(0.625 * 23)) is None


def test_clock_of_the_camera_that_cannot_be_told_stays_as_stated(make_drive, caplog):
    table = '[motion]\nfile = "motion.csv"\nclock = "camera"\n\n'
    drive = make_drive(frames=40, replace={MOTION: table + MOTION})
    rows = [f"{moment(tick / 10).isoformat()},8.0" for tick in range(250)]
    (drive / "motion.csv").write_text("captured_at,speed_mps\n" + "\n".join(rows) + "\n")
    path = trajectory_of(read_drive(drive), PoseSettings())
    assert "stays as stated" in caplog.text
    assert path.at(moment(12.5)).station_m == pytest.approx(100, abs=0.5)


def test_motion_that_is_named_but_missing_is_said_and_its_content_names_the_run(make_drive):
    drive = make_drive(replace={MOTION: '[motion]\nfile = "motion.csv"\n\n' + MOTION})
    with pytest.raises(InvalidDrive, match=r"lacks motion\.csv"):
        read_drive(drive)
    (drive / "motion.csv").write_text("captured_at,speed_mps\n2026-05-04T08:00:00Z,8.0\n")
    first = read_drive(drive).sha256()
    (drive / "motion.csv").write_text("captured_at,speed_mps\n2026-05-04T08:00:00Z,8.1\n")
    assert read_drive(drive).sha256() != first
