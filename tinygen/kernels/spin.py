"""Waiting for another thread without going to sleep: being woken takes longer than most kernels do."""

import time

from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

PAUSE = 8000  # looks, a few microseconds: the one who made the change should have let go of Python's lock by then


@intrinsic
def _look(typing_context, array):
    """The first entry of an int64 array as it is now in memory, not as it was when the loop began."""

    def code(context, builder, signature, arguments):
        pointer = context.make_array(array)(context, builder, arguments[0]).data
        return builder.load_atomic(pointer, "acquire", align=8, typ=ir.IntType(64))

    return types.int64(array), code


@njit(nogil=True, cache=True)
def _changed(cell, seen, looks):
    for _ in range(looks):
        if _look(cell) != seen:
            for _ in range(PAUSE):
                _look(cell)
            return True
    return False


def changed(cell, seen: int, looks: int) -> bool:
    """Look at an int64 array of one entry until it is no longer `seen`, at most `looks` times; others run meanwhile."""
    if config.DISABLE_JIT:
        time.sleep(0)
        return cell[0] != seen
    return _changed(cell, seen, looks)
