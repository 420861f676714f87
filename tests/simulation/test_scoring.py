"""The yardstick itself, on cases worked by hand."""

from dataclasses import fields

import numpy as np
import pytest
from simulation.estimating import Found
from simulation.scene import Scene
from simulation.scoring import GATE95, Rows, averaged, ellipse95_area_m2, nees, score
from simulation.seeing import NOTHING_TRUE
from simulation.setting import Setting
from simulation.world import lat_lon_of

from wegewart.geo import Covariance

ONE_M = Covariance(1.0, 0.0, 1.0)


def rows_of(place, error_m, drive=0, split=False):
    count = len(place)
    vectors = np.array(error_m, float)
    given = {
        "place": np.array(place),
        "drive": np.full(count, drive),
        "looks": np.ones(count, int),
        "nearest_m": np.full(count, 4.0),
        "class_index": np.zeros(count, int),
        "cov_relative_m2": np.tile([0.1, 0.0, 0.1], (count, 1)),
        "cov_gnss_m2": np.tile([4.0, 0.0, 4.0], (count, 1)),
        "split": np.full(count, split),
    }
    return Rows(**{each.name: given.get(each.name, vectors) for each in fields(Rows)})


def test_nees_and_area_of_a_slanted_ellipse():
    packed = np.array([[2.0, 1.0, 2.0]])
    assert nees(np.array([[1.0, 1.0]]), packed) == pytest.approx(2 / 3)  # variance 3 along (1, 1)
    assert nees(np.array([[1.0, -1.0]]), packed) == pytest.approx(2.0)
    assert ellipse95_area_m2(packed) == pytest.approx(np.pi * GATE95 * np.sqrt(3.0))


def test_drawn_errors_have_a_nees_of_two_and_95_percent_inside():
    random = np.random.default_rng(1)
    error_m = random.multivariate_normal([0, 0], [[2.0, 1.0], [1.0, 3.0]], 20_000)
    values = nees(error_m, np.tile([2.0, 1.0, 3.0], (20_000, 1)))
    assert values.mean() == pytest.approx(2.0, abs=0.05)
    assert (values <= GATE95).mean() == pytest.approx(0.95, abs=0.005)


def test_mean_of_passes_takes_damages_found_in_all_and_leaves_splits_out():
    passes = [
        rows_of([7, 8], [[3.0, 0.0], [1.0, 1.0]], drive=0),
        rows_of([7], [[-1.0, 2.0]], drive=1),
        rows_of([8], [[9.0, 9.0]], drive=1, split=True),
    ]
    mean = averaged(Rows.joined(passes), 2)
    assert mean.place.tolist() == [7]
    assert mean.error_m == pytest.approx(np.array([[1.0, 1.0]]))
    assert mean.cov_gnss_m2 == pytest.approx(np.array([[2.0, 0.0, 2.0]]))


@pytest.fixture(scope="module")
def scene():
    return Scene.draw(Setting(passes=1), 21)


def found_at(scene, row, east_m=0.0, north_m=0.0, looks=3, first=None):
    """A track whose best view is one detection, put at the truth plus an offset."""
    boxes = scene.boxes_of(0)
    first = row if first is None else first
    place_m = scene.places_m[max(boxes.truth[row], 0)]
    lat, lon = lat_lon_of(place_m[0] + east_m, place_m[1] + north_m)
    number = first - int(np.searchsorted(boxes.frame, boxes.frame[first]))
    return Found(
        float(lat),
        float(lon),
        ONE_M,
        ONE_M,
        looks,
        5.0,
        int(boxes.frame[row]),
        tuple(boxes.box_px[row]),
        int(boxes.frame[first]),
        number,
    )


def test_error_is_that_of_the_damage_in_the_best_view(scene):
    truth = scene.boxes_of(0).truth
    row = int(np.flatnonzero(truth >= 0)[3])
    rows, counts = score([found_at(scene, row, 0.3, -0.4)], scene, 0)
    assert rows.error_m == pytest.approx(np.array([[0.3, -0.4]]), abs=1e-6)
    bias_m = scene.drives.bias_at(0, scene.drives.shake.stamped_s[0, scene.boxes_of(0).frame[[row]]])
    assert rows.relative_m == pytest.approx(rows.error_m - bias_m)
    assert (counts.tracks, counts.false_tracks, counts.split_tracks, counts.mixed_tracks) == (1, 0, 0, 0)
    assert counts.damages_missed == counts.damages_seen - 1 == len(set(truth[truth >= 0])) - 1


def test_drive_that_found_nothing_true_has_no_rows_and_misses_all(scene):
    false = int(np.flatnonzero(scene.boxes_of(0).truth == NOTHING_TRUE)[0])
    for found in ([], [found_at(scene, false)]):
        rows, counts = score(found, scene, 0)
        assert len(rows) == 0
        assert (counts.false_tracks, counts.damages_missed) == (len(found), counts.damages_seen)


def test_false_split_and_mixed_tracks_are_counted(scene):
    truth = scene.boxes_of(0).truth
    real = np.flatnonzero(truth >= 0)
    same = np.flatnonzero(truth == truth[real[0]])
    other = int(np.flatnonzero((truth >= 0) & (truth != truth[real[0]]))[0])
    false = int(np.flatnonzero(truth == NOTHING_TRUE)[0])
    tracks = [
        found_at(scene, int(same[0]), looks=4),
        found_at(scene, int(same[-1]), looks=2, first=other),
        found_at(scene, false),
    ]
    rows, counts = score(tracks, scene, 0)
    assert (counts.false_tracks, counts.split_tracks, counts.mixed_tracks) == (1, 1, 1)
    assert rows.split.tolist() == [False, True]
