"""`wegewart-edge locate`: boxes of others on the road, without images and without a model."""

import numpy as np
import pytest
from tests.edge.conftest import write_rows

from wegewart.geo import LocalPlane
from wegewart.observation import Observation
from wegewart_edge.__main__ import main
from wegewart_edge.drive_reader import read_drive
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import LocateSettings

COLUMNS = ("sequence", "class", "confidence", "x1", "y1", "x2", "y2")


@pytest.fixture
def locate(tmp_path, capsys):
    """Run the command on boxes; exit code, observations, and what it said."""

    def run(drive, rows, columns=COLUMNS, options=()):
        write_rows(tmp_path / "boxes.csv", columns, rows)
        out = tmp_path / "observations.jsonl"
        given = ["--detections", str(tmp_path / "boxes.csv"), "--out", str(out)]
        code = main(["locate", str(drive), *given, *options])
        lines = out.read_text().splitlines() if out.exists() else []
        return code, [Observation.model_validate_json(line) for line in lines], capsys.readouterr().err

    return run


def boxes_of(drive, *damages):
    """Rows for damages at (station, right, class) on the straight street of the test drive."""
    camera = RoadCamera(read_drive(drive, with_images=False).cameras["front"], LocateSettings())
    rows = []
    for sequence in range(12):
        for at_m, right_m, code in damages:
            ahead_m = at_m - 5.0 * sequence
            if camera.near_m < ahead_m < 14.5:
                corners = [[ahead_m, right_m - 0.3], [ahead_m, right_m + 0.3], [ahead_m + 0.5, right_m]]
                left, right, top = camera.pixels(np.array(corners))
                rows.append((sequence, code, 0.8, left[0], top[1], right[0], left[1]))
    return rows


def test_given_boxes_become_observations_at_their_place(locate, make_drive):
    drive = make_drive()
    for image in (drive / "images").iterdir():
        image.unlink()
    code, observations, said = locate(drive, boxes_of(drive, (20.0, 1.0, "D40"), (30.0, -1.5, "D20")))
    assert code == 0
    assert "observations: 2" in said
    origin = LocalPlane(49.94, 11.57)
    found = {each.likeliest_class: each for each in observations}
    for code, place in (("D40", (1.0, 20.0)), ("D20", (-1.5, 30.0))):
        each = found[code]
        assert origin.east_north_m(each.lat, each.lon) == pytest.approx(place, abs=0.05)
        assert (each.station_m, each.offset_right_m) == pytest.approx((place[1], place[0]), abs=0.05)
        assert each.looks == 2
        assert each.cov_gnss_m2.rms_m == pytest.approx(2.5, rel=0.1)
        assert each.bundle.id == "given-boxes"
        assert each.no_evidence_reason == "located without images"
        assert each.width_m == pytest.approx(0.6, abs=0.01)


def test_same_boxes_give_the_same_bytes(locate, make_drive):
    drive = make_drive()
    rows = boxes_of(drive, (20.0, 1.0, "D40"))
    assert locate(drive, rows)[1] == locate(drive, rows)[1]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((99, "D40", 0.5, 1, 2, 3, 4), "no frame with sequence 99"),
        ((1, "D99", 0.5, 1, 2, 3, 4), "no class 'D99'"),
        ((1, "D40", 1.5, 1, 2, 3, 4), "confidence 1.5"),
        ((1, "D40", 0.5, 3, 2, 1, 4), "x2 > x1"),
        ((1, "D40", 0.5, "left", 2, 3, 4), "line 2"),
    ],
    ids=["sequence", "class", "confidence", "box", "number"],
)
def test_mistake_in_the_boxes_is_named(locate, make_drive, row, says):
    code, observations, said = locate(make_drive(), [row])
    assert (code, observations) == (1, [])
    assert says in said


def test_missing_column_is_named(locate, make_drive):
    code, _, said = locate(make_drive(), [(1, "D40")], columns=("sequence", "class"))
    assert code == 1
    assert "confidence, x1, x2, y1, y2" in said


def test_boxes_without_a_place_are_counted_with_the_reason(locate, make_drive):
    code, observations, said = locate(make_drive(), [(1, "D40", 0.9, 300, 20, 340, 60)])
    assert (code, observations) == (0, [])
    assert "near_horizon: 1" in said


def test_box_cut_by_the_frame_is_no_observation_and_is_listed(locate, make_drive, tmp_path):
    drive, listed = make_drive(), tmp_path / "no-place.csv"
    rows = [(1, "D20", 0.9, 300, 250, 400, 360), (2, "D40", 0.9, 300, 20, 340, 60)]
    code, observations, said = locate(drive, rows, options=["--no-place", str(listed)])
    assert (code, observations) == (0, [])
    assert "cut_below: 1" in said
    assert "seen only cut by the frame's edge: 1" in said
    assert listed.read_text().splitlines()[1:] == ["1,0,D20,cut_below,yes", "2,0,D40,near_horizon,no"]


def test_tilt_of_each_frame_is_written_and_a_measured_one_is_taken(locate, make_drive, tmp_path):
    drive, tilts = make_drive(), tmp_path / "tilts.csv"
    rows = boxes_of(drive, (20.0, 1.0, "D40"))
    frames = (drive / "frames.csv").read_text().splitlines()
    given = [frames[0] + ",tilt_down_deg,tilt_sigma_deg"]
    given += [line + (",5.20,0.02" if line.startswith("2,") else ",,") for line in frames[1:]]
    (drive / "frames.csv").write_text("\n".join(given) + "\n")
    code, observations, _ = locate(drive, rows, options=["--tilts", str(tilts)])
    assert (code, len(observations)) == (0, 1)
    by_frame = dict(line.split(",", 1) for line in tilts.read_text().splitlines()[1:])
    assert len(by_frame) == 12
    tilt, sigma, estimated = by_frame["2"].split(",")
    assert float(tilt) == pytest.approx(5.2, abs=0.02)
    assert float(sigma) <= 0.02
    assert estimated == "yes"
    assert by_frame["0"].endswith("no")


def test_half_of_a_measured_tilt_is_refused(locate, make_drive):
    drive = make_drive()
    lines = (drive / "frames.csv").read_text().splitlines()
    half = [lines[0] + ",tilt_down_deg", *(line + ",5.2" for line in lines[1:])]
    (drive / "frames.csv").write_text("\n".join(half) + "\n")
    code, _, said = locate(drive, [])
    assert code == 1
    assert "together or not at all" in said


def test_unknown_command_is_called_wrongly():
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2
