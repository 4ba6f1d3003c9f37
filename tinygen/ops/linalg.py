"""The matrix product, for one pair of matrices or a batch of them, and the layer that is made of it."""

import numpy as np

from tinygen import kernels
from tinygen.op import as_tensors, op
from tinygen.ops.reduce import sum
from tinygen.ops.shape import broadcast_to, reshape, transpose
from tinygen.ops.support.once import fused
from tinygen.tensor import Tensor, array_of


def _matrices(args: tuple) -> tuple[Tensor, Tensor]:
    """Two tensors of matrices whose inner sizes match, batch axes broadcast to each other.

    A vector on the left becomes one row, a vector on the right one column.
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


def _without_added_axes(args: tuple, y: Tensor) -> Tensor:
    """The product without the row or the column that a vector became."""
    a, b = args
    if getattr(a, "ndim", 1) > 1 and getattr(b, "ndim", 1) > 1:  # nearly always
        return y
    a, b = np.ndim(array_of(a)), np.ndim(array_of(b))
    *batch, n, m = y.data.shape
    return reshape(y, shape=(*batch, *((n,) if a > 1 else ()), *((m,) if b > 1 else ())))


def _swap(x: Tensor) -> Tensor:
    """Each matrix transposed: (..., N, M) to (..., M, N)."""
    if x.data.ndim == 2:
        return transpose(x)
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@op(prepare=_matrices, restore=_without_added_axes)
def matmul(a, b):
    """Y = A B, for (..., N, K) @ (..., K, M); then Ā = Ȳ Bᵀ and B̄ = Aᵀ Ȳ. A vector (K,) is treated as in NumPy."""
    return kernels.matmul(a.data, b.data), lambda g: g @ _swap(b), lambda g: _swap(a) @ g


def _layer(args: tuple) -> tuple[Tensor, ...]:
    """Rows, a matrix and a bias that fit."""
    x, w, b = as_tensors(args)
    p, q, r = x.data.shape, w.data.shape, b.data.shape
    if len(p) != 2 or q[:-1] != p[1:] or r != q[1:]:
        raise ValueError(f"linear: expected (N, K) @ (K, M) + (M,), got {p} @ {q} + {r}")
    return x, w, b


@op(prepare=_layer)
def linear(x, w, b):
    """Y = X W + b, for (N, K) @ (K, M) + (M,); the rules of `matmul`, and b̄ is the sum of Ȳ's rows."""
    return (
        kernels.matmul(x.data, w.data, b.data),
        lambda g: g @ _swap(w),
        *fused(
            lambda g: kernels.linear_weight(x.data, g),
            lambda g: _swap(x) @ g,
            lambda g: sum(g, axis=0),
        ),
    )
