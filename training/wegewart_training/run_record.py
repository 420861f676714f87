"""run.json: what a training run was started with, and how it ended."""

import csv
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from wegewart.errors import RecipeInvalid


@dataclass(frozen=True)
class RunRecord:
    """Facts of a run that its model's card repeats."""

    recipe: str
    recipe_sha256: str
    git_commit: str
    """Commit of the code, with "+changes" when tracked files differed from it; "" outside a checkout."""
    started_at: str
    device: str
    """Of the last start; environment.json has that of every start."""
    versions: Mapping[str, str]
    resumed_with: tuple[str, ...] = ()
    """Commit at each resume."""
    resumed_after: tuple[int, ...] = ()
    """Finished epochs at each resume, where the clock in results.csv starts again."""
    finished_at: str | None = None
    epochs_done: int | None = None
    best_epoch: int | None = None
    seconds: float | None = None


def now() -> str:
    """This moment as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_record(recipe_path: Path, recipe_sha256: str, device: str) -> RunRecord:
    """Record of a run that starts now."""
    versions = {name: version(name) for name in ("ultralytics", "torch", "torchvision", "numpy")}
    versions["python"] = platform.python_version()
    return RunRecord(
        recipe_path.name, recipe_sha256, git_commit(Path(__file__).parent), now(), device, versions
    )


def git_commit(folder: Path) -> str:
    """Commit that is checked out around this folder; "" where there is none."""
    commit = _git(folder, "rev-parse", "HEAD")
    parts = [f":/{part}" for part in ("core", "inference", "datasets", "training")]  # what a training runs on
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", *parts)
    return f"{commit}+changes" if commit and changed else commit


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read_record(run: Path) -> RunRecord | None:
    """Record of the run in this folder; None if none was started there."""
    path = run / "run.json"
    return RunRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write_record(run: Path, record: RunRecord) -> None:
    """Write run.json so that a kill never leaves half a file."""
    run.mkdir(parents=True, exist_ok=True)
    half = run / "run.json.half"
    half.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    half.replace(run / "run.json")


def begin(run: Path, recipe_path: Path, recipe_sha256: str, device: str) -> RunRecord:
    """Record of a new run, or of the one that this folder holds, once more resumed.

    Raises:
        RecipeInvalid: If the folder holds a run of another recipe.
    """
    record = read_record(run)
    if record is None:
        record = new_record(recipe_path, recipe_sha256, device)
    elif record.recipe_sha256 != recipe_sha256:
        raise RecipeInvalid(
            f"{run} holds a run of another recipe ({record.recipe}): name a new folder with --run"
        )
    elif record.finished_at is None:
        commit = git_commit(Path(__file__).parent)
        record = replace(
            record,
            device=device,
            resumed_with=(*record.resumed_with, commit),
            resumed_after=(*record.resumed_after, len(epoch_clocks_s(run))),
        )
    write_record(run, record)
    return record


def epoch_clocks_s(run: Path) -> list[float]:
    """Seconds that results.csv notes for each finished epoch, counted since the last start or resume."""
    path = run / "results.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["time"]) for row in csv.DictReader(file)]


def trained_seconds(clocks_s: Sequence[float], resumed_after: Sequence[int]) -> float:
    """Seconds spent in finished epochs.

    Args:
        clocks_s: Of each finished epoch, since the start or the last resume before it.
        resumed_after: Finished epochs at each resume. A clock that falls is a resume as well: records of
            earlier versions do not name them.
    """
    seconds, before_s = 0.0, 0.0
    for epoch, clock_s in enumerate(clocks_s):
        restarted = epoch in resumed_after or clock_s < before_s
        seconds += clock_s if restarted else clock_s - before_s
        before_s = clock_s
    return seconds
