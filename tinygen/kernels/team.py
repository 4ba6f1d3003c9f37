"""Sharing a kernel's blocks with threads that wait in machine code, where Python's lock is not needed.

Who has work writes on a board where it is and opens the door; whoever finds the door open goes in, takes parts until
none is left, and goes out. Then the door is closed, and the work is done when nobody is inside. On the way nobody is
woken up or waits for a lock, and so a hand-over takes a microsecond, where threads of Python take twenty.
"""

from functools import cache
from types import FunctionType

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from tinygen.kernels.jit import UNCOUNTED, compiled

# Entries of a board. Those that many write to at once are apart, each on a line of the cache of its own.
DOOR, NEXT, BUSY, FAILED, CODE, DATA, BLOCKS, PARTS, CALL = 0, 8, 16, 17, 24, 25, 26, 27, 28
OPEN = 1 << 32  # added to the door, which counts who is inside
LOOKS = 1 << 19  # before a helper goes to sleep: some tenths of a millisecond, as between two ops of a model

machine = compiled(**UNCOUNTED)


def new_board() -> np.ndarray:
    """What a team shares: an int64 array, all zero while nothing is to do."""
    return np.zeros(32, np.int64)


# -- what processors offer to threads that share memory ----------------------------------------------------------------


@intrinsic
def look(typing_context, board, at):
    """The entry as it is now in memory, not as it was when a loop began."""

    def code(context, builder, signature, given):
        return builder.load_atomic(_entry(context, builder, board, given), "acquire", align=8, typ=ir.IntType(64))

    return types.int64(board, types.intp), code


@intrinsic
def put(typing_context, board, at, value):
    """Write the entry; whoever sees it sees all that was written before."""

    def code(context, builder, signature, given):
        builder.store_atomic(given[2], _entry(context, builder, board, given), "release", align=8)

    return types.void(board, types.intp, types.int64), code


@intrinsic
def add(typing_context, board, at, value):
    """Add to the entry; the answer is what it was before."""

    def code(context, builder, signature, given):
        return builder.atomic_rmw("add", _entry(context, builder, board, given), given[2], "acq_rel")

    return types.int64(board, types.intp, types.int64), code


@intrinsic
def swap(typing_context, board, at, before, after):
    """Write `after` if the entry is `before`; whether it was."""

    def code(context, builder, signature, given):
        pointer = _entry(context, builder, board, given)
        return builder.extract_value(builder.cmpxchg(pointer, given[2], given[3], "acq_rel", "acquire"), 1)

    return types.boolean(board, types.intp, types.int64, types.int64), code


def _entry(context, builder, board, given):
    return builder.gep(context.make_array(board)(context, builder, given[0]).data, [given[1]])


# -- code and its arguments, for whoever is handed the two addresses ---------------------------------------------------

BODY = ir.FunctionType(ir.IntType(32), [ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(64)])


@intrinsic
def address_of_code(typing_context, kernel, arguments):
    """Of a function (data, start, stop) that calls kernel(*arguments, start, stop), for `arguments` stored at data."""
    given = (*arguments.types, types.int64, types.int64)
    signature_of_kernel = typing_context.resolve_function_type(kernel, given, {})

    def code(context, builder, signature, _):
        compiled_kernel = kernel.dispatcher.get_compile_result(signature_of_kernel)
        context.add_linking_libs([compiled_kernel.library])
        body = ir.Function(builder.module, BODY, builder.module.get_unique_name("body"))
        body.linkage = "internal"
        inside = ir.IRBuilder(body.append_basic_block())
        stored = inside.bitcast(body.args[0], context.get_value_type(arguments).as_pointer())
        values = [*cgutils.unpack_tuple(inside, inside.load(stored)), *body.args[1:]]
        status, _ = context.call_internal_no_propagate(inside, compiled_kernel.fndesc, signature_of_kernel, values)
        inside.ret(inside.zext(status.is_error, ir.IntType(32)))
        return builder.ptrtoint(body, ir.IntType(64))

    return types.int64(kernel, arguments), code


@intrinsic
def address_of_data(typing_context, arguments):
    """Where a copy of the arguments lies, until the function that asks returns."""

    def code(context, builder, signature, given):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, given[0]), ir.IntType(64))

    return types.int64(arguments), code


@intrinsic
def call(typing_context, code_at, data_at, start, stop):
    """The kernel on blocks `start` to `stop`; 1 if it failed, else 0."""

    def code(context, builder, signature, given):
        body = builder.inttoptr(given[0], BODY.as_pointer())
        status = builder.call(body, [builder.inttoptr(given[1], BODY.args[0]), *given[2:]])
        return builder.zext(status, ir.IntType(64))

    return types.int64(*[types.int64] * 4), code


# -- the protocol ------------------------------------------------------------------------------------------------------


@machine
def work(board):
    """Take parts until none is left."""
    code, data, blocks, parts = board[CODE], board[DATA], board[BLOCKS], board[PARTS]
    part = add(board, NEXT, 1)
    while part < parts:
        if call(code, data, blocks * part // parts, blocks * (part + 1) // parts):
            put(board, FAILED, 1)
        part = add(board, NEXT, 1)


@machine
def run(board, code, data, blocks, parts):
    """Do all blocks, here and in whoever comes in; alone if another thread has the team. 1 if the kernel failed."""
    if parts < 2 or not swap(board, BUSY, 0, 1):
        return call(code, data, 0, blocks)
    board[CODE], board[DATA], board[BLOCKS], board[PARTS] = code, data, blocks, parts
    board[CALL] += 1
    board[FAILED] = 0
    put(board, NEXT, 0)
    put(board, DOOR, OPEN)
    work(board)
    add(board, DOOR, -OPEN)
    while look(board, DOOR):
        pass
    failed = look(board, FAILED)
    put(board, BUSY, 0)
    return failed


@machine
def help_out(board, most_looks):
    """Look out for an open door, and work; back when there was none for so many looks."""
    last, looks = 0, 0
    while looks < most_looks:
        door = look(board, DOOR)
        if door >= OPEN and look(board, CALL) != last and swap(board, DOOR, door, door + 1):
            last, looks = board[CALL], 0
            work(board)
            add(board, DOOR, -1)
        looks += 1


@cache
def shared(kernel):
    """The kernel as `f(board, blocks, parts, *arguments)`, its blocks shared with whoever looks at the board.

    None if it isn't compiled: threads in plain Python would only wait for each other. Else a copy of the function below that calls this kernel, named and placed like it, so that numba keeps its machine code
    beside the kernel's.
    """
    if not isinstance(kernel, Dispatcher):
        return None
    origin = kernel.py_func.__code__
    code = _shared.__code__.replace(co_filename=origin.co_filename, co_firstlineno=origin.co_firstlineno)
    function = FunctionType(code, {**globals(), "KERNEL": kernel}, kernel.py_func.__name__ + "_shared")
    function.__module__, function.__qualname__ = kernel.py_func.__module__, function.__name__
    return compiled()(function)


def _shared(board, blocks, parts, *arguments):
    return run(board, address_of_code(KERNEL, arguments), address_of_data(arguments), blocks, parts)
