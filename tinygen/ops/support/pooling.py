"""Windows of pooling, of which the last may end beyond the image (`ceil_mode`), and what counts in the mean of each."""

from functools import lru_cache

import numpy as np

from tinygen.errors import arguments
from tinygen.errors.arrays import read_only
from tinygen.ops.support.geometry import Geometry, check_image, geometry


def windows(x, kernel_size, stride, padding, ceil_mode, name: str) -> tuple[tuple[int, int], Geometry, tuple[int, int]]:
    """The kernel size, the geometry, and how many windows there are along each axis."""
    check_image(x, name)
    kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
    form = geometry(kernel_size if stride is None else stride, padding, 1, name)
    if any(2 * p > k for p, k in zip(form.padding, kernel_size)):
        raise ValueError(f"{name}: padding {form.padding} is more than half the kernel {kernel_size}")
    gh, gw = counts = form.outputs(x.shape[1:3], kernel_size, name)
    if not ceil_mode:
        return kernel_size, form, (gh, gw)
    gh, gw = (  # one window more, if it reaches further and begins before the padding at the end
        g + (s * g < n + p and s * (g - 1) + k < n + 2 * p)
        for g, n, k, s, p in zip(counts, x.shape[1:3], kernel_size, form.stride, form.padding)
    )
    return kernel_size, form, (gh, gw)


@lru_cache(maxsize=256)
def counts(size, outputs, kernel_size, form: Geometry, count_include_pad: bool, dtype: np.dtype) -> np.ndarray:
    """How many entries count in each window, of the image and its padding, or of the image alone: (GH, GW, 1).

    If all windows have as many, it is the array () of that number, by which NumPy divides faster.
    """
    along = []
    for n, g, k, s, p in zip(size, outputs, kernel_size, form.stride, form.padding):
        first = s * np.arange(g) - p
        low, high = (-p, n + p) if count_include_pad else (0, n)
        along.append(np.minimum(first + k, high) - np.maximum(first, low))
    number = np.outer(*along)[..., None].astype(dtype)
    return read_only(number[0, 0, 0] if number.size and (number == number[0, 0, 0]).all() else number)


def pixels_found(found: np.ndarray, size: tuple[int, int], kernel_size, stride, padding) -> np.ndarray:
    """Where in x.ravel() the pixels are whose numbers in their windows are `found` (N, GH, GW, C)."""
    n, gh, gw, c = found.shape
    row = np.arange(gh)[:, None, None] * stride[0] - padding[0] + found // kernel_size[1]
    column = np.arange(gw)[:, None] * stride[1] - padding[1] + found % kernel_size[1]
    return ((np.arange(n)[:, None, None, None] * size[0] + row) * size[1] + column) * c + np.arange(c)
