"""A linear map of one axis that has few entries per row, and those of interpolation."""

from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """The entries of a sparse matrix, row by row: those of row i are starts[i] to starts[i + 1] of the two others.

    Equal to itself only, so that a kernel may keep what it made of it.
    """

    starts: np.ndarray  # (M + 1,)
    columns: np.ndarray
    weights: np.ndarray  # float64

    __eq__, __hash__ = object.__eq__, object.__hash__


class Taps:
    """A matrix (M, N) with few entries per row: y[i] = Σ weights · x[columns] over the taps of row i.

    Two taps of a row may have the same column: they add up. The transposed map is `T`.
    """

    def __init__(self, to: np.ndarray, columns: np.ndarray, weights: np.ndarray, shape: tuple[int, int]):
        order = np.argsort(to, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(to, minlength=shape[0]))])
        self.shape, self.rows = shape, Rows(starts, columns[order], np.asarray(weights, np.float64)[order])
        for array in self.rows:
            array.setflags(write=False)

    @classmethod
    def of(cls, matrix: np.ndarray) -> "Taps":
        """The entries of a matrix (M, N) that are not zero."""
        matrix = np.asarray(matrix)
        to, columns = matrix.nonzero()
        return cls(to, columns, matrix[to, columns], (matrix.shape[0], matrix.shape[1]))

    def matrix(self) -> np.ndarray:
        """The map as a whole matrix (M, N), float64."""
        starts, columns, weights = self.rows
        matrix = np.zeros(self.shape)
        np.add.at(matrix, (np.repeat(np.arange(self.shape[0]), np.diff(starts)), columns), weights)
        return matrix

    @cached_property
    def T(self) -> "Taps":
        (m, n), (starts, columns, weights) = self.shape, self.rows
        made = Taps(columns, np.repeat(np.arange(m), np.diff(starts)), weights, (n, m))
        made.__dict__["T"] = self
        return made

    def __repr__(self) -> str:
        return f"Taps({self.shape[0]} x {self.shape[1]}, {len(self.rows.weights)} entries)"


@lru_cache(maxsize=256)
def interpolation(n: int, m: int, mode: str, align_corners: bool, step: float) -> Taps:
    """The map of n samples to m places, by `mode` "nearest", "linear" or "cubic".

    Place i is between the samples around `step` (i + 1/2) - 1/2, so that the pixels' outer edges coincide; with
    `align_corners` the centres of the outermost samples stay in place. Samples outside repeat those at the ends. The
    cubic weights are those of Keys (1981) with a = -0.75.
    """
    i = np.arange(m)
    if m == n and mode == "linear":  # whatever the factor was before the size was rounded, as in PyTorch
        step = 1.0
    if mode == "nearest":
        return _taps(np.floor(i * step).astype(np.int64)[:, None], np.ones((m, 1)), n)
    if align_corners:
        at = i * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        at = (i + 0.5) * step - 0.5
    if mode == "linear":
        at = np.maximum(at, 0)  # the end is held in `_taps`
    left = np.floor(at).astype(np.int64)
    t = at - left  # (M,), in [0, 1)
    if mode == "linear":
        return _taps(left[:, None] + [0, 1], np.stack([1 - t, t], axis=1), n)
    distances = np.abs(t[:, None] - [-1, 0, 1, 2])  # (M, 4), of the four samples around
    return _taps(left[:, None] + [-1, 0, 1, 2], _keys(distances), n)


def _keys(d: np.ndarray, a: float = -0.75) -> np.ndarray:
    """The weight of a sample at distance d <= 2 (Keys 1981)."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)


@lru_cache(maxsize=256)
def window_sums(n: int, g: int, k: int, s: int, p: int) -> Taps:
    """The map of n pixels to the sums of g windows of k, which begin s apart, the first at pixel -p."""
    to, columns = np.repeat(np.arange(g), k), (s * np.arange(g)[:, None] - p + np.arange(k)).ravel()
    inside = (0 <= columns) & (columns < n)
    return Taps(to[inside], columns[inside], np.ones(inside.sum()), (g, n))


def _taps(columns: np.ndarray, weights: np.ndarray, n: int) -> Taps:
    """The map with the taps columns[i] and weights[i] in row i, (M, K) each; the ends repeat outside."""
    m = len(columns)
    to = np.repeat(np.arange(m), columns.shape[1])
    columns, weights = np.clip(columns, 0, n - 1).ravel(), weights.ravel()
    used = weights != 0  # NaN times 0 would be NaN
    return Taps(to[used], columns[used], weights[used], (m, n))
