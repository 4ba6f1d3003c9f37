"""The same numbers in every memory layout of NumPy: no result may depend on the layout.

Gaps between the entries hold NaN, or for integers the largest number, so that the result of an op that reads them is
wrong.
"""

from collections.abc import Callable

import numpy as np


def c_order(array: np.ndarray) -> np.ndarray:
    return np.array(array, order="C")


def f_order(array: np.ndarray) -> np.ndarray:
    return np.array(array, order="F")


def gaps(array: np.ndarray) -> np.ndarray:
    """Every second entry of a larger array along each axis; the others are NaN."""
    whole = np.full([2 * n + 1 for n in array.shape], _wrong(array.dtype), array.dtype)
    view = whole[..., *(slice(1, None, 2),) * array.ndim]
    view[...] = array
    return view


def negative(array: np.ndarray) -> np.ndarray:
    """Negative strides along each axis."""
    return np.array(np.flip(array), order="C")[..., *(slice(None, None, -1),) * array.ndim]


def transposed(array: np.ndarray) -> np.ndarray:
    """The last axis has the largest stride; the others follow in order."""
    return np.moveaxis(np.array(np.moveaxis(array, -1, 0), order="C"), 0, -1) if array.ndim else array.copy()


def repeated(array: np.ndarray) -> np.ndarray:
    """Strides of zero: every second axis repeats its first slice. The only layout that changes the numbers."""
    first = tuple(slice(1) if axis % 2 == 0 and n else slice(None) for axis, n in enumerate(array.shape))
    return np.broadcast_to(array[first].copy(), array.shape)


def offset(array: np.ndarray) -> np.ndarray:
    """A view into the middle of a longer buffer of NaN."""
    buffer = np.full(array.size + 6, _wrong(array.dtype), array.dtype)
    view = buffer[3 : 3 + array.size].reshape(array.shape)
    view[...] = array
    return view


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    layout.__name__: layout for layout in (c_order, f_order, gaps, negative, transposed, repeated, offset, read_only)
}


def _wrong(dtype: np.dtype):
    return np.nan if dtype.kind == "f" else 0 if dtype.kind == "b" else np.iinfo(dtype).max
