"""The stories of `wegewart-edge calibrate`: what is read, found, refused, drawn and written."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import cv2

from wegewart.camera import Camera
from wegewart.errors import CalibrationRefused, CalledWrongly
from wegewart_edge.calibration.boards import Board, Charuco, Checkerboard
from wegewart_edge.calibration.camera_block import camera_toml, read_lens
from wegewart_edge.calibration.coverage_picture import coverage_picture
from wegewart_edge.calibration.grid_picture import grid_picture
from wegewart_edge.calibration.intrinsics import Lens, LensEstimate, estimate_lens, reasons_against
from wegewart_edge.calibration.lane_width import LaneWidth, height_from_lane
from wegewart_edge.calibration.mount import (
    ANYWHERE,
    HeightBy,
    MountEstimate,
    estimate_mount,
    reasons_against_mount,
    with_heights,
)
from wegewart_edge.calibration.straight_pairs import straight_pairs
from wegewart_edge.calibration.texts import Text, listed
from wegewart_edge.calibration.views import Views, collect_views
from wegewart_edge.drive_pose import trajectory_of
from wegewart_edge.drive_reader import FrameEntry, FrameLoader, RecordedDrive, read_drive
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import EdgeSettings
from wegewart_inference.frame import Frame, ImageU8
from wegewart_inference.sources import VIDEO_SUFFIXES, frames_from

EVERY_OF_A_VIDEO = 10
MARKER_SHARE = 0.75
MM = 1000.0


def draw_board(arguments: argparse.Namespace, talk: TextIO) -> int:
    """Write a ChArUco board to print."""
    write_picture(arguments.out, _charuco(arguments).picture())
    print(Text.WRITTEN.say(path=arguments.out), file=talk)
    return 0


def calibrate_intrinsics(arguments: argparse.Namespace, out: TextIO, talk: TextIO) -> int:
    """Lens from pictures of a board: picture and figures always, the block only if it may be used.

    Raises:
        CalibrationRefused: If the views do not support it, with all reasons.
    """
    video = any(path.suffix.lower() in VIDEO_SUFFIXES for path in arguments.pictures)
    every = arguments.every or (EVERY_OF_A_VIDEO if video else 1)
    views = collect_views(frames_from(arguments.pictures), _board(arguments), every)
    estimate = estimate_lens(views.views, views.size_px, Lens(arguments.lens))
    lines = lens_lines(estimate, views)
    print("\n".join(lines), file=talk)
    if arguments.picture is not None:
        write_picture(arguments.picture, coverage_picture(estimate))
        print(Text.WRITTEN.say(path=arguments.picture), file=talk)
    reasons = reasons_against(estimate)
    if reasons:
        raise CalibrationRefused(listed(reasons))
    block = camera_toml(arguments.camera_id, estimate.intrinsics, None, lines)
    _hand_out(block, _lens_figures(estimate), arguments, out, talk)
    return 0


def calibrate_mount(arguments: argparse.Namespace, out: TextIO, talk: TextIO) -> int:
    """Mount from a recorded drive: picture and figures always, the block only if it may be used.

    Raises:
        CalibrationRefused: If the drive does not support it, with all reasons.
    """
    settings = EdgeSettings.load(arguments.config, {}, {})
    drive = read_drive(arguments.drive)
    rough = _rough_camera(drive, arguments)
    straight = straight_pairs(drive, trajectory_of(drive, settings.pose), rough.camera_id)
    pictures = _Pictures(drive, straight.frames)
    estimate = estimate_mount(pictures, len(straight.frames), straight.pairs, rough)
    estimate = with_heights(estimate, _more_heights(estimate, pictures, len(straight.frames), arguments))
    lines = mount_lines(estimate)
    print("\n".join(lines), file=talk)
    if arguments.picture is not None:
        _draw_grid(arguments.picture, pictures, len(straight.frames), estimate)
        print(Text.WRITTEN.say(path=arguments.picture), file=talk)
    reasons = reasons_against_mount(estimate)
    if reasons:
        raise CalibrationRefused(listed(reasons))
    version = arguments.version_name or f"calibrated-{drive.started_at:%Y-%m-%d}"
    mount = estimate.camera.mount.model_copy(update={"version": version})
    block = camera_toml(rough.camera_id, rough.intrinsics, mount, lines)
    _hand_out(block, mount_figures(estimate), arguments, out, talk)
    return 0


def lens_lines(estimate: LensEstimate, views: Views) -> list[str]:
    """What was found, German and English."""
    lens, (fx, _, cx, cy, *_) = estimate.intrinsics, estimate.sigmas
    lines = [
        Text.LENS_FOUND.say(
            fx=lens.focal_x_px,
            fy=lens.focal_y_px,
            cx=lens.centre_x_px,
            cy=lens.centre_y_px,
            sigma_fx=fx,
            sigma_cx=cx,
            sigma_cy=cy,
        ),
        Text.LENS_RESIDUAL.say(
            rms=estimate.rms_px,
            views=len(estimate.views),
            corners=sum(len(view.numbers) for view in estimate.views),
            share=estimate.covered_share,
            slant=estimate.slant_deg,
        ),
    ]
    if estimate.left_out:
        lines.append(Text.VIEWS_LEFT_OUT.say(names=", ".join(estimate.left_out)))
    if views.broken:
        lines.append(Text.BROKEN_PICTURES.say(count=len(views.broken), first=views.broken[0]))
    return lines


def mount_lines(estimate: MountEstimate) -> list[str]:
    """What was found, German and English."""
    mount, residuals = estimate.camera.mount, estimate.residuals
    pitch, roll, yaw = estimate.sway_deg
    return [
        Text.MOUNT_FOUND.say(
            tilt=mount.tilt_down_deg,
            tilt_sigma=mount.tilt_sigma_deg,
            roll=mount.roll_right_deg,
            roll_sigma=mount.roll_sigma_deg,
            yaw=mount.yaw_right_deg,
            yaw_sigma=mount.yaw_sigma_deg,
            height=mount.height_m,
            height_sigma=mount.height_sigma_m,
        ),
        Text.HEIGHT_BY.say(ways=", ".join(map(str, estimate.heights))),
        Text.MOUNT_RESIDUAL.say(
            matches=residuals.matches,
            pairs=residuals.pairs,
            pixel=residuals.pixel_px,
            along=residuals.along_m,
            across=residuals.across_m,
            fixed_along=residuals.fixed_along_m,
            fixed_across=residuals.fixed_across_m,
        ),
        Text.MOUNT_SWAY.say(pitch=pitch, roll=roll, yaw=yaw),
    ]


def mount_figures(estimate: MountEstimate) -> dict[str, float]:
    """The same for scripts, flat."""
    mount, residuals = estimate.camera.mount, estimate.residuals
    names = ("tilt_down_deg", "roll_right_deg", "yaw_right_deg", "height_m")
    sigmas = ("tilt_sigma_deg", "roll_sigma_deg", "yaw_sigma_deg", "height_sigma_m")
    values = {name: float(getattr(mount, name)) for name in (*names, *sigmas)}
    pitch, roll, yaw = estimate.sway_deg
    sway = {"pitch_sway_deg": pitch, "roll_sway_deg": roll, "yaw_sway_deg": yaw}
    return {**values, **vars(residuals), **sway}


def write_picture(path: Path, picture: ImageU8) -> None:
    """An image file, of the kind that its ending says.

    Raises:
        CalledWrongly: If OpenCV knows no such ending or the place cannot be written.
    """
    try:
        written = cv2.imwrite(str(path), picture)
    except cv2.error as error:
        raise CalledWrongly(f"{path} has no ending of a picture that can be written: use .png") from error
    if not written:
        raise CalledWrongly(f"{path} cannot be written: check that its folder exists")


class _Pictures:
    """Pictures of the frames in use, loaded when they are asked for and not held."""

    def __init__(self, drive: RecordedDrive, frames: Sequence[FrameEntry]) -> None:
        self._loader, self._frames = FrameLoader(drive), frames

    def __call__(self, number: int) -> ImageU8 | None:
        frame = self._loader.load(self._frames[number])
        self._loader.hold_only(set())
        return frame.image if isinstance(frame, Frame) else None


def _board(arguments: argparse.Namespace) -> Board:
    if (arguments.checkerboard is None) == (arguments.charuco is None):
        raise CalledWrongly("give the board that was shown: either --checkerboard 9x6 or --charuco 7x5")
    if arguments.charuco is not None:
        return _charuco(arguments)
    columns, rows = arguments.checkerboard
    return Checkerboard(columns, rows, arguments.square_mm / MM)


def _charuco(arguments: argparse.Namespace) -> Charuco:
    marker_mm = arguments.marker_mm or MARKER_SHARE * arguments.square_mm
    columns, rows = arguments.charuco
    return Charuco(columns, rows, arguments.square_mm / MM, marker_mm / MM, arguments.dictionary)


def _rough_camera(drive: RecordedDrive, arguments: argparse.Namespace) -> Camera:
    names = list(drive.cameras)
    chosen = arguments.camera_id or (names[0] if len(names) == 1 else None)
    if chosen not in drive.cameras:
        raise CalledWrongly(f"name the camera with --camera-id: the drive has {', '.join(names)}")
    camera = drive.cameras[chosen]
    if arguments.lens_from is not None:
        camera = camera.model_copy(update={"intrinsics": read_lens(arguments.lens_from)})
    if arguments.height_m is None:
        return camera
    if not 0 < arguments.height_m < math.inf or not arguments.height_sigma_m > 0:
        raise CalledWrongly("--height-m and --height-sigma-m must be positive")
    mount = camera.mount.model_copy(update={"height_m": arguments.height_m})
    return camera.model_copy(update={"mount": mount})


def _more_heights(
    estimate: MountEstimate, pictures: _Pictures, frame_count: int, arguments: argparse.Namespace
) -> list[HeightBy]:
    heights = []
    if arguments.height_m is not None:
        heights.append(HeightBy("Bandmaß/tape", arguments.height_m, arguments.height_sigma_m))
    if arguments.lane_width_m is not None:
        lane = LaneWidth(arguments.lane_width_m, arguments.lane_width_sigma_m)
        heights.append(height_from_lane(pictures, frame_count, estimate, lane))
    return heights


def _draw_grid(path: Path, pictures: _Pictures, frame_count: int, estimate: MountEstimate) -> None:
    image = next(
        (image for number in range(frame_count // 2, frame_count) if (image := pictures(number)) is not None),
        None,
    )
    if image is not None:
        write_picture(path, grid_picture(image, RoadCamera(estimate.camera, ANYWHERE)))


def _lens_figures(estimate: LensEstimate) -> dict[str, float]:
    lens = estimate.intrinsics
    return {
        "focal_x_px": lens.focal_x_px,
        "focal_y_px": lens.focal_y_px,
        "centre_x_px": lens.centre_x_px,
        "centre_y_px": lens.centre_y_px,
        "focal_sigma_px": estimate.sigmas[0],
        "rms_px": estimate.rms_px,
        "views": len(estimate.views),
        "covered_share": estimate.covered_share,
        "slant_deg": estimate.slant_deg,
    }


def _hand_out(
    block: str, figures: dict[str, float], arguments: argparse.Namespace, out: TextIO, talk: TextIO
) -> None:
    if arguments.json:
        print(json.dumps(figures), file=out)
    elif arguments.out is None:
        out.write(block)
    if arguments.out is not None:
        try:
            arguments.out.write_text(block, encoding="utf-8")
        except OSError as error:
            raise CalledWrongly(f"{arguments.out} cannot be written: {error.strerror}") from error
        print(Text.WRITTEN.say(path=arguments.out), file=talk)
