"""Pooling: the mean or the largest pixel of each window.

Convention: if a window has several largest pixels, the gradient goes to the first of them, row by row, as in `max`.
With `ceil_mode`, windows may begin in the image and end behind the padding; what is behind it never counts.
"""

import math

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.errors.arrays import read_only
from tinygen.op import op
from tinygen.ops.resample import resample
from tinygen.ops.shape import reshape, scatter
from tinygen.ops.support.geometry import Pair, check_image, geometry
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
def avg_pool2d_adjoint(g, *, size, kernel_size, stride, padding):
    """Each entry of g (N, GH, GW, C) spread evenly over its window in an image of `size`."""
    check_image(g, "avg_pool2d_adjoint: g")
    size = arguments.pair("avg_pool2d_adjoint", "size", size, least=1)
    kernel_size = arguments.pair("avg_pool2d_adjoint", "kernel_size", kernel_size, least=1)
    form = geometry(stride, padding, 1, "avg_pool2d_adjoint")
    if form.outputs(size, kernel_size, "avg_pool2d_adjoint") != g.shape[1:3]:
        raise ValueError(f"avg_pool2d_adjoint: avg_pool2d doesn't make {g.shape[1:3]} of images of {size}")
    rows = [window_sums(*axis).T.rows for axis in zip(size, g.shape[1:3], kernel_size, form.stride, form.padding)]
    settings: dict = dict(kernel_size=kernel_size, stride=form.stride, padding=form.padding)
    return kernels.resample(g.data / math.prod(kernel_size), rows), lambda h: avg_pool2d(h, **settings)


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
