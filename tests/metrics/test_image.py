import math

import numpy as np
import pytest
from PIL import Image

from trajflow.errors import RequestError
from trajflow.metrics import PSNR_CAP_DB, compare_images, psnr_db


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, size=(24, 32, 3))


@pytest.mark.parametrize("offset", [1, 5, 50])
def test_a_constant_offset_has_the_closed_form_psnr(pixels, offset):
    expected = 20 * math.log10(255 / offset)
    assert psnr_db(picture(pixels), picture(pixels + offset)) == pytest.approx(expected, abs=1e-9)


def test_psnr_does_not_wrap_around_uint8():
    black, white = picture(np.zeros((8, 8, 3))), picture(np.full((8, 8, 3), 255))
    assert psnr_db(black, white) == pytest.approx(0.0, abs=1e-9)


def test_equal_pictures_reach_the_cap_and_are_called_identical(pixels):
    metrics = compare_images(picture(pixels), picture(pixels.copy()))
    assert (metrics.psnr_db, metrics.identical) == (PSNR_CAP_DB, True)
    assert metrics.ssim == pytest.approx(1.0)


def test_one_level_in_a_large_picture_is_capped_but_not_identical():
    pixels = np.full((1024, 1024, 3), 128)
    other = pixels.copy()
    other[0, 0, 0] += 1  # 20 log10(255) + 10 log10(3 * 1024^2), above 100 dB
    metrics = compare_images(picture(pixels), picture(other))
    assert metrics.psnr_db == PSNR_CAP_DB
    assert not metrics.identical


def test_ssim_of_constant_pictures_is_the_luminance_term():
    a, b, c1 = 100, 150, (0.01 * 255) ** 2
    metrics = compare_images(picture(np.full((16, 16, 3), a)), picture(np.full((16, 16, 3), b)))
    assert metrics.ssim == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)


def test_the_measures_are_plain_numbers(pixels):
    metrics = compare_images(picture(pixels), picture(pixels + 3))
    assert (type(metrics.psnr_db), type(metrics.ssim), type(metrics.identical)) == (float, float, bool)


def test_pictures_of_different_sizes_are_refused(pixels):
    with pytest.raises(RequestError, match="32 x 24 pixels and 16 x 24 pixels"):
        compare_images(picture(pixels), picture(pixels[:, :16]))
    with pytest.raises(RequestError, match="different sizes"):
        psnr_db(picture(pixels), picture(pixels[:16]))


def test_pictures_smaller_than_the_window_are_refused(pixels):
    small = picture(pixels[:6, :6])
    with pytest.raises(RequestError, match="at least 7 x 7 pixels, got 6 x 6"):
        compare_images(small, small)
