"""Several training processes: who they are, which GPUs they take, and that they wait for the first."""

import os
import subprocess
import sys

import pytest

from wegewart.errors import CalledWrongly
from wegewart_training.workers import ALONE, Workers, device_for

TWO = Workers(rank=1, count=2)


def test_torchrun_is_noticed_by_its_environment():
    environment = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}

    assert Workers.load({}) == ALONE
    assert Workers.load(environment) == TWO
    assert [Workers(0, 2).first, TWO.first] == [True, False]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"RANK": "0", "WORLD_SIZE": "1"}, "one process"),
        ({"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}, "several machines"),
    ],
    ids=["one", "machines"],
)
def test_what_cannot_train_together_is_refused(environment, reason):
    with pytest.raises(CalledWrongly, match=reason):
        Workers.load(environment)


@pytest.mark.parametrize(
    ("workers", "device", "taken"),
    [(ALONE, None, "cpu"), (ALONE, "0", "0"), (TWO, None, "0,1"), (TWO, "2,3", "2,3")],
)
def test_every_process_gets_a_gpu(workers, device, taken):
    assert device_for(workers, device) == taken


@pytest.mark.parametrize(
    ("workers", "device", "reason"),
    [(ALONE, "0,1", "torchrun --nproc_per_node 2"), (TWO, "cpu", "without torchrun"), (TWO, "0", "as many")],
    ids=["no-torchrun", "cpu", "too-few"],
)
def test_processes_and_gpus_that_do_not_pair_off_are_refused(workers, device, reason):
    with pytest.raises(CalledWrongly, match=reason):
        device_for(workers, device)


TOGETHER = """
import sys, time
from pathlib import Path
from wegewart_training.workers import Workers, done_by_first

workers, done, fails = Workers.load(), Path(sys.argv[1]), sys.argv[2] == "fail"

def action():
    if fails:
        raise SystemExit("the first failed")
    done.write_text(f"{done.read_text() if done.exists() else ''}{workers.rank}")

try:
    done_by_first(workers, "prepare", action)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
assert done.read_text() == "0"
"""


@pytest.mark.parametrize("outcome", ["done", "fail"])
def test_the_others_wait_for_the_first_and_hear_of_its_failure(tmp_path, outcome):
    (tmp_path / "together.py").write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(tmp_path / "together.py"), str(tmp_path / "done"), outcome]

    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    assert (ended.returncode == 0) == (outcome == "done"), ended.stderr[-2000:]
    assert (tmp_path / "done").exists() == (outcome == "done")
