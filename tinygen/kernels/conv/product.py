"""The matrix products of a gathered block, whatever dtype and shape: BLAS, but for float32 with one column."""

import numpy as np
from numba import types
from numba.extending import overload

from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.vectors import LANES, load, store, total

# -- in plain Python ---------------------------------------------------------------------------------------------------


def product(rows, matrix, y, at, n, k, m):
    """y (N, M) += rows (N, K) @ matrix (K, M): flat arrays, y from its entry `at` on."""
    y[at : at + n * m] += (rows[: n * k].reshape(n, k) @ matrix.reshape(k, m)).reshape(-1)


def transposed_product(rows, g, at, y, n, k, m):
    """y (K, M) += rowsᵀ (K, N) @ g (N, M): flat arrays, g from its entry `at` on."""
    y += (rows[: n * k].reshape(n, k).T @ g[at : at + n * m].reshape(n, m)).reshape(-1)


# -- compiled ----------------------------------------------------------------------------------------------------------


@kernel
def _with_blas(rows, matrix, y, at, n, k, m):
    value = np.dot(rows[: n * k].reshape(n, k), matrix.reshape(k, m)).reshape(-1)
    for i in range(n * m):
        y[at + i] += value[i]


@kernel
def _transposed_with_blas(rows, g, at, y, n, k, m):
    value = np.dot(rows[: n * k].reshape(n, k).T, g[at : at + n * m].reshape(n, m)).reshape(-1)
    for i in range(k * m):
        y[i] += value[i]


@kernel
def _one_column(rows, matrix, y, at, n, k, m):
    if m != 1 or k % LANES or k == 0:
        _with_blas(rows, matrix, y, at, n, k, m)
        return
    for i in range(n):
        value = load(rows, i * k) * load(matrix, 0)
        for q in range(LANES, k, LANES):
            value = value + load(rows, i * k + q) * load(matrix, q)
        y[at + i] += total(value)


@kernel
def _transposed_one_column(rows, g, at, y, n, k, m):
    if m != 1 or k % LANES:
        _transposed_with_blas(rows, g, at, y, n, k, m)
        return
    for i in range(n):
        for q in range(0, k, LANES):
            store(y, q, load(y, q) + load(rows, i * k + q) * g[at + i])


@overload(product)
def _product(rows, matrix, y, at, n, k, m):
    chosen = _one_column if y.dtype == types.float32 else _with_blas
    return lambda rows, matrix, y, at, n, k, m: chosen(rows, matrix, y, at, n, k, m)


@overload(transposed_product)
def _transposed_product(rows, g, at, y, n, k, m):
    chosen = _transposed_one_column if y.dtype == types.float32 else _transposed_with_blas
    return lambda rows, g, at, y, n, k, m: chosen(rows, g, at, y, n, k, m)
