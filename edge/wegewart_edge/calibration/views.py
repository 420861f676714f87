"""Views of a board that tell something new, out of many pictures or a video."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from wegewart.errors import CalibrationRefused
from wegewart_edge.calibration.boards import Board, BoardView
from wegewart_edge.calibration.texts import Text, listed
from wegewart_inference.frame import BrokenFrame, Frame

NEW_FROM = 0.03  # of the picture's diagonal: the same corners moved less show nothing new
MOST_VIEWS = 80  # more of them take long and hardly add: the sigmas shrink with the root


@dataclass
class Views:
    """Views that differ from each other, and what else was met on the way."""

    size_px: tuple[int, int] = (0, 0)
    looked: int = 0
    views: list[BoardView] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def collect_views(frames: Iterable[Frame | BrokenFrame], board: Board, every: int = 1) -> Views:
    """Views of the board in every n-th frame.

    Raises:
        CalibrationRefused: If the pictures differ in size, or none shows the board.
    """
    found, sizes = Views(), set()
    for number, frame in enumerate(frames):
        if isinstance(frame, BrokenFrame):
            found.broken.append(f"{frame.name}: {frame.reason}")
            continue
        sizes.add((frame.width_px, frame.height_px))
        if number % every or len(found.views) >= MOST_VIEWS:
            continue
        found.looked += 1
        view = board.view(frame.image, frame.name)
        if view is not None and _is_new(view, found.views, float(np.hypot(*frame.image.shape[:2]))):
            found.views.append(view)
    if len(sizes) > 1:
        shown = ", ".join(f"{width}×{height}" for width, height in sorted(sizes))
        raise CalibrationRefused(listed([Text.SIZES_DIFFER.say(sizes=shown)]))
    if not found.views:
        raise CalibrationRefused(listed([Text.NO_BOARD.say(looked=found.looked, board=board)]))
    found.size_px = sizes.pop()
    return found


def _is_new(view: BoardView, kept: Sequence[BoardView], diagonal_px: float) -> bool:
    return all(_moved_px(view, other) > NEW_FROM * diagonal_px for other in kept)


def _moved_px(one: BoardView, other: BoardView) -> float:
    """Mean way of the corners that both show; infinite where they share none."""
    _, at_one, at_other = np.intersect1d(one.numbers, other.numbers, return_indices=True)
    if not len(at_one):
        return float("inf")
    ways_px = np.linalg.norm(one.corners_px[at_one] - other.corners_px[at_other], axis=1)
    return float(ways_px.mean())
