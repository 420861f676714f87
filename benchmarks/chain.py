"""The chain on the sample drive: seconds per stage, from the recorded photograph to the proposed ticket.

Each round replays both passes into a fresh office in the same process, one thread each for the models, and
runs the bare damage graph over the same frames in between: that is the limit which `look` is held against.
"""

import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn
from reporting import arguments_of, median, print_heading, print_json, print_table
from sqlalchemy import Connection

from wegewart_api.app import create_app
from wegewart_api.app.server import DEFAULT_TENANT, open_store
from wegewart_api.auth.login import utc_now
from wegewart_api.auth.repository import add_device_token, tenant_of
from wegewart_api.auth.tokens import new_device_token
from wegewart_api.flow import process_pass
from wegewart_api.intake.processing import CompletePass
from wegewart_api.settings import Settings
from wegewart_api.streets.repository import import_streets
from wegewart_edge.drive_reader import read_drive
from wegewart_edge.replay import replay
from wegewart_edge.settings import EdgeSettings
from wegewart_inference.model_bundle import Role, default_bundles, read_bundle
from wegewart_inference.runtime import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "datasets" / "sample-drive"
STREETS = ROOT / "datasets" / "streets" / "north-bayreuth.osm.gz"
PASSES = ("pass-1", "pass-2")
VEHICLE_STAGES = {
    "load": "load both models, read the positions",
    "look": "read the photograph, find damage",
    "locate_and_track": "place it on the road, follow it",
    "protect": "mask people and vehicles, cut out",
    "keep": "write it into the outbox",
    "send": "send it and have it stored",
    "process": "align, merge, propose tickets",
}


class Stopwatch:
    """Seconds by stage, added up over both passes of a round."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a stage."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start_s


def main() -> int:
    """Run the rounds and print medians."""
    arguments = arguments_of(__doc__)
    rounds = 2 if arguments.quick else 7
    bundles = default_bundles(ROOT / "models")
    damage = read_bundle(bundles.damage, Role.DAMAGE)
    frames = sum(len(read_drive(SAMPLE / name).frames) for name in PASSES)
    print_heading(
        "chain: the sample drive, both passes",
        seed="none: nothing is drawn",
        rounds=rounds,
        model_threads=1,
        frames=frames,
        model=damage.ref.id,
    )
    measured: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        stopwatch = Stopwatch()
        with stopwatch.timed("bare_graph"):
            run_bare_graph(damage.model_path, damage.card.input_hw, frames)
        one_round(stopwatch)
        for stage, seconds in stopwatch.seconds.items():
            measured[stage].append(seconds)
    report({stage: median(seconds) for stage, seconds in measured.items()}, frames, as_json=arguments.json)
    return 0


def run_bare_graph(graph: Path, input_hw: tuple[int, int], frames: int) -> None:
    """The physical limit of looking: session.run alone, as often as there are frames."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    tensor = np.zeros((1, 3, *input_hw), np.float32)
    for _ in range(frames):
        session.run(None, {session.get_inputs()[0].name: tensor})


def one_round(stopwatch: Stopwatch) -> None:
    """Both passes into a fresh office."""
    with (
        tempfile.TemporaryDirectory(prefix="wegewart-chain-") as folder,
        office(Path(folder), stopwatch) as (url, token),
    ):
        for name in PASSES:
            settings = EdgeSettings.load(
                None,
                {
                    "server": {"url": url, "device_token": token},
                    "outbox": {"file": str(Path(folder) / f"{name}.sqlite")},
                    "models": {"folder": str(ROOT / "models"), "threads": 1},
                },
                {},
            )
            start_s = time.perf_counter()
            outcome = replay(SAMPLE / name, settings, lambda _done, _all: None, offline=False)
            whole_s = time.perf_counter() - start_s
            if not outcome.delivered:
                raise SystemExit(f"{name} was not delivered: {outcome.delivery}")
            for stage, seconds in outcome.tally.stage_s.items():
                stopwatch.seconds[stage] += seconds
            stopwatch.seconds["whole"] += whole_s
            stopwatch.seconds["load"] += whole_s - sum(outcome.tally.stage_s.values())
    stopwatch.seconds["send"] -= stopwatch.seconds["process"]  # the last answer waits for it


@contextmanager
def office(folder: Path, stopwatch: Stopwatch) -> Iterator[tuple[str, str]]:
    """A served office with streets; its address and a device's token."""
    settings = Settings.load(data_dir=folder / "office")
    settings.data_dir.mkdir(parents=True)
    database = open_store(settings)
    token = new_device_token()
    with database.writing() as connection:
        tenant_id = tenant_of(connection, DEFAULT_TENANT)
        if tenant_id is None:
            raise SystemExit("the fresh office has no tenant")
        import_streets(connection, tenant_id, STREETS)
        device_id = read_drive(SAMPLE / PASSES[0]).about.device_id
        add_device_token(connection, tenant_id, device_id, token, utc_now())

    def timed_processing(connection: Connection, complete: CompletePass) -> object:
        with stopwatch.timed("process"):
            return process_pass(connection, complete)

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, database, timed_processing), port=0, log_level="error", access_log=False
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", token.text
    finally:
        server.should_exit = True
        thread.join()
        database.close()


def report(seconds: dict[str, float], frames: int, *, as_json: bool) -> None:
    """Table and figures."""
    rows = [
        [stage, words, f"{seconds[stage]:.3f}", f"{1000 * seconds[stage] / frames:.1f}"]
        for stage, words in VEHICLE_STAGES.items()
    ]
    rows.append(
        ["whole", "both passes", f"{seconds['whole']:.3f}", f"{1000 * seconds['whole'] / frames:.1f}"]
    )
    print_table(["stage", "what", "s", "ms a frame"], rows)
    over_limit = seconds["look"] / seconds["bare_graph"]
    print(f"look over the bare graph (the limit): {over_limit:.2f} × {seconds['bare_graph']:.3f} s\n")
    if as_json:
        figures = {
            f"{stage}_s": round(seconds[stage], 4) for stage in (*VEHICLE_STAGES, "whole", "bare_graph")
        }
        print_json({**figures, "frames": frames, "look_over_bare_graph": round(over_limit, 3)})


if __name__ == "__main__":
    sys.exit(main())
