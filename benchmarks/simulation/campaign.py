"""Many streets, one after the other or on several processes, kept in a folder so that a run can go on.

A chunk of streets is one file; its name carries a hash over the settings and over the code of vehicle and
simulation, so that no result outlives what it was measured with.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

import simulation
import wegewart_edge
from simulation.estimating import Effort, drive_through
from simulation.scene import Scene
from simulation.scoring import Counts, Rows, score
from simulation.setting import Setting
from wegewart_edge.settings import EdgeSettings

CHUNK = 10  # streets per file
MEASURED_SEEDS = 20261121  # streets of the benchmark: no other use of the simulator draws from this number
PLACES_PER_STREET = 10_000


@dataclass
class Measured:
    """Tracks of many streets, what was counted beside them, and the effort."""

    rows: list[Rows] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    effort: Effort = field(default_factory=Effort)

    def add(self, other: "Measured") -> None:
        """Add up."""
        self.rows += other.rows
        self.counts.add(other.counts)
        self.effort.add(other.effort)

    @property
    def all_rows(self) -> Rows:
        """Rows of all streets."""
        return Rows.joined(self.rows)


def measure_street(setting: Setting, settings: EdgeSettings, seed: int) -> Measured:
    """All drives over one street, through the vehicle's code in memory."""
    scene = Scene.draw(setting, MEASURED_SEEDS, seed)
    measured = Measured()
    for number in range(setting.passes):
        found, effort = drive_through(scene, number, settings)
        rows, counts = score(found, scene, number)
        measured.add(Measured([of_street(rows, seed)], counts, effort))
    return measured


def of_street(rows: Rows, seed: int) -> Rows:
    """The rows with places that are told apart from those of other streets."""
    return replace(rows, place=rows.place + seed * PLACES_PER_STREET)


def measure(
    setting: Setting, settings: EdgeSettings, seeds: Sequence[int], folder: Path, workers: int = 1
) -> Iterator[tuple[int, Measured]]:
    """Streets done so far and the results of one more chunk; what lies in the folder is not done again."""
    chunks = [tuple(seeds[begin : begin + CHUNK]) for begin in range(0, len(seeds), CHUNK)]
    named = fingerprint(setting, settings)
    jobs = [(setting, settings, chunk, folder / f"{named}-{chunk[0]}-{len(chunk)}.npz") for chunk in chunks]
    done = 0
    if workers == 1:
        outcomes: Iterator[Path] = map(_measured_chunk, jobs)
        for outcome, chunk in zip(outcomes, chunks, strict=True):
            done += len(chunk)
            yield done, _read(outcome)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for outcome, chunk in zip(pool.map(_measured_chunk, jobs), chunks, strict=True):
            done += len(chunk)
            yield done, _read(outcome)


def fingerprint(setting: Setting, settings: EdgeSettings) -> str:
    """Hash over all that decides the results: settings, and the code of the vehicle and the simulation."""
    digest = hashlib.sha256(f"{setting!r}{settings!r}{MEASURED_SEEDS}".encode())
    for package in (wegewart_edge, simulation):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _measured_chunk(job: tuple[Setting, EdgeSettings, tuple[int, ...], Path]) -> Path:
    setting, settings, seeds, path = job
    if path.exists():
        return path
    cv2.setNumThreads(1)
    measured = Measured()
    for seed in seeds:
        measured.add(measure_street(setting, settings, seed))
    rows = measured.all_rows
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    kept = {f"row_{each.name}": getattr(rows, each.name) for each in fields(rows)}
    kept |= {f"count_{name}": np.array(value) for name, value in asdict(measured.counts).items()}
    kept |= {f"effort_{name}": np.array(value) for name, value in asdict(measured.effort).items()}
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **kept)
    unfinished.replace(path)
    return path


def _read(path: Path) -> Measured:
    with np.load(path) as kept:
        rows = Rows(*(kept[f"row_{each.name}"] for each in fields(Rows)))
        counts = Counts(**{each.name: int(kept[f"count_{each.name}"]) for each in fields(Counts)})
        effort = Effort(**{each.name: kept[f"effort_{each.name}"].item() for each in fields(Effort)})
    return Measured([rows], counts, effort)
