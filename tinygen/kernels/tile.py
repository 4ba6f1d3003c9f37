"""The matrix product that convolutions are made of: tiles of the result whose sums never leave the registers.

Every entry of x that a tile loads meets all columns of the tile, every vector of w all its rows, so that the processor
multiplies instead of waiting for memory. The innermost loop is put together by hand, one machine instruction each: no
compiler keeps the sums in registers by itself.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from tinygen.kernels.jit import kernel
from tinygen.kernels.lanes import FLAGS, LANES, VECTOR, WIDE, address, everywhere, vector_at

ROWS = 8 if WIDE else 6  # of a tile: with two vectors each, its sums fill half of the registers, or most of the few
COLUMNS = 2 * LANES


@kernel
def multiply(x, x_at, x_row, x_step, w, w_at, y, y_at, n, k, m, add):
    """y (N, M) = x (N, K) @ w (K, M), or += with `add`, all float32 in flat arrays, each from its `at` on.

    x[i, j] stands at x_at + i · x_row + j · x_step, so a transpose is no copy; w and y are contiguous. M is a multiple
    of LANES; the sum over K runs in order, so the result does not depend on which rows are asked for at once.
    """
    whole = n // ROWS * ROWS
    for j in range(0, m, COLUMNS):
        if j + COLUMNS <= m:
            for i in range(0, whole, ROWS):
                tile(x, x_at + i * x_row, x_row, x_step, w, w_at + j, m, y, y_at + i * m + j, m, k, add)
            for i in range(whole, n):
                wide_strip(x, x_at + i * x_row, x_row, x_step, w, w_at + j, m, y, y_at + i * m + j, m, k, add)
        else:
            for i in range(0, whole, ROWS):
                narrow_tile(x, x_at + i * x_row, x_row, x_step, w, w_at + j, m, y, y_at + i * m + j, m, k, add)
            for i in range(whole, n):
                strip(x, x_at + i * x_row, x_row, x_step, w, w_at + j, m, y, y_at + i * m + j, m, k, add)


# -- in plain Python ---------------------------------------------------------------------------------------------------


def tile(x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
    """y[r, :] = (y[r, :] if add else 0) + Σⱼ x[r, j] w[j, :], j < k, for ROWS rows r and COLUMNS columns.

    x[r, j] stands at x_at + r · x_row + j · x_step, row j of w at w_at + j · w_step, row r of y at y_at + r · y_row.
    """
    _plain(ROWS, COLUMNS, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add)


def narrow_tile(x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
    """`tile` with LANES columns: for the last ones."""
    _plain(ROWS, LANES, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add)


def wide_strip(x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
    """`tile` with one row: for the last ones."""
    _plain(1, COLUMNS, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add)


def strip(x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
    """`tile` with one row and LANES columns: for the last corner."""
    _plain(1, LANES, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add)


def _plain(rows, columns, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
    for r in range(rows):
        row = y[y_at + r * y_row :][:columns]
        total = row.copy() if add else np.zeros_like(row)
        for j in range(k):
            total += x[x_at + r * x_row + j * x_step] * w[w_at + j * w_step :][:columns]
        row[:] = total


# -- as machine code ---------------------------------------------------------------------------------------------------


def _machine_tile(rows: int, vectors: int):
    """The loop over k with rows · vectors sums in registers, as an intrinsic with the arguments of `tile`."""

    @intrinsic
    def machine_tile(typingctx, x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
        number = types.intp
        arguments = (x, number, number, number, w, number, number, y, number, number, number, types.boolean)
        return types.void(*arguments), lambda *given: _generate(rows, vectors, *given)

    return machine_tile


def _generate(rows, vectors, context, builder, signature, args):
    x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add = args
    x_type, w_type, y_type = (signature.args[i] for i in (0, 4, 7))
    cells = [(r, v) for r in range(rows) for v in range(vectors)]

    def entry(start, *steps):
        """The pointer `start` moved on by a sum of products of two integers."""
        for count, size in steps:
            start = builder.gep(start, [builder.mul(k.type(count) if isinstance(count, int) else count, size)])
        return start

    x_start = address(context, builder, x_type, x, x_at)
    w_start = address(context, builder, w_type, w, w_at)
    y_start = address(context, builder, y_type, y, y_at)
    lane = k.type(LANES)
    places = {(r, v): vector_at(builder, entry(y_start, (r, y_row), (v, lane))) for r, v in cells}
    sums = {cell: cgutils.alloca_once(builder, VECTOR) for cell in cells}  # LLVM makes registers of these
    for cell in cells:
        builder.store(VECTOR([0.0] * LANES), sums[cell])
    with builder.if_then(add):
        for cell in cells:
            builder.store(builder.load(places[cell], align=4), sums[cell])

    # Hidden from LLVM, which would make the row pointers a chain of sums, each waiting for the one before.
    hide = ir.InlineAsm(ir.FunctionType(k.type, [k.type]), "", "=r,0")
    rows_of_x = [builder.call(hide, [builder.mul(k.type(r), x_row)]) for r in range(rows)]
    with cgutils.for_range(builder, k) as loop:
        x_now, w_now = entry(x_start, (loop.index, x_step)), entry(w_start, (loop.index, w_step))
        row_of_w = [builder.load(vector_at(builder, entry(w_now, (v, lane))), align=4) for v in range(vectors)]
        for r in range(rows):
            number = everywhere(builder, builder.load(builder.gep(x_now, [rows_of_x[r]])))
            for v in range(vectors):
                product = builder.fmul(number, row_of_w[v], flags=FLAGS)
                builder.store(builder.fadd(builder.load(sums[r, v]), product, flags=FLAGS), sums[r, v])

    for cell in cells:
        builder.store(builder.load(sums[cell]), places[cell], align=4)
    return context.get_dummy_value()


def _compile(plain, rows: int, vectors: int) -> None:
    """Inside kernels, a call of the plain function becomes the machine code for its size."""
    machine_tile = _machine_tile(rows, vectors)

    @overload(plain)
    def chosen(x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add):
        return lambda x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add: machine_tile(
            x, x_at, x_row, x_step, w, w_at, w_step, y, y_at, y_row, k, add
        )


_compile(tile, ROWS, 2)
_compile(narrow_tile, ROWS, 1)
_compile(wide_strip, 1, 2)
_compile(strip, 1, 1)
