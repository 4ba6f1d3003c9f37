"""One step of each optimizer in one pass over its arrays: no temporary array, and each number read and written once.

All take lists with one entry for each parameter. The new values are new arrays, so that a graph keeps the old ones;
memory (m, v, averages) is written in place and must be contiguous. A step also returns whether the squares of all that
it wrote are finite, which the same pass computes: if they are, so are the numbers; if not, each has to be checked.
"""

from itertools import repeat
from typing import Any

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.memory import LARGE, empty
from tinygen.kernels.machine.threads import share
from tinygen.kernels.reference_optim import BOUND

BLOCK = 1024  # entries: the five arrays of Adam take 20 kB, which the first-level cache holds

LARGEST = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    l2, keep = (0.0, 1 - α * λ) if decoupled else (λ, 1.0)
    short = None if min(β1, β2) > 0.5 else True  # nearly always None
    numbers = α / (1 - β1**t), β1, 1 - β1, β2, 1 - β2, 1 / (1 - β2**t), ε, l2, keep, short
    return _stepped(_adam, zip(θs, gs, ms, vs), numbers)


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    return _stepped(_sgd, zip(θs, gs, vs if μ else repeat(None)), (α, μ, μ if nesterov else 0.0, λ))


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    """Adam without a mean of g and without correction of the start."""
    return _stepped(_adam, zip(θs, gs, repeat(None), vs), (lr, 0.0, 1.0, α, 1 - α, 1.0, ε, λ, 1.0, True))


def moving_average(averages, θs, decay):
    for θ, average in zip(θs, averages):
        share(_moving_average, _blocks(θ), _flat(θ), average.ravel(), decay, 1 - decay)


def sum_of_squares(xs):
    return sum(map(_squares, xs), 0.0)


def squares_fit(x):
    return sum_of_squares([x]) <= LARGEST[x.dtype]


def is_finite(x):
    return squares_fit(x) or bool(np.isfinite(x).all())


def _squares(x) -> float:
    partial = np.zeros(_blocks(x))
    share(_sum_of_squares, len(partial), _flat(x), partial)
    return float(partial.sum())


def _stepped(rule, parameters, numbers) -> tuple[list[np.ndarray], bool]:
    """The new values, by `rule(θ, g, *memory, new, *numbers, overflow, start, stop)` for each parameter."""
    overflow, result = np.zeros(1, np.bool_), []
    for θ, g, *memory in parameters:
        new = np.empty(θ.shape, θ.dtype) if θ.nbytes < LARGE else empty(θ.shape, θ.dtype)
        flat: list[Any] = [None if x is None else x.ravel() for x in memory]
        share(rule, _blocks(θ), _flat(θ), _flat(g), *flat, new.ravel(), *numbers, overflow)
        new.setflags(False)  # pyright: ignore[reportCallIssue]  a Parameter copies an array that may be written to
        result.append(new)
    return result, not overflow[0]


def _blocks(x) -> int:
    return -(-x.size // BLOCK)


def _flat(x) -> np.ndarray:
    """A flat view that is read-only: so a kernel is compiled once, whether or not the array may be written to."""
    flat = x.ravel()
    flat.setflags(False)  # pyright: ignore[reportCallIssue]  by position: faster
    return flat


# Each rule casts its numbers to the arrays' type: a float64 among float32 would make all the arithmetic float64.
BOUND_32, BOUND_64 = (BOUND[np.dtype(t)] for t in (np.float32, np.float64))


@piece
def _bounded(g, bound):
    """g, brought within ±bound."""
    return min(max(g, -bound), bound)


@piece
def _mixed(old, new, keep, rest):
    """keep · old + rest · new, for rest = 1 - keep; exactly x for two equal x, which that sum of products is not."""
    return old + rest * (new - old) if keep > rest else new + keep * (old - new)


@kernel
def _adam(θ, g, m, v, new, rate, β1, rest1, β2, rest2, unbias, ε, λ, keep, short, overflow, start, stop):
    """`short` is None, so that numba leaves the branch out, unless a mean is mostly made of the new numbers.

    m is None for one that is made of the new number alone, which the array of the result then holds meanwhile.
    """
    f = θ.dtype.type
    rate, ε, λ, keep, unbias = f(rate), f(ε), f(λ), f(keep), f(unbias)
    β1, rest1, β2, rest2, bound = f(β1), f(rest1), f(β2), f(rest2), f(BOUND_32 if θ.itemsize == 4 else BOUND_64)
    for block in range(start, stop):
        part, squares = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, vb, newb = θ[part], g[part], v[part], new[part]
        mb = newb if m is None else m[part]
        for i in range(θb.size):
            gi = _bounded(gb[i] + λ * θb[i] if λ else gb[i], bound)
            if short is None:
                mb[i] += rest1 * (gi - mb[i])
                vb[i] += rest2 * (gi * gi - vb[i])
            else:
                mb[i] = gi if m is None else _mixed(mb[i], gi, β1, rest1)
                vb[i] = _mixed(vb[i], gi * gi, β2, rest2)
        for i in range(θb.size):  # a loop of its own: LLVM doesn't vectorise one that makes all three
            newb[i] = keep * θb[i] - rate * mb[i] / (np.sqrt(vb[i] * unbias) + ε)
            squares += newb[i] * newb[i] + vb[i]
        if not squares < np.inf:
            overflow[0] = True


@kernel
def _sgd(θ, g, v, new, α, μ, ahead, λ, overflow, start, stop):
    """v is None without momentum, and numba leaves the branch for it out."""
    f = θ.dtype.type
    α, μ, ahead, λ = f(α), f(μ), f(ahead), f(λ)
    for block in range(start, stop):
        part, squares = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, newb = θ[part], g[part], new[part]
        vb = newb if v is None else v[part]
        for i in range(θb.size):
            gi = gb[i] + λ * θb[i] if λ else gb[i]
            if v is None:
                step = gi
            else:
                vi = μ * vb[i] + gi
                vb[i] = vi
                step = gi + ahead * vi if ahead else vi
                squares += vi * vi
            newb[i] = θb[i] - α * step
            squares += newb[i] * newb[i]
        if not squares < np.inf:
            overflow[0] = True


@kernel
def _moving_average(θ, average, decay, rest, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    decay, rest = f(decay), f(rest)
    θ, average = θ[part], average[part]
    for i in range(θ.size):
        average[i] = _mixed(average[i], θ[i], decay, rest)


@kernel
def _sum_of_squares(x, partial, start, stop):
    for block in range(start, stop):
        entries, total = x[block * BLOCK : (block + 1) * BLOCK], 0.0
        for i in range(entries.size):
            entry = np.float64(entries[i])
            total += entry * entry
        partial[block] = total
