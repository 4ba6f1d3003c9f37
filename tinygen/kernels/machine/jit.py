"""How a loop becomes machine code: one set of compiler flags for all kernels, and one layout of their inputs.

Compiled kernels are kept on disk beside the source. The first call of each on a machine takes a second or so, and one
line says so. `python -m tinygen warm` compiles all of them ahead.
"""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np
from numba import extending, njit, types
from numba.extending import overload, register_jitable

from tinygen.kernels.machine.numba_internals import Inlined, keep_on_disk

# Every sum may be reordered and fused, but NaN and infinity keep their meaning.
FASTMATH = {"contract", "nsz", "reassoc", "arcp"}


def compiled_with(**options) -> Callable[[Callable], Any]:
    """The decorator that compiles a function, or finds it on disk if no file of the kernels has changed since."""

    def decorate(function):
        settings: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, **options}
        dispatcher = njit(**settings)(function)
        if dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT
            keep_on_disk(dispatcher)
        return dispatcher

    return decorate


kernel = compiled_with(fastmath=FASTMATH)

# For the inner parts of a kernel, which make no arrays: reference counts at every call would take longer than their
# arithmetic.
UNCOUNTED = {"_nrt": False}


INNER: Any = {**UNCOUNTED, "nogil": True, "error_model": "numpy", "forceinline": True, "pipeline_class": Inlined}
INNER |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# The decorator for an inner part of kernels; for Python it stays the plain function.
piece = register_jitable(fastmath=FASTMATH, **INNER)


def instruction(result: Callable, like: Callable | None = None) -> Callable[[Callable], Any]:
    """The decorator that makes `code(context, builder, kinds, *values)`, which generates LLVM code, a call for kernels.

    `kinds` are the types of the values, with machine words for all whole numbers, and `result` maps them to the type of
    the result. The names of the values are those of the function `like`, or else of `code`.
    """

    def decorate(code):
        def typing(typing_context, *given):
            kinds = [types.intp if isinstance(kind, types.Integer) else kind for kind in given]
            return result(*kinds)(*kinds), lambda context, builder, _, values: code(context, builder, kinds, *values)

        values = list(signature(like or code).parameters)[0 if like else 3 :]
        names = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("typing_context", *values)]
        typing.__signature__ = Signature(names)  # pyright: ignore[reportFunctionMemberAccess]  numba reads it
        return extending.intrinsic(typing)  # pyright: ignore[reportArgumentType]  called without the context

    return decorate


def machine_code(plain: Callable, result: Callable) -> Callable:
    """The decorator for the `code` of an instruction that replaces the function `plain` within kernels."""

    def decorate(code):
        call = instruction(result, plain)(code)
        overload(plain, jit_options=INNER)(lambda *arguments: lambda *arguments: call(*arguments))
        return code

    return decorate


def as_input(array: np.ndarray) -> np.ndarray:
    """Contiguous and read-only: one layout, so that a kernel is compiled once for each dtype."""
    flags = array.flags
    if flags.writeable or not flags.c_contiguous:
        array = np.ascontiguousarray(array).view()
        array.setflags(write=False)
    return array
