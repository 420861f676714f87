"""The same drives through the command `wegewart-edge locate`: written to disk, read back, nothing shared."""

import contextlib
import io
import random
from pathlib import Path
from uuid import UUID

from simulation.campaign import MEASURED_SEEDS, Measured, of_street
from simulation.estimating import Found
from simulation.recording import write_drive
from simulation.scene import Scene
from simulation.scoring import score
from simulation.setting import Setting
from wegewart.observation import Observation
from wegewart_edge.__main__ import main as wegewart_edge


def street_by_command(setting: Setting, seed: int, folder: Path) -> Measured:
    """All drives over one street, each a recorded drive of its own, through the command."""
    scene = Scene.draw(setting, MEASURED_SEEDS, seed)
    measured = Measured()
    for number in range(setting.passes):
        found = located_by_command(scene, number, folder / f"{seed}-{number}", seed)
        rows, counts = score(found, scene, number)
        measured.add(Measured([of_street(rows, seed)], counts))
    return measured


def located_by_command(scene: Scene, number: int, folder: Path, seed: int) -> list[Found]:
    """What `wegewart-edge locate` writes for one drive.

    Raises:
        RuntimeError: If the command fails, with what it said.
    """
    boxes = write_drive(folder, scene, number, drive_id_of(seed, number))
    out, said = folder / "observations.jsonl", io.StringIO()
    with contextlib.redirect_stderr(said):
        code = wegewart_edge(["locate", str(folder), "--detections", str(boxes), "--out", str(out)])
    if code != 0:
        raise RuntimeError(f"wegewart-edge locate ended with {code}: {said.getvalue()}")
    lines = out.read_text(encoding="utf-8").splitlines()
    return [Found.of_observation(Observation.model_validate_json(line)) for line in lines]


def drive_id_of(seed: int, number: int) -> UUID:
    """The same UUIDv7 for the same drive: 2026-05-04 08:00 UTC and bits drawn from its numbers."""
    bits = random.Random(f"{seed}/{number}").getrandbits(80)
    value = (1_777_881_600_000 << 80) | bits
    value = value & ~(0xF << 76) | (7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))
