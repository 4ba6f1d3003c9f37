"""Enlarged samples: many compiled kernels have a fast path that small arrays never take."""

from dataclasses import replace

import numpy as np

from tinygen.testing.case import Arrays, Case, Static
from tinygen.testing.measure import evaluate
from tinygen.testing.values import precision

ENTRIES = 5 << 16  # of the first input: more than any size at which kernels start to use blocks or threads


def large(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """float32 is as precise for arrays that take the fast paths of kernels; {} if the sample can't be enlarged."""
    tiled = _enlarged(case, arrays, static)
    if tiled is None:
        return {}
    terms = case.longest_sum(arrays, static, arrays[0].size) * (tiled[0].size // arrays[0].size)  # an upper bound
    return precision(replace(case, terms=lambda arrays, static: terms), tiled, static, rng)


def _enlarged(case: Case, arrays: Arrays, static: Static) -> Arrays | None:
    """The first array repeated along its first axis, or all arrays of that length: the variant that the op accepts."""
    first = arrays[0]
    if not first.ndim or not all(a.size for a in arrays):
        return None
    repeats = -(-ENTRIES // first.size)
    together = tuple(_repeated(a, repeats) if a.shape[:1] == first.shape[:1] else a for a in arrays)
    for candidate in ((_repeated(first, repeats), *arrays[1:]), together):
        try:
            if np.isfinite(evaluate(case, candidate, static)).all():
                return candidate
        except (TypeError, ValueError, IndexError):  # its settings fit only the shapes of the sample
            continue
    return None


def _repeated(a: np.ndarray, times: int) -> np.ndarray:
    return np.tile(a, (times, *[1] * (a.ndim - 1)))
