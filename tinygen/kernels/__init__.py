"""Arrays in, arrays out: the arithmetic behind the ops. The rest of tinygen calls `kernels.NAME(arrays, ...)`.

- `reference.py` (with `reference_elementwise.py`, `reference_sums.py`, `reference_conv.py`, `reference_cells.py`,
  `reference_copy.py` and `reference_optim.py`): every kernel in plain NumPy. Read this one.
- `elementwise.py` (by `entrywise.py`), `reduce.py`, `rows.py` (with `short_rows.py`), `cells.py`, `linalg.py`,
  `conv/`, `norm.py`, `pool.py`, `resize.py`, `copy.py` and `optim.py`: those that are slow in NumPy once more, compiled
  by numba, with the same names and parameters.
- `machine/`: how a processor is used (vectors, caches, threads). Every reader may skip it.

This file chooses between the two, for each call, by the table below. Small arrays get the plain kernel: NumPy is done
before a compiled one has started, and numba is only imported for the first array that is large enough. The choice
depends on shapes, types and layouts alone, so the same call has the same result. `TINYGEN_KERNELS=reference` selects
the plain kernels for everything; they also serve, with a warning, if numba is not installed. docs/fast.md explains the
compiled ones.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, NamedTuple

import numpy as np

from tinygen.kernels import reference

# -- which kernels are compiled, and from which size -------------------------------------------------------------------


def _by_numbers(plain, large, least):
    """By the numbers in the first array."""
    return lambda x, *rest: plain(x, *rest) if x.size < least else large(x, *rest)


def _by_numbers_of_two(plain, large, least):
    """The same for two parameters: without `*rest`, which would take longer than adding a few numbers."""
    return lambda a, b: plain(a, b) if a.size < least else large(a, b)


def _by_result(plain, large, least):
    """By the numbers in two arrays, broadcast to one shape."""

    def kernel(a, b):
        size = max(a.size, b.size)
        if size < least <= a.size * b.size and a.shape != b.shape:
            size = np.broadcast(a, b).size
        return plain(a, b) if size < least else large(a, b)

    return kernel


def _by_second(plain, large, least):
    """By the numbers in the second array, of which the first has a part."""
    return lambda g, x, *rest: plain(g, x, *rest) if x.size < least else large(g, x, *rest)


def _by_products(plain, large, least):
    """By the multiplications for each entry of a convolution's kernel."""
    return lambda a, b, *rest: plain(a, b, *rest) if a.size * b.shape[-1] < least else large(a, b, *rest)


def _by_lists(plain, large, least):
    """By the numbers in a list of arrays."""
    return lambda xs, *rest: plain(xs, *rest) if sum([x.size for x in xs]) < least else large(xs, *rest)


def _by_rows(plain, large, least):
    """By the numbers that are added up, or by the rows that may receive them."""
    return lambda x, rows, n: plain(x, rows, n) if max(x.size, n) < least else large(x, rows, n)


class Compiled(NamedTuple):
    """A compiled kernel: its file, the size from which it serves, how size is counted, and whether it takes float64."""

    home: str
    least: int
    count: Callable
    float64: bool


# Each size is about where the compiled kernel overtakes NumPy on one thread; but it is at least 256, because nothing
# smaller is worth the half second that numba takes to import.
COMPILED = {
    name: Compiled(home, least, count, float64)
    for home, least, count, float64, names in (
        ("elementwise", 1 << 16, _by_result, False, "add sub mul div"),
        ("elementwise", 1 << 16, _by_numbers, False, "neg sqrt"),
        ("elementwise", 1 << 15, _by_numbers, False, "absolute absolute_vjp sqrt_vjp"),
        ("elementwise", 1 << 14, _by_numbers, True, "select"),
        ("elementwise", 1 << 13, _by_numbers, False, "log power power_vjp"),
        ("elementwise", 1 << 10, _by_numbers, False, "log1p"),
        ("elementwise", 1 << 15, _by_numbers, False, "exp tanh squared_error squared_error_vjp"),
        ("elementwise", 1 << 15, _by_numbers, False, "absolute_error absolute_error_vjp"),
        ("elementwise", 1 << 14, _by_numbers, False, "tanh_vjp"),
        ("elementwise", 1 << 13, _by_numbers, False, "relu"),
        ("elementwise", 1 << 10, _by_numbers, False, "leaky_relu gate ratio softplus elu elu_vjp huber huber_vjp"),
        ("elementwise", 1 << 8, _by_numbers, False, "sigmoid sigmoid_vjp silu silu_vjp normal_cdf gelu relu_vjp"),
        ("elementwise", 1 << 8, _by_numbers, False, "logistic_loss logistic_loss_vjp exp_remainder expm1"),
        ("reduce", 1 << 15, _by_numbers_of_two, False, "sum_along"),
        ("reduce", 1 << 15, _by_numbers, False, "sum_of_products"),
        ("reduce", 1 << 13, _by_numbers, False, "variance max_along"),
        ("reduce", 1 << 8, _by_numbers, False, "max_along_vjp"),
        ("reduce", 1 << 8, _by_numbers, False, "relu_vjp_sum"),
        ("rows", 1 << 8, _by_numbers, False, "logsumexp log_softmax log_softmax_vjp softmax softmax_vjp"),
        ("rows", 1 << 8, _by_numbers, False, "log_softmax_at"),
        ("rows", 1 << 8, _by_second, False, "logsumexp_vjp log_softmax_at_vjp"),
        ("rows", 1 << 13, _by_rows, True, "add_rows"),
        ("cells", 1 << 8, _by_numbers, True, "recurrence recurrence_vjp"),
        ("linalg", (1 << 16) + 1, _by_products, True, "matmul linear_weight"),
        ("conv", 1 << 8, _by_products, True, "conv2d conv2d_weight conv_transpose2d"),
        ("norm", 1 << 8, _by_numbers, True, "moments group_norm group_norm_vjp"),
        ("pool", 1 << 8, _by_numbers, True, "max_pool2d max_pool2d_vjp"),
        ("resize", 1 << 8, _by_numbers, True, "resample"),
        ("copy", 1 << 17, _by_numbers, False, "contiguous"),
        ("copy", 1 << 16, _by_numbers, False, "in_order"),
        ("copy", 1 << 19, _by_numbers, False, "placed"),
        ("copy", 1 << 18, _by_lists, True, "concat"),
        ("optim", 1 << 8, _by_lists, True, "adam rmsprop sgd"),
        ("optim", 1 << 10, _by_lists, True, "moving_average sum_of_squares squares_fit"),
        ("optim", 1 << 8, _by_numbers, True, "is_finite"),
    )
    for name in names.split()
}


FLOAT32 = np.dtype(np.float32)


@cache
def _modules() -> dict[str, Any]:
    """The compiled modules; none, with a warning, if numba is not installed."""
    try:
        from tinygen.kernels import cells, copy, elementwise, linalg, norm, optim, pool, reduce, resize, rows
        from tinygen.kernels.conv import choice as conv
    except ModuleNotFoundError as error:
        if error.name not in ("numba", "llvmlite"):
            raise
        line = "numba is not installed: the plain NumPy kernels serve, which are slower. Install it: pip install numba"
        warnings.warn(line, RuntimeWarning, stacklevel=2)
        return {}
    modules = dict(elementwise=elementwise, reduce=reduce, linalg=linalg, conv=conv, norm=norm, pool=pool)
    return modules | dict(cells=cells, copy=copy, resize=resize, rows=rows, optim=optim)


@cache
def _fast(name: str) -> Callable:
    return getattr(_modules().get(COMPILED[name].home), name, lambda *_: NotImplemented)


# -- the choice --------------------------------------------------------------------------------------------------------


@cache
def compiled(name: str) -> Callable:
    """The kernel for arrays of any size: compiled, but plain for types, shapes and layouts that it doesn't take.

    The compiled function returns NotImplemented for these, and then the plain one runs.
    """
    plain, float64, fast = getattr(reference, name), COMPILED[name].float64, None

    @wraps(plain)
    def kernel(first, *rest):
        nonlocal fast
        if not (float64 or first.dtype == FLOAT32):
            return plain(first, *rest)
        fast = fast or _fast(name)
        result = fast(first, *rest)
        return plain(first, *rest) if result is NotImplemented else result

    return kernel


def setting() -> str:
    """Which kernels serve. Raises ValueError for a setting that is neither "fast" nor "reference"."""
    name = os.environ.get("TINYGEN_KERNELS") or "fast"
    if name not in ("fast", "reference"):
        raise ValueError(f"TINYGEN_KERNELS: expected fast or reference, got {name!r}")
    return name


@contextmanager
def using_reference() -> Iterator[None]:
    """Inside, in every thread, the plain kernels are called: for comparisons of the compiled ones with them."""
    before = {name: globals()[name] for name in COMPILED if name in globals()}
    globals().update({name: getattr(reference, name) for name in COMPILED})
    try:
        yield
    finally:
        for name in COMPILED:
            del globals()[name]
        globals().update(before)


def __getattr__(name: str) -> Any:
    """A kernel, made when it is first used, by which time TINYGEN_KERNELS is set."""
    if name.startswith("_"):
        raise AttributeError(name)
    kernel = getattr(reference, name)
    if name in COMPILED and setting() == "fast":
        _, least, count, _ = COMPILED[name]
        kernel = wraps(kernel)(count(kernel, compiled(name), least))
    globals()[name] = kernel
    return kernel
