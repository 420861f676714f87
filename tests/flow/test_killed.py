"""A vehicle that loses power: started again, with or without its outbox, the office holds the same."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.flow.running_office import (
    SAMPLE,
    RunningOffice,
    Vehicle,
    contents,
    environment_for,
    running_office,
)

pytestmark = [pytest.mark.slow]

DRIVE = SAMPLE / "pass-2"  # the shorter one
FRAMES = 18


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an office holds after a replay that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running_office(folder, environment_for(folder, None)) as office:
        assert Vehicle.of(office).replay(DRIVE)["delivered"]
        return held(office)


def held(office: RunningOffice) -> dict[str, str]:
    with office.reader() as reader:
        return contents(reader)


def kill_at_frame(vehicle: Vehicle, frame: int) -> None:
    """Start a replay and take its power away as soon as it says that it looked at this frame."""
    replay = subprocess.Popen(
        vehicle.replay_command(DRIVE),
        env=vehicle.office.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert replay.stderr is not None
    with replay.stderr as said:
        for line in said:
            reached = re.search(r"Bild (\d+) von", line)
            if reached and int(reached[1]) >= frame:
                replay.kill()
                break
    assert replay.wait() == -signal.SIGKILL, "the replay ended before it could be killed"


@pytest.mark.parametrize("outbox_kept", [True, False], ids=["outbox kept", "outbox lost"])
@pytest.mark.parametrize("frame", [4, FRAMES], ids=["in the middle", "before the delivery"])
def test_killed_and_started_again_the_office_holds_what_an_undisturbed_drive_gives(
    tmp_path: Path, undisturbed: dict[str, str], frame: int, outbox_kept: bool
) -> None:
    with running_office(tmp_path, environment_for(tmp_path, None)) as office:
        kill_at_frame(Vehicle.of(office), frame)
        again = Vehicle.of(office) if outbox_kept else Vehicle.of(office, "new-outbox")
        assert again.replay(DRIVE)["delivered"]
        assert held(office) == undisturbed
    assert undisturbed
