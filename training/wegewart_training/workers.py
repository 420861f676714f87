"""The processes of one training: one alone, or one for each GPU, started by torchrun.

The first one prepares the data and writes the records; the others wait for it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from wegewart.errors import CalledWrongly, WegewartError

PATIENCE = timedelta(hours=1)  # copying and checking 50,000 photographs takes minutes


@dataclass(frozen=True)
class Workers:
    """How many processes train together, and which of them this one is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """From what torchrun sets; one process alone where it sets nothing.

        Raises:
            CalledWrongly: If torchrun started one process only, or processes on several machines.
        """
        environment = os.environ if environment is None else environment
        if "RANK" not in environment or "WORLD_SIZE" not in environment:
            return cls()
        count = int(environment["WORLD_SIZE"])
        if count == 1:
            raise CalledWrongly("torchrun started one process: for one GPU start wegewart-train by itself")
        if environment.get("LOCAL_WORLD_SIZE", str(count)) != str(count):
            raise CalledWrongly("torchrun spans several machines: use the GPUs of one machine")
        return cls(int(environment["RANK"]), count)


ALONE = Workers()


def device_for(workers: Workers, device: str | None) -> str:
    """Device list as Ultralytics names it; without a choice the CPU, or one GPU for each process.

    Raises:
        CalledWrongly: If processes and GPUs do not pair off.
    """
    if workers.count == 1:
        gpus = len((device or "cpu").split(","))
        if gpus > 1:  # Ultralytics' own launcher empties the run folder first
            raise CalledWrongly(
                f"--device {device}: several GPUs need one process each: "
                f"torchrun --nproc_per_node {gpus} -m wegewart_training train --device {device} …"
            )
        return device or "cpu"
    device = device or ",".join(map(str, range(workers.count)))
    if device == "cpu":
        raise CalledWrongly("on the CPU one process uses every core: start wegewart-train without torchrun")
    if len(device.split(",")) != workers.count:
        raise CalledWrongly(
            f"--device {device}: torchrun started {workers.count} processes, name as many GPUs"
        )
    return device


def done_by_first(workers: Workers, step: str, action: Callable[[], None]) -> None:
    """Run the action in the first process; return in every process once it is done.

    Args:
        step: Its name, used once in a training.
    Raises:
        WegewartError: In the others, if it failed in the first, or took longer than `PATIENCE`.
    """
    if workers.count == 1:
        action()
        return
    store = _store(workers)
    if not workers.first:
        _wait(store, step)
        return
    try:
        action()
    except BaseException:
        store.set(step, "failed")
        raise
    store.set(step, "done")


def _wait(store: Any, step: str) -> None:  # noqa: ANN401  torch's stores have no common public type
    try:
        store.wait([step], PATIENCE)
    except RuntimeError as error:
        raise WegewartError(f"the first process never finished step {step!r}: {error}") from error
    if store.get(step) != b"done":
        raise WegewartError(f"the first process stopped at step {step!r}: its own message says why")


def _store(workers: Workers) -> Any:  # noqa: ANN401
    """torchrun's key-value store, under a prefix of our own."""
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", workers.rank, workers.count, timeout=PATIENCE))
    return PrefixStore("wegewart", store)
