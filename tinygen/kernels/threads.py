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
from itertools import pairwise

import numpy as np
from scipy.linalg import cython_blas  # noqa: F401  loads the BLAS that numba's np.dot calls
from threadpoolctl import ThreadpoolController

SMALL = 1 << 15  # multiplications or moved numbers below which a hand-over to another thread costs more than it saves


def run_blocks(kernel: Callable, blocks: int, work: int, *args) -> None:
    """Call `kernel(*args, start, stop)` so that each block is done once; `work` says whether threads are worth it."""
    with one_blas_thread():
        if work < SMALL:
            kernel(*args, 0, blocks)
        else:
            share(kernel, blocks, *args)


def share(kernel: Callable, blocks: int, *args) -> None:
    """`run_blocks` for a kernel that is worth it and doesn't call BLAS."""
    threads = num_threads()
    workers = min(threads, blocks)
    if workers <= 1:
        kernel(*args, 0, blocks)
        return
    ends = [blocks * i // workers for i in range(workers + 1)]
    parts = iter(list(pairwise(ends)))

    def work():
        for start, stop in parts:  # two threads never get the same part: the iterator moves under Python's lock
            kernel(*args, start, stop)

    _team(os.getpid(), threads - 1).run(work)


def rows_joined(rows: int, width: int) -> int:
    """How many rows to take as one, so that loops along them are long enough for vectors; it divides `rows`."""
    joined = 1
    while joined * width < 512 and rows % (2 * joined) == 0:
        joined *= 2
    return joined


def num_threads() -> int:
    """How many threads share the work, this one included. Raises ValueError for a setting that is no number >= 1."""
    setting = os.environ.get("TINYGEN_NUM_THREADS", "")
    if not setting:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not setting.isdigit() or int(setting) < 1:
        raise ValueError(f"TINYGEN_NUM_THREADS must be a whole number >= 1, got {setting!r}")
    return int(setting)


class _Team:
    """Threads that help with one job at a time, and look out for the next for a while before they go to sleep.

    The caller works too, and takes the part of a helper who has not begun when there is nothing else left to do. So
    nobody waits for one to wake up, which takes longer than many a job.
    """

    LOOKS = 1 << 19  # before a helper goes to sleep: some tenths of a millisecond, as between two ops of a model

    def __init__(self, helpers: int):
        from tinygen.kernels.spin import changed  # here, because numba takes its time to import

        self.changed = changed
        self.free = threading.Lock()
        self.job: tuple[list, list, Callable] | None = None
        self.calls, self.ends = np.zeros(1, np.int64), np.zeros(1, np.int64)  # what helpers watch, and the caller
        changed(self.calls, 1, 1)  # compiled now, not by all helpers at once
        self.beds = [threading.Lock() for _ in range(helpers)]
        for bed in self.beds:
            bed.acquire()
            threading.Thread(target=self._serve, args=(bed,), name="tinygen", daemon=True).start()

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` here and in the helpers, so that it returns everywhere; raise what it raised."""
        if not self.free.acquire(blocking=False):  # another Python thread has them: do it alone
            return work()
        try:
            seats, done = [None] * len(self.beds), []  # a helper takes a seat, and puts down how it went
            self.job = seats, done, work
            self.ends[0] = 0
            self.calls[0] += 1
            for bed in self.beds:
                if bed.locked():
                    bed.release()
            try:
                work()
            finally:
                self.job = None
                busy = len(self.beds)
                while _taken(seats):  # who has no seat yet comes too late
                    busy -= 1
                while (ended := len(done)) < busy:
                    self.changed(self.ends, ended, self.LOOKS)
            for error in done:
                if error is not None:
                    raise error
        finally:
            self.free.release()

    def _serve(self, bed: threading.Lock) -> None:
        seen = 0
        while True:
            if not self.changed(self.calls, seen, self.LOOKS):
                bed.acquire()  # asleep, until somebody calls
            seen = self.calls[0]
            job = self.job
            if job is not None and _taken(job[0]):
                _, done, work = job
                try:
                    work()
                    done.append(None)
                except BaseException as error:
                    done.append(error)
                self.ends[0] = len(done)
                del done, work
            del job  # nothing of it is kept alive


def _taken(seats: list) -> bool:
    """Take a seat, if there is one."""
    try:
        seats.pop()
    except IndexError:
        return False
    return True


@cache
def _team(pid: int, helpers: int) -> _Team:
    """The helpers of this process; a forked child, which inherits none, gets its own."""
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
