"""What a Tensor may hold: real arrays in float32 or float64, read-only all the way down."""

from typing import Any

import numpy as np
from numpy import ndarray

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_dtype(dtype: np.dtype) -> None:
    """Raise TypeError unless it is float32 or float64."""
    if dtype not in FLOATS:
        mask = "; in a rule mask.astype(g.dtype), or tinygen.where(mask, g, 0.0)" if dtype == np.dtype(bool) else ""
        raise TypeError(
            f"a Tensor holds float32 or float64, not {dtype}: convert with array.astype(np.float32); "
            f"integers and booleans (labels, indices, masks) stay NumPy arrays{mask}"
        )


def as_array(data: Any, dtype: np.dtype | None = None) -> ndarray:
    """A private read-only copy of `data` as float32 or float64; Python numbers take `dtype`, else float32."""
    if isinstance(data, list | tuple) and any(hasattr(entry, "node") for entry in data):
        raise TypeError("a list of Tensors is not an array: pass tensors one by one, as in tinygen.stack(a, b)")
    if hasattr(data, "__array__"):  # of other libraries too: what has a dtype keeps it
        data = np.asarray(data)
        check_dtype(data.dtype)
    array = np.array(data, order="C")
    if not isinstance(data, ndarray | np.generic) and array.dtype.kind in "if":
        array = array.astype(dtype or np.float32)
    check_dtype(array.dtype)
    array.setflags(write=False)
    return array


def private(array: ndarray) -> ndarray:
    """An array that nothing can write to: itself if it is one already, else a read-only copy."""
    if is_read_only(array):
        return array
    array = np.array(array, order="C")
    array.setflags(write=False)
    return array


def is_read_only(array: Any) -> bool:
    """Whether an array is read-only, and so is every array that it is a view of."""
    while isinstance(array, ndarray) and not array.flags.writeable:
        below = array.base
        if below is None:
            return True
        array = below.obj if type(below) is memoryview else below
    return False


def read_only(mask: ndarray) -> ndarray:
    """A boolean array of one's own, made read-only: an op can keep it without a copy."""
    mask = np.asarray(mask)
    mask.setflags(write=False)
    return mask
