"""Lists of arrays as one job, cut into blocks of neighbouring entries, those of the first array of each list first.

A call for each array would take longer than the arithmetic of a small one. So a kernel gets the addresses of the array
objects, and reads in each where its numbers are, as NumPy's C interface lays it down for `PyArrayObject`.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import chain

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.np.numpy_support import carray

from tinygen.kernels.machine.jit import machine_code, piece
from tinygen.kernels.machine.threads import share

BLOCK = 1024  # entries: the five arrays of Adam take 20 kB, which the first-level cache holds
HEAD = object.__basicsize__  # bytes of a Python object, after which an array has the address of its numbers


def share_lists(kernel: Callable, lists: list[list[np.ndarray]], *args) -> None:
    """`share` the blocks of these lists, for each type of number by itself; the arrays must be in C order.

    The kernel gets, before `args`, what `find` and `part` need: a table, and an array of the type.
    """
    first = lists[0]
    kinds = dict.fromkeys([x.dtype for x in first])
    for kind in kinds:
        if len(kinds) > 1:
            alike = [i for i, x in enumerate(first) if x.dtype == kind]
            chosen = [[xs[i] for i in alike] for xs in lists]
        else:
            chosen = lists
        share(kernel, blocks_of(chosen[0]), table(chosen), _like(kind), *args)


def blocks_of(xs: list[np.ndarray]) -> int:
    """How many blocks the arrays of a list have together."""
    return sum([-(-x.size // BLOCK) for x in xs])


def table(lists: list[list[np.ndarray]]) -> np.ndarray:
    """A column for each array of a list: its size, then the address of the array object, one row for each list."""
    sizes = [x.size for x in lists[0]]
    return np.fromiter(chain(sizes, map(id, chain(*lists))), np.int64).reshape(-1, len(sizes))


@cache
def _like(kind) -> np.ndarray:
    return np.empty(0, kind)


@piece
def find(table, block, i, first):
    """(i, first) of the array that has `block`, and its first block; the search begins at such a pair, as (0, 0)."""
    while block >= first + (table[0, i] + BLOCK - 1) // BLOCK:
        first += (table[0, i] + BLOCK - 1) // BLOCK
        i += 1
    return i, first


@njit(inline="always")
def part(table, row, i, block, like):
    """The entries in block number `block` of array i of the list in this row, 1 for the first."""
    return carray(pointer(table[row, i], like), (table[0, i],))[block * BLOCK : (block + 1) * BLOCK]


def pointer(address, like):
    """Where the numbers of an array object are, which have the type of `like`."""
    array = ctypes.cast(int(address), ctypes.py_object).value
    return array.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(like.dtype)))


@machine_code(pointer, lambda address, like: types.CPointer(like.dtype))
def _pointer(context, builder, kinds, address, like):
    kind = context.get_value_type(types.CPointer(kinds[1].dtype))
    return builder.load(builder.inttoptr(builder.add(address, ir.IntType(64)(HEAD)), kind.as_pointer()))
