"""Fidelity of a picture to the from-scratch one, on uint8 RGB pixels.

PSNR = 10 log10(255^2 / MSE) in dB, capped; SSIM after Wang et al. 2004 with scikit-image's uniform 7 x 7 window.
"""

import numpy as np
from PIL.Image import Image

from trajflow.base import Metrics
from trajflow.errors import RequestError

PSNR_CAP_DB = 100.0
SSIM_WINDOW = 7


def psnr_db(a: Image, b: Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels, at most `PSNR_CAP_DB` (equal pictures reach it).

    Raises `RequestError` when the pictures differ in size.
    """
    return _psnr_db(*_pixel_pair(a, b))


def compare_images(image: Image, baseline: Image) -> Metrics:
    """PSNR in dB, SSIM in [-1, 1] and equality of `image` to `baseline`.

    Raises `RequestError` when the pictures differ in size, or have a side below 7 pixels, the window of SSIM.
    """
    from skimage.metrics import structural_similarity

    pixels, reference = _pixel_pair(image, baseline)
    if min(image.size) < SSIM_WINDOW:
        raise RequestError(
            f"SSIM needs pictures of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {_size(image)}. "
            "Compare larger pictures, or use psnr_db."
        )
    ssim = structural_similarity(pixels, reference, channel_axis=-1, data_range=255)
    return Metrics(_psnr_db(pixels, reference), float(ssim), np.array_equal(pixels, reference))


def _psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR of two arrays [H, W, 3] uint8."""
    from skimage.metrics import peak_signal_noise_ratio

    if np.array_equal(a, b):
        return PSNR_CAP_DB
    return min(PSNR_CAP_DB, float(peak_signal_noise_ratio(a, b, data_range=255)))


def _pixel_pair(a: Image, b: Image) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures as [H, W, 3] uint8."""
    if a.size != b.size:
        raise RequestError(
            f"Pictures of different sizes cannot be compared: {_size(a)} and {_size(b)}. "
            "Generate both at the same height and width."
        )
    return np.asarray(a.convert("RGB")), np.asarray(b.convert("RGB"))


def _size(image: Image) -> str:
    return f"{image.width} x {image.height} pixels"
