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
    """The code of matrix @ vectors; two rows, or two columns, that differ in signs only share their arithmetic."""
    signs, halves = _halved(matrix)
    if len(signs) == 0:
        signs, halves = _halved(matrix.T)
        if len(signs) == 0:
            return _sparse(builder, matrix, vectors)
        return _times(builder, halves.T, _sparse(builder, signs.T, vectors))
    return _sparse(builder, signs, _times(builder, halves, vectors))


def _halved(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(signs, halves) with signs @ halves == matrix: rows that differ in signs are the sum and difference of two."""
    signs, halves = np.eye(len(matrix)), matrix.astype(np.float64)
    for i in range(len(matrix)):
        for k in range(i):
            equal = matrix[i] == matrix[k]
            if not equal.all() and not equal[matrix[i] != 0].all() and (equal | (matrix[i] == -matrix[k])).all():
                halves[k], halves[i] = matrix[k] * equal, matrix[k] * ~equal
                signs[k, i], signs[i, k], signs[i, i] = 1, 1, -1
    return (signs, halves) if (signs < 0).any() else (np.empty((0, 0)), matrix)


def _sparse(builder, matrix: np.ndarray, vectors: list) -> list:
    """Each sum without its terms of zero."""
    sums = []
    for row in matrix:
        total = None
        for factor, vector in sorted(zip(map(float, row), vectors), key=lambda term: abs(term[0]) != 1):
            if factor == 0:
                continue
            term = vector if abs(factor) == 1 else builder.fmul(vector, VECTOR([factor] * LANES), flags=FLAGS)
            if total is None:
                total = term if factor != -1 else builder.fmul(vector, VECTOR([-1.0] * LANES), flags=FLAGS)
            else:
                total = (builder.fsub if factor == -1 else builder.fadd)(total, term, flags=FLAGS)
        sums.append(VECTOR([0.0] * LANES) if total is None else total)
    return sums
