"""The matrix product that convolutions are made of: tiles of the result whose sums never leave the registers.

Every entry of x that a tile loads meets all columns of the tile, every vector of w all its rows, so that the processor
multiplies instead of waiting for memory. The innermost loop is put together by hand, one machine instruction each: no
compiler keeps the sums in registers by itself.
"""

import numpy as np
from llvmlite import ir
from numba import types

from tinygen.kernels.machine.jit import machine_code, piece
from tinygen.kernels.machine.numba_internals import cgutils
from tinygen.kernels.machine.vectors import FLAGS, LANES, VECTORS, WIDE, address, everywhere, load, store, vector_at

FLOAT32 = np.dtype(np.float32)
COLUMNS = 2 * LANES
WIDEST = 3 * LANES  # columns of the last panel, at most
# Rows of a tile: with two vectors of float32 each, the sums of a tall one fill nearly all registers.
TALL = 14 if WIDE else 6
ROWS = 8 if WIDE else 4
# By vectors; one needs more rows, or the processor waits for sums; three are what an odd number of them ends with.
HEIGHTS = {1: (2 * ROWS, ROWS, 1), 2: (TALL, ROWS, 7 if WIDE else 4, 4, 3, 1), 3: (ROWS, 1)}


@piece
def multiply(x, x_at, walk, sizes, w, w_at, w_row, start, start_at, start_row, y, y_at, y_row, n, m):
    """y (N, M) = start + x (N, K) @ w (K, M), all in flat arrays of one type, each from its `at` on; LANES divides M.

    The K numbers of a row of x are (groups, runs, count) = `sizes`, and number (p, q, j) of row i is entry x_at +
    i · walk[0] + p · walk[1] + q · walk[2] + j · walk[3]: so the windows of an image are read in place, and so is a
    transpose. Row i of w begins at w_at + i · w_row, and of y and start likewise: with `start_row` 0 all rows start
    alike. A sum runs in the order of w, whatever rows are asked for together.
    """
    j = 0
    while j < m:
        vectors = 1  # which is two registers of float64
        if x.dtype == FLOAT32:
            vectors = panel_width(j, m) // LANES
        height = 2 * ROWS if vectors == 1 and x.dtype == FLOAT32 and n >= 2 * ROWS else ROWS
        if vectors == 2:  # images are often 28 pixels wide, or 14, or 7; seven rows don't fill the fewer registers
            height = TALL if n % TALL == 0 else 7 if WIDE and n % 7 == 0 and n % ROWS else ROWS
        i = 0
        while i < n:
            left = n - i
            if not WIDE and vectors == 2 and left >= TALL + ROWS:
                rows = TALL
            elif left >= height:
                rows = height
            elif start_row == 0 and n >= height and left > 1:
                i, rows = n - height, height  # some rows once more, which is cheaper than one by one
            elif vectors != 2:
                rows = ROWS if left >= ROWS else 1
            else:
                rows = 4 if left >= 4 else 3 if left == 3 else 1
            at, before, to = x_at + i * walk[0], start_at + i * start_row + j, y_at + i * y_row + j
            tile(rows, vectors, x, at, walk, sizes, w, w_at + j, w_row, start, before, start_row, y, to, y_row)
            i += rows
        j += vectors * LANES


@piece
def panel_width(j, m):
    """The columns of the panel that begins at column j of m: three vectors at the end, rather than two and one."""
    return m - j if m - j <= WIDEST else COLUMNS


@piece
def panels_of(m):
    """How many panels m columns have."""
    return max(1, m // COLUMNS)


def tile(rows, vectors, x, x_at, walk, sizes, w, w_at, w_row, start, start_at, start_row, y, y_at, y_row):
    """`multiply` for a few rows and `vectors` vectors of columns, as HEIGHTS has them."""
    groups, runs, count = sizes
    for r in range(rows):
        for v in range(0, vectors * LANES, LANES):
            total = load(start, start_at + r * start_row + v)
            for k in range(groups * runs * count):
                p, q, j = k // (runs * count), k // count % runs, k % count
                entry = x[x_at + r * walk[0] + p * walk[1] + q * walk[2] + j * walk[3]]
                total = total + entry * load(w, w_at + k * w_row + v)
            store(y, y_at + r * y_row + v, total)


@machine_code(tile, lambda *given: types.void)
def _tile(context, builder, kinds, rows, vectors, *args):
    end = builder.append_basic_block()
    choice = builder.switch(builder.add(builder.shl(vectors, vectors.type(8)), rows), end)
    single = kinds[2].dtype == types.float32
    tiles = [(height, width) for width, heights in HEIGHTS.items() for height in dict.fromkeys(heights)]
    for height, width in tiles if single else [(ROWS, 1), (1, 1)]:
        block = builder.append_basic_block()
        choice.add_case(width << 8 | height, block)
        builder.position_at_end(block)
        _generate(height, width, context, builder, kinds[2:], args)
        builder.branch(end)
    builder.position_at_end(end)


def _generate(rows, vectors, context, builder, kinds, args):
    """`tile` as machine code: rows · vectors sums in registers, and the loops around what is done with them."""
    x, x_at, walk, sizes, w, w_at, w_row, start, start_at, start_row, y, y_at, y_row = args
    x_type, w_type, start_type, y_type = (kinds[i] for i in (0, 4, 7, 10))
    x_row, x_group, x_run, x_step = (builder.extract_value(walk, i) for i in range(4))
    groups, runs, count = (builder.extract_value(sizes, i) for i in range(3))
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    number = count.type

    def on(pointer, *steps):
        """The pointer, moved on by a sum of products of two integers."""
        for times, size in steps:
            pointer = builder.gep(pointer, [builder.mul(number(times) if isinstance(times, int) else times, size)])
        return pointer

    x_first = address(context, builder, x_type, x, x_at)
    w_first = address(context, builder, w_type, w, w_at)
    start_first = address(context, builder, start_type, start, start_at)
    y_first = address(context, builder, y_type, y, y_at)
    vector = VECTORS[y_type.dtype]
    sums = {cell: cgutils.alloca_once(builder, vector) for cell in cells}  # LLVM makes registers of these
    for r, v in cells:
        place = vector_at(builder, on(start_first, (r, start_row), (v, number(LANES))))
        builder.store(builder.load(place, align=4), sums[r, v])
    # A pointer for three rows: one step, or two, the processor adds by itself as it loads. The steps are hidden from
    # LLVM, which would make the pointers a chain of sums, each waiting for the one before.
    hide = ir.InlineAsm(ir.FunctionType(number, [number]), "", "=r,0")
    step = builder.call(hide, [x_row])
    thirds = [builder.call(hide, [builder.mul(number(r), x_row)]) for r in range(3, rows, 3)]

    with cgutils.for_range(builder, groups) as group, cgutils.for_range(builder, runs) as run:
        x_here = on(x_first, (group.index, x_group), (run.index, x_run))
        w_here = on(w_first, (builder.mul(builder.add(builder.mul(group.index, runs), run.index), count), w_row))
        with cgutils.for_range(builder, count) as loop:
            x_now, w_now = on(x_here, (loop.index, x_step)), on(w_here, (loop.index, w_row))
            columns = [builder.load(vector_at(builder, on(w_now, (v, number(LANES)))), align=4) for v in range(vectors)]
            pointers = [x_now, *(builder.gep(x_now, [third]) for third in thirds)]
            for r in range(rows):
                entry = everywhere(builder, builder.load(on(pointers[r // 3], (r % 3, step))))
                for v in range(vectors):
                    product = builder.fmul(entry, columns[v], flags=FLAGS)
                    builder.store(builder.fadd(builder.load(sums[r, v]), product, flags=FLAGS), sums[r, v])
            end = builder.block
        _never_unrolled(builder.module, end.terminator)

    for r, v in cells:
        place = vector_at(builder, on(y_first, (r, y_row), (v, number(LANES))))
        builder.store(builder.load(sums[r, v]), place, align=4)


def _never_unrolled(module, branch):
    """Tell LLVM to leave a loop, whose last instruction this is: with several steps in one, registers run out."""
    disable = module.add_metadata(["llvm.loop.unroll.disable"])
    loop = module.add_metadata([disable, disable])
    loop.operands = [loop, disable]  # what tells one loop from another is that its node names itself
    branch.set_metadata("llvm.loop", loop)
