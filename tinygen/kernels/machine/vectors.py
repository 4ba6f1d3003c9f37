"""Several neighbouring numbers at once: `lanes`, the vectors of a processor, with `load`, `store`, `total`, + - and *.

A compiler finds vectors in simple loops by itself. It gives up on a loop over dozens of arrays, and it does not know
which sums must stay in registers. There the kernels use vectors explicitly: `load(a, i)` is a[i : i + LANES] of a flat
float32 array, arithmetic is entry by entry, `store(a, i, v)` writes it back; `transpose` turns a square of vectors.

With NUMBA_DISABLE_JIT the plain Python functions below run, on slices. They are also the definition.
"""

import operator

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import models, register_model

from tinygen.kernels.machine.jit import FASTMATH, machine_code
from tinygen.kernels.machine.numba_internals import define_operator, imputils

WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)  # 32 registers of 16 float32, else 16 of 8
LANES = 16 if WIDE else 8

FLAGS = tuple(sorted(FASTMATH))
VECTOR = ir.VectorType(ir.FloatType(), LANES)

# -- in plain Python ---------------------------------------------------------------------------------------------------


def load(array, at):
    """LANES numbers of the flat float32 array, from entry `at` on."""
    return array[at : at + LANES].copy()


def store(array, at, value):
    """Write LANES numbers into the flat array, from entry `at` on."""
    array[at : at + LANES] = value


def nothing():
    """LANES zeros."""
    return np.zeros(LANES, np.float32)


def any_array(array):
    """The same array, its type without "read-only", so that a part that gets it is compiled once for both kinds."""
    return array


def total(value):
    """The sum of all lanes, in an order that never changes."""
    return value.sum()


def larger(value, number):
    """Lane by lane the larger of both; NaN where there is NaN."""
    return np.where(value < number, number, value)


def transpose(source, at, source_row, target, to, target_row):
    """Copy LANES rows of LANES numbers as columns; the rows begin at `at` + i · source_row, and at `to` likewise."""
    rows = [load(source, at + i * source_row) for i in range(LANES)]
    for i, row in enumerate(zip(*rows)):
        store(target, to + i * target_row, row)


# -- as machine code ---------------------------------------------------------------------------------------------------


class _Lanes(types.Type):
    def __init__(self):
        super().__init__(name=f"float32x{LANES}")


lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, type_):
        super().__init__(manager, type_, VECTOR)


def everywhere(builder, number):
    """The vector that holds one number in all its lanes."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    to_all = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), to_all)


def address(context, builder, array_type, array, at):
    """A pointer to entry `at` of an array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [at])


def vector_at(builder, pointer):
    return builder.bitcast(pointer, VECTOR.as_pointer())


def place(context, builder, array_type, array, at, *steps):
    """A pointer to the vector at entry at + Σ times · size of an array, for `steps` (times, size)."""
    for times, size in steps:
        at = builder.add(at, builder.mul(size, size.type(times)))
    return vector_at(builder, address(context, builder, array_type, array, at))


@machine_code(load)
def _load(typingctx, array, at):
    def generate(context, builder, signature, args):
        return builder.load(place(context, builder, array, *args), align=4)

    return lanes(array, types.intp), generate


@machine_code(store)
def _store(typingctx, array, at, value):
    def generate(context, builder, signature, args):
        *entry, vector = args
        builder.store(vector, place(context, builder, array, *entry), align=4)

    return types.void(array, types.intp, lanes), generate


@machine_code(any_array, inline="never")
def _any_array(typingctx, array):
    def generate(context, builder, signature, args):
        return imputils.impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=False)(array), generate


@machine_code(nothing)
def _nothing(typingctx):
    return lanes(), lambda context, builder, signature, args: VECTOR([0.0] * LANES)


@machine_code(total)
def _total(typingctx, value):
    def generate(context, builder, signature, args):
        (vector,), lane = args, ir.IntType(32)
        half = LANES // 2
        while half:  # the upper half onto the lower, until one is left
            order = ir.Constant(ir.VectorType(lane, LANES), [(i + half) % LANES for i in range(LANES)])
            vector = builder.fadd(vector, builder.shuffle_vector(vector, vector, order), flags=FLAGS)
            half //= 2
        return builder.extract_element(vector, ir.Constant(lane, 0))

    return types.float32(lanes), generate


@machine_code(larger)
def _larger(typingctx, value, number):
    def generate(context, builder, signature, args):
        vector, least = args[0], everywhere(builder, args[1])
        return builder.select(builder.fcmp_ordered("<", vector, least), least, vector)

    return lanes(lanes, types.float32), generate


@machine_code(transpose)
def _transpose(typingctx, source, at, source_row, target, to, target_row):
    def generate(context, builder, signature, args):
        x, x_at, x_row, y, y_at, y_row = args
        pointers = [place(context, builder, source, x, x_at, (i, x_row)) for i in range(LANES)]
        rows = [builder.load(pointer, align=4) for pointer in pointers]
        distance = LANES // 2
        while distance:  # blocks of this size change places across the diagonal, then smaller ones within each
            for i in range(LANES):
                if not i & distance:
                    a, b = rows[i], rows[i + distance]
                    upper = [p if not p & distance else LANES + p - distance for p in range(LANES)]
                    lower = [p + distance if not p & distance else LANES + p for p in range(LANES)]
                    orders = (ir.Constant(ir.VectorType(ir.IntType(32), LANES), order) for order in (upper, lower))
                    rows[i], rows[i + distance] = (builder.shuffle_vector(a, b, order) for order in orders)
            distance //= 2
        for i in range(LANES):
            builder.store(rows[i], place(context, builder, target, y, y_at, (i, y_row)), align=4)

    n = types.intp
    return types.void(source, n, n, target, n, n), generate


def _arithmetic(instruction: str):
    """The code of an instruction on two vectors, or on a vector and a number, which then is in all lanes."""

    def generate(context, builder, signature, args):
        a, b = (v if t == lanes else everywhere(builder, v) for t, v in zip(signature.args, args))
        return getattr(builder, instruction)(a, b, flags=FLAGS)

    return generate


define_operator(operator.add, lanes, _arithmetic("fadd"))
define_operator(operator.iadd, lanes, _arithmetic("fadd"))
define_operator(operator.sub, lanes, _arithmetic("fsub"))
define_operator(operator.mul, lanes, _arithmetic("fmul"))
