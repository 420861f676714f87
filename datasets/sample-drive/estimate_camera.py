"""The camera behind the 27 photographs (lens, height, tilt, roll, yaw), and where each of them was taken.

    WEGEWART_DATA=… python datasets/sample-drive/estimate_camera.py [--out FILE] [--picture FILE] [--frames N]

One adjustment over all frames. What fixes what: matches between neighbouring frames the horizon, the lens and
the steps between them; the chainage the scale along the road; the lane's width the scale across, and with it
the focal length; the markings the yaw and the place in the lane. README.md tells it at length.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from grid_picture import write_grid_picture
from lane_lines import LaneLines, find_lane_lines
from road_matches import FramePair, match_neighbours
from road_plane import PlaneCamera
from scipy.optimize import least_squares
from source import ESTIMATE, WIDTH_PX, photographs, read_estimate, read_image

from wegewart.errors import CalledWrongly, WegewartError
from wegewart_datasets.settings import DataSettings

FloatArray = npt.NDArray[np.float64]

LANE_WIDTH_M = 3.5  # DNIT, lane of a federal road in rolling country, between the axes of its markings
LANE_WIDTH_SIGMA_M = 0.02  # inside the adjustment; what the norm itself leaves open (3.5 or 3.6) is in README
CHAINAGE_SIGMA_M = 0.7  # a whole number of metres, of the video frame nearest to a mark every 5 m
MATCH_SIGMA_PX, LINE_SIGMA_PX = 1.5, 3.0
TILT_SIGMA_DEG, ROLL_SIGMA_DEG = 0.4, 0.3  # a car on its springs, from frame to frame
CENTRE_SIGMA_PX = (
    100.0  # the photographs may be cut from larger ones, so the principal point is free in height
)
ROUNDS = 3
# Start: read off frame 4 (markings meet at row −101, a patch moves from row 393 to 285).
START = PlaneCamera(1600.0, WIDTH_PX / 2, 320.0, 0.0, 2.2, 15.2, 0.0, -2.0)
GLOBALS = 8


@dataclass(frozen=True)
class Adjustment:
    """Everything that is estimated: shared camera, markings across the lane, and per frame (27,) each."""

    camera: PlaneCamera
    white_right_m: float
    yellow_right_m: float
    tilt_deg: FloatArray
    yaw_deg: FloatArray
    roll_deg: FloatArray
    right_m: FloatArray
    station_m: FloatArray

    @classmethod
    def from_vector(cls, vector: FloatArray) -> "Adjustment":
        """Unpacked parameters; angles of a frame are added to the camera's (yaw: instead of it)."""
        log_focal, height_m, tilt, roll, white, yellow, radial, centre = vector[:GLOBALS]
        frames = vector[GLOBALS:].reshape(5, -1)
        camera = replace(
            START,
            focal_px=float(np.exp(log_focal)),
            height_m=float(height_m),
            tilt_down_deg=float(tilt),
            roll_right_deg=float(roll),
            radial=float(radial),
            centre_y_px=float(START.centre_y_px + CENTRE_SIGMA_PX * centre),
        )
        return cls(camera, float(white), float(yellow), *frames)

    def camera_of(self, sequence: int) -> PlaneCamera:
        """Camera as it looked in one frame, yaw against the lane."""
        return replace(
            self.camera,
            tilt_down_deg=self.camera.tilt_down_deg + float(self.tilt_deg[sequence]),
            roll_right_deg=self.camera.roll_right_deg + float(self.roll_deg[sequence]),
            yaw_right_deg=float(self.yaw_deg[sequence]),
        )


@dataclass(frozen=True)
class Evidence:
    """What the adjustment has to agree with."""

    pairs: Sequence[FramePair]
    lines: Sequence[LaneLines]
    chainage_m: FloatArray


def main(argv: Sequence[str] | None = None) -> int:
    """Estimate, print the residuals, write the estimate; 0 when done, else the exit code of the error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ESTIMATE, help="where the estimate is written (JSON)")
    parser.add_argument("--frames", type=int, help="take the first so many photographs only")
    parser.add_argument("--picture", type=Path, help="where to draw the metre grid on some frames (PNG)")
    arguments = parser.parse_args(argv)
    try:
        settings = DataSettings.load()
        if settings.data_root is None:
            raise CalledWrongly("WEGEWART_DATA is not set: set it to the folder with drives/dnit-br386-run")
        sources = photographs(settings.data_root)[: arguments.frames]
    except WegewartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    estimate(sources, arguments.out)
    if arguments.picture:
        write_grid_picture(arguments.picture, sources, read_estimate(arguments.out))
    return 0


def estimate(sources: Sequence[Path], out: Path) -> None:
    """Match, adjust, match again with the better camera; then report and write."""
    images = [read_image(path) for path in sources]
    lines = [find_lane_lines(image) for image in images]
    chainage_m = np.array([float(path.stem[-5:]) for path in sources])
    vector = _start(chainage_m)
    for number in range(1, ROUNDS + 1):
        now = Adjustment.from_vector(vector)
        cameras = [now.camera_of(sequence) for sequence in range(len(images))]
        evidence = Evidence(match_neighbours(images, cameras, list(now.right_m)), lines, chainage_m)
        solved = least_squares(_residuals, vector, args=(evidence,), x_scale="jac")
        vector = solved.x
        print(f"round {number}: cost {solved.cost:.0f}, {Adjustment.from_vector(vector).camera}")
    formal = np.sqrt(np.diag(np.linalg.pinv(solved.jac.T @ solved.jac)))
    figures = report(Adjustment.from_vector(vector), evidence, formal)
    out.write_text(json.dumps(_stored(Adjustment.from_vector(vector), figures), indent=2) + "\n", "utf-8")


def _start(chainage_m: FloatArray) -> FloatArray:
    nothing = np.zeros(len(chainage_m))
    shared = [np.log(START.focal_px), START.height_m, START.tilt_down_deg, 0.0]
    across = [LANE_WIDTH_M / 2, -LANE_WIDTH_M / 2, 0.0, 0.0]
    yaw = nothing + START.yaw_right_deg
    return np.concatenate([shared, across, nothing, yaw, nothing, nothing, chainage_m - chainage_m.mean()])


def _residuals(vector: FloatArray, evidence: Evidence) -> FloatArray:
    """All residuals in units of their sigma; those of matches and markings grow slowly when large."""
    state = Adjustment.from_vector(vector)
    seen = np.concatenate(
        [_match_errors_px(state, pair).ravel() / MATCH_SIGMA_PX for pair in evidence.pairs]
        + [errors / LINE_SIGMA_PX for errors in _line_errors_px(state, evidence.lines)]
    )
    robust = np.sign(seen) * np.sqrt(2 * (np.sqrt(1 + seen * seen) - 1))  # soft L1
    drift_m = state.station_m - evidence.chainage_m
    lane_m = state.white_right_m - state.yellow_right_m
    expected = np.concatenate(
        [
            state.tilt_deg / TILT_SIGMA_DEG,
            state.roll_deg / ROLL_SIGMA_DEG,
            (drift_m - drift_m.mean()) / CHAINAGE_SIGMA_M,
            vector[GLOBALS - 2 : GLOBALS],  # one sigma of the radial term is 1, of the centre 100 px
            [(lane_m - LANE_WIDTH_M) / LANE_WIDTH_SIGMA_M],
            # What the shared angles and the origin take is not left to the frames:
            [state.tilt_deg.sum() / 0.05, state.roll_deg.sum() / 0.05],
            [state.right_m.sum() / 0.01, state.station_m.sum() / 100.0],
        ]
    )
    return np.concatenate([robust, expected])


def _match_errors_px(state: Adjustment, pair: FramePair) -> FloatArray:
    """Where the first frame's spots should stand in the second, minus where they do, shape (N, 2)."""
    moved_m = [
        state.station_m[pair.first] - state.station_m[pair.second],
        state.right_m[pair.first] - state.right_m[pair.second],
    ]
    road_m = state.camera_of(pair.first).ground_from_pixels(pair.first_px) + moved_m
    return state.camera_of(pair.second).pixels_from_ground(road_m) - pair.second_px


def _line_errors_px(state: Adjustment, lines: Sequence[LaneLines]) -> list[FloatArray]:
    """How far the markings stand beside their place across the lane, in columns."""
    errors = []
    for sequence, found in enumerate(lines):
        camera = state.camera_of(sequence)
        for pixels, wanted_m in ((found.white, state.white_right_m), (found.yellow, state.yellow_right_m)):
            road_m = camera.ground_from_pixels(pixels)
            px_per_m = camera.focal_px / np.hypot(road_m[:, 0], camera.height_m)
            errors.append((road_m[:, 1] + state.right_m[sequence] - wanted_m) * px_per_m)
    return errors


def report(state: Adjustment, evidence: Evidence, formal: FloatArray) -> dict[str, float]:
    """Print and return the residuals, in pixels and in metres on the road, and the formal sigmas."""
    matches_px = np.concatenate([_match_errors_px(state, pair) for pair in evidence.pairs])
    road_m = np.abs(np.concatenate([_match_errors_m(state, pair) for pair in evidence.pairs]))
    still = np.zeros_like(state.tilt_deg)
    fixed = replace(state, tilt_deg=still, roll_deg=still)  # what a drive.toml can say: one mount for all
    fixed_m = np.abs(np.concatenate([_match_errors_m(fixed, pair) for pair in evidence.pairs]))
    lines_px = np.abs(np.concatenate(_line_errors_px(state, evidence.lines)))
    steps_m = np.diff(state.station_m)
    quantum_m, off_quantum_m = _common_step(steps_m)
    drift_m = state.station_m - evidence.chainage_m
    figures = {
        "matches": float(len(matches_px)),
        "weakest_vote": float(min(pair.votes / max(pair.runner_up, 1) for pair in evidence.pairs)),
        "match_column_median_px": float(np.median(np.abs(matches_px[:, 0]))),
        "match_row_median_px": float(np.median(np.abs(matches_px[:, 1]))),
        "road_along_median_m": float(np.median(road_m[:, 0])),
        "road_along_p90_m": float(np.percentile(road_m[:, 0], 90)),
        "road_across_median_m": float(np.median(road_m[:, 1])),
        "road_across_p90_m": float(np.percentile(road_m[:, 1], 90)),
        "fixed_mount_along_median_m": float(np.median(fixed_m[:, 0])),
        "fixed_mount_along_p90_m": float(np.percentile(fixed_m[:, 0], 90)),
        "fixed_mount_across_median_m": float(np.median(fixed_m[:, 1])),
        "fixed_mount_across_p90_m": float(np.percentile(fixed_m[:, 1], 90)),
        "line_median_px": float(np.median(lines_px)),
        "chainage_rms_m": float(drift_m.std()),
        "shortest_step_m": float(steps_m.min()),
        "longest_step_m": float(steps_m.max()),
        "common_step_m": quantum_m,
        "off_common_step_rms_m": off_quantum_m,
        "tilt_from_frame_to_frame_deg": float(state.tilt_deg.std()),
        "roll_from_frame_to_frame_deg": float(state.roll_deg.std()),
        "yaw_from_frame_to_frame_deg": float(state.yaw_deg.std()),
        "focal_formal_sigma_px": float(formal[0] * state.camera.focal_px),
        "height_formal_sigma_m": float(formal[1]),
        "tilt_formal_sigma_deg": float(formal[2]),
        "roll_formal_sigma_deg": float(formal[3]),
        "radial_formal_sigma": float(formal[6]),
        "centre_formal_sigma_px": float(formal[7] * CENTRE_SIGMA_PX),
    }
    for name, value in figures.items():
        print(f"{name:32s} {value:10.3f}")
    print("steps in metres:", " ".join(f"{step:.2f}" for step in steps_m))
    return figures


def _match_errors_m(state: Adjustment, pair: FramePair) -> FloatArray:
    """Place on the road by the second frame minus place by the first, metres along and across, (N, 2)."""
    first_m = state.camera_of(pair.first).ground_from_pixels(pair.first_px)
    second_m = state.camera_of(pair.second).ground_from_pixels(pair.second_px)
    moved_m = [
        state.station_m[pair.second] - state.station_m[pair.first],
        state.right_m[pair.second] - state.right_m[pair.first],
    ]
    errors_m: FloatArray = second_m + moved_m - first_m
    return errors_m


def _common_step(steps_m: FloatArray) -> tuple[float, float]:
    """Length of which all steps are multiples, between 1.2 and 1.6 m, and the rms of what is left over."""
    tried_m = np.arange(1.2, 1.6, 0.0005)
    left_m = [np.sqrt(np.mean((steps_m - step * np.rint(steps_m / step)) ** 2)) for step in tried_m]
    best = int(np.argmin(left_m))
    return float(tried_m[best]), float(left_m[best])


def _stored(state: Adjustment, figures: dict[str, float]) -> dict[str, object]:
    mean_yaw_deg = float(state.yaw_deg.mean())
    camera = replace(state.camera, yaw_right_deg=mean_yaw_deg)
    digits = {"focal_px": 1, "centre_x_px": 1, "centre_y_px": 1, "radial": 4, "height_m": 3}
    return {
        "camera": {name: round(value, digits.get(name, 2)) for name, value in vars(camera).items()},
        "frames": {
            "station_m": [round(float(value - state.station_m[0]), 3) for value in state.station_m],
            "right_of_lane_axis_m": [round(float(value), 3) for value in state.right_m],
            "heading_right_deg": [round(float(value) - mean_yaw_deg, 3) for value in state.yaw_deg],
        },
        "figures": {name: round(value, 4) for name, value in figures.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
