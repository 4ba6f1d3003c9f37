"""Compression by the discrete cosine transform, the baseline of JPEG, to compare with a code of as many numbers."""

from collections.abc import Sequence

import numpy as np
from scipy import fft

from tinygen.errors import arguments
from tinygen.evaluate.rows import on_arrays, refuse_nan

KEEP = ("low", "large")


@on_arrays
def dct_reconstruct(images: np.ndarray, numbers: int, *, keep: str = "low") -> np.ndarray:
    """Images (N, H, W, C), rebuilt from this many numbers of their orthonormal discrete cosine transforms.

    Args:
        images: (N, H, W, C).
        numbers: number of coefficients kept in each image, of all channels together, from 0 to H W C.
        keep: "low" keeps the lowest frequencies, the same for all images, by i/H + j/W; "large" keeps the largest
            coefficients of each image, whose positions would have to be stored too.

    Returns float64 images of the same shape, which are not clipped.

    >>> from tinygen.evaluate.compression import dct_reconstruct
    >>> image = np.full((1, 4, 4, 1), 0.5)
    >>> bool(np.allclose(dct_reconstruct(image, 1), image))  # a constant is one number
    True
    """
    images = np.asarray(images, np.float64)
    if images.ndim != 4:
        raise ValueError(f"dct_reconstruct: expected images (N, H, W, C), got {images.shape}: reshape them")
    refuse_nan("dct_reconstruct", images)
    arguments.choice("dct_reconstruct", "keep", keep, KEEP)
    _, height, width, channels = images.shape
    numbers = arguments.whole("dct_reconstruct", "numbers", numbers, least=0, most=height * width * channels)
    coefficients = np.asarray(fft.dctn(images, axes=(1, 2), norm="ortho")).reshape(len(images), -1)
    if keep == "low":
        frequency = np.arange(height)[:, None] / height + np.arange(width) / width  # (H, W)
        order = np.argsort(np.repeat(frequency.ravel(), channels), kind="stable")[None]
    else:
        order = np.argsort(-np.abs(coefficients), axis=1, kind="stable")
    kept = np.zeros(coefficients.shape, bool)
    np.put_along_axis(kept, np.broadcast_to(order[:, :numbers], (len(images), numbers)), True, axis=1)
    return np.asarray(fft.idctn((coefficients * kept).reshape(images.shape), axes=(1, 2), norm="ortho"))


@on_arrays
def dct_rate_distortion(images: np.ndarray, rates: Sequence[int], *, keep: str = "low") -> np.ndarray:
    """The squared error per image of `dct_reconstruct` for each number of coefficients in `rates`, as (len(rates),).

    The transform is orthonormal, so the error is the energy of the coefficients that are left out.
    """
    images = np.asarray(images, np.float64)
    errors = [(dct_reconstruct(images, rate, keep=keep) - images) ** 2 for rate in rates]
    return np.array([error.sum() / len(images) for error in errors])
