"""Sharing a kernel's blocks with threads that wait in machine code, where nobody needs Python's lock.

Who has work writes on a board what it is and opens the door; whoever finds the door open goes in, takes parts until
none is left, and goes out. The door is closed when no part is left, and all is done when nobody is inside. Nobody is
woken up or waits for a lock on the way.
"""

import os
from functools import cache
from types import FunctionType

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler import Flags, compile_extra
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from tinygen.kernels.machine.jit import UNCOUNTED, Inlined, compiled

# The entries of a board. Those that several threads write to are apart, each on a line of the cache of its own.
DOOR, NEXT, BUSY, FAILED, CODE, DATA, START, STOP, PARTS, CALL = 0, 8, 16, 17, 24, 25, 26, 27, 28, 29
OPEN = 1 << 32  # added to the door, which counts who is inside
LOOKS = 1 << 17  # before a helper goes to sleep: some tenths of a millisecond, as between two ops of a model
PATIENCE = 1 << 9  # looks after which the processor is offered to others, who may be what is waited for

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


# -- a call that one thread prepares and another makes: two addresses -------------------------------------------------

BODY = ir.FunctionType(ir.IntType(32), [ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(64)])


@intrinsic
def address_of_code(typing_context, kernel, arguments):
    """Of a function (data, start, stop) that calls kernel(*arguments, start, stop), for `arguments` stored at data."""
    form = types.none(*arguments.types, types.int64, types.int64)

    def code(context, builder, signature, _):
        dispatcher, flags = kernel.dispatcher, Flags()
        options = {**dispatcher.targetoptions, "forceinline": True, "no_cpython_wrapper": True}
        dispatcher.targetdescr.options.parse_as_flags(flags, options)
        whole = dispatcher.py_func, form.args, form.return_type, flags, {}
        inner = compile_extra(context.typing_context, context, *whole, pipeline_class=Inlined)
        context.active_code_library.add_linking_library(inner.library)
        body = ir.Function(builder.module, BODY, builder.module.get_unique_name("body"))
        body.linkage = "internal"
        inside = ir.IRBuilder(body.append_basic_block())
        stored = inside.bitcast(body.args[0], context.get_value_type(arguments).as_pointer())
        values = [*cgutils.unpack_tuple(inside, inside.load(stored)), *body.args[1:]]
        status, _ = context.call_internal_no_propagate(inside, inner.fndesc, form, values)
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


if hasattr(os, "sched_yield"):
    give_way = types.ExternalFunction("sched_yield", types.int32())
else:

    @machine
    def give_way():
        return 0


# -- the protocol ------------------------------------------------------------------------------------------------------


@machine
def work(board):
    """Take parts until none is left."""
    code, data, start, parts = board[CODE], board[DATA], board[START], board[PARTS]
    blocks = board[STOP] - start
    part = add(board, NEXT, 1)
    while part < parts:
        if call(code, data, start + blocks * part // parts, start + blocks * (part + 1) // parts):
            put(board, FAILED, 1)
        part = add(board, NEXT, 1)


@machine
def run(board, code, data, start, stop, parts):
    """Do blocks start..stop, here and in whoever comes in; alone if another thread has the team. 1 if it failed."""
    if parts < 2 or not swap(board, BUSY, 0, 1):
        return call(code, data, start, stop)
    board[CODE], board[DATA], board[START], board[STOP], board[PARTS] = code, data, start, stop, parts
    board[CALL] += 1
    board[FAILED] = 0
    put(board, NEXT, 0)
    put(board, DOOR, OPEN)
    work(board)
    add(board, DOOR, -OPEN)
    looks = 0
    while look(board, DOOR):
        looks += 1
        if looks % PATIENCE == 0:
            give_way()
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
        if looks % PATIENCE == 0:
            give_way()


@cache
def shared(kernel):
    """The kernel as `f(board, start, stop, parts, *arguments)`, its blocks shared with whoever looks at the board.

    None if it isn't compiled: threads in plain Python would only wait for each other.
    """
    if not isinstance(kernel, Dispatcher):
        return None
    # A copy of the function below that knows this kernel, and has its place, so that numba keeps both side by side.
    origin, names = kernel.py_func, {**globals(), "its_kernel": kernel}
    place = dict(co_filename=origin.__code__.co_filename, co_firstlineno=origin.__code__.co_firstlineno)
    function = FunctionType(_share_its_kernel.__code__.replace(**place), names, f"share_{origin.__name__.lstrip('_')}")
    function.__module__, function.__qualname__ = origin.__module__, function.__name__
    return compiled()(function)


its_kernel = None


def _share_its_kernel(board, start, stop, parts, *arguments):
    return run(board, address_of_code(its_kernel, arguments), address_of_data(arguments), start, stop, parts)
