"""Work in blocks over a few threads. The blocks are fixed by the shapes alone, and so is every result, bit for bit.

A kernel computes blocks `start` to `stop` of its work, each as if it were alone: which thread takes which block is no
matter. Inside, BLAS runs on one thread, for one that splits by itself rounds differently for each number of threads.
`TINYGEN_NUM_THREADS` sets how many there are; by default as many as the processor has cores.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from scipy.linalg import cython_blas  # noqa: F401  loads the BLAS that numba's np.dot calls
from threadpoolctl import ThreadpoolController

from tinygen.kernels.machine.team import LOOKS, help_out, new_board, shared

MOST_THREADS = 1024  # starting a million would take the machine down
PARTS = 4  # for each thread: one that the system holds up leaves the rest to the others


def share(kernel: Callable, blocks: int, *args) -> None:
    """Call `kernel(*args, start, stop)` so that each block is done once; raises MemoryError if it fails.

    One that calls BLAS wants `one_blas_thread` around it.
    """
    together = shared(kernel)
    if together is None:
        kernel(*args, 0, blocks)
        return
    threads = num_threads() if blocks > 1 else 1
    board = _team(threads - 1).ready() if threads > 1 else NOBODY
    if together(board, 0, blocks, min(PARTS * threads, blocks), *args):
        raise MemoryError(f"{kernel.__name__}: no memory was left for what it needs besides its result")


def rows_joined(rows: int, width: int) -> int:
    """How many rows to take as one, so that loops along them are long enough for vectors; it divides `rows`."""
    joined = 1
    while joined * width < 512 and rows % (2 * joined) == 0:
        joined *= 2
    return joined


# The table behind os.environ, which by itself takes a microsecond for what isn't set: two exceptions, one in the other.
_table, _key = os.environ._data, os.environ.encodekey("TINYGEN_NUM_THREADS")


def num_threads() -> int:
    """How many threads share the work, this one included. Raises ValueError for a setting that can't be."""
    return _number(_table.get(_key))


@cache
def _number(entry: bytes | str | None) -> int:
    setting = os.environ.decodevalue(entry) if entry else ""
    if not setting:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not setting.isdecimal() or not 1 <= int(setting[:9]) <= MOST_THREADS:
        raise ValueError(f"TINYGEN_NUM_THREADS: expected a whole number from 1 to {MOST_THREADS}, got {setting!r}")
    return int(setting)


class _Team:
    """Threads that look out for work, as team.py says, and go to sleep if none comes for a while."""

    def __init__(self, helpers: int):
        self.board = new_board()
        self.beds = [threading.Lock() for _ in range(helpers)]
        help_out(self.board, 0)  # compiled now, not by all helpers at once
        for bed in self.beds:
            bed.acquire()
            threading.Thread(target=self._serve, args=(bed,), name="tinygen", daemon=True).start()

    def ready(self) -> np.ndarray:
        """The board, and nobody stays asleep."""
        for bed in self.beds:
            if bed.locked():
                try:
                    bed.release()
                except RuntimeError:  # another thread that calls was first
                    pass
        return self.board

    def _serve(self, bed: threading.Lock) -> None:
        while True:
            help_out(self.board, LOOKS)
            bed.acquire()  # asleep, until somebody calls


NOBODY = new_board()  # of a team without helpers


@cache
def _team(helpers: int) -> _Team:
    return _Team(helpers)


class _Blas:
    """Every BLAS library of the process: on one thread while anyone is inside, set back by the last to leave."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = 0
        self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self.before: list[int] = []


@cache
def _blas(pid: int) -> _Blas:
    return _Blas()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, BLAS runs on one thread; afterwards, on as many as the user had set."""
    blas = _blas(os.getpid())
    with blas.lock:
        if blas.inside == 0:
            blas.before = [library.get_num_threads() for library in blas.libraries]
            for library in blas.libraries:
                library.set_num_threads(1)
        blas.inside += 1
    try:
        yield
    finally:
        with blas.lock:
            blas.inside -= 1
            if blas.inside == 0:
                for library, count in zip(blas.libraries, blas.before):
                    library.set_num_threads(count)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_team.cache_clear)  # a child inherits no threads, and gets its own
