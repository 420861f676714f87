"""The whole chain on the sample drive: streets, office, two passes, tickets; then it keeps serving.

Every step is the command a customer would type; this file only starts them in order, reads what the office
stored over its API, and holds it against the labelled truth (score.py).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from score import MergeScore, Seen, read_truth, score_merging

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "datasets" / "sample-drive"
STREETS = ROOT / "datasets" / "streets" / "north-bayreuth.osm.gz"
BIN = Path(sys.executable).parent
PASSES = (1, 2)
START_TIMEOUT_S = 60.0


class DemoFailed(Exception):
    """A step of the chain did not end well; the message says which."""


@dataclass(frozen=True, slots=True)
class Office:
    """A running office in a store of its own."""

    store: Path
    url: str
    setup_url: str | None
    reader: httpx.Client


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the vehicle said of one pass."""

    drive_id: str
    frames: int
    observations_made: int


def main(argv: list[str]) -> int:
    """Run the demo; `--oneshot` ends after the summary."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--oneshot", action="store_true", help="end after the summary")
    parser.add_argument("--port", type=int, default=0, help="port to serve on (default: a free one)")
    parser.add_argument("--store", type=Path, help="folder for the store (default: a fresh one under .demo)")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Ctrl-C: the office is stopped too
    started_s = time.monotonic()
    with serving(fresh_store(arguments.store), arguments.port) as office:
        replayed = [replay(drive_pass, office) for drive_pass in PASSES]
        say("Ergebnis lesen", "reading the result")
        counts, score = summary(replayed, office, time.monotonic() - started_s)
        print_summary(counts, score, office)
        if arguments.oneshot:
            print(json.dumps(counts), flush=True)
            return 0
        say(f"Läuft weiter unter {office.url}, Ende mit Strg-C", "serving on, Ctrl-C ends it")
        signal.pause()
    return 0


def fresh_store(given: Path | None) -> Path:
    """Folder that no earlier run has used."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=False)
        return given
    parent = ROOT / ".demo" / "stores"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent))


@contextmanager
def serving(store: Path, port: int) -> Iterator[Office]:
    """Import the streets, start the office, and stop it at the end."""
    say("Straßennetz einlesen", "importing the streets")
    run("wegewart-api", "streets", "import", STREETS, "--data-dir", store / "office")
    say("Amt starten", "starting the office")
    ready_file, log_file = store / "ready.json", store / "office.log"
    with log_file.open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [BIN / "wegewart-api", "serve", "--port", str(port), "--data-dir", store / "office",
             "--ready-file", ready_file],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        ready = wait_until_ready(server, ready_file, log_file)
        reader_token = run(
            "wegewart-api",
            "token",
            "create",
            "demo-report",
            "--role",
            "viewer",
            "--data-dir",
            store / "office",
        )
        with httpx.Client(
            base_url=ready["url"], headers={"Authorization": f"Bearer {reader_token.strip()}"}, timeout=60
        ) as reader:
            yield Office(store, ready["url"], ready.get("setup_url"), reader)
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)  # longer than it waits for its own requests
        except subprocess.TimeoutExpired:
            server.kill()


def wait_until_ready(server: "subprocess.Popen[bytes]", ready_file: Path, log_file: Path) -> dict[str, Any]:
    """What the office says once it listens."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        if ready_file.exists():
            ready: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
            return ready
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise DemoFailed(
        f"the office did not start; its log {log_file} ends with:\n{log_file.read_text()[-3000:]}"
    )


def replay(drive_pass: int, office: Office) -> Replayed:
    """Send one pass of the sample drive through the real model and pipeline to the office."""
    say(f"Befahrung {drive_pass} abspielen", f"replaying pass {drive_pass}")
    token_file = office.store / "box.token"
    if not token_file.exists():
        token = run("wegewart-api", "token", "create", sample_device(), "--data-dir", office.store / "office")
        token_file.touch(mode=0o600)
        token_file.write_text(token, encoding="utf-8")
    said = run(
        "wegewart-edge", "replay", SAMPLE / f"pass-{drive_pass}", "--server", office.url,
        "--token-file", token_file, "--outbox", office.store / f"outbox-{drive_pass}.sqlite",
        "--models", ROOT / "models", "--json",
    )  # fmt: skip
    report = json.loads(said.splitlines()[-1])
    return Replayed(report["drive_id"], report["frames_read"], report["observations"])


def sample_device() -> str:
    """Name of the box that recorded the sample drive; the office must know it by this name."""
    drive = tomllib.loads((SAMPLE / "pass-1" / "drive.toml").read_text(encoding="utf-8"))
    return str(drive["device_id"])


def summary(replayed: list[Replayed], office: Office, seconds: float) -> tuple[dict[str, Any], MergeScore]:
    """Counts of the run, all read back from the office, and the score against the truth."""
    seen: list[Seen] = []
    stored = 0
    for drive_pass, drive in zip(PASSES, replayed, strict=True):
        passes = office.reader.get(f"/api/v1/drives/{drive.drive_id}").raise_for_status().json()["passes"]
        stored += sum(one["observations_stored"] for one in passes if not one["superseded"])
        for row in pages(office, "observations", drive_id=drive.drive_id):
            box = row["box_px"]
            corners = (box["x1"], box["y1"], box["x2"], box["y2"])
            seen.append(Seen(drive_pass, row["best_sequence"], corners, row["defect_id"]))
    score = score_merging(seen, read_truth(SAMPLE / "truth.csv"))
    made = sum(drive.observations_made for drive in replayed)
    counts = {
        "frames": sum(drive.frames for drive in replayed),
        "observations": stored,
        "defects": sum(1 for _ in pages(office, "defects")),
        "tickets": sum(1 for _ in pages(office, "tickets")),
        "lost": made - stored,
        **asdict(score),
        "seconds": round(seconds, 1),
        "url": office.url,
    }
    del counts["matched"]
    return counts, score


def pages(office: Office, kind: str, **filters: str) -> Iterator[dict[str, Any]]:
    """Every row of a list of the API, page by page."""
    cursor: str | None = None
    while True:
        query = filters | ({"cursor": cursor} if cursor else {})
        page = office.reader.get(f"/api/v1/{kind}", params=query).raise_for_status().json()
        yield from page[kind]
        cursor = page["next"]
        if cursor is None:
            return


def print_summary(counts: dict[str, Any], score: MergeScore, office: Office) -> None:
    """Table for people, German first."""
    rows = [
        ("Bilder gelesen", "frames read", counts["frames"]),
        ("Beobachtungen gespeichert", "observations stored", counts["observations"]),
        ("davon verloren", "lost on the way", counts["lost"]),
        ("Schäden nach zwei Befahrungen", "defects after two passes", counts["defects"]),
        ("Vorgeschlagene Aufträge", "proposed tickets", counts["tickets"]),
        ("Schäden erneut gesehen (nach Wahrheit)", "damages seen again (by truth)", score.seen_again),
        ("… davon wiedererkannt", "… of those recognised", score.merged_second_pass),
        ("Falsch zusammengelegt", "wrongly merged", score.wrong_merges),
        ("Sekunden", "seconds", counts["seconds"]),
    ]
    print()
    for german, english, value in rows:
        print(f"  {german:<40}{english:<34}{value:>8}")
    print(f"\n  {'Übersicht':<40}{'overview':<34}{office.url}")
    if office.setup_url:
        print(f"  {'Einrichtung (einmaliger Link)':<40}{'set-up (one-time link)':<34}{office.setup_url}")
    print(flush=True)


def run(command: str, *arguments: object) -> str:
    """Standard output of one of Wegewart's commands; its progress goes to the terminal as it comes."""
    called = [str(BIN / command), *map(str, arguments)]
    done = subprocess.run(called, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise DemoFailed(
            f"`{' '.join([command, *map(str, arguments)])}` ended with {done.returncode}\n{done.stdout}"
        )
    return done.stdout


def say(german: str, english: str) -> None:
    """One line of progress."""
    print(f"── {german} · {english}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        sys.exit(main(sys.argv[1:]))
    except DemoFailed as failure:
        sys.exit(f"make demo: {failure}")
    except KeyboardInterrupt:
        sys.exit(0)
