"""Memory for large results, used again as soon as nobody holds what was in it.

A fresh page has to be found and cleared by the operating system, which takes longer than most kernels need to fill it;
and a training step makes the same arrays as the one before. Pages come back when the last view of an array is gone,
which Python's own count of references tells. Arrays begin at a multiple of 64 bytes, where lines of the cache begin.
"""

import ctypes
import math
import os
import sys
import threading

import numpy as np

LARGE = 1 << 20  # bytes from which an array is worth the search: smaller ones NumPy and the system keep at hand
LINE = 64  # bytes
SCRATCH = 4 << 20  # bytes up to which what a kernel writes on the way comes from the C library's own store
STORE = 32 << 20  # bytes that the store may keep when nobody uses them
PATIENCE = 2000  # large arrays made meanwhile, after which memory that nobody asked for goes back to the system


def empty(shape: int | tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty`, from memory that was used before where there is some of that size."""
    dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    block = _blocks.take(size + LINE)
    start = -block.ctypes.data % LINE
    return block[start : start + size].view(dtype).reshape(shape)


class _Blocks:
    """Blocks of bytes by size, each with the time of its last use: how many blocks had been asked for by then."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = 0
        self.by_size: dict[int, list[list]] = {}

    def take(self, size: int) -> np.ndarray:
        with self.lock:
            self.asked += 1
            for entry in self.by_size.get(size, ()):
                if _is_free(entry):
                    entry[1] = self.asked
                    return _view(entry[0])
            self._give_back()
            block = np.empty(size, np.uint8)
            self.by_size.setdefault(size, []).append([block, self.asked])
            return _view(block)

    def _give_back(self) -> None:
        for entries in self.by_size.values():
            entries[:] = [e for e in entries if not _is_free(e) or self.asked - e[1] < PATIENCE]


def _view(block: np.ndarray) -> np.ndarray:
    """The only way to write to a block, and what the count of references sees from now on."""
    block.setflags(write=True)
    view = block[:]
    block.setflags(write=False)
    return view


def _is_free(entry: list) -> bool:
    return sys.getrefcount(entry[0]) == 2  # the entry itself, and the argument of getrefcount


def _keep_scratch() -> None:
    """Let glibc keep what kernels give back after each call, instead of asking the system for the same pages again."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(trim_threshold, STORE)
        mallopt(mmap_threshold, SCRATCH)


_keep_scratch()
_blocks = _Blocks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blocks.__init__)  # a thread that the child lacks may hold the lock
