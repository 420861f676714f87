"""Candidates for points of the road that two neighbouring photographs show, on sheets for looking at.

    python datasets/sample-drive/road_points.py --sheets FOLDER    # all candidates, to choose from
    python datasets/sample-drive/road_points.py --picture FILE     # those that were kept

Corners of the surface in one frame are looked for in the frame before, by their picture alone: within 1.2 m
along and 0.5 m across of where the estimated camera has them, so that a wrong camera would not hide its own
error. What was kept after looking stands in road-points.csv; README.md says by which rule.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from source import HERE, CameraEstimate, read_estimate, read_image

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

STEP_M = 0.02
NEAR_M, FAR_M, LEFT_M, RIGHT_M = 5.6, 10.0, -1.5, 1.5  # of the second frame: where texture is fine
HALF_PX = 14  # half side of the picture that is compared: 0.56 m
SEARCH_M = (1.2, 0.5)
LEAST_SCORE, MOST_ELSEWHERE = 0.6, 0.8  # correlation at the best place, and elsewhere as a share of it
ELSEWHERE_PX = 12
PER_PAIR, APART_PX = 5, 40
CROP_PX, SCALE = 36, 4


@dataclass(frozen=True)
class Candidate:
    """One spot in two frames, in pixels (centres at .5), and how alike its pictures are."""

    first: int
    second: int
    first_px: FloatArray
    second_px: FloatArray
    score: float


def main(argv: Sequence[str] | None = None) -> int:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sheets", type=Path, help="folder for the sheets and the table of candidates")
    parser.add_argument("--picture", type=Path, help="picture of the points in road-points.csv")
    arguments = parser.parse_args(argv)
    images = [read_image(HERE / "pass-1" / "images" / f"{number:03d}.jpg") for number in range(27)]
    if arguments.sheets is not None:
        write_sheets(arguments.sheets, images)
    if arguments.picture is not None:
        kept = read_points()
        crops = [_crops(number, point, images) for number, point in enumerate(kept)]
        _write_picture(arguments.picture, [_halved(crop) for crop in crops])
    return 0


def read_points() -> list[Candidate]:
    """The points that were kept."""
    with (HERE / "road-points.csv").open(encoding="utf-8", newline="") as file:
        return [
            Candidate(
                int(row["first"]),
                int(row["second"]),
                np.array([float(row["x1"]), float(row["y1"])]),
                np.array([float(row["x2"]), float(row["y2"])]),
                float("nan"),
            )
            for row in csv.DictReader(file)
        ]


def write_sheets(folder: Path, images: Sequence[Image]) -> None:
    """All candidates, 24 on a sheet, and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    estimate = read_estimate()
    found = [each for first in range(26) for each in candidates(first, images, estimate)]
    with (folder / "candidates.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "first", "second", "x1", "y1", "x2", "y2", "score"])
        for number, each in enumerate(found):
            pixels = np.round([*each.first_px, *each.second_px], 2)
            writer.writerow([number, each.first, each.second, *pixels, round(each.score, 2)])
    for start in range(0, len(found), 24):
        numbers = range(start, min(start + 24, len(found)))
        crops = [_crops(number, found[number], images) for number in numbers]
        _write_picture(folder / f"sheet-{start // 24}.png", crops)
    print(f"{len(found)} candidates", file=sys.stderr)


def _write_picture(path: Path, crops: Sequence[Image], columns: int = 4) -> None:
    filled = [*crops, *[np.zeros_like(crops[0])] * (-len(crops) % columns)]
    lines = [np.hstack(filled[at : at + columns]) for at in range(0, len(filled), columns)]
    cv2.imwrite(str(path), np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, 80])


def candidates(first: int, images: Sequence[Image], estimate: CameraEstimate) -> list[Candidate]:
    """The clearest spots of one pair, apart from each other."""
    second = first + 1
    advance_m = estimate.station_m[second] - estimate.station_m[first]
    here, here_grid = _from_above(images[second], estimate, (NEAR_M, FAR_M), (LEFT_M, RIGHT_M))
    ahead = (NEAR_M + advance_m - SEARCH_M[0], FAR_M + advance_m + SEARCH_M[0])
    across = (LEFT_M - SEARCH_M[1], RIGHT_M + SEARCH_M[1])
    there, there_grid = _from_above(images[first], estimate, ahead, across)
    corners = cv2.goodFeaturesToTrack(cv2.GaussianBlur(here, (0, 0), 2), 60, 0.05, APART_PX / 2)
    found: list[Candidate] = []
    places: list[FloatArray] = []
    for corner in [] if corners is None else corners.reshape(-1, 2):
        column, row = np.rint(corner).astype(int)
        if not (HALF_PX <= row < here.shape[0] - HALF_PX and HALF_PX <= column < here.shape[1] - HALF_PX):
            continue
        if any(np.linalg.norm(corner - place) < APART_PX for place in places):
            continue
        place = _found_again(here, there, int(row), int(column))
        if place is None or len(found) == PER_PAIR:
            continue
        score, there_row, there_column = place
        first_px = estimate.camera.pixels_from_ground(_at(there_grid, there_row, there_column))[0]
        second_px = estimate.camera.pixels_from_ground(_at(here_grid, float(row), float(column)))[0]
        found.append(Candidate(first, second, first_px, second_px, score))
        places.append(np.asarray(corner, np.float64))
    return found


def _from_above(
    image: Image, estimate: CameraEstimate, ahead_m: tuple[float, float], right_m: tuple[float, float]
) -> tuple[Image, tuple[float, float]]:
    """Grey view from above, farthest row first, and the (forward, right) of its first pixel."""
    ahead, right = np.arange(*ahead_m, STEP_M)[::-1], np.arange(*right_m, STEP_M)
    grid = np.stack(np.meshgrid(ahead, right, indexing="ij"), axis=-1).reshape(-1, 2)
    at = (estimate.camera.pixels_from_ground(grid) - 0.5).astype(np.float32)
    at = at.reshape(len(ahead), len(right), 2)
    above = cv2.remap(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), at[..., 0], at[..., 1], cv2.INTER_CUBIC)
    return np.asarray(above, np.uint8), (float(ahead[0]), float(right[0]))


def _at(origin_m: tuple[float, float], row: float, column: float) -> FloatArray:
    return np.array([[origin_m[0] - row * STEP_M, origin_m[1] + column * STEP_M]])


def _found_again(here: Image, there: Image, row: int, column: int) -> tuple[float, float, float] | None:
    """Score, row and column of the spot in the other view; None where it is not alike, or not only there."""
    wanted = here[row - HALF_PX : row + HALF_PX + 1, column - HALF_PX : column + HALF_PX + 1]
    reach_rows, reach_columns = (round(reach / STEP_M) for reach in SEARCH_M)
    rows = slice(row - HALF_PX, row + HALF_PX + 1 + 2 * reach_rows)
    columns = slice(column - HALF_PX, column + HALF_PX + 1 + 2 * reach_columns)
    searched = there[rows, columns]
    if searched.shape[0] < wanted.shape[0] or searched.shape[1] < wanted.shape[1]:
        return None
    score = np.asarray(cv2.matchTemplate(searched, wanted, cv2.TM_CCOEFF_NORMED), np.float32)
    best_row, best_column = np.unravel_index(int(score.argmax()), score.shape)
    best = float(score[best_row, best_column])
    others = score.copy()
    near = slice(max(best_row - ELSEWHERE_PX, 0), best_row + ELSEWHERE_PX + 1)
    others[near, max(best_column - ELSEWHERE_PX, 0) : best_column + ELSEWHERE_PX + 1] = -1
    at_edge = best_row in (0, score.shape[0] - 1) or best_column in (0, score.shape[1] - 1)
    if best < LEAST_SCORE or others.max() > MOST_ELSEWHERE * best or at_edge:
        return None
    fine_row = best_row + _peak(score[best_row - 1 : best_row + 2, best_column])
    fine_column = best_column + _peak(score[best_row, best_column - 1 : best_column + 2])
    return best, row + fine_row, column + fine_column


def _halved(crop: Image) -> Image:
    return np.asarray(cv2.resize(crop, None, fx=0.5, fy=0.5), np.uint8)


def _peak(three: npt.NDArray[np.float32]) -> float:
    """Top of a parabola through three neighbours, from the middle one."""
    left, middle, right = (float(value) for value in three)
    bend = left - 2 * middle + right
    return 0.5 * (left - right) / bend if bend < 0 else 0.0


def _crops(number: int, spot: Candidate, images: Sequence[Image]) -> Image:
    """Both crops beside each other, crossed at the spot; the farther one is enlarged more."""
    sides = [
        _crop(images[spot.first], spot.first_px, CROP_PX // 2, 2 * SCALE),
        _crop(images[spot.second], spot.second_px, CROP_PX, SCALE),
    ]
    both = np.hstack(sides)
    score = "" if np.isnan(spot.score) else f" {spot.score:.2f}"
    text = f"{number}: {spot.first}-{spot.second}{score}"
    cv2.putText(both, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 255, 255), 1, cv2.LINE_AA)
    return np.pad(both, ((2, 2), (2, 2), (0, 0)))


def _crop(image: Image, pixel: FloatArray, half_px: int, scale: int) -> Image:
    size = 2 * half_px * scale
    shift = np.array([[scale, 0, size / 2 - scale * pixel[0]], [0, scale, size / 2 - scale * pixel[1]]])
    crop = cv2.warpAffine(image, shift, (size, size), flags=cv2.INTER_CUBIC)
    middle = (size // 2, size // 2)
    cv2.drawMarker(crop, middle, (0, 0, 255), cv2.MARKER_CROSS, 24, 1, cv2.LINE_AA)
    return np.asarray(crop, np.uint8)


if __name__ == "__main__":
    sys.exit(main())
