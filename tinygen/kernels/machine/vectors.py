"""Several neighbouring numbers at once: `lanes`, the vectors of a processor, with `load`, `store`, + and *.

A compiler finds vectors in simple loops by itself. It gives up on a loop over dozens of arrays, and it does not know
which sums must stay in registers. There the kernels use vectors explicitly: `load(a, i)` is a[i : i + LANES] of a flat
array, arithmetic is entry by entry, `store(a, i, v)` writes it back; `transpose` turns a square of vectors.

With NUMBA_DISABLE_JIT the plain Python functions below run, on slices. They are also the definition.
"""

import operator

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from tinygen.kernels.machine.jit import FASTMATH, INNER, instruction, machine_code
from tinygen.kernels.machine.memory import LINE

WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)  # 32 registers of 16 float32, else 16 of 8
LANES = 16 if WIDE else 8  # float32 fill a register; as many float64 take two

FLAGS = tuple(sorted(FASTMATH))
VECTORS = {types.float32: ir.VectorType(ir.FloatType(), LANES), types.float64: ir.VectorType(ir.DoubleType(), LANES)}
VECTOR = VECTORS[types.float32]

# -- in plain Python ---------------------------------------------------------------------------------------------------


def load(array, at):
    """LANES numbers of the flat array, from entry `at` on."""
    return array[at : at + LANES].copy()


def store(array, at, value):
    """Write LANES numbers into the flat array, from entry `at` on, which may be one of whole numbers."""
    array[at : at + LANES] = value


def stream(array, at, value):
    """`store` past the caches, to where a cache line or a vector begins: memory need not be read to be overwritten."""
    array[at : at + LANES] = value


def copy_few(source, at, target, to, count):
    """target[to : to + count] = source[at : at + count], flat arrays of one type, fewer numbers than LANES."""
    target[to : to + count] = source[at : at + count]


def nothing(array):
    """LANES zeros of the array's type."""
    return np.zeros(LANES, array.dtype)


def larger(value, other):
    """The larger of both in each lane; `other` is a vector or a number. NaN where `value` has NaN."""
    return np.where(value < other, other, value)


def largest(value):
    """The largest of its lanes; if one has NaN, any of them."""
    return value.max()


def chosen(best, place, value, number):
    """Lane by lane the larger of `best` and `value`, NaN above all, and `number` instead of `place` where it is new.

    `number` is one for all lanes, or one for each.
    """
    better = ~(value <= best) & (best == best)
    return np.where(better, value, best), np.where(better, number, place)


def kept(value, places, at, number):
    """`value` where LANES entries of the flat array `places` are `number`, else 0."""
    return np.where(places[at : at + LANES] == number, value, 0)


def transpose(source, at, source_row, target, to, target_row):
    """Copy LANES rows of LANES numbers as columns; the rows begin at `at` + i · source_row, and at `to` likewise."""
    rows = [load(source, at + i * source_row) for i in range(LANES)]
    for i, row in enumerate(zip(*rows)):
        store(target, to + i * target_row, row)


# -- as machine code ---------------------------------------------------------------------------------------------------


class _Lanes(types.Type):
    def __init__(self, number):
        self.number = number
        super().__init__(name=f"{number}x{LANES}")


lanes = {number: _Lanes(number) for number in VECTORS}


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, type_):
        super().__init__(manager, type_, VECTORS[type_.number])


def everywhere(builder, number):
    """The vector that holds one number in all its lanes."""
    undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def address(context, builder, array_type, array, at):
    """A pointer to entry `at` of an array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [at])


def vector_at(builder, pointer):
    return builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, LANES).as_pointer())


def place(context, builder, array_type, array, at, *steps):
    """A pointer to the vector at entry at + Σ times · size of an array, for `steps` (times, size)."""
    for times, size in steps:
        at = builder.add(at, builder.mul(size, size.type(times)))
    return vector_at(builder, address(context, builder, array_type, array, at))


@machine_code(load, lambda array, at: lanes[array.dtype])
def _load(context, builder, kinds, array, at):
    return builder.load(place(context, builder, kinds[0], array, at), align=4)


@machine_code(store, lambda array, at, value: types.void)
def _store(context, builder, kinds, array, at, value):
    if isinstance(kinds[0].dtype, types.Integer):
        value = builder.fptosi(value, ir.VectorType(context.get_value_type(kinds[0].dtype), LANES))
    builder.store(value, place(context, builder, kinds[0], array, at), align=4)


@machine_code(stream, lambda array, at, value: types.void)
def _stream(context, builder, kinds, array, at, value):
    pointer = place(context, builder, kinds[0], array, at)
    written = builder.store(value, pointer, align=min(LINE, LANES * kinds[0].dtype.bitwidth // 8))
    written.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))


@machine_code(copy_few, lambda *given: types.void)
def _copy_few(context, builder, kinds, source, at, target, to, count):
    number, size = VECTORS[kinds[0].dtype].element, LANES // 2
    while size:  # one copy for each power of two in `count`
        with builder.if_then(builder.trunc(builder.lshr(count, count.type(size.bit_length() - 1)), ir.IntType(1))):
            done = builder.and_(count, count.type(-2 * size))
            part = ir.VectorType(number, size).as_pointer()
            here, there = (
                address(context, builder, kind, array, builder.add(first, done))
                for kind, array, first in ((kinds[0], source, at), (kinds[2], target, to))
            )
            numbers = builder.load(builder.bitcast(here, part), align=4)
            builder.store(numbers, builder.bitcast(there, part), align=4)
        size //= 2
    return context.get_dummy_value()


@machine_code(nothing, lambda array: lanes[array.dtype])
def _nothing(context, builder, kinds, array):
    return VECTORS[kinds[0].dtype]([0.0] * LANES)


@machine_code(larger, lambda value, other: value)
def _larger(context, builder, kinds, value, other):
    other = other if other.type == value.type else everywhere(builder, other)
    return builder.select(builder.fcmp_ordered("<", value, other), other, value)


@machine_code(largest, lambda value: value.number)
def _largest(context, builder, kinds, value):
    distance = LANES // 2
    while distance:  # the larger of each lane and the one at this distance behind it
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [(q + distance) % LANES for q in range(LANES)])
        value = _larger(context, builder, kinds, value, builder.shuffle_vector(value, value, order))
        distance //= 2
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


@machine_code(chosen, lambda best, *others: types.UniTuple(best, 2))
def _chosen(context, builder, kinds, best, place, value, number):
    larger, real = builder.fcmp_unordered(">", value, best), builder.fcmp_ordered("==", best, best)
    better, numbers = builder.and_(larger, real), number if number.type == value.type else everywhere(builder, number)
    pair = builder.select(better, value, best), builder.select(better, numbers, place)
    return context.make_tuple(builder, types.UniTuple(kinds[0], 2), pair)


@machine_code(kept, lambda value, *others: value)
def _kept(context, builder, kinds, value, places, at, number):
    vector = builder.load(place(context, builder, kinds[1], places, at), align=4)
    found = builder.icmp_signed("==", vector, everywhere(builder, builder.trunc(number, vector.type.element)))
    return builder.select(found, value, value.type([0.0] * LANES))


@machine_code(transpose, lambda *given: types.void)
def _transpose(context, builder, kinds, source, at, source_row, target, to, target_row):
    pointers = [place(context, builder, kinds[0], source, at, (i, source_row)) for i in range(LANES)]
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
        builder.store(rows[i], place(context, builder, kinds[3], target, to, (i, target_row)), align=4)


def _arithmetic(operation, instruction_name: str) -> None:
    """Let an operator work on two vectors, or on a vector and a number, which then is in all lanes."""

    @instruction(lambda a, b: a if isinstance(a, _Lanes) else b)
    def call(context, builder, kinds, a, b):
        number = next(kind.number for kind in kinds if isinstance(kind, _Lanes))
        a, b = (
            value if isinstance(kind, _Lanes) else everywhere(builder, context.cast(builder, value, kind, number))
            for kind, value in zip(kinds, (a, b))
        )
        return getattr(builder, instruction_name)(a, b, flags=FLAGS)

    @overload(operation, jit_options=INNER)
    def code(a, b):
        return (lambda a, b: call(a, b)) if isinstance(a, _Lanes) or isinstance(b, _Lanes) else None


for _operation, _name in ((operator.add, "fadd"), (operator.iadd, "fadd"), (operator.mul, "fmul")):
    _arithmetic(_operation, _name)
