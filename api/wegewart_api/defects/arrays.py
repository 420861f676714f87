"""Stored observations and defects as the arrays that alignment and matching compute with."""

from collections.abc import Sequence

import numpy as np

from wegewart.geo import Covariance, LocalPlane
from wegewart_api.defects.repository import StoredDefect, StoredSize
from wegewart_api.defects.sighting import FloatArray, KnownDefects, Sightings
from wegewart_api.defects.state import class_row, matrix
from wegewart_api.intake.repository import StoredObservation


def class_codes(observations: Sequence[StoredObservation], defects: Sequence[StoredDefect]) -> list[str]:
    """All class codes that occur, in order: models with different vocabularies still compare."""
    codes = {code for each in observations for code in each.sent.class_probabilities}
    return sorted(codes | {code for each in defects for code in each.class_probabilities})


def sightings_of(
    observations: Sequence[StoredObservation], plane: LocalPlane, codes: Sequence[str]
) -> Sightings:
    """One drive's observations, which stand in order of their station."""
    sent = [each.sent for each in observations]
    sizes = [
        (_stored(one.length_m, one.length_sigma_m), _stored(one.width_m, one.width_sigma_m)) for one in sent
    ]
    log_size, sigma = _log_sizes(sizes)
    return Sightings(
        station_m=np.array([one.station_m for one in sent], dtype=np.float64),
        place_m=_rows([plane.east_north_m(each.lat, each.lon) for each in observations], 2),
        relative_m2=_matrices([one.cov_relative_m2 for one in sent]),
        gnss_m2=_matrices([one.cov_gnss_m2 for one in sent]),
        classes=_rows([class_row(one.class_probabilities, codes) for one in sent], len(codes)),
        log_size=log_size,
        log_size_sigma=sigma,
    )


def known_of(defects: Sequence[StoredDefect], plane: LocalPlane, codes: Sequence[str]) -> KnownDefects:
    """Stored defects at their places in the map's frame."""
    log_size, sigma = _log_sizes([(each.length, each.width) for each in defects])
    return KnownDefects(
        place_m=_rows([plane.east_north_m(each.map_lat, each.map_lon) for each in defects], 2),
        relative_m2=_matrices([each.relative for each in defects]),
        frame_m2=_matrices([each.frame for each in defects]),
        classes=_rows([class_row(each.class_probabilities, codes) for each in defects], len(codes)),
        log_size=log_size,
        log_size_sigma=sigma,
    )


def _stored(size: float | None, sigma: float | None) -> StoredSize | None:
    return None if size is None or sigma is None else StoredSize(size, sigma)


def _log_sizes(
    sizes: Sequence[tuple[StoredSize | None, StoredSize | None]],
) -> tuple[FloatArray, FloatArray]:
    """Logarithms of length and width with their sigmas; NaN where a size is not known or is 0."""
    known = [[each if each is not None and each.size > 0 else None for each in pair] for pair in sizes]
    log_size = [[np.log(each.size) if each else np.nan for each in pair] for pair in known]
    sigma = [[each.sigma / each.size if each else np.nan for each in pair] for pair in known]
    return _rows(log_size, 2), _rows(sigma, 2)


def _rows(rows: Sequence[Sequence[float] | FloatArray], columns: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns)


def _matrices(covariances: Sequence[Covariance]) -> FloatArray:
    return np.array([matrix(each) for each in covariances], dtype=np.float64).reshape(len(covariances), 2, 2)
