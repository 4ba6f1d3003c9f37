"""Constant matrices times vectors: the machine code equals the matrix product, for Winograd's matrices and others."""

import numpy as np
import pytest

from tinygen.kernels.conv import winograd_tiles
from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.transform import store_all, times
from tinygen.kernels.machine.vectors import LANES

RNG = np.random.default_rng(0)
MATRICES = [m for matrices in winograd_tiles.MATRICES.values() for matrix in matrices for m in (matrix, matrix.T)]
OTHERS = [np.zeros((2, 3)), -np.eye(3), np.array([[1.0, -1], [1, 1], [-1, 0.5]]), RNG.normal(size=(4, 3))]
SQUARE = [m for m in [*MATRICES, *OTHERS]]
BY_NUMBER = dict(enumerate(SQUARE, start=1))
along, across = times(BY_NUMBER, axes=1), times(BY_NUMBER, axes=2)


@kernel
def along_kernel(form, x, y):
    store_all(y, 0, LANES, along(form, x, 3, (LANES + 1,)))


@kernel
def across_kernel(form, x, y, n):
    store_all(y, 0, LANES, across(form, x, 3, (n * LANES, LANES)))


@pytest.mark.parametrize("number", BY_NUMBER)
def test_the_code_is_the_matrix_product(number):
    matrix, form = BY_NUMBER[number], (0,) * number
    m, n = matrix.shape
    x = RNG.normal(size=3 + n * n * LANES + n).astype(np.float32)
    y = np.empty(m * LANES, np.float32)
    along_kernel(form, x, y)
    vectors = np.stack([x[3 + i * (LANES + 1) :][:LANES] for i in range(n)])
    np.testing.assert_allclose(y.reshape(m, LANES), matrix @ vectors, rtol=1e-5, atol=1e-5)
    y = np.empty(m * m * LANES, np.float32)
    across_kernel(form, x, y, n)
    square = x[3 : 3 + n * n * LANES].reshape(n, n, LANES)
    expected = np.einsum("ai,bj,ijq->abq", matrix, matrix, square)
    np.testing.assert_allclose(y.reshape(m, m, LANES), expected, rtol=1e-5, atol=1e-4)
