"""Sums along some axes, and what is made of them, in plain NumPy. `reference.py` has these functions too."""

import math

import numpy as np

FEW = 32  # terms, which float32 adds one by one with an error of 1e-6 at most


def sum_along(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Σ along `axes`, which ascend; in float64 where NumPy adds one by one, not in pairs as along the last axes."""
    if x.dtype == np.float64 or x.size <= FEW or math.prod([x.shape[a] for a in axes]) <= FEW:
        return x.sum(axis=axes)
    if x.flags.c_contiguous and axes == tuple(range(x.ndim - len(axes), x.ndim)):
        return x.sum(axis=axes)
    return x.sum(axis=axes, dtype=np.float64).astype(x.dtype)


def sum_of_products(x: np.ndarray, y: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return sum_along(x * y, axes)


def variance(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.var(axis=axes, dtype=np.float64).astype(x.dtype)


def first_largest(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """1 at the first of the largest entries along `axes`, else 0; shaped like x."""
    if not x.size:
        return np.zeros_like(x)
    values, places = max_along(x, axes)
    return max_along_vjp(np.ones_like(values), places, x.shape, axes)


def max_along(x: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The largest entry along `axes`, and the place of the first one among them, counted in C order."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in rest)
    rows = x.transpose(*rest, *axes).reshape(math.prod(shape), math.prod(x.shape[i] for i in axes))
    places = rows.argmax(axis=1)
    return rows[np.arange(len(rows)), places].reshape(shape), places.astype(np.int32).reshape(shape)


def max_along_vjp(g: np.ndarray, places: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """g at the places that were found, and 0 elsewhere."""
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    gx = np.zeros((g.size, math.prod(shape[i] for i in axes)), g.dtype)
    gx[np.arange(g.size), places.reshape(-1)] = g.reshape(-1)
    return gx.reshape([shape[i] for i in rest + axes]).transpose(np.argsort(rest + axes))


def logsumexp(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """log Σ eˣ: the largest entry is subtracted first, so that nothing overflows.

    Its own e⁰ = 1 is added by log1p: in the sum it would cost the digits of the others.
    """
    top = _finite(x.max(axis=axes, keepdims=True))
    rest = sum_along(np.exp(x - top) - first_largest(x, axes), axes)
    return np.log1p(rest) + top.reshape(rest.shape)


def logsumexp_vjp(g: np.ndarray, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """g · softmax(x), for g with or without axes of size 1 in the place of `axes`."""
    top = _finite(x.max(axis=axes, keepdims=True))
    e = np.exp(x - top)
    return e * (g.reshape(top.shape) / sum_along(e, axes).reshape(top.shape))


def _finite(top: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(top), top, 0).astype(top.dtype)


def softmax(x: np.ndarray) -> np.ndarray:
    return logsumexp_vjp(np.ones(x.shape[:-1], x.dtype), x, (x.ndim - 1,))


def softmax_vjp(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """y (g - Σ g y), and 0 where y is 0, whatever g is there.

    Where one entry has nearly all the probability, g and the sum cancel: so it takes float64, and a y with the sum 1.
    """
    p = y.astype(np.float64)
    p /= p.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        total = np.where(y == 0, 0, g * p).sum(axis=-1, keepdims=True)
        return np.where(y == 0, 0, p * (g - total)).astype(y.dtype, copy=False)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """x - logsumexp(x) along the last axis; both without the largest entry, for smaller rounding errors."""
    x = x - x.max(axis=-1, keepdims=True)
    return x - logsumexp(x, (x.ndim - 1,))[..., None]


def log_softmax_vjp(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """g - eʸ Σ g, in float64: where one entry has nearly all the probability, the two cancel."""
    wide, total = g.astype(np.float64), g.sum(axis=-1, keepdims=True, dtype=np.float64)
    return (wide - np.exp(y.astype(np.float64)) * total).astype(y.dtype, copy=False)


def log_softmax_at(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax of each row of x (N, K) at its label."""
    return log_softmax(x)[np.arange(len(x)), labels]


def log_softmax_at_vjp(g: np.ndarray, x: np.ndarray, y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """g (1 - p) at the label of each row, -g p elsewhere; 1 - p is -expm1(y), which has its digits for p near 1."""
    gx = logsumexp_vjp(-g, x, (1,))
    gx[np.arange(len(x)), labels] = -np.expm1(y) * g
    return gx


def add_rows(x: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """n rows of zeros with the rows of x added at `rows`, in float64: float32 loses small terms of a long sum."""
    y = np.zeros((n, *x.shape[1:]))
    np.add.at(y, rows, x.astype(np.float64))
    return y.astype(x.dtype, copy=False)
