"""Ultralytics' trainer with what our recipes ask beyond its settings. Imports torch: import it late."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils import RANK

from wegewart_training.epoch_plan import drawn_size_px, planned_epochs_of
from wegewart_training.epoch_table import write_epochs
from wegewart_training.recipe import TrainerPlan

NOT_CHECKED = -1.0  # fitness of an epoch that val did not see: never the best


class RoadTrainer(DetectionTrainer):
    """Plans its epochs by the clock, draws batches at several sizes, and looks at val when told.

    The image sizes are drawn from the recipe's seed and the number of the batch, so a resumed run draws the
    same ones, and so does every process of a training on several GPUs.
    """

    def __init__(self, plan: TrainerPlan, run: Path, overrides: dict[str, Any]) -> None:
        self.plan = plan
        self.run = run
        super().__init__(overrides=overrides)
        if self.device.type == "cpu":
            self.args.workers = 1  # else images are read while the cores wait
            torch.set_num_threads(len(os.sched_getaffinity(0)))  # Ultralytics leaves one core out
        self.add_callback("on_pretrain_routine_end", RoadTrainer._lay_out)
        self.add_callback("on_train_epoch_start", RoadTrainer._choose_check)
        self.add_callback("on_fit_epoch_end", RoadTrainer._finish_epoch)
        self._batches = 0
        self._looked = False
        self.epochs = self.args.epochs = self._planned_epochs()

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:  # noqa: ANN401
        """The model as Ultralytics builds it, without the end-to-end head where the recipe wants none."""
        if not self.plan.one_to_one:
            described = cfg if isinstance(cfg, dict) else yaml_model_load(cfg)  # type: ignore[no-untyped-call]
            cfg = {**described, "end2end": False}
        return super().get_model(cfg, weights, verbose)

    @property
    def _bf16_on_cpu(self) -> bool:
        return self.device.type == "cpu" and self.plan.precision == "bf16"

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch as Ultralytics prepares it, at a size drawn for it while training."""
        batch = super().preprocess_batch(batch)
        if self._bf16_on_cpu:
            # Ultralytics refuses bfloat16 on CPUs. It calls this inside an autocast context that it switched
            # off; switched on here, that context puts everything back when it ends.
            torch.set_autocast_dtype("cpu", torch.bfloat16)
            torch.set_autocast_enabled("cpu", True)
        model: Any = self.model
        if model.training:
            self._batches += 1
            size_px = drawn_size_px(self.plan, self.args.seed, self.epoch, self.epochs, self._batches)
            if size_px != batch["img"].shape[-1]:
                batch["img"] = nn.functional.interpolate(
                    batch["img"], size=(size_px, size_px), mode="bilinear", antialias=True
                )
        return batch

    def _lay_out(self) -> None:
        """Channels last: a tenth faster in bfloat16 on CPUs; Ultralytics does it on CUDA by itself."""
        if self._bf16_on_cpu:
            model: Any = self.model
            self.model = model.to(memory_format=torch.channels_last)

    def _choose_check(self) -> None:
        self._batches = 0
        self._looked = False
        self.args.val = (self.epoch + 1) % self.plan.check_every_epochs == 0
        if not self.args.val:
            self.fitness = NOT_CHECKED  # type: ignore[assignment]

    def validate(self) -> Any:  # noqa: ANN401  Ultralytics' own
        """What Ultralytics measures on val."""
        self._looked = True
        return super().validate()  # type: ignore[no-untyped-call]

    def _finish_epoch(self) -> None:
        """After an epoch, and once more after the whole: its figures, and a new plan from its duration."""
        if RANK in {-1, 0} and self.epoch < self.epochs:
            write_epochs(self.run, self.plan)
        if self.plan.budget_h is not None and self.epoch + 1 < self.epochs:
            self._plan_again()

    def _plan_again(self) -> None:
        """Epochs anew, so that the last one is whole, has the lowest rate and is looked at.

        Ultralytics' own time limit stops in the middle of an epoch, mostly before the rate is down.
        """
        least = self.epoch + 1 if self._looked else self.epoch + 2
        self.epochs = self.args.epochs = max(self._planned_epochs(), least)
        # What Ultralytics itself does when it plans anew.
        self._setup_scheduler()  # type: ignore[no-untyped-call]
        scheduler: Any = self.scheduler
        scheduler.last_epoch = self.epoch
        self.stop = self.epoch + 1 >= self.epochs

    def _planned_epochs(self) -> int:
        """Epochs in all, as the first process counts them: its clock and its table are the run's."""
        box = [planned_epochs_of(self.plan, self.run)]
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast_object_list(box, 0)
        return box[0]
