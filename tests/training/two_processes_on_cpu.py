"""wegewart-train in two processes without a GPU: what a training on two GPUs does, but for the GPUs.

Started by torchrun: two_processes_on_cpu.py RECIPE RUN. Ultralytics joins processes on GPUs only, so what it
does there is told to it for the CPU: the number of processes, the process group (gloo, not NCCL), the wrapper
that averages gradients (no device), a mean over processes (gloo has sums only). Its look at the best
checkpoint after the last epoch needs a GPU in each process and is left out.
"""

import sys
from pathlib import Path
from typing import Any

from torch import Tensor, distributed, nn

from wegewart_datasets.settings import DataSettings
from wegewart_training.offline import quiet_ultralytics
from wegewart_training.train import train
from wegewart_training.workers import Workers

TWO = Workers.load()
Wrapper = nn.parallel.DistributedDataParallel
reduce = distributed.reduce


class WrapperOnCpu(Wrapper):
    def __init__(self, module: nn.Module, device_ids: object, **others: Any) -> None:
        super().__init__(module, **others)


def reduce_on_cpu(tensor: Tensor, dst: int, op: object) -> None:
    mean = op is distributed.ReduceOp.AVG
    reduce(tensor, dst=dst, op=distributed.ReduceOp.SUM if mean else op)
    if mean:
        tensor /= TWO.count


def main() -> int:
    recipe, run = map(Path, sys.argv[1:])
    with quiet_ultralytics(run.parent / f"room-{TWO.rank}"):
        from wegewart_training import road_trainer

    class TrainerOnCpu(road_trainer.RoadTrainer):
        def train(self) -> None:
            self.world_size = TWO.count
            super().train()

        def _setup_ddp(self) -> None:
            distributed.init_process_group("gloo", rank=TWO.rank, world_size=TWO.count)

        def final_eval(self) -> None:
            (run.parent / f"epochs-{TWO.rank}.txt").write_text(f"{self.epoch + 1} of {self.epochs}")

    road_trainer.RoadTrainer = TrainerOnCpu
    nn.parallel.DistributedDataParallel = WrapperOnCpu
    distributed.reduce = reduce_on_cpu
    train(recipe, run, DataSettings.load(), "cpu", TWO)
    return 0


if __name__ == "__main__":
    sys.exit(main())
