"""The matrix product, for one pair of matrices or a batch of them."""

import numpy as np

from tinygen import kernels
from tinygen.op import as_tensors, op
from tinygen.ops.shape import broadcast_to, transpose
from tinygen.tensor import Tensor


def _matrices(args: tuple) -> tuple[Tensor, Tensor]:
    """Two tensors of matrices whose inner sizes match, batch axes broadcast to each other."""
    a, b = as_tensors(args)
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"matmul: expected matrices (..., N, K) @ (..., K, M), got {a.shape} @ {b.shape}")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: {a.shape} has {a.shape[-1]} columns but {b.shape} has {b.shape[-2]} rows")
    if a.shape[:-2] != b.shape[:-2]:
        try:
            batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError as error:
            raise ValueError(f"matmul: the batches of {a.shape} and {b.shape} don't broadcast to one") from error
        a, b = (broadcast_to(x, shape=batch + x.shape[-2:]) for x in (a, b))
    return a, b


def _swap(x: Tensor) -> Tensor:
    """Each matrix transposed: (..., N, M) to (..., M, N)."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@op(prepare=_matrices)
def matmul(a, b):
    """Y = A B, for (..., N, K) @ (..., K, M); then Ā = Ȳ Bᵀ and B̄ = Aᵀ Ȳ."""
    return kernels.matmul(a.data, b.data), lambda g: g @ _swap(b), lambda g: _swap(a) @ g
