"""Small constant matrices times vectors, as straight-line code without the terms that are zero.

`one_axis` and `two_axes` make functions for kernels from a matrix M: M x for the vectors x that lie `step` apart in an
array, and M X Mᵀ for a square of vectors. `store_all` writes their results.
"""

import numpy as np
from numba import types

from tinygen.kernels.machine.jit import machine_code
from tinygen.kernels.machine.vectors import FLAGS, LANES, VECTOR, lanes, load, place, store


def one_axis(matrices: dict[int, np.ndarray]):
    """A function (form, array, at, step) -> tuple of vectors, with M = matrices[len(form)] known to the compiler."""

    def product(form, array, at, step):
        matrix = matrices[len(form)]
        vectors = [load(array, at + i * step) for i in range(matrix.shape[1])]
        return tuple((matrix @ vectors).astype(np.float32))

    @machine_code(product)
    def code(typing_context, form, array, at, step):
        matrix = matrices[form.count]

        def generate(context, builder, signature, args):
            _, data, first, distance = args
            vectors = [_load(context, builder, array, data, first, (i, distance)) for i in range(len(matrix.T))]
            return context.make_tuple(builder, signature.return_type, _times(builder, matrix, vectors))

        return types.UniTuple(lanes, len(matrix))(form, array, types.intp, types.intp), generate

    return product


def two_axes(matrices: dict[int, np.ndarray]):
    """A function (form, array, at, row, column) -> M X Mᵀ as a tuple, row by row; X has vectors `column` apart."""

    def product(form, array, at, row, column):
        matrix = matrices[len(form)]
        n = matrix.shape[1]
        square = np.array([[load(array, at + i * row + j * column) for j in range(n)] for i in range(n)])
        return tuple(np.einsum("ai,bj,ijq->abq", matrix, matrix, square).astype(np.float32).reshape(-1, LANES))

    @machine_code(product)
    def code(typing_context, form, array, at, row, column):
        matrix = matrices[form.count]

        def generate(context, builder, signature, args):
            _, data, first, down, right = args
            n = range(len(matrix.T))
            square = [[_load(context, builder, array, data, first, (i, down), (j, right)) for i in n] for j in n]
            columns = [_times(builder, matrix, vectors) for vectors in square]
            rows = [_times(builder, matrix, [vectors[a] for vectors in columns]) for a in range(len(matrix))]
            return context.make_tuple(builder, signature.return_type, [vector for row in rows for vector in row])

        return types.UniTuple(lanes, len(matrix) ** 2)(form, array, *[types.intp] * 3), generate

    return product


def store_all(array, at, step, values):
    """Write the vectors of a tuple to the flat array, `step` apart, from entry `at` on."""
    for k, value in enumerate(values):
        store(array, at + k * step, value)


@machine_code(store_all)
def _store_all(typing_context, array, at, step, values):
    def generate(context, builder, signature, args):
        data, first, distance, vectors = args
        for k in range(values.count):
            pointer = place(context, builder, array, data, first, (k, distance))
            builder.store(builder.extract_value(vectors, k), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, values), generate


def _load(context, builder, array_type, array, at, *steps):
    return builder.load(place(context, builder, array_type, array, at, *steps), align=4)


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
