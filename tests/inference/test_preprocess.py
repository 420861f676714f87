"""The letterbox: its geometry there and back, and the pixels that the graph gets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegewart_inference.model_bundle import Crop, Preprocess
from wegewart_inference.preprocess import input_tensor, letterbox_for

SIDES = st.integers(min_value=8, max_value=4000)
FRACTIONS = st.floats(min_value=0, max_value=1)


def test_a_wide_frame_is_scaled_to_the_width_and_padded_above_and_below():
    letterbox = letterbox_for((400, 640), (416, 416), Preprocess())

    assert letterbox.resized_hw == (260, 416)  # 400 · 416 / 640
    assert (letterbox.pad_left_px, letterbox.pad_top_px) == (0, 78)  # (416 − 260) / 2


def test_odd_padding_puts_the_smaller_half_first_as_ultralytics_does():
    letterbox = letterbox_for((401, 640), (416, 416), Preprocess())

    assert letterbox.resized_hw == (261, 416)  # round(260.65)
    assert letterbox.pad_top_px == 77  # 155 = 77 + 78


def test_a_box_worked_by_hand_lands_where_it_must():
    letterbox = letterbox_for((400, 640), (416, 416), Preprocess())
    box = np.array([[64.0, 100.0, 320.0, 400.0]])

    # x · 0.65, y · 0.65 + 78
    np.testing.assert_allclose(letterbox.to_input(box), [[41.6, 143.0, 208.0, 338.0]])


def test_the_crop_uses_the_lower_rows_and_the_way_back_adds_them():
    letterbox = letterbox_for((600, 600), (416, 416), Preprocess(crop=Crop(from_row=0.4)))

    assert (letterbox.crop_top_px, letterbox.crop_height_px) == (240, 360)
    top_of_crop = np.array([[0.0, letterbox.pad_top_px, 416.0, letterbox.pad_top_px + 250.0]])
    np.testing.assert_allclose(letterbox.to_frame(top_of_crop), [[0, 240, 600, 600]])


@given(height=SIDES, width=SIDES, from_row=st.floats(0, 0.9), corners=st.tuples(*[FRACTIONS] * 4))
def test_there_and_back_ends_within_a_thousandth_of_a_pixel(height, width, from_row, corners):
    letterbox = letterbox_for((height, width), (416, 416), Preprocess(crop=Crop(from_row=from_row)))
    box = np.array([corners]) * [width, height, width, height]

    np.testing.assert_allclose(letterbox.to_frame(letterbox.to_input(box)), box, atol=1e-3)


@given(height=SIDES, width=SIDES)
def test_the_resized_frame_fits_the_input_and_touches_it_on_one_side(height, width):
    letterbox = letterbox_for((height, width), (416, 640), Preprocess())
    resized_h, resized_w = letterbox.resized_hw

    assert resized_h <= 416
    assert resized_w <= 640
    assert resized_h == 416 or resized_w == 640
    assert 0 <= letterbox.pad_top_px <= 416 - resized_h
    assert 0 <= letterbox.pad_left_px <= 640 - resized_w


@pytest.mark.parametrize(("colour_order", "channel"), [("RGB", 2), ("BGR", 0)], ids=["rgb", "bgr"])
def test_the_tensor_holds_scaled_colours_in_the_cards_order_and_grey_padding(colour_order, channel):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :, 0] = 255  # blue, as OpenCV has it
    preprocess = Preprocess(colour_order=colour_order)
    letterbox = letterbox_for((32, 64), (64, 64), preprocess)

    tensor = input_tensor(image, letterbox, preprocess)

    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    assert tensor[0, channel, 32, 32] == pytest.approx(1.0)
    assert tensor[0, 2 - channel, 32, 32] == 0
    np.testing.assert_allclose(tensor[0, :, :16], 114 / 255)
    np.testing.assert_allclose(tensor[0, :, 48:], 114 / 255)
