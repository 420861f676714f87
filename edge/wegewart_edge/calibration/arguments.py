"""The command line of `wegewart-edge calibrate`; imports nothing heavy."""

import argparse
import re
import sys
from pathlib import Path
from typing import Protocol

SIZE = re.compile(r"(\d+)x(\d+)")


class Commands(Protocol):
    """What argparse gives for adding sub-commands."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002
        """A new sub-command."""
        ...


def add_calibrate(commands: Commands) -> None:
    """Add `calibrate board`, `calibrate intrinsics` and `calibrate mount`."""
    calibrate = commands.add_parser("calibrate", help="find a camera's lens and how it is mounted")
    actions = calibrate.add_subparsers(required=True, metavar="ACTION")
    _add_board(actions)
    _add_intrinsics(actions)
    _add_mount(actions)


def _add_board(actions: Commands) -> None:
    board = actions.add_parser("board", help="draw a ChArUco board to print")
    _add_charuco(board, required=True)
    board.add_argument("--out", type=Path, required=True, metavar="PNG")
    board.set_defaults(command=_run_board, verbose=False)


def _add_intrinsics(actions: Commands) -> None:
    lens = actions.add_parser("intrinsics", help="focal length, centre and distortion from views of a board")
    lens.add_argument("pictures", type=Path, nargs="+", metavar="PICTURES", help="video, folder or pictures")
    lens.add_argument("--checkerboard", type=_size, metavar="9x6", help="inner corners of a checkerboard")
    _add_charuco(lens, required=False)
    lens.add_argument("--every", type=int, metavar="N", help="look at every n-th frame (videos: 10, else 1)")
    lens.add_argument("--lens", choices=("standard", "wide"), default="standard", help="distortion model")
    lens.add_argument("--camera-id", default="front")
    _add_outputs(lens, "where views were, with residuals")
    lens.set_defaults(command=_run_intrinsics)


def _add_mount(actions: Commands) -> None:
    mount = actions.add_parser("mount", help="tilt, roll, yaw and height from a recorded drive")
    mount.add_argument("drive", type=Path, metavar="DRIVE", help="folder with drive.toml and a rough mount")
    mount.add_argument("--camera-id", help="needed where the drive has several cameras")
    mount.add_argument("--lens-from", type=Path, metavar="TOML", help="take the lens from this file")
    mount.add_argument("--height-m", type=float, help="height by tape, as a further source")
    mount.add_argument("--height-sigma-m", type=float, default=0.02)
    mount.add_argument("--lane-width-m", type=float, help="lane between the axes of its markings")
    mount.add_argument("--lane-width-sigma-m", type=float, default=0.05)
    mount.add_argument("--version-name", help="of the mount (default: calibrated- and the drive's date)")
    mount.add_argument("--config", type=Path, help="vehicle.toml, for its [pose]")
    _add_outputs(mount, "a frame with horizon and metre grid")
    mount.set_defaults(command=_run_mount)


def _add_charuco(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--charuco", type=_size, required=required, metavar="7x5", help="squares of a ChArUco board"
    )
    parser.add_argument("--square-mm", type=float, required=required, default=30.0, help="side of a square")
    parser.add_argument("--marker-mm", type=float, help="side of a marker (default: 3/4 of the square)")
    parser.add_argument("--dictionary", default="DICT_5X5_100", help="OpenCV's name of the markers")


def _add_outputs(parser: argparse.ArgumentParser, picture: str) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="TOML", help="[[camera]] block (default: standard output)"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help=picture)
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object instead")
    parser.add_argument("--verbose", action="store_true", help="say more")


def _size(text: str) -> tuple[int, int]:
    match = SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write columns x rows, such as 9x6")
    return int(match[1]), int(match[2])


def _run_board(arguments: argparse.Namespace) -> int:
    from wegewart_edge.calibration.command import draw_board

    return draw_board(arguments, sys.stderr)


def _run_intrinsics(arguments: argparse.Namespace) -> int:
    from wegewart_edge.calibration.command import calibrate_intrinsics

    return calibrate_intrinsics(arguments, sys.stdout, sys.stderr)


def _run_mount(arguments: argparse.Namespace) -> int:
    from wegewart_edge.calibration.command import calibrate_mount

    return calibrate_mount(arguments, sys.stdout, sys.stderr)
