"""Pooling: the mean or the largest pixel of each window.

Convention: if a window has several largest pixels, the gradient goes to the first of them, row by row, as in `max`.
With `ceil_mode`, windows may begin in the image and end behind the padding; what is behind it never counts.
"""

from tinygen import kernels
from tinygen.errors.arrays import read_only
from tinygen.op import op
from tinygen.ops.resample import resample
from tinygen.ops.shape import reshape, scatter
from tinygen.ops.support.geometry import Pair
from tinygen.ops.support.pooling import counts, pixels_found, windows
from tinygen.ops.support.sharing import quick, shared
from tinygen.ops.support.taps import window_sums


@op
def avg_pool2d(
    x, *, kernel_size, stride: Pair | None = None, padding: Pair = 0, ceil_mode=False, count_include_pad=True
):
    """The mean of each window of (N, H, W, C); without `count_include_pad`, of its pixels in the image alone."""
    kernel_size, form, outputs = windows(x, kernel_size, stride, padding, ceil_mode, "avg_pool2d")
    maps = [window_sums(*axis) for axis in zip(x.shape[1:3], outputs, kernel_size, form.stride, form.padding)]
    number = counts(x.shape[1:3], outputs, kernel_size, form, count_include_pad, x.dtype)
    y = kernels.resample(x.data, [m.rows for m in maps])
    y /= number
    return y, quick(
        lambda g: kernels.resample(g / number, [m.T.rows for m in maps]),
        lambda g: resample(g / number, maps=tuple(m.T for m in maps)),
    )


@op
def max_pool2d(x, *, kernel_size, stride: Pair | None = None, padding: Pair = 0, ceil_mode=False):
    """The largest pixel of each window of (N, H, W, C); padding is at most half the kernel and never the largest."""
    kernel_size, form, outputs = windows(x, kernel_size, stride, padding, ceil_mode, "max_pool2d")
    shape, window = x.shape, (kernel_size, form.stride, form.padding)
    y, found = kernels.max_pool2d(x.data, outputs, *window)
    read_only(found)
    return y, *shared(
        lambda g: (kernels.max_pool2d_vjp(g, found, shape[1:3], *window),),
        lambda g: reshape(scatter(g, index=pixels_found(found, shape[1:3], *window), shape=(x.size,)), shape=shape),
    )
