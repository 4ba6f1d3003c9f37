"""Resizing: each mode is a linear map along each axis, and its derivative is the transposed map."""

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.op import op
from tinygen.ops.support.geometry import check_image
from tinygen.ops.support.taps import Taps, window_sums


@op
def upsample_nearest(x, *, scale):
    """Every pixel becomes a block of `scale` = (SH, SW) equal ones: (N, H, W, C) to (N, SH·H, SW·W, C)."""
    check_image(x, "upsample_nearest")
    scale = arguments.pair("upsample_nearest", "scale", scale, least=1)
    maps = [window_sums(n * s, n, s, s, 0).T.rows for n, s in zip(x.shape[1:3], scale)]
    return kernels.resample(x.data, maps), lambda g: sum_blocks(g, scale=scale)


@op
def sum_blocks(x, *, scale):
    """Every block of `scale` = (SH, SW) pixels becomes their sum: the adjoint of `upsample_nearest`."""
    check_image(x, "sum_blocks")
    scale = arguments.pair("sum_blocks", "scale", scale, least=1)
    if x.shape[1] % scale[0] or x.shape[2] % scale[1]:
        raise ValueError(f"sum_blocks: blocks of {scale} don't tile images of {x.shape[1:3]}")
    maps = [window_sums(n, n // s, s, s, 0).rows for n, s in zip(x.shape[1:3], scale)]
    return kernels.resample(x.data, maps), lambda g: upsample_nearest(g, scale=scale)


@op
def resample(x, *, maps: tuple[Taps, ...]):
    """A linear map along each axis between the first and the last one; the adjoint has the transposed maps."""
    sizes = tuple(each.shape[1] for each in maps)
    if not 1 <= len(maps) <= 3 or x.shape[1:-1] != sizes:
        raise ValueError(f"resample: expected x (N, ..., C) with the sizes {sizes} of the maps, got {x.shape}")
    rows = tuple(each.rows for each in maps)
    return kernels.resample(x.data, rows), lambda g: resample(g, maps=tuple(each.T for each in maps))
