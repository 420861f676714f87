"""Weather over training images: the picture changes, its geometry does not."""

import subprocess
import sys

import numpy as np
import pytest

albumentations = pytest.importorskip("albumentations", reason="needs the extra train", exc_type=ImportError)

from wegewart_training.road_weather import WetRoad, road_weather  # noqa: E402


def picture(height=240, width=320):
    rows = np.linspace(40, 200, height, dtype=np.uint8)
    image = np.repeat(np.repeat(rows[:, None], width, 1)[:, :, None], 3, 2)
    image[height // 4, :, :] = 255  # a bright line that a wet road mirrors
    return np.ascontiguousarray(image)


@pytest.mark.parametrize(
    "transform", road_weather(1.0), ids=lambda transform: transform.transforms[0].__class__.__name__
)
def test_every_group_of_changes_keeps_size_and_kind_and_changes_something(transform):
    transform.p = 1.0
    compose = albumentations.Compose([transform], seed=3)

    results = [compose(image=picture())["image"] for _ in range(12)]

    assert all(result.shape == (240, 320, 3) and result.dtype == np.uint8 for result in results)
    assert all((result != picture()).any() for result in results)


def test_no_change_moves_a_pixel_so_boxes_stay_true():
    def leaves(transforms):
        for transform in transforms:
            if hasattr(transform, "transforms"):
                yield from leaves(transform.transforms)
            else:
                yield transform

    assert not [t for t in leaves(road_weather(1.0)) if isinstance(t, albumentations.DualTransform)]


def test_a_wet_road_is_darker_and_mirrors_what_is_above_it():
    wet = albumentations.Compose([WetRoad((0.4, 0.4), p=1.0)], seed=1)(image=picture())["image"]

    mirrored_row = 240 - 1 - 240 // 4  # as far below the middle as the line is above it
    assert (wet[:120] == picture()[:120]).all()
    assert wet[mirrored_row].mean() > wet[mirrored_row - 3].mean() + 20
    assert wet[-1].mean() < picture()[-1].mean()


def test_more_weather_is_drawn_the_higher_the_share():
    def changed(often):
        compose = albumentations.Compose(road_weather(often), seed=5)
        return sum((compose(image=picture(60, 80))["image"] != picture(60, 80)).any() for _ in range(200))

    assert changed(0.0) == 0
    assert 20 < changed(0.3) < changed(1.0)


def test_the_changes_survive_being_written_into_a_checkpoint_in_another_process():
    code = (
        "import albumentations; from wegewart_training.road_weather import road_weather\n"
        "written = [albumentations.to_dict(t) for t in road_weather(0.5)]\n"
        "again = [albumentations.from_dict(t) for t in written]\n"
        "assert [type(t) for t in again] == [type(t) for t in road_weather(0.5)]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
