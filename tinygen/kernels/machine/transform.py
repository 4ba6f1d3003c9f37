"""Small constant matrices times vectors, as straight-line code without the terms that are zero.

`times` makes functions for kernels from a matrix M: M x for vectors x in an array, or M X Mᵀ for a square of vectors.
`store_all` writes their results.
"""

import numpy as np
from numba import types

from tinygen.kernels.machine.jit import machine_code
from tinygen.kernels.machine.numba_internals import cgutils
from tinygen.kernels.machine.vectors import FLAGS, LANES, VECTOR, lanes, load, place, store


def times(matrices: dict[int, np.ndarray], axes: int):
    """A function (form, array, at, steps) -> M x, or M X Mᵀ row by row if `axes` is 2, as a tuple of vectors.

    M is matrices[len(form)], which the compiler knows. The vectors of x begin at entry `at` and are steps[0] apart;
    those of X are steps[0] apart down a column and steps[1] along a row.
    """

    def product(form, array, at, steps):
        matrix = matrices[len(form)]
        x = np.empty((*[matrix.shape[1]] * axes, LANES), np.float32)
        for index in np.ndindex(x.shape[:-1]):
            x[index] = load(array, at + sum(i * step for i, step in zip(index, steps)))
        for axis in range(axes):
            x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
        return tuple(x.astype(np.float32).reshape(-1, LANES))

    def vectors(form, *others):
        return types.UniTuple(lanes[types.float32], len(matrices[form.count]) ** axes)

    @machine_code(product, vectors)
    def code(context, builder, kinds, form, array, at, steps):
        matrix = matrices[kinds[0].count]
        down, *right = cgutils.unpack_tuple(builder, steps)

        def column(*places):
            entries = [place(context, builder, kinds[1], array, at, (i, down), *places) for i in range(len(matrix.T))]
            return _times(builder, matrix, [builder.load(entry, align=4) for entry in entries])

        results = column() if axes == 1 else []
        if axes == 2:
            columns = [column((j, right[0])) for j in range(len(matrix.T))]
            results = [vector for row in zip(*columns) for vector in _times(builder, matrix, list(row))]
        return context.make_tuple(builder, vectors(*kinds), results)

    return product


def store_all(array, at, step, values):
    """Write the vectors of a tuple to the flat array, `step` apart, from entry `at` on."""
    for k, value in enumerate(values):
        store(array, at + k * step, value)


@machine_code(store_all, lambda *given: types.void)
def _store_all(context, builder, kinds, array, at, step, values):
    for k in range(kinds[3].count):
        pointer = place(context, builder, kinds[0], array, at, (k, step))
        builder.store(builder.extract_value(values, k), pointer, align=4)


def _times(builder, matrix: np.ndarray, vectors: list) -> list:
    """The code of matrix @ vectors; LLVM leaves out what a factor of 1 or a first term of 0 would take."""
    sums = [VECTOR([0.0] * LANES)] * len(matrix)
    for i, k in zip(*np.nonzero(matrix)):
        product = builder.fmul(vectors[k], VECTOR([float(matrix[i, k])] * LANES), flags=FLAGS)
        sums[i] = builder.fadd(sums[i], product, flags=FLAGS)
    return sums
