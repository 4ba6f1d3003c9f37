"""One step of each optimizer in one pass over its arrays: no temporary array, and each number read and written once.

All take lists with an entry for each parameter. Memory (m, v, averages) is written in place and must be contiguous;
the new parameters are new arrays, so that whoever holds the old ones keeps them. Nothing is lost by that: the allocator
hands out again the pages of the arrays before last.
"""

import numpy as np

from tinygen.kernels.jit import kernel
from tinygen.kernels.memory import empty
from tinygen.kernels.threads import share

BLOCK = 1024  # entries: the five arrays of Adam take 20 kB, which the first-level cache holds


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    l2, keep = (0.0, 1 - α * λ) if decoupled else (λ, 1.0)
    numbers = α / (1 - β1**t), β1, 1 - β1, β2, 1 - β2, 1 / (1 - β2**t), ε, l2, keep
    return _moved(_adam, (θs, gs), (ms, vs), numbers)


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    if μ:
        return _moved(_sgd_with_momentum, (θs, gs), (vs,), (α, μ, μ if nesterov else 0.0, λ))
    return _moved(_sgd, (θs, gs), (), (α, λ))


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    return _moved(_rmsprop, (θs, gs), (vs,), (lr, α, 1 - α, ε, λ))


def moving_average(averages, θs, decay):
    _one_pass(_moving_average, (θs,), (averages,), (decay, 1 - decay))


def sum_of_squares(xs):
    partial = [np.zeros(_blocks(x)) for x in xs]
    _one_pass(_sum_of_squares, (xs,), (partial,), ())
    return float(sum(p.sum() for p in partial))


def _moved(rule, read, memory, numbers) -> list[np.ndarray]:
    """New parameters, which `rule` writes last."""
    new = [empty(x.shape, x.dtype) for x in read[0]]
    _one_pass(rule, read, (*memory, new), numbers)
    for x in new:
        x.setflags(False)  # read-only: so a Parameter takes it as it is, and any other array it would copy
    return new


def _blocks(x) -> int:
    return -(-x.size // BLOCK)


def _one_pass(rule, read, written, numbers) -> None:
    """Call `rule(*read, *written, *numbers, start, stop)` for each parameter; start and stop count its blocks."""
    for arrays in zip(*read, *written):
        flat = [x.ravel() for x in arrays]
        for x in flat[: len(read)]:
            x.setflags(False)  # read-only, this view of it: a kernel is compiled once, whoever may write to its inputs
        share(rule, _blocks(flat[0]), *flat, *numbers)


# Each rule casts its numbers to the arrays' type: a float64 among float32 would make all the arithmetic float64.


@kernel
def _adam(θ, g, m, v, new, rate, β1, rest1, β2, rest2, unbias, ε, λ, keep, start, stop):
    f = θ.dtype.type
    rate, ε, λ, keep, unbias = f(rate), f(ε), f(λ), f(keep), f(unbias)
    β1, rest1, β2, rest2 = f(β1), f(rest1), f(β2), f(rest2)
    for block in range(start, stop):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        θb, gb, mb, vb, newb = θ[part], g[part], m[part], v[part], new[part]
        for i in range(θb.size):  # two loops: LLVM doesn't vectorise one that writes three arrays and reads two others
            gi = gb[i] + λ * θb[i] if λ else gb[i]
            mb[i] = β1 * mb[i] + rest1 * gi
            vb[i] = β2 * vb[i] + rest2 * (gi * gi)
        for i in range(θb.size):
            newb[i] = keep * θb[i] - rate * mb[i] / (np.sqrt(vb[i] * unbias) + ε)


@kernel
def _sgd(θ, g, new, α, λ, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    α, λ = f(α), f(λ)
    θ, g, new = θ[part], g[part], new[part]
    for i in range(θ.size):
        new[i] = θ[i] - α * (g[i] + λ * θ[i] if λ else g[i])


@kernel
def _sgd_with_momentum(θ, g, v, new, α, μ, ahead, λ, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    α, μ, ahead, λ = f(α), f(μ), f(ahead), f(λ)
    θ, g, v, new = θ[part], g[part], v[part], new[part]
    for i in range(θ.size):
        gi = g[i] + λ * θ[i] if λ else g[i]
        v[i] = μ * v[i] + gi
        new[i] = θ[i] - α * (gi + ahead * v[i] if ahead else v[i])


@kernel
def _rmsprop(θ, g, v, new, lr, α, rest, ε, λ, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    lr, α, rest, ε, λ = f(lr), f(α), f(rest), f(ε), f(λ)
    θ, g, v, new = θ[part], g[part], v[part], new[part]
    for i in range(θ.size):
        gi = g[i] + λ * θ[i] if λ else g[i]
        v[i] = α * v[i] + rest * (gi * gi)
        new[i] = θ[i] - lr * gi / (np.sqrt(v[i]) + ε)


@kernel
def _moving_average(θ, average, decay, rest, start, stop):
    f, part = θ.dtype.type, slice(start * BLOCK, stop * BLOCK)
    decay, rest = f(decay), f(rest)
    θ, average = θ[part], average[part]
    for i in range(θ.size):
        average[i] = decay * average[i] + rest * θ[i]


@kernel
def _sum_of_squares(x, partial, start, stop):
    for block in range(start, stop):
        entries, total = x[block * BLOCK : (block + 1) * BLOCK], 0.0
        for i in range(entries.size):
            entry = np.float64(entries[i])
            total += entry * entry
        partial[block] = total
