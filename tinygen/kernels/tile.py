"""The matrix product that convolutions are made of: tiles of the result whose sums never leave the registers.

Every entry of x that a tile loads meets all columns of the tile, every vector of w all its rows, so that the processor
multiplies instead of waiting for memory. The innermost loop is put together by hand, one machine instruction each: no
compiler keeps the sums in registers by itself.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from tinygen.kernels.jit import UNCOUNTED, piece
from tinygen.kernels.lanes import FLAGS, LANES, VECTOR, WIDE, address, everywhere, load, store, vector_at

COLUMNS = 2 * LANES
# Rows of a tile: with two vectors each, the sums of a tall one fill nearly all registers.
TALL = 14 if WIDE else 6
ROWS = 8 if WIDE else 4


@piece
def multiply(x, x_at, x_row, x_step, x_run, w, w_at, start, start_at, start_row, y, y_at, y_row, n, k, runs, m):
    """y (N, M) = start + x (N, runs · K) @ w (runs · K, M), float32 in flat arrays, each from its `at` on.

    A row of x is `runs` runs of K numbers: number j of run q in row i stands at x_at + i · x_row + q · x_run +
    j · x_step, so a window of an image, or a transpose, is read where it lies. w is contiguous, M a multiple of LANES.
    Row i of y begins at y_at + i · y_row, and of start likewise: with `start_row` 0 all rows start alike. A sum runs in
    the order of w, whatever rows are asked for together.
    """
    # Images are often 28 pixels wide, or 14, or 7.
    height = TALL if n % TALL == 0 else 7 if n % 7 == 0 and n % ROWS else ROWS
    for j in range(0, m, COLUMNS):
        wide = j + COLUMNS <= m
        i = 0
        while i < n:
            left = n - i
            if not wide:
                rows = ROWS if left >= ROWS else 1
            elif left >= height:
                rows = height
            elif start_row == 0 and n >= height:
                i, rows = n - height, height  # some rows once more: dearer than nothing, cheaper than one by one
            else:
                rows = 4 if left >= 4 else 3 if left == 3 else 1
            at, before, to = x_at + i * x_row, start_at + i * start_row + j, y_at + i * y_row + j
            a, b = w_at + j, m
            if not wide and rows == ROWS:
                tile(ROWS, 1, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif not wide:
                tile(1, 1, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif rows == TALL:
                tile(TALL, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif rows == ROWS:
                tile(ROWS, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif rows == 7:
                tile(7, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif rows == 4:
                tile(4, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            elif rows == 3:
                tile(3, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            else:
                tile(1, 2, x, at, x_row, x_step, x_run, w, a, b, start, before, start_row, y, to, y_row, k, runs)
            i += rows


def tile(
    rows, vectors, x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs
):
    """`multiply` for a few rows and as many columns as `vectors` hold; both numbers stand in the call as they are."""
    for r in range(rows):
        for v in range(0, vectors * LANES, LANES):
            total = load(start, start_at + r * start_row + v)
            for q in range(runs):
                for j in range(k):
                    entry = x[x_at + r * x_row + q * x_run + j * x_step]
                    total = total + entry * load(w, w_at + (q * k + j) * w_step + v)
            store(y, y_at + r * y_row + v, total)


@overload(tile, prefer_literal=True, jit_options=UNCOUNTED)
def _tile_overload(
    rows, vectors, x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs
):
    machine_tile = _machine_tile(rows.literal_value, vectors.literal_value)

    def chosen(
        rows,
        vectors,
        x,
        x_at,
        x_row,
        x_step,
        x_run,
        w,
        w_at,
        w_step,
        start,
        start_at,
        start_row,
        y,
        y_at,
        y_row,
        k,
        runs,
    ):
        machine_tile(
            x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs
        )

    return chosen


def _machine_tile(rows: int, vectors: int):
    """`tile` as machine code: rows · vectors sums in registers, and two loops around what is done with them."""

    @intrinsic
    def machine_tile(
        typingctx, x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs
    ):
        given = x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs
        arguments = [a if isinstance(a, types.Array) else types.intp for a in given]
        return types.void(*arguments), lambda *code: _generate(rows, vectors, *code)

    return machine_tile


def _generate(rows, vectors, context, builder, signature, args):
    x, x_at, x_row, x_step, x_run, w, w_at, w_step, start, start_at, start_row, y, y_at, y_row, k, runs = args
    x_type, w_type, start_type, y_type = (signature.args[i] for i in (0, 5, 8, 11))
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    number = k.type

    def on(pointer, *steps):
        """The pointer, moved on by a sum of products of two integers."""
        for count, size in steps:
            pointer = builder.gep(pointer, [builder.mul(number(count) if isinstance(count, int) else count, size)])
        return pointer

    x_first = address(context, builder, x_type, x, x_at)
    w_first = address(context, builder, w_type, w, w_at)
    start_first = address(context, builder, start_type, start, start_at)
    y_first = address(context, builder, y_type, y, y_at)
    sums = {cell: cgutils.alloca_once(builder, VECTOR) for cell in cells}  # LLVM makes registers of these
    for r, v in cells:
        place = vector_at(builder, on(start_first, (r, start_row), (v, number(LANES))))
        builder.store(builder.load(place, align=4), sums[r, v])
    # Hidden from LLVM, which would make the row pointers a chain of sums, each waiting for the one before.
    hide = ir.InlineAsm(ir.FunctionType(number, [number]), "", "=r,0")
    half = min(rows, 7)  # with two pointers, half as many steps between rows need a register
    steps = [builder.call(hide, [builder.mul(number(r), x_row)]) for r in range(half)]
    second = builder.call(hide, [builder.mul(number(half), x_row)])

    with cgutils.for_range(builder, runs) as run:
        x_here = on(x_first, (run.index, x_run))
        w_here = on(w_first, (builder.mul(run.index, k), w_step))
        with cgutils.for_range(builder, k) as loop:
            x_now, w_now = on(x_here, (loop.index, x_step)), on(w_here, (loop.index, w_step))
            row_of_w = [
                builder.load(vector_at(builder, on(w_now, (v, number(LANES)))), align=4) for v in range(vectors)
            ]
            bases = x_now, builder.gep(x_now, [second])
            for r in range(rows):
                entry = everywhere(builder, builder.load(builder.gep(bases[r // half], [steps[r % half]])))
                for v in range(vectors):
                    product = builder.fmul(entry, row_of_w[v], flags=FLAGS)
                    builder.store(builder.fadd(builder.load(sums[r, v]), product, flags=FLAGS), sums[r, v])

    for r, v in cells:
        place = vector_at(builder, on(y_first, (r, y_row), (v, number(LANES))))
        builder.store(builder.load(sums[r, v]), place, align=4)
    return context.get_dummy_value()
