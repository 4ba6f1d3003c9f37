"""Vectors and batches as the pairs of matrices that `matmul` multiplies, and back."""

import numpy as np

from tinygen.op import as_tensors
from tinygen.ops.shape import broadcast_to, reshape, transpose
from tinygen.tensor import Tensor, array_of


def matrices(args: tuple) -> tuple[Tensor, Tensor]:
    """Two tensors of matrices whose inner sizes match, with the batch axes broadcast to each other.

    A vector on the left becomes a row, a vector on the right a column.
    """
    a, b = as_tensors(args)
    p, q = a.data.shape, b.data.shape
    if not p or not q:
        raise ValueError(f"matmul: expected vectors (K,) or matrices (..., N, K) @ (..., K, M), got {p} @ {q}")
    if p[-1] != q[-2:][0]:  # q[-2] of a matrix, q[0] of a vector
        raise ValueError(f"matmul: {p} has {p[-1]} columns but {q} has {q[-2:][0]} rows")
    if len(p) == 1 or len(q) == 1:
        a, b = a if len(p) > 1 else reshape(a, shape=(1, *p)), b if len(q) > 1 else reshape(b, shape=(*q, 1))
        p, q = a.data.shape, b.data.shape
    if p[:-2] != q[:-2]:
        try:
            batch = np.broadcast_shapes(p[:-2], q[:-2])
        except ValueError as error:
            raise ValueError(f"matmul: the batches of {p} and {q} don't broadcast to one") from error
        a, b = broadcast_to(a, shape=batch + p[-2:]), broadcast_to(b, shape=batch + q[-2:])
    return a, b


def without_added_axes(args: tuple, y: Tensor) -> Tensor:
    """The product without the axis of a row or column that was a vector."""
    a, b = args
    if getattr(a, "ndim", 1) > 1 and getattr(b, "ndim", 1) > 1:  # nearly always
        return y
    a, b = np.ndim(array_of(a)), np.ndim(array_of(b))
    *batch, n, m = y.data.shape
    return reshape(y, shape=(*batch, *((n,) if a > 1 else ()), *((m,) if b > 1 else ())))


def swapped(x: Tensor) -> Tensor:
    """Each matrix transposed: (..., N, M) becomes (..., M, N)."""
    if x.data.ndim == 2:
        return transpose(x)
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
