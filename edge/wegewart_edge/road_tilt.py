"""The tilt of the camera in one frame: as it was estimated on the way, and as something else measured it."""

import math
from dataclasses import dataclass

LEARNT_BELOW = 0.9  # of the sigma before any look: less of a gain is none


@dataclass(frozen=True, slots=True)
class MeasuredTilt:
    """Tilt of one frame from elsewhere, such as its vanishing point: as in the mount, positive down."""

    tilt_down_deg: float
    sigma_deg: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tilt_down_deg) and math.isfinite(self.sigma_deg) and self.sigma_deg > 0):
            raise ValueError(
                f"a measured tilt of {self.tilt_down_deg}° ± {self.sigma_deg}°: "
                "it needs a finite angle and a sigma above 0"
            )


@dataclass(frozen=True, slots=True)
class FrameTilt:
    """Tilt of one frame: how much further down the camera looked than its mount says, with its sigma.

    `prior_sigma_rad` is what was known before this drive: the mount's sigma with slope and pitching.
    """

    more_rad: float
    sigma_rad: float
    prior_sigma_rad: float

    @property
    def estimated(self) -> bool:
        """Whether the frame or the drive told anything; else the sigma is that of the prior."""
        return self.sigma_rad < LEARNT_BELOW * self.prior_sigma_rad
