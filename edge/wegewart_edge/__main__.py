"""wegewart-edge: from a recorded drive to observations at the server, by the code of the vehicle."""

import argparse
import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from wegewart.errors import CalledWrongly, WegewartError
from wegewart_edge.calibration.arguments import add_calibrate

if TYPE_CHECKING:
    from wegewart_edge.gnss import Fix
    from wegewart_edge.settings import EdgeSettings

REPOSITORY_MODELS = (
    Path(__file__).resolve().parents[2] / "models"
)  # only in a checkout; wheels carry no model


STEPS_IN_A_LOG = 10
GPSD_PORT = 2947
ADDRESS = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 done and delivered, 1 failed or something still waits, 2 called wrongly."""
    arguments = _parser().parse_args(argv)
    level = logging.DEBUG if arguments.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per request is not for the crew
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except WegewartError as error:
        print(f"wegewart-edge: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wegewart"):
            raise
        print(f"wegewart-edge: {error.name} is missing: install wegewart[edge]", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wegewart-edge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, help="vehicle.toml (default: the documented defaults)")
    common.add_argument("--verbose", action="store_true", help="say more")
    server = argparse.ArgumentParser(add_help=False)
    server.add_argument("--server", metavar="URL", help="address of the office, such as https://example.org")
    server.add_argument(
        "--token-file", type=Path, help="file with the device token (else WEGEWART_DEVICE_TOKEN)"
    )
    outbox = argparse.ArgumentParser(add_help=False)
    outbox.add_argument("--outbox", type=Path, metavar="FILE", help="queue (default outbox.sqlite)")

    replay = commands.add_parser(
        "replay", parents=[common, server, outbox], help="look at a recorded drive and send what it showed"
    )
    replay.add_argument("drive", type=Path, metavar="DRIVE", help="folder with drive.toml")
    replay.add_argument(
        "--bundle", type=Path, metavar="DIR", help="damage bundle (default: models/default.toml)"
    )
    replay.add_argument(
        "--mask-bundle", type=Path, metavar="DIR", help="bundle that masks people and vehicles"
    )
    replay.add_argument("--models", type=Path, metavar="DIR", help="folder with default.toml")
    replay.add_argument("--offline", action="store_true", help="keep in the outbox, send nothing")
    replay.add_argument("--json", action="store_true", help="summary as one JSON object on standard output")
    replay.set_defaults(command=_replay)

    locate = commands.add_parser(
        "locate", parents=[common], help="place given boxes on the road, without images and model"
    )
    locate.add_argument("drive", type=Path, metavar="DRIVE", help="folder with drive.toml")
    locate.add_argument("--detections", type=Path, required=True, metavar="CSV", help="boxes by frame")
    locate.add_argument("--out", type=Path, required=True, metavar="JSONL", help="one observation per line")
    locate.add_argument(
        "--track", type=Path, metavar="JSON", help="write the drive's track there, for the office"
    )
    locate.add_argument(
        "--no-place", type=Path, metavar="CSV", help="list the boxes that gave no place there, and why"
    )
    locate.add_argument(
        "--tilts",
        type=Path,
        metavar="CSV",
        help="write the camera's tilt in each frame there, with its sigma",
    )
    locate.set_defaults(command=_locate)

    add_calibrate(commands)
    _add_pose(commands, common)

    box = commands.add_parser("outbox", help="what waits, what was refused")
    actions = box.add_subparsers(required=True, metavar="ACTION")
    status = actions.add_parser("status", parents=[common, outbox], help="count it and name what was refused")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.set_defaults(command=_status)
    retry = actions.add_parser(
        "retry", parents=[common, server, outbox], help="send again, also what was set aside"
    )
    retry.set_defaults(command=_retry)
    return parser


def _add_pose(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    pose = commands.add_parser(
        "pose", parents=[common], help="follow the receiver through gpsd: one pose a second"
    )
    pose.add_argument(
        "--gpsd", type=_address, required=True, metavar="HOST[:PORT]", help=f"default port {GPSD_PORT}"
    )
    pose.add_argument(
        "--format", choices=("jsonl", "text"), default="jsonl", help="of the poses on standard output"
    )
    pose.add_argument(
        "--record", type=Path, metavar="CSV", help="write every fix there, as gnss.file of a recorded drive"
    )
    pose.add_argument("--sigma-m", type=float, default=2.5, help="per axis, where gpsd states no accuracy")
    pose.add_argument("--antenna-forward-m", type=float, default=0.0, help="as in drive.toml, [gnss]")
    pose.add_argument("--antenna-right-m", type=float, default=0.0, help="as in drive.toml, [gnss]")
    pose.set_defaults(command=_pose)


def _address(text: str) -> tuple[str, int]:
    """Host and port; an IPv6 address in brackets."""
    found = ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"] or GPSD_PORT) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT, such as localhost:{GPSD_PORT}")
    return (found["bracketed"] or found["host"]), int(found["port"] or GPSD_PORT)


def _settings(arguments: argparse.Namespace) -> "EdgeSettings":
    from wegewart_edge.settings import EdgeSettings

    def given(name: str) -> object:
        return getattr(arguments, name, None)

    overrides = {
        "server": {"url": given("server"), "token_file": given("token_file")},
        "models": {
            "damage": given("bundle"),
            "mask": given("mask_bundle"),
            "folder": given("models"),
        },
        "outbox": {"file": given("outbox")},
    }
    defaults = {"models": {"folder": REPOSITORY_MODELS}} if REPOSITORY_MODELS.is_dir() else {}
    return EdgeSettings.load(arguments.config, overrides, os.environ, defaults)


def _replay(arguments: argparse.Namespace) -> int:
    from wegewart_edge.replay import replay
    from wegewart_edge.report import summary_lines

    outcome = replay(
        arguments.drive, _settings(arguments), progress_to(sys.stderr), offline=arguments.offline
    )
    for line in summary_lines(outcome):
        print(line, file=sys.stderr)
    if arguments.json:
        print(json.dumps(outcome.as_json(), ensure_ascii=False))
    return 0 if outcome.delivered else 1


def _locate(arguments: argparse.Namespace) -> int:
    from wegewart_edge.replay import locate_given
    from wegewart_edge.report import no_place_table, tally_lines, tilt_table

    lines: list[str] = []
    located = locate_given(
        arguments.drive,
        arguments.detections,
        _settings(arguments),
        lambda observation: lines.append(observation.model_dump_json()),
        progress_to(sys.stderr),
    )
    arguments.out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if arguments.track is not None:
        arguments.track.write_text(f"{located.track.model_dump_json()}\n", encoding="utf-8")
    if arguments.no_place is not None:
        arguments.no_place.write_text(no_place_table(located), encoding="utf-8")
    if arguments.tilts is not None:
        arguments.tilts.write_text(tilt_table(located), encoding="utf-8")
    for line in tally_lines(located.tally):
        print(line, file=sys.stderr)
    return 0


def _pose(arguments: argparse.Namespace) -> int:
    from wegewart_edge.following import Poses, as_json, as_text, follow, recording, stopped_as_by_ctrl_c
    from wegewart_edge.live_pose import LivePose
    from wegewart_edge.pose import LeverArm

    if not 0 < arguments.sigma_m < float("inf"):
        raise CalledWrongly(f"--sigma-m {arguments.sigma_m} must be a number above 0")
    if not (math.isfinite(arguments.antenna_forward_m) and math.isfinite(arguments.antenna_right_m)):
        raise CalledWrongly("--antenna-forward-m and --antenna-right-m must be metres")
    lever = LeverArm(arguments.antenna_forward_m, arguments.antenna_right_m)
    written = as_json if arguments.format == "jsonl" else as_text
    poses = Poses(LivePose(lever, _settings(arguments).pose), lambda pose: print(written(pose), flush=True))
    with stopped_as_by_ctrl_c(), recording(arguments.record) as record:

        def take(fix: "Fix") -> None:
            record(fix)
            poses.take(fix)

        host, port = arguments.gpsd
        try:
            follow(host, port, arguments.sigma_m, take, time.sleep)
        except KeyboardInterrupt:
            print(f"wegewart-edge: {poses.given} poses", file=sys.stderr)
        except BrokenPipeError:  # whoever read the poses has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from wegewart_edge.outbox import Outbox
    from wegewart_edge.replay import MIB
    from wegewart_edge.report import status_lines

    settings = _settings(arguments)
    with Outbox(settings.outbox.file, int(settings.outbox.budget_mib * MIB)) as outbox:
        counts, refused = outbox.counts(), outbox.all_set_aside()
    if arguments.json:
        named = [{"kind": each.kind, "key": each.key, "reason": each.reason} for each in refused]
        print(json.dumps({"counts": counts, "set_aside": named}, ensure_ascii=False))
    else:
        print("\n".join(status_lines(counts, refused)))
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    from wegewart_edge.outbox import Outbox
    from wegewart_edge.replay import MIB
    from wegewart_edge.report import delivery_lines
    from wegewart_edge.uplink import Uplink

    settings = _settings(arguments)
    with Outbox(settings.outbox.file, int(settings.outbox.budget_mib * MIB)) as outbox:
        uplink = Uplink(outbox, settings.server, settings.token())
        try:
            outbox.retry_set_aside()
            delivery = uplink.deliver()
        finally:
            uplink.close()
    for line in delivery_lines(delivery):
        print(line, file=sys.stderr)
    return 0 if delivery.stopped is None and not delivery.reasons else 1


def progress_to(stream: TextIO) -> Callable[[int, int], None]:
    """Says how far a drive is: one line written over and over on a terminal, else about every 10 %."""
    on_terminal = stream.isatty()

    def say(done: int, total: int) -> None:
        line = f"Bild {done} von {total} · frame {done} of {total}"
        if on_terminal:
            stream.write(f"\r{line}" + ("\n" if done == total else ""))
            stream.flush()
        elif done == total or done * STEPS_IN_A_LOG // total > (done - 1) * STEPS_IN_A_LOG // total:
            stream.write(f"{line}\n")

    return say


if __name__ == "__main__":
    sys.exit(main())
