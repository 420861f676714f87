"""A picture of one drive: reference, raw fixes, filtered path with 95 % ellipses, and the errors below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

if TYPE_CHECKING:
    from pose import Reference

    from wegewart_edge.gnss import Fix
    from wegewart_edge.pose import Trajectory

ELLIPSE_EVERY_S = 5.0
CHI2_95_PLANE = 5.991


def draw(path: Path, reference: Reference, fixes: Sequence[Fix], filtered: Trajectory) -> None:
    """Write the picture: the road turned so that its first to last point lies along the x axis."""
    from pose import log_seconds, moment

    start = np.array([reference.east_m[0], reference.north_m[0]])
    way = np.array([reference.east_m[-1], reference.north_m[-1]]) - start
    turn = np.array([[way[0], way[1]], [way[1], -way[0]]]) / math.hypot(*way)  # along, right

    def turned(points: Sequence[tuple[float, float]]) -> np.ndarray:
        along_right: np.ndarray = (np.array(points) - start) @ turn.T
        return along_right

    figure, (map_axes, error_axes) = plt.subplots(2, 1, figsize=(12, 8), layout="constrained")
    truth = turned(list(zip(reference.east_m.tolist(), reference.north_m.tolist(), strict=True)))
    map_axes.plot(truth[:, 0], truth[:, 1], "k-", lw=1.5, label="Referenz · reference")
    raw = turned([reference.plane.east_north_m(fix.lat, fix.lon) for fix in fixes])
    map_axes.plot(raw[:, 0], raw[:, 1], "x", color="tab:red", label="Telefon, roh · phone, raw")
    poses = [(at_s, filtered.at(moment(at_s))) for at_s in reference.time_s.tolist()]
    known = [(at_s, pose) for at_s, pose in poses if pose is not None]
    places = turned([reference.plane.east_north_m(pose.lat, pose.lon) for _, pose in known])
    map_axes.plot(
        places[:, 0], places[:, 1], color="tab:blue", label="Filter + Radgeschwindigkeit · wheel speed"
    )
    next_s = known[0][0]
    for (at_s, pose), place in zip(known, places, strict=True):
        if at_s >= next_s:
            covariance = turn @ np.array(
                [[pose.cov_gnss.ee, pose.cov_gnss.en], [pose.cov_gnss.en, pose.cov_gnss.nn]]
            )
            _ellipse(map_axes, place, covariance @ turn.T)
            next_s += ELLIPSE_EVERY_S
    map_axes.set(xlabel="m entlang · along", ylabel="m rechts · right", title="comma2k19")
    map_axes.legend(loc="best")
    times: list[datetime] = [fix.captured_at for fix in fixes]
    zero_s = float(reference.time_s[0])
    error_axes.plot(
        [log_seconds(when) - zero_s for when in times],
        [math.hypot(*reference.error_m(log_seconds(fix.captured_at), fix.lat, fix.lon)) for fix in fixes],
        "x-",
        color="tab:red",
        label="roh · raw",
    )
    error_axes.plot(
        [at_s - zero_s for at_s, _ in known],
        [math.hypot(*reference.error_m(at_s, pose.lat, pose.lon)) for at_s, pose in known],
        color="tab:blue",
        label="Filter",
    )
    error_axes.plot(
        [at_s - zero_s for at_s, _ in known],
        [math.sqrt(CHI2_95_PLANE) * pose.cov_gnss.rms_m for _, pose in known],
        "--",
        color="tab:blue",
        label="95 % angegeben · stated",
    )
    error_axes.set(xlabel="s", ylabel="m Fehler · error")
    error_axes.legend(loc="best")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _ellipse(axes: Axes, place: np.ndarray, covariance: np.ndarray) -> None:
    values, vectors = np.linalg.eigh(covariance)
    width, height = 2 * np.sqrt(CHI2_95_PLANE * values)
    angle = math.degrees(math.atan2(vectors[1, 0], vectors[0, 0]))
    axes.add_patch(Ellipse(tuple(place), width, height, angle=angle, fill=False, color="tab:blue", alpha=0.5))
