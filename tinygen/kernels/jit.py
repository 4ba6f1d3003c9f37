"""How a loop becomes machine code: one set of compiler flags for all kernels, and one layout of their inputs.

Compiled kernels are kept on disk beside the source. The first call of each on a machine takes a second or so; a line
says so once, lest somebody think that the program hangs. `python -m tinygen warm` compiles everything ahead.
"""

import sys

import numpy as np
from numba import njit
from numba.core import event

# Every sum may be reordered and fused, but NaN and infinity keep their meaning.
FASTMATH = {"contract", "nsz", "reassoc", "arcp"}

kernel = njit(nogil=True, cache=True, error_model="numpy", fastmath=FASTMATH)
inline = njit(nogil=True, cache=True, error_model="numpy", fastmath=FASTMATH, inline="always")  # a part of kernels


def as_input(array: np.ndarray) -> np.ndarray:
    """Contiguous and read-only: one layout, so that a kernel is compiled once for each dtype."""
    array = np.ascontiguousarray(array).view()
    array.setflags(write=False)
    return array


class _Announcer(event.Listener):
    """Says once that kernels are being compiled, when the first of tinygen's is not found on disk."""

    said = False

    def on_start(self, event):
        module = event.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith("tinygen."):
            self.said = True
            print("tinygen: compiling kernels, once on this machine (seconds)...", file=sys.stderr, flush=True)

    def on_end(self, event):
        pass


event.register("numba:compile", _Announcer())
