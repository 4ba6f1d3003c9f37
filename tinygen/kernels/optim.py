"""One step of each optimizer in one pass over its arrays: no temporary array, and each number read and written once.

All take lists with one entry for each parameter. The new values are new arrays, so that a graph keeps the old ones;
memory (m, v, averages) is written in place, by the plain kernels if it is not in C order. A step also returns whether
the squares of all that it wrote are finite, which the same pass computes: if they are, so are the numbers; if not, each
has to be checked.
"""

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.lists import blocks_of, find, part, share_lists
from tinygen.kernels.machine.memory import LARGE, empty
from tinygen.kernels.reference_optim import BOUND

FEW = 1 << 18  # numbers that one thread has looked at before several have begun
LARGEST = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    l2, keep = (0.0, 1 - α * λ) if decoupled else (λ, 1.0)
    short = None if min(β1, β2) > 0.5 else True  # nearly always None
    numbers = α / (1 - β1**t), β1, 1 - β1, β2, 1 - β2, 1 / (1 - β2**t), ε, l2 or None, keep
    return _stepped(_adam, θs, gs, [vs, ms], *numbers, True, short)


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    return _stepped(_sgd, θs, gs, [vs] if μ else [], α, μ, True if nesterov else None, λ or None, True if μ else None)


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    """Adam without a mean of g and without correction of the start."""
    return _stepped(_adam, θs, gs, [vs], lr, 0.0, 1.0, α, 1 - α, 1.0, ε, λ or None, 1.0, None, True)


def moving_average(averages, θs, decay):
    if not _are_in_order(averages):
        return NotImplemented
    share_lists(_moving_average, [_in_order(θs), averages], decay, 1 - decay)
    return None


def sum_of_squares(xs):
    return _sum(xs, 0.0)


def squares_fit(xs):
    return _sum(xs, None) <= min([LARGEST[x.dtype] for x in xs], default=0.0)


def is_finite(x):
    fit = _squares_fit(as_input(x).reshape(-1)) if x.size < FEW else squares_fit([x])
    return fit or bool(np.isfinite(x).all())


def _sum(xs, zero) -> float:
    """Without `zero`, from which a sum begins, that of each block is of the type of x, which squares may not fit."""
    partial = np.zeros(blocks_of(xs))
    share_lists(_sum_of_squares, [_in_order(xs)], partial, zero)
    return float(partial.sum())


def _stepped(rule, θs, gs, memory, *numbers):
    """The new values, by `rule` on the lists θ, g, new, v and m, as far as it has them."""
    if not all(map(_are_in_order, memory)):
        return NotImplemented
    new = [np.empty(θ.shape, θ.dtype) if θ.nbytes < LARGE else empty(θ.shape, θ.dtype) for θ in θs]
    overflow = np.zeros(1, np.bool_)
    share_lists(rule, [_in_order(θs), _in_order(gs), new, *memory], *numbers, overflow)
    for x in new:
        x.setflags(False)  # pyright: ignore[reportCallIssue]  a Parameter copies an array that may be written to
    return new, not overflow[0]


def _are_in_order(xs) -> bool:
    return all([x.flags.c_contiguous for x in xs])


def _in_order(xs) -> list[np.ndarray]:
    return xs if _are_in_order(xs) else [np.ascontiguousarray(x) for x in xs]


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
def _adam(
    table, like, rate, β1, rest1, β2, rest2, unbias, ε, λ, keep, averaged, short, overflow, start, stop
):  # fmt: skip
    """Without weight decay, λ is None, and numba leaves out the branch for it; `averaged` and `short` are True or None.

    `short` says that a mean is mostly made of the new numbers. Without an average, the mean of g is made of the new
    number alone, which the array of the result holds meanwhile.
    """
    f = like.dtype.type
    rate, ε, keep, unbias = f(rate), f(ε), f(keep), f(unbias)
    β1, rest1, β2, rest2, bound = f(β1), f(rest1), f(β2), f(rest2), f(BOUND_32 if like.itemsize == 4 else BOUND_64)
    i = first = 0
    for block in range(start, stop):
        i, first = find(table, block, i, first)
        θ, g = part(table, 1, i, block - first, like), part(table, 2, i, block - first, like)
        new, v = part(table, 3, i, block - first, like), part(table, 4, i, block - first, like)
        m, squares = new if averaged is None else part(table, 5, i, block - first, like), f(0)
        for j in range(θ.size):
            gj = _bounded(g[j] if λ is None else g[j] + f(λ) * θ[j], bound)
            if short is None:
                m[j] += rest1 * (gj - m[j])
                v[j] += rest2 * (gj * gj - v[j])
            else:
                m[j] = gj if averaged is None else _mixed(m[j], gj, β1, rest1)
                v[j] = _mixed(v[j], gj * gj, β2, rest2)
        for j in range(θ.size):  # a loop of its own: LLVM doesn't vectorise one that makes all three
            new[j] = keep * θ[j] - rate * m[j] / (np.sqrt(v[j] * unbias) + ε)
            squares += new[j] * new[j] + v[j]
        if not squares < np.inf:
            overflow[0] = True


@kernel
def _sgd(table, like, α, μ, nesterov, λ, momentum, overflow, start, stop):
    """Without weight decay, λ is None; `nesterov` and `momentum` are True or None."""
    f = like.dtype.type
    α, μ = f(α), f(μ)
    i = first = 0
    for block in range(start, stop):
        i, first = find(table, block, i, first)
        θ, g = part(table, 1, i, block - first, like), part(table, 2, i, block - first, like)
        new, squares = part(table, 3, i, block - first, like), f(0)
        v = new if momentum is None else part(table, 4, i, block - first, like)
        for j in range(θ.size):
            gj = g[j] if λ is None else g[j] + f(λ) * θ[j]
            if momentum is None:
                step = gj
            else:
                vj = μ * v[j] + gj
                v[j] = vj
                step = vj if nesterov is None else gj + μ * vj
                squares += vj * vj
            new[j] = θ[j] - α * step
            squares += new[j] * new[j]
        if not squares < np.inf:
            overflow[0] = True


@kernel
def _moving_average(table, like, decay, rest, start, stop):
    decay, rest = like.dtype.type(decay), like.dtype.type(rest)
    i = first = 0
    for block in range(start, stop):
        i, first = find(table, block, i, first)
        θ, average = part(table, 1, i, block - first, like), part(table, 2, i, block - first, like)
        for j in range(θ.size):
            average[j] = _mixed(average[j], θ[j], decay, rest)


@kernel
def _squares_fit(x):
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return total < np.inf


@kernel
def _sum_of_squares(table, like, partial, zero, start, stop):
    zero = like.dtype.type(0) if zero is None else zero
    i = first = 0
    for block in range(start, stop):
        i, first = find(table, block, i, first)
        x, total = part(table, 1, i, block - first, like), zero
        for j in range(x.size):
            total += (x[j] + zero) * (x[j] + zero)
        partial[block] += total  # of the blocks of other types too, which are counted from 0 again
