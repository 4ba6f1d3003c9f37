"""What a Tensor can hold: a read-only array of float32 or float64, whose base, if it is a view, is read-only too."""

from typing import Any

import numpy as np
from numpy import ndarray

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_dtype(dtype: np.dtype) -> None:
    """Raise TypeError unless it is float32 or float64."""
    if dtype not in FLOATS:
        hint = _HINTS.get(dtype.kind, "write array.astype(np.float32)")
        raise TypeError(f"Tensor: expected float32 or float64, got {dtype}: {hint}")


_INTEGERS = "write array.astype(np.float32), or keep labels and indices as NumPy arrays"
_HINTS = {  # by the kind of a dtype
    "b": "write mask.astype(np.float32), or tinygen.where(mask, a, b)",
    "i": _INTEGERS,
    "u": _INTEGERS,
    "O": "write numbers or one array",
    "U": "write numbers or one array",
}


def as_array(data: Any, dtype: np.dtype | None = None) -> ndarray:
    """A private read-only copy of `data` as float32 or float64; Python numbers take `dtype`, else float32."""
    if isinstance(data, list | tuple) and any(hasattr(entry, "node") for entry in data):
        raise TypeError(
            f"Tensor: expected an array or numbers, got a {type(data).__name__} of Tensors: "
            "write tinygen.concat(*tensors) or tinygen.stack(*tensors)"
        )
    if hasattr(data, "__array__"):  # of other libraries too: what has a dtype keeps it
        data = np.asarray(data)
        check_dtype(data.dtype)
    try:
        array = np.array(data, order="C")
    except ValueError as error:
        raise ValueError("Tensor: expected nested lists with rows of one length, got different lengths") from error
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
    """The array `mask` itself, made read-only, so that an op can keep it without a copy."""
    mask = np.asarray(mask)
    mask.setflags(write=False)
    return mask
