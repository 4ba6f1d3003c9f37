"""A transposed convolution as a few convolutions, each for the pixels of one phase, so that no zero is multiplied.

Pixel (h, k) meets only the kernel entries (u, v) for which the stride s divides h + p - d u and k + p - d v. So the
pixels fall into s x s phases, and those of a phase meet the same entries: a small convolution of its own.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Two = tuple[int, int]


class Phases(NamedTuple):
    """The convolutions that a transpose consists of."""

    entries: tuple[int, ...]  # of the kernel, by their index in KH·KW: those of the first convolution come first
    parts: tuple[tuple, ...]  # (pixels, form) of each convolution, as `direct.convolve` takes them
    bare: tuple[tuple[slice, ...], ...]  # pixels that no entry of the kernel reaches


@lru_cache(1024)  # a training step asks for the same ones again and again
def phases(kernel_size: Two, size: Two, stride: Two, padding: Two, dilation: Two) -> Phases:
    """Those of a transpose to images of `size` (H, W)."""
    entries, parts, bare = [], [], []
    rows, columns = map(_along, kernel_size, size, stride, padding, dilation)
    for top, tall, us, row_padding, row_step in rows:
        for left, wide, vs, column_padding, column_step in columns:
            if us and vs:
                entries += [u * kernel_size[1] + v for u in us for v in vs]
                form = (len(us), len(vs)), (1, 1), (row_padding, column_padding), (row_step, column_step)
                parts.append((((top, left), stride, (tall, wide)), form))
            else:
                bare.append(np.s_[:, top :: stride[0], left :: stride[1]])
    return Phases(tuple(entries), tuple(parts), tuple(bare))


def _along(k: int, size: int, s: int, p: int, d: int) -> list[tuple[int, int, list[int], int, int]]:
    """Along one axis, for each first pixel h < s: (h, pixels, entries of the kernel, padding, step).

    Kernel entry u reaches h if s divides h + p - d u, and pixel h + s t then meets entry t + (h + p - d u) / s of g.
    Where u falls, that grows in equal steps: it is a convolution with dilation `step`, whose padding may be negative.
    """
    found = []
    for h in range(min(s, size)):
        reach = [u for u in reversed(range(k)) if (h + p - d * u) % s == 0]
        first = (h + p - d * reach[0]) // s if reach else 0
        found.append((h, -(-(size - h) // s), reach, -first, d // math.gcd(s, d)))
    return found
