"""Resizing by name of a mode: which maps `resample` applies along the axes of series, images and volumes."""

import math

import numpy as np

from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.op import as_tensors
from tinygen.ops.resample import resample, upsample_nearest
from tinygen.ops.support.geometry import check_image
from tinygen.ops.support.taps import interpolation
from tinygen.tensor import Tensor

MODES = {"nearest": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}
BY_AXIS = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}

Sizes = int | tuple[int, ...]
Factors = float | tuple[float, ...]


@explained
def resize(
    x: Tensor | np.ndarray,
    size: Sizes | None = None,
    *,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Enlarge or shrink series (N, L, C), images (N, H, W, C) or volumes (N, D, H, W, C) by interpolation.

    As in PyTorch, pixels are squares whose outer edges stay in place. Shrinking does not average: it takes samples.

    Args:
        x: the series, images or volumes.
        size: the new size of each axis, or one number for all.
        scale_factor: instead of `size`, the factor of each axis, or one for all; sizes are rounded down.
        mode: "nearest"; "linear" for series; "bilinear" or "bicubic" (a = -0.75) for images; "trilinear" for volumes.
        align_corners: whether the centres of the outermost pixels stay in place instead of their edges.

    Raises ValueError for a mode of another number of axes, and unless either `size` or `scale_factor` is given.
    """
    (x,) = as_tensors((x,))
    _check_mode("resize", x, mode, align_corners)
    old = x.shape[1:-1]
    size, scale_factor = check_sizes("resize", size, scale_factor)
    if size is not None:
        new = _per_axis(size, len(old))
        steps = tuple(n / m for n, m in zip(old, new))
    else:
        factors = _per_axis(scale_factor, len(old))
        new, steps = tuple(math.floor(n * s) for n, s in zip(old, factors)), tuple(1 / s for s in factors)
        if min(new) < 1:
            raise ValueError(f"resize: expected new sizes of at least 1, got {new} from {old}: enlarge scale_factor")
    if mode == "nearest" and len(old) == 2 and all(m % n == 0 and step == n / m for n, m, step in zip(old, new, steps)):
        return upsample_nearest(x, scale=tuple(m // n for n, m in zip(old, new)))
    by = BY_AXIS[mode]
    return resample(x, maps=tuple(interpolation(n, m, by, align_corners, s) for n, m, s in zip(old, new, steps)))


@explained
def upsample(
    x: Tensor | np.ndarray, scale_factor: int | tuple[int, int], *, mode: str = "nearest", align_corners: bool = False
) -> Tensor:
    """Images (N, H, W, C) enlarged by whole factors: `resize` for what decoders need.

    Args:
        x: the images.
        scale_factor: the factor of both axes, or a pair (height, width).
        mode: "nearest", "bilinear" or "bicubic".
        align_corners: whether the centres of the outermost pixels stay in place instead of their edges.
    """
    (x,) = as_tensors((x,))
    check_image(x, "upsample")
    scale = arguments.pair("upsample", "scale_factor", scale_factor, least=1)
    _check_mode("upsample", x, mode, align_corners)
    return resize(x, scale_factor=scale, mode=mode, align_corners=align_corners)


def check_mode(who: str, mode: str, align_corners: bool) -> None:
    """Raise ValueError for an unknown mode, and for corners that "nearest" can't align."""
    if mode not in MODES:
        raise ValueError(f"{who}: expected mode to be one of {', '.join(map(repr, MODES))}, got {mode!r}")
    if mode == "nearest" and align_corners:
        raise ValueError(f'{who}: expected align_corners=False for mode="nearest", got True: choose another mode')


def _check_mode(who: str, x, mode: str, align_corners: bool) -> None:
    check_mode(who, mode, align_corners)
    if x.ndim - 2 not in MODES[mode]:
        fitting = [name for name, axes in MODES.items() if x.ndim - 2 in axes]
        what = f"for x {x.shape} choose {' or '.join(map(repr, fitting))}" if fitting else "x is (N, ..., C)"
        axes = " or ".join(map(str, MODES[mode]))
        raise ValueError(f"{who}: expected x with {axes} axes between N and C for mode={mode!r}, got {x.shape}: {what}")
    if 0 in x.shape[1:-1]:
        raise ValueError(f"{who}: expected at least one pixel along each axis, got {x.shape}")


def check_sizes(who: str, size: Sizes | None, scale_factor: Factors | None) -> tuple[Sizes | None, Factors | None]:
    """Both as Python numbers or tuples of them; raises ValueError unless exactly one is given, and it is positive."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{who}: expected either size or scale_factor, got {size} and {scale_factor}: give one of them"
        )
    if size is not None:
        return _each(size, lambda n: arguments.whole(who, "size", n, least=1)), None
    return None, _each(scale_factor, lambda s: arguments.real(who, "scale_factor", s, above=0))


def _each(value, check):
    several = isinstance(value, tuple | list | np.ndarray) and np.ndim(value)
    return tuple(map(check, value)) if several else check(value)


def _per_axis(value, axes: int) -> tuple:
    """One value for each axis, from a sequence or a single value."""
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes:
        raise ValueError(f"resize: expected one number or {axes}, one per axis, got {value}")
    return values
