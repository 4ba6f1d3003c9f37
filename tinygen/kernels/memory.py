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
from bisect import bisect_left, insort

import numpy as np

LARGE = 1 << 20  # bytes from which an array is worth the search: smaller ones NumPy and the system keep at hand
LINE = 64  # bytes
SCRATCH = 4 << 20  # bytes up to which what a kernel writes on the way comes from the C library's own store
STORE = 32 << 20  # bytes that the store may keep when nobody uses them
PATIENCE = 2000  # large arrays made meanwhile, after which memory that nobody asked for goes back to the system


def empty(shape: int | tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty`, from memory that was used before where there is some."""
    dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    return _blocks.take(size).view(dtype).reshape(shape)


class _Block:
    """Some bytes, and when they were last asked for."""

    __slots__ = ("asked", "bytes", "start")

    def __init__(self, size: int):
        self.bytes = np.empty(size + LINE, np.uint8)
        self.start = -self.bytes.ctypes.data % LINE
        self.asked = 0

    def first(self, size: int) -> np.ndarray:
        """The only way to write to the first bytes, and what the count of references sees from now on."""
        self.bytes.setflags(write=True)
        view = self.bytes[self.start : self.start + size]
        self.bytes.setflags(write=False)
        return view

    def is_free(self) -> bool:
        return sys.getrefcount(self.bytes) == 2  # the attribute itself, and the argument of getrefcount


class _Blocks:
    """Blocks by size, and how many have been asked for: that is the time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = 0
        self.sizes: list[int] = []  # in order
        self.by_size: dict[int, list[_Block]] = {}

    def take(self, size: int) -> np.ndarray:
        """So many bytes: of a block that is free, or else of a new one."""
        with self.lock:
            self.asked += 1
            block = self._free(size) or self._new(size)
            block.asked = self.asked
            return block.first(size)

    def _free(self, size: int) -> _Block | None:
        """The smallest free block that is no more than twice too large: maps are often halves of each other."""
        for i in range(bisect_left(self.sizes, size), len(self.sizes)):
            if self.sizes[i] > 2 * size:
                break
            for block in self.by_size[self.sizes[i]]:
                if block.is_free():
                    return block
        return None

    def _new(self, size: int) -> _Block:
        self._give_back()
        block = _Block(size)
        if size not in self.by_size:
            self.by_size[size] = []
            insort(self.sizes, size)
        self.by_size[size].append(block)
        return block

    def _give_back(self) -> None:
        for blocks in self.by_size.values():
            blocks[:] = [b for b in blocks if not b.is_free() or self.asked - b.asked < PATIENCE]


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
