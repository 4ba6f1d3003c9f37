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
from collections.abc import Iterator

import numpy as np

LARGE = 1 << 20  # bytes from which an array is worth the search: smaller ones NumPy and the system keep at hand
LINE = 64  # bytes
SCRATCH = 4 << 20  # bytes up to which what a kernel writes on the way comes from the C library's own store
STORE = 32 << 20  # bytes that the store may keep when nobody uses them
ROOM = 16 << 20  # bytes that a new segment has at the most, if it isn't asked for more
PATIENCE = 2000  # large arrays made meanwhile, after which memory that nobody asked for goes back to the system


def empty(shape: int | tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty`, from memory that was used before where there is some."""
    dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    return _segments.take(size)[:size].view(dtype).reshape(shape)


class _Segment:
    """Memory from the system, and the pieces of it that somebody may hold: (start, stop, array), in order."""

    __slots__ = ("asked", "memory", "pieces", "start", "stop")

    def __init__(self, size: int):
        array = np.empty(size + LINE, np.uint8)
        self.start = -array.ctypes.data % LINE
        self.stop = self.start + size
        self.memory = memoryview(array)
        array.setflags(write=False)  # from here on, only a piece can be written to
        self.pieces: list[tuple[int, int, np.ndarray]] = []
        self.asked = 0  # when

    def let_go(self) -> None:
        """Forget the pieces that nobody holds: then only the tuple and getrefcount's argument know the array."""
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
        """A new piece, to be written to through what is returned and through nothing else."""
        piece = np.frombuffer(self.memory, np.uint8, size, at)
        view = piece[:]
        piece.setflags(write=False)
        self.pieces.insert(before, (at, at + size, piece))
        return view


class _Segments:
    """All segments, and how many pieces have been asked for: that is the time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = self.largest = 0
        self.all: list[_Segment] = []

    def take(self, size: int) -> np.ndarray:
        """So many bytes: of the smallest gap in any segment that they fit into, or else of a new segment."""
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
        segment = _Segment(max(size, min(self.largest, ROOM)))  # soon enough the largest is asked for again
        self.all.append(segment)
        return segment, segment.start, 0


def _keep_scratch() -> None:
    """Let glibc keep what kernels give back after each call, instead of asking the system for the same pages again."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(trim_threshold, STORE)
        mallopt(mmap_threshold, SCRATCH)


_keep_scratch()
_segments = _Segments()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_segments.__init__)  # a thread that the child lacks may hold the lock
