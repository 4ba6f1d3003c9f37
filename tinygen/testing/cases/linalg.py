"""The cases of the matrix product and of the layer made of it."""

import math

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import narrowed, normal, one_in, shape


def _matmul(rng):
    """(..., N, K) @ (..., K, M), batch axes broadcast, one in five with an axis of no entries; or vectors (K,)."""
    n, k, m = (int(rng.integers(1, 4)) for _ in range(3))
    batch = shape(rng, most=2, empty=False)
    if one_in(rng, 5):
        n, k, m, *batch = (0 if one_in(rng, 2) else size for size in (n, k, m, *batch))
    a, b = ((*narrowed(rng, tuple(batch)), *matrix) for matrix in ((n, k), (k, m)))
    a, b = (k,) if one_in(rng, 5) else a, (k,) if one_in(rng, 5) else b
    return (normal(rng, a), normal(rng, b)), {}


def _product(a, b):
    """Σ over k of column k of A times row k of B; a vector is one row on the left, one column on the right."""
    rows, columns = a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None]
    products = (rows[..., :, :, None] * columns[..., None, :, :]).sum(axis=-2)  # (..., N, K, M) to (..., N, M)
    products = products if a.ndim > 1 else products[..., 0, :]
    return products if b.ndim > 1 else products[..., 0]


def _longest(arrays, static) -> int:
    """K forwards; backwards M or N, times the batches that one matrix was repeated for."""
    a, b = arrays[0].shape, arrays[1].shape
    (*batch_a, n, k), (*batch_b, m) = a if len(a) > 1 else (1, *a), b if len(b) > 1 else (*b, 1)
    batches = np.broadcast_shapes(tuple(batch_a), tuple(batch_b[:-1]))
    repeats_a, repeats_b = (math.prod(batches) // max(math.prod(own), 1) for own in (batch_a, batch_b[:-1]))
    return max(k, m * repeats_a, n * repeats_b)


def _linear(rng):
    """(N, K) @ (K, M) + (M,), one in five with an axis of no entries."""
    n, k, m = (int(rng.integers(0 if one_in(rng, 5) else 1, 5)) for _ in range(3))
    return (normal(rng, (n, k)), normal(rng, (k, m)), normal(rng, (m,))), {}


LINALG = (
    Case(
        op=ops.matmul,
        sample=_matmul,
        oracle=_product,
        linear=("a", "b"),
        exact=True,
        broadcasts=lambda arrays: arrays[0].shape[:-2] != arrays[1].shape[:-2],
        terms=_longest,
    ),
    Case(
        op=ops.fused.linear,
        sample=_linear,
        oracle=lambda x, w, b: _product(x, w) + b,
        added=("b",),
        terms=lambda arrays, static: max(len(arrays[0]), arrays[1].shape[0] + 1, arrays[1].shape[1]),
    ),
)
