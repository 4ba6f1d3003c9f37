"""Memory for large results, used again as soon as the array that was in it is gone.

The operating system has to find and clear a fresh page, which takes longer than most kernels need to fill it; and a
training step makes the same arrays as the one before. Memory is free when the last view of an array is gone, as
Python's reference counts show. Arrays begin at a multiple of 64 bytes, where cache lines begin.
"""

import ctypes
import math
import os
import sys
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

LARGE = 1 << 20  # bytes from which an array is worth the search: NumPy and the C library keep smaller ones
LINE = 64  # bytes
SCRATCH = 4 << 20  # bytes up to which a kernel's scratch arrays come from the C library's own store
STORE = 32 << 20  # unused bytes that this store may keep
ROOM = 16 << 20  # bytes of a new segment at most, unless the array itself is larger
PATIENCE = 2000  # large arrays made meanwhile, after which unused memory goes back to the system


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """`np.empty`, in memory that was used before if there is any."""
    dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    return _segments.take(size)[:size].view(dtype).reshape(shape)


class _Segment:
    """Memory from the system, and the pieces of it that may be in use: (start, stop, array), in order."""

    __slots__ = ("asked", "memory", "pieces", "start", "stop")

    def __init__(self, size: int):
        array = np.empty(size + LINE, np.uint8)
        self.start = -array.ctypes.data % LINE
        self.stop = self.start + size
        self.memory = array.data
        array.setflags(write=False)  # from here on, only a piece can be written to
        self.pieces: list[tuple[int, int, np.ndarray]] = []
        self.asked = 0  # when it last gave a piece

    def let_go(self) -> None:
        """Forget unused pieces: those to whose array only the tuple and getrefcount's argument refer."""
        self.pieces = [piece for piece in self.pieces if sys.getrefcount(piece[2]) > 2]

    def gaps(self) -> Iterator[tuple[int, int, int]]:
        """Between the pieces: the size, where it begins, and how many pieces are before it."""
        at = self.start
        for i, (start, stop, _) in enumerate(self.pieces):
            if start > at:
                yield start - at, at, i
            at = stop
        if self.stop > at:
            yield self.stop - at, at, len(self.pieces)

    def cut(self, size: int, at: int, before: int) -> np.ndarray:
        """A new piece, which can be written to through the returned view only."""
        piece = np.frombuffer(self.memory, np.uint8, size, at)
        view = piece[:]
        piece.setflags(write=False)
        self.pieces.insert(before, (at, at + size, piece))
        return view


class _Segments:
    """All segments, and the number of pieces made so far, which serves as a clock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = self.largest = 0
        self.all: list[_Segment] = []

    def take(self, size: int) -> np.ndarray:
        """`size` bytes: from the smallest gap in any segment that has them, or else from a new segment."""
        size = -(-size // LINE) * LINE
        with self.lock:
            self.asked += 1
            segment, at, before = self._smallest_gap(size) or self._new(size)
            segment.asked = self.asked
            return segment.cut(size, at, before)

    def _smallest_gap(self, size: int) -> tuple[_Segment, int, int] | None:
        least, found = sys.maxsize, None
        for segment in self.all:
            segment.let_go()
            for gap, at, before in segment.gaps():
                if size <= gap < least:
                    least, found = gap, (segment, at, before)
            if least == size:
                break
        return found

    def _new(self, size: int) -> tuple[_Segment, int, int]:
        self.all = [s for s in self.all if s.pieces or self.asked - s.asked < PATIENCE]
        self.largest = max(self.largest, size)
        segment = _Segment(max(size, min(self.largest, ROOM)))  # the largest will be needed again soon
        self.all.append(segment)
        return segment, segment.start, 0


def _keep_scratch() -> None:
    """Let glibc keep the scratch arrays that kernels free after each call, instead of returning their pages."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(trim_threshold, STORE)
        mallopt(mmap_threshold, SCRATCH)


_keep_scratch()
_segments = _Segments()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_segments.__init__)  # a thread that doesn't exist in the child may hold the lock
