"""A server that is down, and comes back: nothing is lost, and the same command continues."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.flow.running_office import (
    SAMPLE,
    Vehicle,
    environment_for,
    running_office,
)

pytestmark = [pytest.mark.slow]


def replay_while_down(vehicle: Vehicle) -> dict[str, Any]:
    return vehicle.replay(SAMPLE / "pass-2", expected=1)


def test_what_a_dead_server_could_not_take_arrives_when_it_is_back(tmp_path: Path) -> None:
    environment = environment_for(tmp_path, None)
    with running_office(tmp_path, environment) as office:
        vehicle = Vehicle.of(office)
        port = httpx.URL(office.url).port
    assert port is not None
    waiting = replay_while_down(vehicle)
    assert not waiting["delivered"]
    assert waiting["waiting"]["observation"] == waiting["observations"] > 0
    with running_office(tmp_path, environment, port) as office:
        delivered = vehicle.replay(SAMPLE / "pass-2")
        assert delivered["delivered"]
        assert delivered["waiting"] == {"observation": 0, "drive": 0, "evidence": 0}
        with office.reader() as reader:
            (stored,) = reader.get(f"/api/v1/drives/{delivered['drive_id']}").json()["passes"]
        assert stored["observations_stored"] == waiting["observations"]
