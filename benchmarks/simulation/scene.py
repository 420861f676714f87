"""One street with its damages, the drives over it, and what the detector said: drawn from one seed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulation.passing import Drives, draw_drives
from simulation.seeing import Boxes, see
from simulation.setting import Setting
from simulation.world import Array, Damages, Street, draw_damages


@dataclass(frozen=True)
class Scene:
    """Everything about one street; the same setting and seed give the same scene."""

    setting: Setting
    street: Street
    damages: Damages
    drives: Drives
    boxes: Boxes

    @classmethod
    def draw(cls, setting: Setting, *seed: int) -> "Scene":
        """A scene; each part has random numbers of its own, so that another receiver sees the same street."""
        parts = [np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(3)]
        street = Street.draw(setting.street, parts[0])
        damages = draw_damages(street, setting.damage, setting.passes, parts[0])
        drives = draw_drives(street, setting, parts[1])
        return cls(setting, street, damages, drives, see(street, damages, drives, setting, parts[2]))

    @cached_property
    def places_m(self) -> Array:
        """True places (N, 2) of the damages, east and north: the middle of the near edge of each."""
        return np.column_stack(self.street.place(self.damages.near_m, self.damages.right_m))

    def boxes_of(self, number: int) -> Boxes:
        """Detections of one drive."""
        return self.boxes.of_drive(number)

    def codes_of(self, boxes: Boxes) -> tuple[str, ...]:
        """Class codes as the detector said them."""
        codes = [each.code for each in self.setting.damage.classes]
        return tuple(codes[kind] for kind in boxes.class_index)
