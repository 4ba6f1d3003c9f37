"""Memory for results: large arrays begin at a cache line, and the C library keeps their memory for the next ones.

The operating system has to find and clear a fresh page, which takes longer than most kernels need to fill it; and a
training step makes the same arrays as the one before. By itself, glibc returns the memory of a large array to the
system as soon as the array is gone. Other C libraries are left as they are.
"""

import ctypes
import os
from functools import cache

import numpy as np
from numpy.typing import DTypeLike

LARGE = 1 << 20  # bytes from which an array begins where a cache line does
LINE = 64  # bytes
STORE = 256 << 20  # unused bytes that the C library keeps at the end of its memory


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """`np.empty`; a large array begins at a multiple of 64 bytes."""
    array = np.empty(shape, dtype)
    if array.nbytes < LARGE:
        return array
    size, shape, dtype = array.nbytes, array.shape, array.dtype
    del array  # before its memory is asked for again
    memory = np.empty(size + LINE, np.uint8)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory.data))  # in a third of the time of memory.ctypes.data
    array = np.ndarray(shape, dtype, memory, -address % LINE)
    memory.setflags(write=False)  # from here on, only the array can be written to: once it is locked, it is private
    return array


def past_caches(*arrays: np.ndarray) -> bool:
    """Whether a kernel that reads or writes all of these should write its result past the caches, which can't hold it.

    By an ordinary store, each line of the result would be read from memory before it is overwritten.
    """
    return arrays[-1].nbytes >= LARGE and sum([x.nbytes for x in arrays]) > _cache() * 3 // 4


@cache
def _cache() -> int:
    """Bytes of the last-level cache."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index3/size") as file:
            return int(file.read().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 32 << 20


def _keep_memory() -> None:
    """Let glibc take all memory from its own store, instead of mapping new pages for each large array."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        trim_threshold, mmap_max = -1, -4  # malloc.h
        mallopt(trim_threshold, STORE)
        mallopt(mmap_max, 0)


_keep_memory()
