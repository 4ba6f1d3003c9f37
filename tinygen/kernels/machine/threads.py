"""Work in blocks over a few threads. The blocks are fixed by the shapes alone, and so is every result, bit for bit.

A kernel computes blocks `start` to `stop` of its work, each as if it were alone, so it does not matter which thread
takes which block. No kernel calls BLAS, which rounds differently for each number of its threads.
`TINYGEN_NUM_THREADS` sets how many there are; by default as many as the processor has cores.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any

import numpy as np

from tinygen.kernels.machine.team import SPINS, for_team, new_slot, work

MOST_THREADS = 1024  # starting a million would take the machine down
LEAST = 1 << 12  # numbers in a block of rows
PAUSE = 0.01  # seconds after which the system may wake a worker where its caller runs
PARTS_PER_THREAD = 4  # if the system delays one, the others do the rest


def share(kernel: Callable, blocks: int, *args) -> None:
    """Call `kernel(*args, start, stop)` so that each block is done once; raises MemoryError if it fails."""
    together = for_team(kernel)
    if together is None:
        kernel(*args, 0, blocks)
        return
    threads = num_threads() if blocks > 1 else 1
    slot = _team(threads - 1).woken() if threads > 1 else ALONE
    if together(slot, 0, blocks, min(PARTS_PER_THREAD * threads, blocks), *args):
        raise MemoryError(f"{kernel.__name__}: expected memory for its scratch arrays, got none: free some memory")


def rows_in_block(rows: int, size: int) -> int:
    """How many of `rows` rows, with `size` numbers in all, make a block that is worth a thread's while."""
    return max(1, LEAST * rows // max(size, 1))


def rows_joined(rows: int, width: int) -> int:
    """How many rows to take as one, so that loops along them are long enough for vectors; it divides `rows`."""
    joined = 1
    while joined * width < 512 and rows % (2 * joined) == 0:
        joined *= 2
    return joined


# The table behind os.environ, which by itself takes a microsecond for what isn't set: two exceptions, one in the other.
_environ: Any = os.environ
_table, _key = _environ._data, _environ.encodekey("TINYGEN_NUM_THREADS")


def num_threads() -> int:
    """How many threads share the work, this one included. Raises ValueError for a setting that can't be."""
    return _number(_table.get(_key))


@cache
def _number(entry: bytes | str | None) -> int:
    setting = _environ.decodevalue(entry) if entry else ""
    if not setting:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not setting.isdecimal() or not 1 <= int(setting[:9]) <= MOST_THREADS:
        raise ValueError(f"TINYGEN_NUM_THREADS: expected a whole number from 1 to {MOST_THREADS}, got {setting!r}")
    return int(setting)


class _Team:
    """Worker threads that spin for a job, as in team.py, and park if none comes for a while."""

    def __init__(self, workers: int):
        self.slot, self.last = new_slot(), -PAUSE  # when a worker was last woken, in seconds
        self.parked: dict[threading.Thread, threading.Lock] = {}  # each locked while its worker spins or is parked
        work(self.slot, 0)  # compiled now, not by all workers at once
        for _ in range(workers):
            lock = threading.Lock()
            lock.acquire()
            worker = threading.Thread(target=self._serve, args=(lock,), name="tinygen", daemon=True)
            worker.start()
            self.parked[worker] = lock

    def woken(self) -> np.ndarray:
        """The job slot, with no worker parked."""
        now = self.last
        for worker, lock in self.parked.items():
            if lock.locked():
                now = monotonic()
                if now - self.last > PAUSE:
                    _keep_away(worker)
                try:
                    lock.release()
                except RuntimeError:  # another thread that calls was first
                    pass
        self.last = now
        return self.slot

    def _serve(self, lock: threading.Lock) -> None:
        while True:
            work(self.slot, SPINS)
            lock.acquire()  # parked, until a kernel is called


_this_processor: Any = getattr(ctypes.CDLL(None), "sched_getcpu", None) if os.name == "posix" else None


def _keep_away(worker: threading.Thread) -> None:
    """Let a parked worker run on any processor but this one, where it would wait for the caller, for milliseconds."""
    if _this_processor and hasattr(os, "sched_setaffinity") and worker.native_id:
        others = os.sched_getaffinity(0) - {_this_processor()}
        if others:
            with suppress(OSError):  # not allowed here: then the system decides
                os.sched_setaffinity(worker.native_id, others)


# Of a team without workers. To call the kernel itself would take half a microsecond less; but by itself, as machine
# code, it may add up in another order than as a part of `together`, and no bit may depend on the number of threads.
ALONE = new_slot()


@cache
def _team(workers: int) -> _Team:
    return _Team(workers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_team.cache_clear)  # a child inherits no threads, and gets its own
