"""Pooling: the mean or the largest pixel of each window.

Convention: if a window has several largest pixels, the gradient goes to the first of them, row by row, as in `max`.
"""

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.op import op
from tinygen.ops.shape import reshape, scatter
from tinygen.ops.support.geometry import Geometry, Pair, check_image, geometry


@op
def avg_pool2d(x, *, kernel_size, stride: Pair | None = None, padding: Pair = 0):
    """The mean of each window of (N, H, W, C); zeros of the padding count as pixels, as in PyTorch."""
    kernel_size, form = _windows(x, kernel_size, stride, padding, "avg_pool2d")
    size = x.shape[1:3]
    return (
        kernels.avg_pool2d(x.data, kernel_size, form.stride, form.padding),
        lambda g: avg_pool2d_adjoint(g, size=size, kernel_size=kernel_size, stride=form.stride, padding=form.padding),
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
    return (
        kernels.avg_pool2d_adjoint(g.data, size, kernel_size, form.stride, form.padding),
        lambda h: avg_pool2d(h, kernel_size=kernel_size, stride=form.stride, padding=form.padding),
    )


@op
def max_pool2d(x, *, kernel_size, stride: Pair | None = None, padding: Pair = 0):
    """The largest pixel of each window of (N, H, W, C); padding is at most half the kernel and never the largest."""
    kernel_size, form = _windows(x, kernel_size, stride, padding, "max_pool2d")
    chosen = kernels.max_pool2d_indices(x.data, kernel_size, form.stride, form.padding)  # into x.ravel()
    chosen.setflags(write=False)
    shape, size = x.shape, (x.size,)
    return x.data.reshape(-1)[chosen], lambda g: reshape(scatter(g, index=chosen, shape=size), shape=shape)


def _windows(x, kernel_size, stride, padding, name: str) -> tuple[tuple[int, int], Geometry]:
    check_image(x, name)
    kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
    form = geometry(kernel_size if stride is None else stride, padding, 1, name)
    if any(2 * p > k for p, k in zip(form.padding, kernel_size)):
        raise ValueError(f"{name}: padding {form.padding} is more than half the kernel {kernel_size}")
    form.outputs(x.shape[1:3], kernel_size, name)
    return kernel_size, form
