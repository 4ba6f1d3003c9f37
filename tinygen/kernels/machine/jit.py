"""How a loop becomes machine code: one set of compiler flags for all kernels, and one layout of their inputs.

Compiled kernels are kept on disk beside the source. The first call of each on a machine takes a second or so; a line
says so once, lest somebody think that the program hangs. `python -m tinygen warm` compiles everything ahead.
"""

import numpy as np
from numba import njit, types
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic, overload, register_jitable

from tinygen.kernels.machine.cache import keep_on_disk, say_once

# Every sum may be reordered and fused, but NaN and infinity keep their meaning.
FASTMATH = {"contract", "nsz", "reassoc", "arcp"}


def compiled(**options):
    """The decorator that compiles a function, or finds it on disk if no file in this folder changed since."""

    def decorate(function):
        dispatcher = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
        if dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT
            keep_on_disk(dispatcher)
        return dispatcher

    return decorate


kernel = compiled(fastmath=FASTMATH)

# For the inner parts of a kernel, which make no array of their own: to count at every call who holds which array would
# take longer than their arithmetic.
UNCOUNTED = {"_nrt": False}


class _Part(JITCodeLibrary):
    """The code of an inner part as it was written down: the kernel that takes it in makes something of it."""

    def finalize(self):
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    @property
    def codegen(self):
        """Whom numba tells where a function finds Python's objects; a part needs none, and has no place for them."""
        return self

    def set_env(self, name, environment):
        pass


class Inlined(Compiler):
    """numba's compiler for what is only ever a part of a kernel, without the optimiser and without machine code.

    Both would take as long again, for code that nobody calls. Nor may there be any: a function that is in memory twice,
    as compiled by itself and with a kernel, perhaps with its sums in another order, would have two results.
    """

    def __init__(self, typing_context, target_context, library, *rest):
        super().__init__(typing_context, target_context, _Part(target_context.codegen(), "part"), *rest)


INNER = {**UNCOUNTED, "nogil": True, "error_model": "numpy", "forceinline": True, "pipeline_class": Inlined}
INNER |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# The decorator for an inner part of kernels; for Python it stays the plain function.
piece = register_jitable(fastmath=FASTMATH, **INNER)


@intrinsic
def _whole_registers(typing_context):
    def code(context, builder, signature, arguments):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite knows no attribute with a value
        return context.get_dummy_value()

    return types.void(), code


def whole_registers():
    """Within a kernel: its vectors fill the largest registers. LLVM by itself leaves half of each AVX-512 one empty."""


@overload(whole_registers, inline="always")
def _compiled_whole_registers():
    return lambda: _whole_registers()


def as_input(array: np.ndarray) -> np.ndarray:
    """Contiguous and read-only: one layout, so that a kernel is compiled once for each dtype."""
    flags = array.flags
    if flags.writeable or not flags.c_contiguous:
        array = np.ascontiguousarray(array).view()
        array.setflags(False)
    return array


class _Announcer(event.Listener):
    """Says once that kernels are being compiled, when the first of tinygen's is not found on disk."""

    def on_start(self, event):
        if event.data["dispatcher"].py_func.__module__.startswith("tinygen."):
            say_once("compiling", "compiling kernels, once on this machine (seconds)...")

    def on_end(self, event):
        pass


event.register("numba:compile", _Announcer())
