"""What alignment and matching compare: one drive's observations and the known defects, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sightings:
    """One drive's observations in driving order, n of them, on a local east-north plane.

    Attributes:
        station_m: Shape (n,), driven path length, rising.
        place_m: Shape (n, 2), east and north, as the drive's own receiver placed them.
        relative_m2: Shape (n, 2, 2), what differs from damage to damage.
        gnss_m2: Shape (n, 2, 2), the receiver's bias, shared along the stretch.
        classes: Shape (n, k), probabilities that sum to 1.
        log_size: Shape (n, 2), natural logarithm of length and width in metres; NaN where not known.
        log_size_sigma: Shape (n, 2).
    """

    station_m: FloatArray
    place_m: FloatArray
    relative_m2: FloatArray
    gnss_m2: FloatArray
    classes: FloatArray
    log_size: FloatArray
    log_size_sigma: FloatArray

    def __len__(self) -> int:
        return len(self.station_m)


@dataclass(frozen=True, slots=True)
class KnownDefects:
    """The map so far, m defects on the same plane and with the same classes.

    Attributes:
        place_m: Shape (m, 2), east and north in the map's own frame.
        relative_m2: Shape (m, 2, 2), how well a defect's place is known within that frame.
        frame_m2: Shape (m, 2, 2), how well the frame itself is known there; shared by neighbours.
        classes: Shape (m, k), probabilities that sum to 1.
        log_size: Shape (m, 2), natural logarithm of length and width in metres; NaN where not known.
        log_size_sigma: Shape (m, 2).
    """

    place_m: FloatArray
    relative_m2: FloatArray
    frame_m2: FloatArray
    classes: FloatArray
    log_size: FloatArray
    log_size_sigma: FloatArray

    def __len__(self) -> int:
        return len(self.place_m)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of an observation and a known defect that may be the same damage, sorted by observation.

    Attributes:
        sighting: Shape (p,), index of the observation.
        defect: Shape (p,), index of the defect.
        log_ratio: Shape (p,), log likelihood ratio of class and size, same damage against another one.
    """

    sighting: IndexArray
    defect: IndexArray
    log_ratio: FloatArray

    def __len__(self) -> int:
        return len(self.sighting)
