"""Drawn pictures whose truth is known: calibration boards and road, seen through a camera with distortion."""

from functools import cache

import cv2
import numpy as np

from wegewart_edge.calibration.boards import Charuco, Checkerboard
from wegewart_edge.calibration.intrinsics import camera_matrix

FINER = 2  # drawn so many times larger and averaged, as a sensor averages


def checkerboard_picture(board: Checkerboard, pixels_per_square: int = 60) -> np.ndarray:
    """Grey picture of a checkerboard with a square of white around it."""
    rows, columns = np.indices(
        ((board.rows + 1) * pixels_per_square, (board.columns + 1) * pixels_per_square)
    )
    squares = ((rows // pixels_per_square + columns // pixels_per_square) % 2 * 255).astype(np.uint8)
    return np.pad(squares, pixels_per_square, constant_values=255)


def board_sheet(board: Charuco | Checkerboard) -> tuple[np.ndarray, float, np.ndarray]:
    """Picture of a board, pixels per metre, and where the board's own origin stands in it."""
    if isinstance(board, Charuco):
        return board.picture(60), 60 / board.square_m, np.array([30.0, 30.0])
    return checkerboard_picture(board), 60 / board.square_m, np.array([120.0, 120.0])


def board_shot(board, intrinsics, turn_deg, centre_m, rng, noise=2.0):
    """BGR picture of a board, turned by three angles about its middle, which stands at `centre_m`."""
    sheet, per_m, origin = board_sheet(board)
    turn = cv2.Rodrigues(np.radians(turn_deg))[0]
    middle = (np.array(sheet.shape[::-1]) / 2 - origin) / per_m
    shift = np.asarray(centre_m) - turn[:, :2] @ middle
    width, height = intrinsics.width_px * FINER, intrinsics.height_px * FINER
    # A ray is a·u + b·v + c·shift: it meets the board at (a, b) / c.
    a, b, c = np.linalg.inv(np.column_stack([turn[:, :2], shift])) @ fine_rays(intrinsics).T
    at = np.column_stack([a / c, b / c]) * per_m + origin - 0.5
    at = at.astype(np.float32).reshape(height, width, 2)
    large = cv2.remap(sheet, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderValue=128)
    grey = cv2.resize(large, (intrinsics.width_px, intrinsics.height_px), interpolation=cv2.INTER_AREA)
    grey = np.clip(grey * 0.7 + 30 + rng.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


@cache
def fine_rays(intrinsics):
    """Rays of every pixel of the finer picture."""
    rows, columns = np.indices((intrinsics.height_px * FINER, intrinsics.width_px * FINER))
    return undistorted(np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5]) / FINER, intrinsics)


@cache
def frame_rays(intrinsics):
    """Rays of every pixel."""
    rows, columns = np.indices((intrinsics.height_px, intrinsics.width_px))
    return undistorted(np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5]), intrinsics)


def undistorted(pixels, intrinsics):
    """Rays (N, 3) of pixels through OpenCV's own functions, z = 1."""
    until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-8)
    distortion = np.array(intrinsics.distortion or (0.0,) * 4)
    matrix, eye = camera_matrix(intrinsics), np.eye(3)
    flat = cv2.undistortPointsIter(np.ascontiguousarray(pixels)[:, None], matrix, distortion, eye, eye, until)
    return np.column_stack([flat.reshape(-1, 2), np.ones(len(pixels))])


@cache
def road_texture(size_px=4096, seed=3):
    """Asphalt from above, 1 cm a pixel, grey; repeats at its edges."""
    rng = np.random.default_rng(seed)
    road = np.full((size_px, size_px), 118.0)
    for scale_px, strength in ((2, 16.0), (5, 16.0), (16, 12.0), (60, 9.0)):
        small = rng.normal(0, 1, (size_px // scale_px + 1, size_px // scale_px + 1)).astype(np.float32)
        road += strength * cv2.resize(small, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.clip(road, 0, 255).astype(np.uint8)


def road_shot(camera, station_m, rng, right_m=0.0, turn_deg=0.0, lane_lines=(), flat=False, noise=2.0):
    """BGR picture of a drawn road from `station_m` along it, `right_m` right of its axis.

    Truth comes through RoadCamera's rotation; `lane_lines` are metres right of the axis.
    """
    size, mount = camera.camera.intrinsics, camera.camera.mount
    rows, _ = np.indices((size.height_px, size.width_px))
    vectors = frame_rays(size) @ camera._rotation.T
    reach = mount.height_m / np.where(vectors[:, 2] > 1e-3, vectors[:, 2], np.nan)
    ground = vectors[:, :2] * reach[:, None] + [mount.forward_m, mount.right_m]
    turn = np.radians(turn_deg)
    along = station_m + ground[:, 0] * np.cos(turn) - ground[:, 1] * np.sin(turn)
    across = right_m + ground[:, 1] * np.cos(turn) + ground[:, 0] * np.sin(turn)
    far = ~(ground[:, 0] < 60.0)
    row_m = np.abs(np.gradient(ground[:, 0].reshape(rows.shape), axis=0)).ravel()  # road in one row
    texture = road_texture()
    at = np.stack([along * 100 % texture.shape[0], across * 100 % texture.shape[1]], axis=1)
    at = np.where(far[:, None], 0, at).astype(np.float32).reshape(*rows.shape, 2)
    grey = np.full(rows.shape, 118.0)
    if not flat:
        for finest_m, blur_px in ((0.0, 0), (0.03, 2), (0.08, 5)):  # what one row averages over
            level = cv2.blur(texture, (1, 1 + 2 * blur_px)) if blur_px else texture
            drawn = cv2.remap(level, at[..., 1], at[..., 0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            grey = np.where((row_m >= finest_m).reshape(rows.shape), drawn, grey)
    for line_m in lane_lines:
        painted = np.abs(across - line_m) < 0.06
        grey = np.where(painted.reshape(rows.shape), 225.0, grey)
    grey = np.where(far.reshape(rows.shape), 200.0, grey) + rng.normal(0, noise, grey.shape)
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
