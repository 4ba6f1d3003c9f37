"""Upsampling: each mode is a linear map along each axis, and its derivative is the transposed map."""

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.errors.arrays import private
from tinygen.errors.calls import explained
from tinygen.op import as_tensors, op
from tinygen.ops.support.geometry import check_image
from tinygen.tensor import Tensor


@op
def upsample_nearest(x, *, scale):
    """Every pixel becomes a block of `scale` = (SH, SW) equal ones: (N, H, W, C) to (N, SH·H, SW·W, C)."""
    check_image(x, "upsample_nearest")
    scale = arguments.pair("upsample_nearest", "scale", scale, least=1)
    return kernels.upsample_nearest(x.data, scale), lambda g: sum_blocks(g, scale=scale)


@op
def sum_blocks(x, *, scale):
    """Every block of `scale` = (SH, SW) pixels becomes their sum: the adjoint of `upsample_nearest`."""
    check_image(x, "sum_blocks")
    scale = arguments.pair("sum_blocks", "scale", scale, least=1)
    if x.shape[1] % scale[0] or x.shape[2] % scale[1]:
        raise ValueError(f"sum_blocks: blocks of {scale} don't tile images of {x.shape[1:3]}")
    return kernels.sum_blocks(x.data, scale), lambda g: upsample_nearest(g, scale=scale)


@op
def resample(x, *, rows, columns):
    """y = R x Cᵀ for each channel, matrices `rows` R (H', H) and `columns` C (W', W); the adjoint has Rᵀ, Cᵀ."""
    check_image(x, "resample")
    rows, columns = private(rows), private(columns)
    if (rows.shape[1], columns.shape[1]) != x.shape[1:3]:
        raise ValueError(f"resample: matrices {rows.shape} and {columns.shape} don't fit images of {x.shape[1:3]}")
    return kernels.resample(x.data, rows, columns), lambda g: resample(g, rows=rows.T, columns=columns.T)


@explained
def upsample(
    x: Tensor, scale_factor: int | tuple[int, int], *, mode: str = "nearest", align_corners: bool = False
) -> Tensor:
    """Enlarge images (N, H, W, C) by whole factors, with `mode` "nearest" or "bilinear".

    "bilinear" interpolates between the centres of pixels; with `align_corners` the centres of the outermost pixels stay
    in place (as in PyTorch). Raises ValueError for another mode or a factor below 1.
    """
    (x,) = as_tensors((x,))
    check_image(x, "upsample")
    scale = arguments.pair("upsample", "scale_factor", scale_factor, least=1)
    if mode == "nearest":
        return upsample_nearest(x, scale=scale)
    if mode == "bilinear":
        rows, columns = (linear_weights(n, n * s, align_corners) for n, s in zip(x.shape[1:3], scale))
        return resample(x, rows=rows, columns=columns)
    raise ValueError(f'upsample: mode must be "nearest" or "bilinear", got {mode!r}')


def linear_weights(n: int, m: int, align_corners: bool = False) -> np.ndarray:
    """The matrix (M, N) that interpolates N samples at M places linearly; each row sums to 1."""
    if align_corners:
        at = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        at = np.clip((np.arange(m) + 0.5) * (n / max(1, m)) - 0.5, 0, n - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n)))
