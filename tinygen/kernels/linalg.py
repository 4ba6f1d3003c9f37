"""The matrix product in blocks of rows, so that its rounding does not depend on the number of threads."""

import numpy as np

from tinygen.kernels.threads import run_blocks

SMALL = 1 << 18  # multiplications up to which BLAS uses one thread of its own accord
ROWS = 256  # of a block: enough for BLAS to reach its speed, few enough to share a batch among threads


def matmul(a, b):
    """(..., N, K) @ (..., K, M), batch axes equal."""
    if a.size * b.shape[-1] <= SMALL:
        return a @ b
    y = np.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    per_matrix = -(-a.shape[-2] // ROWS)
    matrices = [x.reshape(-1, *x.shape[-2:]) for x in (a, b, y)]
    run_blocks(_rows, len(matrices[0]) * per_matrix, a.size * b.shape[-1], *matrices, per_matrix)
    return y


def _rows(a, b, y, per_matrix, start, stop):
    for block in range(start, stop):
        matrix, part = divmod(block, per_matrix)
        rows = slice(part * ROWS, (part + 1) * ROWS)
        np.matmul(a[matrix, rows], b[matrix], out=y[matrix, rows])
