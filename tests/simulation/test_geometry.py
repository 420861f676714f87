"""Two independent ways through the camera agree: the simulator's, and the vehicle's RoadCamera."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from simulation.estimating import drive_through
from simulation.rendering import frame_of
from simulation.scene import Scene
from simulation.scoring import horizontal_m, score
from simulation.seeing import project

from wegewart_edge.road_camera import RoadCamera
from wegewart_edge.settings import EdgeSettings, LocateSettings


def test_simulated_and_vehicle_projection_agree_to_a_thousandth_of_a_pixel(calm):
    camera = calm.camera
    turned = camera.mount.model_copy(update={"roll_right_deg": 3.0, "yaw_right_deg": -7.0})
    camera = camera.model_copy(update={"mount": turned})
    points_m = np.random.default_rng(1).uniform([3, -3], [20, 3], (200, 2))
    from_camera_m = np.column_stack(
        [points_m - [turned.forward_m, turned.right_m], np.full(len(points_m), turned.height_m)]
    )
    angles = (
        np.radians(each) for each in (turned.tilt_down_deg, turned.roll_right_deg, turned.yaw_right_deg)
    )
    ours = RoadCamera(camera, LocateSettings()).pixels(points_m)
    assert project(from_camera_m, *angles, calm) == pytest.approx(ours, abs=1e-3)


@pytest.fixture(scope="module")
def drawn(calm):
    """A scene with potholes only, and a frame in which the nearest one lies 5 to 7 m ahead."""
    holes = tuple(each for each in calm.damage.classes if each.code == "D40")
    setting = replace(calm, damage=replace(calm.damage, classes=holes), camera=at_half_size(calm.camera))
    scene = Scene.draw(setting, 5)
    boxes = scene.boxes_of(0)
    row = int(np.flatnonzero((boxes.range_m > 5.0) & (boxes.range_m < 7.0))[0])
    return scene, int(boxes.frame[row]), int(boxes.truth[row])


def at_half_size(camera):
    """The same camera with 960×540 pixels: drawing takes a quarter of the time."""
    of = camera.intrinsics
    halved = {
        name: getattr(of, name) / 2 for name in ("focal_x_px", "focal_y_px", "centre_x_px", "centre_y_px")
    }
    size = {"width_px": of.width_px // 2, "height_px": of.height_px // 2}
    return camera.model_copy(update={"intrinsics": of.model_copy(update=halved | size)})


def test_drawn_damage_lies_at_the_pixels_that_the_road_camera_says(drawn):
    """With lens distortion, roll and yaw: the drawn hole fills its rectangle on the road, to a pixel."""
    scene, sequence, number = drawn
    difference = cv2.absdiff(frame_of(scene, 0, sequence), frame_of(scene, 0, sequence, damaged=False))
    corners_px = RoadCamera(scene.setting.camera, LocateSettings()).pixels(outline_m(scene, sequence, number))
    middle_px = corners_px.mean(axis=0)
    parts, labels, stats, _ = cv2.connectedComponentsWithStats(
        (difference.max(axis=2) > difference.max() / 2).astype(np.uint8)
    )
    label = labels[int(middle_px[1]), int(middle_px[0])]
    assert 0 < label < parts, "nothing is drawn where the road camera says"
    left, top, width, height = stats[label][:4]
    low, high = corners_px.min(axis=0), corners_px.max(axis=0)
    assert (left, left + width) == pytest.approx((low[0], high[0]), abs=1.5)
    assert (top, top + height) == pytest.approx((low[1], high[1]), abs=1.5)


def outline_m(scene, sequence, number):
    """Points around the drawn ellipse of a damage in the vehicle's frame, forward and right."""
    damages, frames = scene.damages, scene.drives.frames
    angle = np.linspace(0, 2 * np.pi, 49)[:-1]
    way_m = damages.near_m[number] + damages.length_m[number] * (0.5 + 0.5 * np.cos(angle))
    east_m, north_m = scene.street.place(
        way_m, damages.right_m[number] + damages.width_m[number] * 0.5 * np.sin(angle)
    )
    heading_rad = frames.heading_rad[0, sequence]
    to_east_m, to_north_m = east_m - frames.east_m[0, sequence], north_m - frames.north_m[0, sequence]
    sin, cos = np.sin(heading_rad), np.cos(heading_rad)
    return np.column_stack([to_east_m * sin + to_north_m * cos, to_east_m * cos - to_north_m * sin])


def test_drawing_shows_the_asphalt_turn_with_the_vehicle(drawn):
    """Neighbouring frames show the same grain at the same place of the road: the texture is fixed on it."""
    scene, sequence, _ = drawn
    camera = RoadCamera(scene.setting.camera, LocateSettings())
    frames, views = scene.drives.frames, []
    spot = np.stack(np.meshgrid(np.arange(6.0, 8.0, 0.05), np.arange(-1.0, 1.0, 0.05)), axis=-1).reshape(
        -1, 2
    )
    heading_rad = frames.heading_rad[0, sequence]
    sin, cos = np.sin(heading_rad), np.cos(heading_rad)
    east_m = frames.east_m[0, sequence] + spot[:, 0] * sin + spot[:, 1] * cos
    north_m = frames.north_m[0, sequence] + spot[:, 0] * cos - spot[:, 1] * sin
    for number in (sequence, sequence + 1):
        turned = frames.heading_rad[0, number]
        to_east_m, to_north_m = east_m - frames.east_m[0, number], north_m - frames.north_m[0, number]
        forward_m = to_east_m * np.sin(turned) + to_north_m * np.cos(turned)
        right_m = to_east_m * np.cos(turned) - to_north_m * np.sin(turned)
        pixels = camera.pixels(np.column_stack([forward_m, right_m])).astype(np.float32)
        grey = cv2.cvtColor(frame_of(scene, 0, number, damaged=False), cv2.COLOR_BGR2GRAY)
        views.append(cv2.remap(grey, pixels[:, 0] - 0.5, pixels[:, 1] - 0.5, cv2.INTER_LINEAR).ravel())
    assert np.corrcoef(*views)[0, 1] > 0.8


def test_without_any_error_every_damage_is_found_at_its_place(calm):
    """Lever arm, mount, heading, lens and clock have the right signs: else metres would be missing."""
    scene = Scene.draw(calm, 3)
    for number in range(calm.passes):
        found, effort = drive_through(scene, number, EdgeSettings())
        rows, counts = score(found, scene, number)
        assert effort.frames_without_pose == 0
        assert (counts.false_tracks, counts.mixed_tracks, counts.damages_missed) == (0, 0, 0)
        assert len(rows) == counts.damages_seen >= 5
        assert horizontal_m(rows.error_m).max() < 0.06
