"""What a detector on the vehicle would have reported: boxes in frames, each with its truth for the scorer.

The projection is written from docs/frames.md and shares no code with the vehicle's `RoadCamera`, so that a
wrong sign on either side shows.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from simulation.passing import Drives
from simulation.setting import DetectorSetting, Setting
from simulation.world import Array, Damages, Street, Truth, Whole, draw_looks

NOTHING_TRUE = -1  # truth of a false detection
LEAST_BOX_PX = 3.0
LEAST_VISIBLE = 0.5  # of a box's area within the frame, else the detector is not credited with it
DISTANCE_SLACK_M = 4.0  # between a difference of ways and a distance on a curved street
# Points of a rectangle whose projections bound it: (along, across) from 0 to 1 and from −½ to ½.
OUTLINE = np.array([(along, across) for along in (0.0, 0.5, 1.0) for across in (-0.5, 0.0, 0.5)])
NEAR_MIDDLE = 1  # of the outline: the place of the damage


@dataclass(frozen=True)
class Boxes:
    """Detections of all drives over a street, sorted by drive and frame; `truth` is never for the estimator.

    `truth` counts the street's damages from 0, `NOTHING_TRUE` for none. `range_m` is the true distance of
    the near end from the camera.
    """

    drive: Whole
    frame: Whole
    box_px: Array
    class_index: Whole
    confidence: Array
    truth: Whole
    range_m: Array

    def of_drive(self, number: int) -> "Boxes":
        """Detections of one drive."""
        return self.chosen(slice(*np.searchsorted(self.drive, [number, number + 1])))

    def chosen(self, which: Whole | Truth | slice) -> "Boxes":
        """Some of the detections."""
        return Boxes(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Objects:
    """Whatever a detector may report: damages, things that look like them, and flickers of one frame."""

    near_m: Array
    right_m: Array
    width_m: Array
    length_m: Array
    class_index: Whole
    truth: Whole
    probability: Array
    exists: Truth  # (P, N)
    frame: Whole  # in which alone it exists, −1 for all


@dataclass(frozen=True)
class _Pairs:
    """Objects in frames: drive, frame and object of each pair."""

    drive: Whole
    frame: Whole
    seen: Whole

    def chosen(self, which: Truth) -> "_Pairs":
        return _Pairs(self.drive[which], self.frame[which], self.seen[which])


def see(
    street: Street, damages: Damages, drives: Drives, setting: Setting, random: np.random.Generator
) -> Boxes:
    """Boxes of all drives over a street."""
    detector = setting.detector
    objects = _objects(street, damages, drives, setting, random)
    pairs = _candidates(objects, drives, detector, setting.camera.mount.forward_m)
    pairs = pairs.chosen(~_hidden(pairs, objects, drives, street, detector, random))
    outline_m = _outline(pairs, objects, street, drives)
    pixels, distance_m = _pixels(outline_m, pairs, drives, setting)
    exact_px = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    inside = (detector.near_m <= distance_m) & (distance_m <= detector.far_m)
    inside &= np.isfinite(exact_px).all(axis=1)
    pairs, exact_px, distance_m = pairs.chosen(inside), exact_px[inside], distance_m[inside]
    box_px, likely = _drawn(exact_px, pairs, objects, setting, random)
    found = random.random(len(likely)) < likely
    return _shuffled(
        pairs.chosen(found), objects, box_px[found], likely[found], distance_m[found], setting, random
    )


def _objects(
    street: Street, damages: Damages, drives: Drives, setting: Setting, random: np.random.Generator
) -> _Objects:
    """Damages first, so that their number is their truth; then what is not there."""
    detector, (passes, frames) = setting.detector, drives.frames.way_m.shape
    km = street.setting.length_m / 1000
    false_drive = np.repeat(np.arange(passes), random.poisson(detector.false_objects_per_km * km, passes))
    flicker_drive = np.repeat(
        np.arange(passes), random.poisson(detector.false_flickers_per_frame * frames, passes)
    )
    flicker_frame = random.integers(0, frames, len(flicker_drive)).astype(np.intp)
    flicker_ahead_m = random.uniform(detector.near_m, detector.far_m, len(flicker_drive))
    flicker_m = drives.frames.way_m[flicker_drive, flicker_frame] + flicker_ahead_m
    flicker_m = flicker_m + setting.camera.mount.forward_m
    false_m = random.uniform(0, street.setting.length_m, len(false_drive))
    drive = np.concatenate([false_drive, flicker_drive])
    class_index, width_m, length_m = draw_looks(len(drive), setting.damage, random)
    count = len(damages)
    exists = np.zeros((passes, count + len(drive)), dtype=bool)
    exists[:, :count] = damages.exists[:passes]
    exists[drive, count + np.arange(len(drive))] = True
    most = detector.best_probability
    return _Objects(
        near_m=np.concatenate([damages.near_m, false_m, flicker_m]),
        right_m=np.concatenate([damages.right_m, random.uniform(-1.5, 1.5, len(drive))]),
        width_m=np.concatenate([damages.width_m, width_m]),
        length_m=np.concatenate([damages.length_m, length_m]),
        class_index=np.concatenate([damages.class_index, class_index]),
        truth=np.concatenate([np.arange(count), np.full(len(drive), NOTHING_TRUE)]).astype(np.intp),
        probability=np.concatenate(
            [
                np.full(count, most),
                np.full(len(false_drive), most * detector.false_object_probability),
                np.ones(len(flicker_drive)),
            ]
        ),
        exists=exists,
        frame=np.concatenate([np.full(count + len(false_drive), -1), flicker_frame]).astype(np.intp),
    )


def _candidates(objects: _Objects, drives: Drives, detector: DetectorSetting, camera_m: float) -> _Pairs:
    ahead_m = objects.near_m - drives.frames.way_m[..., None] - camera_m
    near_m, far_m = detector.near_m - DISTANCE_SLACK_M, detector.far_m + DISTANCE_SLACK_M
    frame = np.arange(drives.frames.way_m.shape[1])[:, None]
    possible = (ahead_m > near_m) & (ahead_m < far_m) & objects.exists[:, None, :]
    possible &= (objects.frame == -1) | (objects.frame == frame)
    return _Pairs(*np.nonzero(possible))


def _hidden(
    pairs: _Pairs,
    objects: _Objects,
    drives: Drives,
    street: Street,
    detector: DetectorSetting,
    random: np.random.Generator,
) -> Truth:
    """Whether a vehicle stands between: one ahead hides all beyond it, a parked one the right side."""
    passes, length_m = len(drives.frames.way_m), street.setting.length_m
    way_m = drives.frames.way_m[pairs.drive, pairs.frame]
    near_m, right_m = objects.near_m[pairs.seen], objects.right_m[pairs.seen]
    hidden = np.zeros(len(way_m), dtype=bool)
    for share, ahead in ((detector.leading_vehicle_share, True), (detector.parked_share, False)):
        stretches = random.poisson(share * length_m / detector.hidden_stretch_m, passes)
        for drive in np.repeat(np.arange(passes), stretches):
            begin_m = random.uniform(-detector.hidden_stretch_m, length_m)
            end_m = begin_m + random.exponential(detector.hidden_stretch_m)
            beyond_m = random.uniform(6.0, 10.0)
            at_m = way_m if ahead else near_m
            within = (pairs.drive == drive) & (at_m > begin_m) & (at_m < end_m)
            hidden |= within & ((near_m - way_m > beyond_m) if ahead else (right_m > 1.0))
    return hidden


def _outline(pairs: _Pairs, objects: _Objects, street: Street, drives: Drives) -> Array:
    """Points (N, 9, 3) of each object in the vehicle's true frame: forward, right, down."""
    seen = pairs.seen
    points_way_m = objects.near_m[:, None] + objects.length_m[:, None] * OUTLINE[:, 0]
    points_right_m = objects.right_m[:, None] + objects.width_m[:, None] * OUTLINE[:, 1]
    east_m, north_m = street.place(points_way_m, points_right_m)
    rise_m, _ = street.rise.at(points_way_m)
    frames, at = drives.frames, (pairs.drive, pairs.frame)
    to_east_m = east_m[seen] - frames.east_m[at][:, None]
    to_north_m = north_m[seen] - frames.north_m[at][:, None]
    sin, cos = np.sin(frames.heading_rad[at])[:, None], np.cos(frames.heading_rad[at])[:, None]
    forward_m = to_east_m * sin + to_north_m * cos
    height_m, slope = street.rise.at(frames.way_m[at])
    above_m = rise_m[seen] - height_m[:, None] - slope[:, None] * forward_m
    return np.stack([forward_m, to_east_m * cos - to_north_m * sin, -above_m], axis=2)


def _pixels(outline_m: Array, pairs: _Pairs, drives: Drives, setting: Setting) -> tuple[Array, Array]:
    """Pixels (N, 9, 2) of the outline and the distance (N,) of its near middle from the camera's foot."""
    mount, shake, at = setting.camera.mount, drives.shake, (pairs.drive, pairs.frame)
    forward_m = outline_m[..., 0] - mount.forward_m
    right_m = outline_m[..., 1] - mount.right_m
    down_m = outline_m[..., 2] + shake.height_m[at][:, None]
    tilt, roll, yaw = (
        angle[at][:, None] for angle in (shake.tilt_down_rad, shake.roll_right_rad, shake.yaw_right_rad)
    )
    pixels = project(np.stack([forward_m, right_m, down_m], axis=-1), tilt, roll, yaw, setting)
    return pixels, np.hypot(forward_m[:, NEAR_MIDDLE], right_m[:, NEAR_MIDDLE])


def project(
    from_camera_m: Array, tilt_down: Array, roll_right: Array, yaw_right: Array, setting: Setting
) -> Array:
    """Pixels (..., 2) of points (..., 3) forward, right and down of the camera; angles in rad, NaN behind it.

    The inverse of docs/frames.md's Rz(yaw) Ry(−tilt) Rx(roll), one turn after the other.
    """
    x, y, z = np.moveaxis(from_camera_m, -1, 0)
    x, y = x * np.cos(yaw_right) + y * np.sin(yaw_right), y * np.cos(yaw_right) - x * np.sin(yaw_right)
    x, z = x * np.cos(tilt_down) + z * np.sin(tilt_down), z * np.cos(tilt_down) - x * np.sin(tilt_down)
    y, z = y * np.cos(roll_right) + z * np.sin(roll_right), z * np.cos(roll_right) - y * np.sin(roll_right)
    intrinsics = setting.camera.intrinsics
    if not x.size:
        return np.zeros((*x.shape, 2))
    in_camera = np.stack([y, z, np.where(x > 0, x, np.nan)], axis=-1).reshape(-1, 1, 3)
    matrix = np.array(
        [
            [intrinsics.focal_x_px, 0, intrinsics.centre_x_px],
            [0, intrinsics.focal_y_px, intrinsics.centre_y_px],
            [0, 0, 1.0],
        ]
    )
    lens = np.array(intrinsics.distortion or (0.0,) * 4)
    pixels, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), matrix, lens)
    return np.asarray(pixels, dtype=np.float64).reshape(*x.shape, 2)


def _drawn(
    exact_px: Array, pairs: _Pairs, objects: _Objects, setting: Setting, random: np.random.Generator
) -> tuple[Array, Array]:
    """Boxes as a detector draws them, within the frame, and how likely it reports each at all."""
    detector, size = setting.detector, setting.camera.intrinsics
    extent_px = exact_px[:, 2:] - exact_px[:, :2]
    habit = random.normal(0, detector.edge_share, (setting.passes, len(objects.near_m), 4))
    drawn_px = exact_px + habit[pairs.drive, pairs.seen] * np.tile(extent_px, 2)
    drawn_px = drawn_px + random.normal(0, detector.edge_sigma_px, drawn_px.shape)
    most_px = np.array([size.width_px, size.height_px] * 2, dtype=float)
    drawn_px = np.clip(drawn_px, 0, most_px).round(1)
    within_px = np.clip(exact_px, 0, most_px)
    area_px2 = np.prod(within_px[:, 2:] - within_px[:, :2], axis=1)
    rows = detector.half_size_px / np.sqrt(np.maximum(area_px2, 1e-6))
    likely = objects.probability[pairs.seen] / (1 + rows**detector.size_power)
    usable = ((drawn_px[:, 2:] - drawn_px[:, :2]) >= LEAST_BOX_PX).all(axis=1)
    usable &= area_px2 >= LEAST_VISIBLE * np.prod(extent_px, axis=1)
    return drawn_px, np.where(usable, likely, 0.0)


def _shuffled(
    pairs: _Pairs,
    objects: _Objects,
    box_px: Array,
    likely: Array,
    range_m: Array,
    setting: Setting,
    random: np.random.Generator,
) -> Boxes:
    """Detections by drive and frame, in no order within a frame, some with another class."""
    classes = len(setting.damage.classes)
    class_index = objects.class_index[pairs.seen]
    confused = random.random(len(class_index)) < setting.detector.class_confusion
    other = (class_index + random.integers(1, max(classes, 2), len(class_index))) % classes
    confidence = np.clip(0.25 + 0.65 * likely + random.normal(0, 0.08, len(likely)), 0.05, 0.99).round(3)
    order = np.lexsort((random.random(len(likely)), pairs.frame, pairs.drive))
    return Boxes(
        drive=pairs.drive[order],
        frame=pairs.frame[order],
        box_px=box_px[order],
        class_index=np.where(confused, other, class_index)[order].astype(np.intp),
        confidence=confidence[order],
        truth=objects.truth[pairs.seen][order],
        range_m=range_m[order],
    )
