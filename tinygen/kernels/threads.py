"""Work in blocks over a few threads. The blocks are fixed by the shapes alone, and so is every result, bit for bit.

A kernel computes blocks `start` to `stop` of its work, each as if it were alone: which thread takes which block is no
matter. Inside, BLAS runs on one thread, for one that splits by itself rounds differently for each number of threads.
`TINYGEN_NUM_THREADS` sets how many there are; by default as many as the processor has cores.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

from scipy.linalg import cython_blas  # noqa: F401  loads the BLAS that numba's np.dot calls
from threadpoolctl import ThreadpoolController

SMALL = 1 << 15  # multiplications or moved numbers below which a hand-over to another thread costs more than it saves


def run_blocks(kernel: Callable, blocks: int, work: int, *args) -> None:
    """Call `kernel(*args, start, stop)` so that each block is done once; `work` says whether threads are worth it."""
    workers = 1 if work < SMALL else min(num_threads(), blocks)
    ends = [blocks * i // workers for i in range(workers + 1)]
    with one_blas_thread():
        others = [_pool(os.getpid()).submit(kernel, *args, *part) for part in pairwise(ends[1:])]
        try:
            kernel(*args, 0, ends[1])
        finally:
            for other in others:
                other.result()


def num_threads() -> int:
    """How many threads share the work, this one included. Raises ValueError for a setting that is no number >= 1."""
    setting = os.environ.get("TINYGEN_NUM_THREADS", "")
    if not setting:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not setting.isdigit() or int(setting) < 1:
        raise ValueError(f"TINYGEN_NUM_THREADS must be a whole number >= 1, got {setting!r}")
    return int(setting)


@cache
def _pool(pid: int) -> ThreadPoolExecutor:
    """The other threads of this process; a forked child, which inherits none, makes its own."""
    return ThreadPoolExecutor(max(1, num_threads() - 1), thread_name_prefix=f"tinygen-{pid}")


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
