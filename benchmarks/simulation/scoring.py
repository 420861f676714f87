"""What the vehicle found, held against the truth: one row per fused track, and the figures over many rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from simulation.estimating import Found, covariance_of
from simulation.scene import Scene
from simulation.seeing import NOTHING_TRUE, Boxes
from simulation.world import Array, Truth, Whole, east_north_of
from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import LocateSettings

BOOTSTRAPS = 200
GATE95 = 5.991  # 95 % quantile of χ² with two degrees of freedom


@dataclass(frozen=True)
class Rows:
    """One row per track of a true damage; vectors are (N, 2) east and north in metres, estimate minus truth.

    `relative_m` is the error less the receiver's true bias at the moment of the best view; `own_m` the
    error of the receiver itself then; `vehicle_m` that of the raw position taken for the damage's; `naive_m`
    that of the surest box on flat ground with the stated tilt and the raw position and course.
    """

    place: Whole  # of the damage: the same in all passes of one street
    drive: Whole
    looks: Whole
    nearest_m: Array
    class_index: Whole
    error_m: Array
    relative_m: Array
    own_m: Array
    vehicle_m: Array
    naive_m: Array
    cov_relative_m2: Array  # (N, 3): ee, en, nn
    cov_gnss_m2: Array
    split: Truth  # another track of the same drive shows the same damage, with more looks

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def chosen(self, which: Truth) -> "Rows":
        """Some of the rows."""
        return Rows(*(getattr(self, each.name)[which] for each in fields(self)))

    def __len__(self) -> int:
        return len(self.place)


@dataclass
class Counts:
    """What did not become a row, and what should not have."""

    tracks: int = 0
    false_tracks: int = 0
    mixed_tracks: int = 0
    split_tracks: int = 0
    damages_seen: int = 0
    damages_missed: int = 0

    def add(self, other: "Counts") -> None:
        """Add up."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def score(found: Sequence[Found], scene: Scene, number: int) -> tuple[Rows, Counts]:
    """Rows of one drive.

    A track belongs to the damage whose box its best view holds; it is mixed where its first look was of
    something else. A damage was seen where the detector reported it at least once.
    """
    boxes = scene.boxes_of(number)
    best = np.array([_best_row(each, boxes) for each in found], dtype=np.intp)
    first = np.array([_first_row(each, boxes) for each in found], dtype=np.intp)
    truth = boxes.truth[best]
    real = truth != NOTHING_TRUE
    rows = _rows(
        [each for each, is_real in zip(found, real, strict=True) if is_real], best[real], scene, number
    )
    seen = np.unique(boxes.truth[boxes.truth != NOTHING_TRUE])
    return rows, Counts(
        tracks=len(found),
        false_tracks=int((~real).sum()),
        mixed_tracks=int((boxes.truth[first] != truth)[real].sum()),
        split_tracks=int(rows.split.sum()),
        damages_seen=len(seen),
        damages_missed=len(np.setdiff1d(seen, truth)),
    )


def _best_row(found: Found, boxes: Boxes) -> int:
    """Number of the detection that is a track's best view."""
    of_frame = np.arange(*np.searchsorted(boxes.frame, [found.best_sequence, found.best_sequence + 1]))
    off_px = np.abs(boxes.box_px[of_frame] - np.array(found.best_box_px)).max(axis=1)
    return int(of_frame[np.argmin(off_px)])


def _first_row(found: Found, boxes: Boxes) -> int:
    return int(np.searchsorted(boxes.frame, found.first_sequence)) + found.first_number


def _rows(found: Sequence[Found], best: Whole, scene: Scene, number: int) -> Rows:
    boxes, drives = scene.boxes_of(number), scene.drives
    truth = boxes.truth[best]
    place_m = scene.places_m[truth]
    estimate_m = np.column_stack(
        east_north_of(np.array([each.lat for each in found]), np.array([each.lon for each in found]))
    ).reshape(-1, 2)
    error_m = estimate_m - place_m
    looks = np.array([each.looks for each in found], dtype=np.intp)
    own_m, vehicle_m = _receiver(boxes.frame[best], scene, number)
    surest = _surest(boxes, truth)
    return Rows(
        place=truth,
        drive=np.full(len(found), number, dtype=np.intp),
        looks=looks,
        nearest_m=np.array([each.nearest_m for each in found]),
        class_index=scene.damages.class_index[truth],
        error_m=error_m,
        relative_m=error_m - drives.bias_at(number, drives.shake.stamped_s[number, boxes.frame[best]]),
        own_m=own_m,
        vehicle_m=vehicle_m - place_m,
        naive_m=_naive(surest, scene, number) - place_m,
        cov_relative_m2=np.array([each.cov_relative_m2 for each in found]).reshape(-1, 3),
        cov_gnss_m2=np.array([each.cov_gnss_m2 for each in found]).reshape(-1, 3),
        split=_is_split(truth, looks),
    )


def _is_split(truth: Whole, looks: Whole) -> Truth:
    """Whether an earlier or longer track shows the same damage."""
    order = np.lexsort((-looks, truth))
    again = np.zeros(len(truth), dtype=bool)
    again[order[1:]] = truth[order[1:]] == truth[order[:-1]]
    return again


def _receiver(frame: Whole, scene: Scene, number: int) -> tuple[Array, Array]:
    """Error (N, 2) of the receiver at frames, and its raw position (N, 2) then."""
    fixes, at_s = scene.drives.fixes, scene.drives.shake.stamped_s[number, frame]
    error_m = fixes.bias_m[number] + fixes.noise_m[number]
    columns = (error_m[:, 0], error_m[:, 1], fixes.east_m[number], fixes.north_m[number])
    at_frame = [np.interp(at_s, fixes.time_s[number], column) for column in columns]
    return np.column_stack(at_frame[:2]), np.column_stack(at_frame[2:])


def _surest(boxes: Boxes, truth: Whole) -> Boxes:
    """For each truth the detection of it with the highest confidence."""
    order = np.lexsort((-boxes.confidence, boxes.truth))
    first = np.searchsorted(boxes.truth[order], truth)
    return boxes.chosen(order[first])


def _naive(surest: Boxes, scene: Scene, number: int) -> Array:
    """Places (N, 2): bottom middle of a box on flat ground, fixed tilt, raw position and course."""
    setting, fixes = scene.setting, scene.drives.fixes
    if not len(surest.frame):
        return np.zeros((0, 2))
    x1, _, x2, y2 = surest.box_px.T
    camera = RoadCamera(setting.camera, LocateSettings())
    forward_m, right_m = camera.ground(np.column_stack([(x1 + x2) / 2, y2])).points_m.T
    _, antenna_m = _receiver(surest.frame, scene, number)
    at_s = scene.drives.shake.stamped_s[number, surest.frame]
    course_rad = np.interp(at_s, fixes.time_s[number], np.unwrap(fixes.course_rad[number]))
    forward_m, right_m = forward_m - setting.antenna_forward_m, right_m - setting.antenna_right_m
    sin, cos = np.sin(course_rad), np.cos(course_rad)
    east_north_m: Array = antenna_m + np.column_stack(
        [forward_m * sin + right_m * cos, forward_m * cos - right_m * sin]
    )
    return east_north_m


def nees(error_m: Array, packed_m2: Array) -> Array:
    """Normalised squared errors (N,): χ² with two degrees of freedom if the covariances are honest."""
    spread = covariance_of(packed_m2)
    values: Array = np.einsum("ni,ni->n", error_m, np.linalg.solve(spread, error_m[..., None])[..., 0])
    return values


def ellipse95_area_m2(packed_m2: Array) -> Array:
    """Areas (N,) of the 95 % ellipses."""
    area_m2: Array = np.pi * GATE95 * np.sqrt(np.linalg.det(covariance_of(packed_m2)))
    return area_m2


def horizontal_m(error_m: Array) -> Array:
    """Lengths (N,) of errors (N, 2)."""
    length_m: Array = np.hypot(error_m[:, 0], error_m[:, 1])
    return length_m


def averaged(rows: Rows, passes: int) -> Rows:
    """One row per damage that was found in all passes: plain means, and covariances of means.

    The errors of different drives count as independent, those of mount and receiver too: each drive has its
    own. `relative_m` and `own_m` are means as well.
    """
    single = rows.chosen(~rows.split)
    places, first, group, count = np.unique(
        single.place, return_index=True, return_inverse=True, return_counts=True
    )
    full = np.flatnonzero(count == passes)

    def mean(values: Array) -> Array:
        total = np.zeros((len(places), values.shape[1]))
        np.add.at(total, group, values)
        result: Array = total[full] / passes
        return result

    kept = first[full]
    return Rows(
        place=single.place[kept],
        drive=single.drive[kept],
        looks=single.looks[kept],
        nearest_m=single.nearest_m[kept],
        class_index=single.class_index[kept],
        error_m=mean(single.error_m),
        relative_m=mean(single.relative_m),
        own_m=mean(single.own_m),
        vehicle_m=mean(single.vehicle_m),
        naive_m=mean(single.naive_m),
        cov_relative_m2=mean(single.cov_relative_m2) / passes,
        cov_gnss_m2=mean(single.cov_gnss_m2) / passes,
        split=single.split[kept],
    )


def median_interval_m(values_m: Array, street: Whole) -> float:
    """Half the 95 % interval of a median, drawing whole streets again: what lies on one shares its errors."""
    random = np.random.default_rng(1)
    order = np.argsort(street, kind="stable")
    grouped = np.split(values_m[order], np.flatnonzero(np.diff(street[order])) + 1)
    medians_m = [
        np.median(
            np.concatenate([grouped[index] for index in random.integers(0, len(grouped), len(grouped))])
        )
        for _ in range(BOOTSTRAPS)
    ]
    low_m, high_m = np.percentile(medians_m, (2.5, 97.5))
    return float(high_m - low_m) / 2
