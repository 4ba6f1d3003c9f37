"""Sharing a kernel's blocks with worker threads that spin in machine code, where Python's lock is not needed.

A job is a slot in memory, with a gate that counts who is inside. The caller writes the addresses of the kernel and its
arguments to the slot and opens the gate. A worker that finds the gate open enters, takes parts until none is left, and
leaves. The caller takes parts too, closes the gate when none is left, and waits until all workers are outside. No
thread has to be woken, and none waits for a lock: a caller that finds the slot busy does its job alone.
"""

import os
import platform
from functools import cache

import numpy as np
from llvmlite import ir
from numba import types

from tinygen.kernels.machine.jit import UNCOUNTED, compiled_with, instruction
from tinygen.kernels.machine.numba_internals import BODY, Dispatcher, body_of, cgutils
from tinygen.kernels.machine.vectors import address

# The entries of a slot. Several threads write to the gate, to the number of the next part and to the two flags: these
# are on three cache lines of their own.
GATE, NEXT, BUSY, FAILED, CODE, DATA, START, STOP, PARTS, CALL = 0, 8, 16, 17, 24, 25, 26, 27, 28, 29
OPEN = 1 << 32  # added to the gate, which counts the workers inside
SPINS = 1 << 13  # before a worker parks: some tenths of a millisecond, as between two ops of a model
SPINS_PER_YIELD = 1 << 6  # after which a thread offers the processor to others, which may be the ones it waits for

machine = compiled_with(**UNCOUNTED)


def new_slot() -> np.ndarray:
    """A job slot: an int64 array, all zero while there is nothing to do."""
    return np.zeros(32, np.int64)


# -- atomic operations on a slot ---------------------------------------------------------------------------------------


@instruction(lambda slot, at: types.int64)
def load_acquire(context, builder, kinds, slot, at):
    """The entry as it is now in memory, not as it was when a loop began."""
    return builder.load_atomic(address(context, builder, kinds[0], slot, at), "acquire", align=8, typ=ir.IntType(64))


@instruction(lambda slot, at, value: types.void)
def store_release(context, builder, kinds, slot, at, value):
    """Write the entry; a thread that reads it also reads all that was written before."""
    builder.store_atomic(value, address(context, builder, kinds[0], slot, at), "release", align=8)


@instruction(lambda slot, at, value: types.int64)
def fetch_add(context, builder, kinds, slot, at, value):
    """Add to the entry; returns what it was before."""
    return builder.atomic_rmw("add", address(context, builder, kinds[0], slot, at), value, "acq_rel")


@instruction(lambda slot, at, before, after: types.boolean)
def compare_and_swap(context, builder, kinds, slot, at, before, after):
    """Write `after` if the entry is `before`; returns whether it was."""
    entry = address(context, builder, kinds[0], slot, at)
    return builder.extract_value(builder.cmpxchg(entry, before, after, "acq_rel", "acquire"), 1)


# -- a call that one thread prepares and another makes: two addresses -------------------------------------------------


@instruction(lambda kernel, arguments: types.int64)
def address_of_code(context, builder, kinds, kernel, arguments):
    """Of a function (data, start, stop) that calls kernel(*arguments, start, stop), for `arguments` stored at data."""
    return builder.ptrtoint(body_of(context, builder, *kinds), ir.IntType(64))


@instruction(lambda arguments: types.int64)
def address_of_data(context, builder, kinds, arguments):
    """Of a copy of the arguments, which exists until the calling function returns."""
    return builder.ptrtoint(cgutils.alloca_once_value(builder, arguments), ir.IntType(64))


@instruction(lambda *addresses_and_blocks: types.int64)
def call(context, builder, kinds, code_at, data_at, start, stop):
    """The kernel on blocks `start` to `stop`; 1 if it failed, else 0."""
    body, data = builder.inttoptr(code_at, BODY.as_pointer()), builder.inttoptr(data_at, BODY.args[0])
    return builder.zext(builder.call(body, [data, start, stop]), ir.IntType(64))


@instruction(lambda: types.void)
def pause(context, builder, kinds):
    """Wait some tens of cycles: two threads may share a core, and one that spins would take half of it."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        wait = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, wait, "llvm.x86.sse2.pause"), [])


if hasattr(os, "sched_yield"):
    yield_processor = types.ExternalFunction("sched_yield", types.int32())
else:

    @machine
    def yield_processor():
        return 0


# -- the protocol ------------------------------------------------------------------------------------------------------


@machine
def take_parts(slot):
    """Do parts of the job until none is left."""
    code, data, start, parts = slot[CODE], slot[DATA], slot[START], slot[PARTS]
    blocks = slot[STOP] - start
    part = fetch_add(slot, NEXT, 1)
    while part < parts:
        if call(code, data, start + blocks * part // parts, start + blocks * (part + 1) // parts):
            store_release(slot, FAILED, 1)
        part = fetch_add(slot, NEXT, 1)


@machine
def run_job(slot, code, data, start, stop, parts):
    """Do blocks start..stop, here and in the workers; alone if another thread uses the slot. 1 if it failed."""
    if parts < 2 or not compare_and_swap(slot, BUSY, 0, 1):
        return call(code, data, start, stop)
    slot[CODE], slot[DATA], slot[START], slot[STOP], slot[PARTS] = code, data, start, stop, parts
    slot[CALL] += 1
    slot[FAILED] = 0
    store_release(slot, NEXT, 0)
    store_release(slot, GATE, OPEN)
    take_parts(slot)
    fetch_add(slot, GATE, -OPEN)
    spins = 0
    while load_acquire(slot, GATE):
        pause()
        spins += 1
        if spins % SPINS_PER_YIELD == 0:
            yield_processor()
    failed = load_acquire(slot, FAILED)
    store_release(slot, BUSY, 0)
    return failed


@machine
def work(slot, most_spins):
    """Spin until the gate opens, do parts of the job, and spin again; returns after `most_spins` without a job."""
    last, spins = 0, 0
    while spins < most_spins:
        gate = load_acquire(slot, GATE)
        if gate >= OPEN and load_acquire(slot, CALL) != last and compare_and_swap(slot, GATE, gate, gate + 1):
            last, spins = slot[CALL], 0
            take_parts(slot)
            fetch_add(slot, GATE, -1)
        pause()
        spins += 1
        if spins % SPINS_PER_YIELD == 0:
            yield_processor()


@cache
def for_team(kernel):
    """The kernel as `f(slot, start, stop, parts, *arguments)`, its blocks shared with the workers of the slot.

    None if it isn't compiled: threads in plain Python would only wait for each other.
    """
    if not isinstance(kernel, Dispatcher):
        return None

    def share(slot, start, stop, parts, *arguments):
        return run_job(slot, address_of_code(kernel, arguments), address_of_data(arguments), start, stop, parts)

    share.__qualname__ = f"share_{kernel.__module__}.{kernel.__name__}"  # by which numba knows it on disk
    return compiled_with()(share)
