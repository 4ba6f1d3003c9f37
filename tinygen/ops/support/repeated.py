"""Inputs of an op whose fast rules add up by themselves what broadcasting repeats, without `broadcast_to`."""

from tinygen.op import as_tensors
from tinygen.ops.support.broadcasting import common_shape
from tinygen.tensor import Tensor


def fitting(args: tuple) -> tuple[Tensor, ...]:
    """Two inputs as Tensors, each in its own shape; raises ValueError for shapes that don't fit."""
    a, b = args
    if type(a) is type(b) is Tensor and a.data.shape == b.data.shape and a.data.dtype is b.data.dtype:
        return args
    a, b = tensors = as_tensors(args)
    if a.data.shape != b.data.shape and b.data.ndim:
        common_shape(a.data.shape, b.data.shape)
    return tensors


def repeated_axes(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `wanted` along which broadcasting repeats `shape`."""
    extra = len(wanted) - len(shape)
    return (*range(extra), *(i for i, n in enumerate(shape, extra) if n != wanted[i]))
