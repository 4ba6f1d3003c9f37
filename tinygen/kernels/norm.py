"""Normalisation with each number fetched from memory once: sums and result follow while an example is in the cache.

One pair of kernels serves all layers, which differ only in what they call an example and a group. An example that fits
the second-level cache is read for its means, for the variances around them, and for the result, but comes from memory
only the first time. A larger one (for BatchNorm the whole batch is one) is cut into pieces, each with means and
variances of its own; these are merged in order, and the example is read again. Backwards it is two sums per channel.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygen.kernels import reference
from tinygen.kernels.machine.jit import as_input
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.sums import RUN
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vector_math import f32
from tinygen.kernels.norm_back import backward
from tinygen.kernels.norm_loops import LEAKY_RELU, SILU, are_outside, forward, merge

EXAMPLE = 1 << 16  # numbers of an example up to which it is one piece: two of them as float32 take 512 kB of cache
BLOCK = 1 << 14  # numbers of a block: a piece of a larger example, or several smaller ones
WIDTH = 256  # numbers of a row, at most: a long loop, whose sums yet stay in the first-level cache
LEAST, MOST = 1e-30, 1e30  # of mean² + variance: beyond, float32 is too narrow for squares and for one over them
KINDS = {None: (), "leaky_relu": (0,) * LEAKY_RELU, "silu": (0,) * SILU}


def moments(x, num_groups):
    """Those of all pieces, merged."""
    cut = _cut(x.shape)
    found = np.empty((len(x), cut.pieces, 2, num_groups))
    none = as_input(np.empty(0, x.dtype))
    settings = 0.0, (), x.dtype.type(0), cut, True, False
    share(forward, cut.blocks, _rows(x, cut), none, none, np.empty((0, 0, 0), x.dtype), found, *settings)
    found = found[:, 0] if cut.pieces == 1 else _merged(found, cut)
    return _in_float64(reference.moments, x, num_groups) if _are_far_out(found, x) else found


def group_norm(x, weight, bias, known, num_groups, eps, activation, slope):
    """In one pass where an example is one piece; else the moments first."""
    if activation == "silu" and x.dtype != f32:  # the fast exponential is not for proofs
        y, known = group_norm(x, weight, bias, known, num_groups, eps, None, 0)
        return reference.silu(y), known
    cut = _cut(x.shape)
    measure = known is None and cut.pieces == 1
    if measure:
        known = np.empty((len(x), 2, num_groups))
    else:
        known = moments(x, num_groups) if known is None else np.array(known)  # one that may be written to, as above
    y = empty(x.shape, x.dtype)
    arrays = _rows(x, cut), as_input(weight), as_input(bias), _rows(y, cut, locked=False), known[:, None]
    settings = eps, KINDS[activation], x.dtype.type(slope), cut, measure, True
    share(forward, cut.blocks, *arrays, *settings)
    if _are_far_out(known, x):
        known = None if measure else known
        y, known = _in_float64(reference.group_norm, x, weight, bias, known, num_groups, eps, activation, slope)
    return y.astype(x.dtype, copy=False), known


@np.errstate(all="ignore")  # as a compiled loop, which gives no warning
def group_norm_vjp(g, x, weight, bias, known, num_groups, eps, activation, slope):
    """Sums and gradient in one pass where an example is one piece; else the sums first."""
    known = moments(x, num_groups) if known is None else known
    if _are_far_out(known, x):
        same = x, weight, bias, known, num_groups, eps, activation, slope
        return _in_float64(reference.group_norm_vjp, g, *same).astype(x.dtype)
    if activation == "silu" and x.dtype != f32:
        z, _ = group_norm(x, weight, bias, known, num_groups, eps, None, 0)
        g, activation = reference.silu_vjp(g, z), None
    cut = _cut(x.shape)
    found = empty(x.size + 2 * len(weight), x.dtype)
    gx = found[: x.size].reshape(len(x), cut.height, cut.width)
    sums = np.zeros((cut.blocks, 2, len(weight)))
    arrays = _rows(g, cut), _rows(x, cut), as_input(weight), as_input(bias), as_input(known), gx
    settings = eps, KINDS[activation], x.dtype.type(slope), cut
    if cut.pieces == 1:
        share(backward, cut.blocks, *arrays, sums, *settings, True, True)
    else:
        share(backward, cut.blocks, *arrays, sums, *settings, True, False)
        sums = sums.reshape(len(x), cut.pieces, *sums.shape[1:]).sum(axis=1)
        share(backward, cut.blocks, *arrays, sums, *settings, False, True)
    if x.size == len(x) * num_groups:
        found[: x.size] = 0  # a number alone always becomes 0
    found[x.size :] = sums.sum(axis=0).reshape(-1)
    return found


def _merged(parts, cut):
    """Moments of examples from those of their pieces."""
    found = np.empty((len(parts), *parts.shape[2:]))
    merge(parts, _shares(cut), found)
    return found


@lru_cache(256)
def _shares(cut) -> np.ndarray:
    """The part of an example that each of its pieces is."""
    rows = np.full(cut.pieces, cut.rows)
    rows[-1] = cut.height - cut.rows * (cut.pieces - 1)
    return as_input(rows / cut.height)


def _are_far_out(moments, x) -> bool:
    """Whether a group of x is so large or small that float32 can't hold its squares; a group of zeros is not."""
    return x.dtype == f32 and are_outside(as_input(moments), LEAST, MOST)


@np.errstate(all="ignore")
def _in_float64(kernel, *arguments):
    """The kernel for numbers whose squares float32 can't hold, which NaN and infinity are too."""
    return kernel(*[a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments])


# -- how the work is cut -----------------------------------------------------------------------------------------------


class Cut(NamedTuple):
    """Each example as `height` rows of `width` numbers, pieces of `rows` rows, and blocks of pieces or examples."""

    channels: int
    height: int
    width: int
    rows: int  # of a piece
    pieces: int  # of an example
    examples: int  # of a block
    blocks: int


@lru_cache(256)
def _cut(shape: tuple[int, ...]) -> Cut:
    """Several positions side by side make a row: channels repeat in it, and so do their coefficients."""
    n, positions, c = shape[0], math.prod(shape[1:-1]), shape[-1]
    together = next((k for k in range(min(positions, WIDTH // c), 1, -1) if positions % k == 0), 1)
    height, width = positions // together, together * c
    if height * width <= EXAMPLE:
        examples = max(1, min(n, BLOCK // (height * width), RUN))
        return Cut(c, height, width, height, 1, examples, -(-n // examples))
    rows = max(RUN, BLOCK // width)
    pieces = -(-height // rows)
    return Cut(c, height, width, rows, pieces, 1, n * pieces)


def _rows(x: np.ndarray, cut: Cut, *, locked: bool = True) -> np.ndarray:
    return (as_input(x) if locked else x).reshape(len(x), cut.height, cut.width)
