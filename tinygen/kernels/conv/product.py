"""The matrix products of a gathered block, whatever dtype and shape: BLAS, but for float32 with one column."""

import numpy as np

from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.vectors import LANES, load, store, total


@kernel
def _dot(a, at, b, k):
    value = load(a, at) * load(b, 0)
    for q in range(LANES, k, LANES):
        value = value + load(a, at + q) * load(b, q)
    return total(value)


@kernel
def product(rows, matrix, y, at, n, k, m):
    """y (N, M) += rows (N, K) @ matrix (K, M): flat arrays, y from its entry `at` on."""
    if y.itemsize == 4 and m == 1 and k > 0 and k % LANES == 0:
        for i in range(n):
            y[at + i] += _dot(rows, i * k, matrix, k)
    else:
        values = np.dot(rows[: n * k].reshape(n, k), matrix.reshape(k, m)).reshape(-1)
        for i in range(n * m):
            y[at + i] += values[i]


@kernel
def transposed_product(rows, g, at, y, n, k, m):
    """y (K, M) += rowsᵀ (K, N) @ g (N, M): flat arrays, g from its entry `at` on."""
    if y.itemsize == 4 and m == 1 and k % LANES == 0:
        for i in range(n):
            for q in range(0, k, LANES):
                store(y, q, load(y, q) + load(rows, i * k + q) * g[at + i])
    else:
        values = np.dot(rows[: n * k].reshape(n, k).T, g[at : at + n * m].reshape(n, m)).reshape(-1)
        for i in range(k * m):
            y[i] += values[i]
