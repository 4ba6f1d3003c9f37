"""What convolutions ask of their blocks: copy a run of numbers, and multiply by a matrix, whatever dtype and shape.

float32 goes through tiles and lanes where the sizes are multiples of LANES, everything else through BLAS. float64 is
always exact arithmetic in the plain order: it never takes a shortcut.
"""

import numpy as np
from numba import types
from numba.extending import overload

from tinygen.kernels.jit import kernel
from tinygen.kernels.lanes import LANES, load, nothing, store, total
from tinygen.kernels.tile import multiply

# -- in plain Python ---------------------------------------------------------------------------------------------------


def copy(source, at, target, to, count):
    """target[to : to + count] = source[at : at + count], flat arrays."""
    for q in range(count):
        target[to + q] = source[at + q]


def clear(target, to, count):
    """target[to : to + count] = 0"""
    for q in range(count):
        target[to + q] = 0


def product(rows, rows_at, matrix, y, at, n, k, m, add):
    """y (N, M) = rows (N, K) @ matrix (K, M), or += with `add`: flat arrays, rows and y each from their `at` on."""
    out = y[at : at + n * m].reshape(n, m)
    value = rows[rows_at : rows_at + n * k].reshape(n, k) @ matrix.reshape(k, m)
    out[:] = out + value if add else value


def transposed_product(rows, rows_at, g, at, y, n, k, m):
    """y (K, M) += rowsᵀ (K, N) @ g (N, M): flat arrays, rows and g each from their `at` on."""
    y.reshape(k, m)[:] += rows[rows_at : rows_at + n * k].reshape(n, k).T @ g[at : at + n * m].reshape(n, m)


# -- for float32 -------------------------------------------------------------------------------------------------------


def _copy_lanes(source, at, target, to, count):
    whole = count // LANES * LANES
    for q in range(0, whole, LANES):
        store(target, to + q, load(source, at + q))
    for q in range(whole, count):
        target[to + q] = source[at + q]


def _clear_lanes(target, to, count):
    whole = count // LANES * LANES
    for q in range(0, whole, LANES):
        store(target, to + q, nothing())
    for q in range(whole, count):
        target[to + q] = 0


@kernel
def _product_lanes(rows, rows_at, matrix, y, at, n, k, m, add):
    if m % LANES == 0:
        multiply(rows, rows_at, k, 1, matrix, 0, y, at, n, k, m, add)
    elif m == 1 and k % LANES == 0 and k > 0:
        for i in range(n):
            value = load(rows, rows_at + i * k) * load(matrix, 0)
            for q in range(LANES, k, LANES):
                value = value + load(rows, rows_at + i * k + q) * load(matrix, q)
            y[at + i] = total(value) + (y[at + i] if add else np.float32(0))
    else:
        _product_blas(rows, rows_at, matrix, y, at, n, k, m, add)


@kernel
def _transposed_product_lanes(rows, rows_at, g, at, y, n, k, m):
    if m % LANES == 0:
        multiply(rows, rows_at, 1, k, g, at, y, 0, k, n, m, True)
    elif m == 1 and k % LANES == 0:
        for i in range(n):
            for q in range(0, k, LANES):
                store(y, q, load(y, q) + load(rows, rows_at + i * k + q) * g[at + i])
    else:
        _transposed_product_blas(rows, rows_at, g, at, y, n, k, m)


# -- for everything else -----------------------------------------------------------------------------------------------


@kernel
def _product_blas(rows, rows_at, matrix, y, at, n, k, m, add):
    out = y[at : at + n * m].reshape(n, m)
    if add:
        value = np.dot(rows[rows_at : rows_at + n * k].reshape(n, k), matrix.reshape(k, m))
        for i in range(n):
            for j in range(m):
                out[i, j] += value[i, j]
    else:
        np.dot(rows[rows_at : rows_at + n * k].reshape(n, k), matrix.reshape(k, m), out)


@kernel
def _transposed_product_blas(rows, rows_at, g, at, y, n, k, m):
    value = np.dot(rows[rows_at : rows_at + n * k].reshape(n, k).T, g[at : at + n * m].reshape(n, m))
    for i in range(k):
        for j in range(m):
            y[i * m + j] += value[i, j]


# -- which one ---------------------------------------------------------------------------------------------------------


@overload(copy, inline="always")
def _copy(source, at, target, to, count):
    return _copy_lanes if target.dtype == types.float32 else copy


@overload(clear, inline="always")
def _clear(target, to, count):
    return _clear_lanes if target.dtype == types.float32 else clear


@overload(product)
def _product(rows, rows_at, matrix, y, at, n, k, m, add):
    chosen = _product_lanes if y.dtype == types.float32 else _product_blas
    return lambda rows, rows_at, matrix, y, at, n, k, m, add: chosen(rows, rows_at, matrix, y, at, n, k, m, add)


@overload(transposed_product)
def _transposed_product(rows, rows_at, g, at, y, n, k, m):
    chosen = _transposed_product_lanes if y.dtype == types.float32 else _transposed_product_blas
    return lambda rows, rows_at, g, at, y, n, k, m: chosen(rows, rows_at, g, at, y, n, k, m)
