"""What is known of a defect, derived from its views and looks alone: the same every time it is computed.

Two places are kept. In the map's frame (`map_*`) neighbours fit each other to decimetres: the first drive
over a street defines it, and each later one is aligned to it. That frame is as wrong as its first receiver
was. The stored place (`lat`, `lon`) takes the mean of the offsets of all drives that saw the damage: each is
an independent draw of the receiver's bias, so the error falls from 2.5 m per axis as 1/√passes
(FORMULAS section 3, "Pass-offset solve", with its prior b ~ N(0, σ²)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from wegewart.geo import Covariance, LocalPlane
from wegewart.observation import Observation
from wegewart_api.defects.agreement import AgreementRules
from wegewart_api.defects.existence import ExistenceRules, Look, believe
from wegewart_api.defects.fusion import FusedSize, fuse_classes, fuse_places, fuse_sizes
from wegewart_api.defects.gauss_markov import inverse_2x2
from wegewart_api.defects.sighting import FloatArray


@dataclass(frozen=True, slots=True)
class Offset:
    """Offset of a drive against the map at one place.

    `remaining` is what is unknown of it; None where the drive itself defines the map.
    """

    east_m: float
    north_m: float
    remaining: Covariance | None


@dataclass(frozen=True, slots=True)
class View:
    """One observation of a defect, in ETRS89, with its drive's offset."""

    observation: Observation
    lat: float
    lon: float
    offset: Offset


@dataclass(frozen=True, slots=True)
class DefectState:
    """All that follows from the views and looks."""

    lat: float
    lon: float
    covariance: Covariance
    map_lat: float
    map_lon: float
    relative: Covariance
    frame: Covariance
    class_probabilities: dict[str, float]
    length: FusedSize | None
    width: FusedSize | None
    area: FusedSize | None
    existence_log_odds: float
    first_seen_at: datetime
    last_seen_at: datetime
    observation_count: int
    drive_count: int

    @property
    def class_code(self) -> str:
        """The likeliest class; of equals the first by code, so that it never flickers."""
        return likeliest(self.class_probabilities)


def likeliest(class_probabilities: dict[str, float]) -> str:
    """Code of the likeliest class; of equals the first by code."""
    return min(class_probabilities, key=lambda code: (-class_probabilities[code], code))


def derive(
    views: Sequence[View],
    looks: Sequence[Look],
    frame: Covariance,
    agreement: AgreementRules | None = None,
    existence: ExistenceRules | None = None,
) -> DefectState:
    """State of a defect from one view or more.

    Args:
        looks: Of all passes, those that saw it and those that did not.
        frame: How well the map's frame is known there.
    """
    agreement = agreement or AgreementRules()
    observed = [view.observation for view in views]
    plane = LocalPlane(views[0].lat, views[0].lon)
    offsets = np.array([[view.offset.east_m, view.offset.north_m] for view in views])
    seen_at = np.array([plane.east_north_m(view.lat, view.lon) for view in views])
    fused = fuse_places(seen_at - offsets, np.array([_relative(view) for view in views]))
    weights = inverse_2x2(np.array([matrix(one.cov_gnss_m2) for one in observed]))
    shared = inverse_2x2(weights.sum(axis=0))
    shift = shared @ np.einsum("vij,vj->i", weights, offsets)
    lat, lon = plane.lat_lon(*(fused.place_m + shift))
    map_lat, map_lon = plane.lat_lon(*fused.place_m)
    moments = [one.captured_at for one in observed]
    scatter = agreement.size_sigma_log
    return DefectState(
        lat=lat,
        lon=lon,
        covariance=covariance_of(fused.covariance_m2 + shared),
        map_lat=map_lat,
        map_lon=map_lon,
        relative=covariance_of(fused.covariance_m2),
        frame=frame,
        class_probabilities=_classes(observed, agreement),
        length=fuse_sizes(_known([(one.length_m, one.length_sigma_m) for one in observed]), scatter),
        width=fuse_sizes(_known([(one.width_m, one.width_sigma_m) for one in observed]), scatter),
        area=fuse_sizes(_known([(one.area_m2, one.area_sigma_m2) for one in observed]), scatter),
        existence_log_odds=believe(looks, existence),
        first_seen_at=min(moments),
        last_seen_at=max(moments),
        observation_count=len(observed),
        drive_count=len({one.drive_id for one in observed}),
    )


def matrix(covariance: Covariance) -> FloatArray:
    """Covariance as a 2×2 array."""
    return np.array([[covariance.ee, covariance.en], [covariance.en, covariance.nn]])


def covariance_of(array: FloatArray) -> Covariance:
    """Covariance from a 2×2 array."""
    return Covariance(float(array[0, 0]), float(array[0, 1]), float(array[1, 1]))


def class_row(class_probabilities: dict[str, float], codes: Sequence[str]) -> FloatArray:
    """Probabilities in the order of codes, made to sum to 1; what a model left open is spread evenly."""
    row = np.array([class_probabilities.get(code, 0.0) for code in codes])
    left = max(0.0, 1.0 - float(row.sum()))
    spread: FloatArray = (row + left / len(codes)) / (row.sum() + left)
    return spread


def _relative(view: View) -> FloatArray:
    own = matrix(view.observation.cov_relative_m2)
    return own if view.offset.remaining is None else own + matrix(view.offset.remaining)


def _classes(observed: Sequence[Observation], agreement: AgreementRules) -> dict[str, float]:
    codes = sorted({code for one in observed for code in one.class_probabilities})
    rows = np.array([class_row(one.class_probabilities, codes) for one in observed])
    fused = fuse_classes(rows, agreement.class_flip)
    return {code: float(share) for code, share in zip(codes, fused, strict=True)}


def _known(sizes: Sequence[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    return [(size, sigma) for size, sigma in sizes if size is not None and sigma is not None]
