"""environment.json of a run: machine, packages and moment of every start, the first and each resume."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path

from wegewart_training.run_record import RunRecord, now

FILE = "environment.json"


@dataclass(frozen=True)
class Environment:
    """What one start of a run found."""

    at: str
    after_epochs: int
    """Epochs that were finished by then."""
    git_commit: str
    device: str
    gpus: tuple[str, ...]
    cpu: str
    cores: int
    """Usable by this process; on CPUs the training takes them all."""
    memory_gib: float
    platform: str
    python: str
    packages: tuple[str, ...]
    """Every installed distribution as name==version."""


def note_environment(run: Path, record: RunRecord) -> None:
    """Add this start to environment.json."""
    path = run / FILE
    starts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    starts.append(asdict(_environment(record)))
    half = run / f"{FILE}.half"
    half.write_text(json.dumps(starts, indent=2) + "\n", encoding="utf-8")
    half.replace(path)


def _environment(record: RunRecord) -> Environment:
    commits = (record.git_commit, *record.resumed_with)
    packages = {f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions()}
    return Environment(
        at=now(),
        after_epochs=record.resumed_after[-1] if record.resumed_after else 0,
        git_commit=commits[-1],
        device=record.device,
        gpus=_gpus(record.device),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages=tuple(sorted(packages)),
    )


def _gpus(device: str) -> tuple[str, ...]:
    if device == "cpu":
        return ()
    import torch

    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _cpu() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
