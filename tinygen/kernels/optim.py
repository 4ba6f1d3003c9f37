"""One step of each optimizer in one pass over its arrays: no temporary array, and each number read and written once.

All take lists with an entry for each parameter. Memory (m, v, averages) is written in place and must be contiguous;
the new parameters are new arrays, so that whoever holds the old ones keeps them. Nothing is lost by that: the allocator
hands out again the pages of the arrays before last. A step also returns the sum of the squares of all that it made:
while that is finite, so are the parameters and the memory, and no step is near an overflow.
"""

from itertools import accumulate, repeat

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import share
from tinygen.kernels.reference_optim import BOUND

BLOCK = 1024  # entries: the five arrays of Adam take 20 kB, which the first-level cache holds


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    l2, keep = (0.0, 1 - α * λ) if decoupled else (λ, 1.0)
    short = None if min(β1, β2) > 0.5 else True  # nearly always None
    numbers = α / (1 - β1**t), β1, 1 - β1, β2, 1 - β2, 1 / (1 - β2**t), ε, l2, keep, short
    return _moved(_adam, (θs, gs), (ms, vs), numbers)


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    if μ:
        return _moved(_sgd_with_momentum, (θs, gs), (vs,), (α, μ, μ if nesterov else 0.0, λ))
    return _moved(_sgd, (θs, gs), (), (α, λ))


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    return _moved(_rmsprop, (θs, gs), (vs,), (lr, α, 1 - α, ε, λ))


def moving_average(averages, θs, decay):
    _one_pass(_moving_average, (θs,), (averages,), (decay, 1 - decay), repeat(()))


def sum_of_squares(xs):
    return _summed(_sum_of_squares, (xs,), (), ())


def _moved(rule, read, memory, numbers) -> tuple[list[np.ndarray], float]:
    """New parameters, which `rule` writes last, and the sum of the squares of all that it wrote."""
    new = [empty(x.shape, x.dtype) for x in read[0]]
    size = _summed(rule, read, (*memory, new), numbers)
    for x in new:
        x.setflags(False)  # read-only: so a Parameter takes it as it is, and any other array it would copy
    return new, size


def _blocks(x) -> int:
    return -(-x.size // BLOCK)


def _summed(rule, read, written, numbers) -> float:
    """The sum that `rule` makes in parts, as `partial[first + block]`; `first` counts the parameters' blocks."""
    firsts = [0, *accumulate(_blocks(x) for x in read[0])]
    partial = np.zeros(firsts[-1])
    _one_pass(rule, read, written, numbers, [(partial, first) for first in firsts])
    return float(partial.sum())


def _one_pass(rule, read, written, numbers, sums) -> None:
    """Call `rule(*read, *written, *numbers, *sums, start, stop)` for each parameter; start, stop count its blocks."""
    for *arrays, places in zip(*read, *written, sums):
        flat = [x.ravel() for x in arrays]
        for x in flat[: len(read)]:
            x.setflags(False)  # read-only, this view of it: a kernel is compiled once, whoever may write to its inputs
        if flat[0].size:
            share(rule, _blocks(flat[0]), *flat, *numbers, *places)


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
def _adam(θ, g, m, v, new, rate, β1, rest1, β2, rest2, unbias, ε, λ, keep, short, partial, first, start, stop):
    """`short` is None, so that numba leaves the second loop out, unless a mean is mostly made of the new numbers."""
    f = θ.dtype.type
    rate, ε, λ, keep, unbias = f(rate), f(ε), f(λ), f(keep), f(unbias)
    β1, rest1, β2, rest2, bound = f(β1), f(rest1), f(β2), f(rest2), f(BOUND_32 if θ.itemsize == 4 else BOUND_64)
    for block in range(start, stop):
        part, size = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, mb, vb, newb = θ[part], g[part], m[part], v[part], new[part]
        if short is None:
            for i in range(θb.size):
                gi = _bounded(gb[i] + λ * θb[i] if λ else gb[i], bound)
                mb[i] += rest1 * (gi - mb[i])
                vb[i] += rest2 * (gi * gi - vb[i])
        else:
            for i in range(θb.size):
                gi = _bounded(gb[i] + λ * θb[i] if λ else gb[i], bound)
                mb[i] = _mixed(mb[i], gi, β1, rest1)
                vb[i] = _mixed(vb[i], gi * gi, β2, rest2)
        for i in range(θb.size):  # a loop of its own: LLVM doesn't vectorise one that makes all three
            newb[i] = keep * θb[i] - rate * mb[i] / (np.sqrt(vb[i] * unbias) + ε)
            size += newb[i] * newb[i] + vb[i]
        partial[first + block] = size


@kernel
def _sgd(θ, g, new, α, λ, partial, first, start, stop):
    f = θ.dtype.type
    α, λ = f(α), f(λ)
    for block in range(start, stop):
        part, size = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, newb = θ[part], g[part], new[part]
        for i in range(θb.size):
            newb[i] = θb[i] - α * (gb[i] + λ * θb[i] if λ else gb[i])
            size += newb[i] * newb[i]
        partial[first + block] = size


@kernel
def _sgd_with_momentum(θ, g, v, new, α, μ, ahead, λ, partial, first, start, stop):
    f = θ.dtype.type
    α, μ, ahead, λ = f(α), f(μ), f(ahead), f(λ)
    for block in range(start, stop):
        part, size = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, vb, newb = θ[part], g[part], v[part], new[part]
        for i in range(θb.size):
            gi = gb[i] + λ * θb[i] if λ else gb[i]
            vb[i] = μ * vb[i] + gi
            newb[i] = θb[i] - α * (gi + ahead * vb[i] if ahead else vb[i])
            size += newb[i] * newb[i] + vb[i] * vb[i]
        partial[first + block] = size


@kernel
def _rmsprop(θ, g, v, new, lr, α, rest, ε, λ, partial, first, start, stop):
    f = θ.dtype.type
    lr, α, rest, ε, λ = f(lr), f(α), f(rest), f(ε), f(λ)
    bound = f(BOUND_32 if θ.itemsize == 4 else BOUND_64)
    for block in range(start, stop):
        part, size = slice(block * BLOCK, (block + 1) * BLOCK), f(0)
        θb, gb, vb, newb = θ[part], g[part], v[part], new[part]
        for i in range(θb.size):
            gi = _bounded(gb[i] + λ * θb[i] if λ else gb[i], bound)
            vb[i] = _mixed(vb[i], gi * gi, α, rest)
            newb[i] = θb[i] - lr * gi / (np.sqrt(vb[i]) + ε)
            size += newb[i] * newb[i] + vb[i]
        partial[first + block] = size


@kernel
def _moving_average(θ, average, decay, rest, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    decay, rest = f(decay), f(rest)
    θ, average = θ[part], average[part]
    for i in range(θ.size):
        average[i] = _mixed(average[i], θ[i], decay, rest)


@kernel
def _sum_of_squares(x, partial, first, start, stop):
    for block in range(start, stop):
        entries, total = x[block * BLOCK : (block + 1) * BLOCK], 0.0
        for i in range(entries.size):
            entry = np.float64(entries[i])
            total += entry * entry
        partial[first + block] = total
