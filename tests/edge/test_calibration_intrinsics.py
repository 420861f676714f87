"""The lens from drawn boards whose camera is known, and what is refused."""

import json
from functools import cache

import cv2
import numpy as np
import pytest
from tests.edge.calibration_drawings import board_shot

from wegewart.camera import CameraIntrinsics
from wegewart.errors import CalibrationRefused, CalledWrongly
from wegewart_edge.__main__ import main
from wegewart_edge.calibration.boards import Charuco, Checkerboard
from wegewart_edge.calibration.camera_block import camera_toml, read_lens
from wegewart_edge.calibration.coverage_picture import coverage_picture
from wegewart_edge.calibration.intrinsics import (
    Lens,
    LensLimits,
    camera_matrix,
    estimate_lens,
    reasons_against,
)
from wegewart_edge.calibration.views import collect_views
from wegewart_inference.frame import BrokenFrame, Frame

TRUTH = CameraIntrinsics(
    width_px=640,
    height_px=480,
    focal_x_px=420.0,
    focal_y_px=424.0,
    centre_x_px=331.3,
    centre_y_px=236.2,
    distortion=(-0.28, 0.09, 0.0008, -0.0005),
)
CHARUCO = Charuco(7, 5, 0.04, 0.03)
CHECKERS = Checkerboard(8, 5, 0.03)
LOOSE = LensLimits(fewest_views=4)


@cache
def shots(board, slant_deg=28.0, reach=1.0, count=12):
    """Frames of a board all over the picture, slanted this way and that."""
    rng = np.random.default_rng(7)
    places = [(x, y) for y in (-0.07, 0.0, 0.07) for x in (-0.11, -0.03, 0.04, 0.11)][:count]
    frames = []
    for number, (x, y) in enumerate(places):
        turn = rng.uniform(-slant_deg, slant_deg, 3) * (1.0, 1.0, 0.5)
        where = (reach * x, reach * y, rng.uniform(0.32, 0.42))
        image = board_shot(board, TRUTH, turn, where, rng)
        frames.append(Frame(image, None, "front", number, f"{number}.png"))
    return tuple(frames)


def folder_of(frames, folder):
    for frame in frames:
        cv2.imwrite(str(folder / frame.name), frame.image)
    return folder


def as_values(lens):
    focal_and_centre = (lens.focal_x_px, lens.focal_y_px, lens.centre_x_px, lens.centre_y_px)
    return np.array([*focal_and_centre, *lens.distortion[:4]])


@pytest.mark.parametrize("board", [CHARUCO, CHECKERS], ids=["charuco", "checkerboard"])
def test_lens_is_found_within_its_stated_sigmas(board):
    estimate = estimate_lens(collect_views(shots(board), board).views, (640, 480))
    off = (as_values(estimate.intrinsics) - as_values(TRUTH)) / np.array(estimate.sigmas[:8])
    assert np.abs(off).max() < 3.5
    assert np.sqrt((off**2).mean()) < 2.0
    assert estimate.focal_sigma_share < 0.005
    assert estimate.rms_px < 0.3
    assert reasons_against(estimate) == []


def test_corners_are_counted_from_the_pictures_corner_not_from_the_first_pixels_centre():
    """A board parallel to the picture, straight ahead of a lens without distortion: worked by hand."""
    lens = TRUTH.model_copy(update={"distortion": (), "focal_y_px": 420.0})
    image = board_shot(CHARUCO, lens, (0.0, 0.0, 0.0), (0.0, 0.0, 0.35), np.random.default_rng(1), noise=0.0)
    view = CHARUCO.view(image, "ahead")
    middle_m = np.array([7, 5]) * 0.04 / 2
    centre_px = [lens.centre_x_px, lens.centre_y_px]
    expected_px = (view.board_m[:, :2] - middle_m) / 0.35 * 420.0 + centre_px
    assert np.abs((view.corners_px - expected_px).mean(axis=0)).max() < 0.15


def test_too_few_views_are_refused_and_the_message_says_how_many_are_needed():
    views = collect_views(shots(CHARUCO)[:4], CHARUCO).views
    with pytest.raises(CalibrationRefused, match=r"Nur 4 .*8 sind nötig.*Only 4 different views"):
        estimate_lens(views, (640, 480))


def test_views_that_were_held_alike_are_refused():
    views = collect_views(shots(CHARUCO, slant_deg=3.0), CHARUCO).views
    reasons = reasons_against(estimate_lens(views, (640, 480)))
    assert any("gleichen sich zu sehr" in reason and "slant it to the left" in reason for reason in reasons)


def test_views_in_one_part_of_the_picture_are_refused_and_the_missing_parts_are_named():
    views = collect_views(shots(CHARUCO), CHARUCO).views
    left = [view for view in views if view.corners_px[:, 0].max() < 420]
    estimate = estimate_lens(left, (640, 480), limits=LOOSE)
    (reason,) = [reason for reason in reasons_against(estimate) if "missing" in reason]
    assert "oben rechts · upper right" in reason
    assert "oben links" not in reason


def test_a_high_residual_is_refused():
    views = collect_views(shots(CHARUCO), CHARUCO).views
    rng = np.random.default_rng(2)
    shaken = [
        type(view)(
            view.name,
            view.numbers,
            view.corners_px + rng.normal(0, 2.0, (len(view.numbers), 2)),
            view.board_m,
        )
        for view in views
    ]
    reasons = reasons_against(estimate_lens(shaken, (640, 480)))
    assert any("residual is" in reason for reason in reasons)


def test_a_blurred_view_is_left_out_and_named():
    views = list(collect_views(shots(CHARUCO), CHARUCO).views)
    rng = np.random.default_rng(3)
    bad = views[5]
    noisy_px = bad.corners_px + rng.normal(0, 4.0, bad.corners_px.shape)
    views[5] = type(bad)("blurred.png", bad.numbers, noisy_px, bad.board_m)
    estimate = estimate_lens(views, (640, 480))
    assert estimate.left_out == ("blurred.png",)
    assert abs(estimate.intrinsics.focal_x_px - TRUTH.focal_x_px) < 4 * estimate.sigmas[0]


def test_pictures_that_show_the_same_again_count_once():
    frames = shots(CHARUCO)[:3]
    again = [Frame(frame.image, None, "front", frame.sequence + 3, "again") for frame in frames]
    assert len(collect_views([*frames, *again], CHARUCO).views) == 3


def test_pictures_without_the_board_are_refused_and_broken_ones_are_counted():
    empty = Frame(np.full((480, 640, 3), 90, np.uint8), None, "front", 0, "grey.png")
    with pytest.raises(CalibrationRefused, match="found in none of 1 pictures"):
        collect_views([empty, BrokenFrame("torn.png", 1, "cannot be decoded")], CHARUCO)


def test_pictures_of_different_sizes_are_refused():
    small = Frame(np.full((240, 320, 3), 90, np.uint8), None, "front", 1, "small.png")
    with pytest.raises(CalibrationRefused, match="320×240, 640×480"):
        collect_views([shots(CHARUCO)[0], small], CHARUCO)


def test_a_wide_lens_gets_the_rational_model():
    views = collect_views(shots(CHARUCO), CHARUCO).views
    assert len(estimate_lens(views, (640, 480), Lens.WIDE).intrinsics.distortion) == 8


def test_coverage_picture_has_the_frames_size_and_marks_what_is_empty():
    views = collect_views(shots(CHARUCO), CHARUCO).views
    left = [view for view in views if view.corners_px[:, 0].max() < 420]
    picture = coverage_picture(estimate_lens(left, (640, 480), limits=LOOSE))
    assert picture.shape == (480, 640, 3)
    red_minus_green = picture[60, :, 2].astype(int) - picture[60, :, 1]
    assert red_minus_green[-40:].mean() > 20  # empty: reddish


def test_command_writes_a_block_that_reads_back_as_the_same_lens(tmp_path, capsys):
    folder = folder_of(shots(CHARUCO), tmp_path)
    out, picture = tmp_path / "camera.toml", tmp_path / "coverage.jpg"
    given = [str(folder), "--charuco", "7x5", "--square-mm", "40", "--marker-mm", "30"]
    done = main(["calibrate", "intrinsics", *given, "--out", str(out), "--picture", str(picture), "--json"])
    assert done == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    lens = read_lens(out)
    assert lens.focal_x_px == pytest.approx(figures["focal_x_px"], abs=0.01)
    assert abs(lens.focal_x_px - TRUTH.focal_x_px) < 4 * figures["focal_sigma_px"]
    assert "Objektiv" in said.err
    assert "lens:" in said.err
    assert picture.is_file()


def test_command_that_refuses_still_draws_the_picture_and_writes_no_block(tmp_path, capsys):
    folder = folder_of(shots(CHARUCO, slant_deg=3.0), tmp_path)
    out, picture = tmp_path / "camera.toml", tmp_path / "coverage.jpg"
    given = [str(folder), "--charuco", "7x5", "--square-mm", "40"]
    assert main(["calibrate", "intrinsics", *given, "--out", str(out), "--picture", str(picture)]) == 1
    assert "abgelehnt · calibration refused" in capsys.readouterr().err
    assert picture.is_file()
    assert not out.exists()


def test_command_wants_exactly_one_kind_of_board(tmp_path, capsys):
    folder_of(shots(CHARUCO)[:1], tmp_path)
    assert main(["calibrate", "intrinsics", str(tmp_path)]) == 2
    assert "--checkerboard 9x6 or --charuco 7x5" in capsys.readouterr().err


def test_command_draws_a_board_that_is_found_again(tmp_path):
    out = tmp_path / "board.png"
    assert main(["calibrate", "board", "--charuco", "7x5", "--square-mm", "40", "--out", str(out)]) == 0
    assert len(CHARUCO.view(cv2.imread(str(out)), "print").numbers) == 6 * 4


def test_an_unknown_dictionary_is_named():
    with pytest.raises(CalledWrongly, match="DICT_NONE"):
        Charuco(7, 5, 0.04, 0.03, "DICT_NONE")


def test_a_block_without_a_mount_says_where_it_comes_from():
    block = camera_toml("front", TRUTH, None, ["found today"])
    assert block.startswith("# found today\n[[camera]]")
    assert "calibrate mount" in block


def test_camera_matrix_holds_focal_lengths_and_centre():
    assert camera_matrix(TRUTH)[:2].tolist() == [[420.0, 0.0, 331.3], [0.0, 424.0, 236.2]]
