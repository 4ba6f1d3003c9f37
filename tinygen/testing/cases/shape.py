"""Cases of the ops that move entries around: all linear, all exact."""

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import index, narrowed, normal, one_in, pick, shape


def _reshape(rng):
    before = shape(rng)
    size = int(np.prod(before))
    after = pick(rng, [(size,), before[::-1], (1, *before), *([(1, -1)] if size else [])])
    return (normal(rng, before),), {"shape": after}


def _flatten(rng):
    before = shape(rng, least=1)
    return (normal(rng, before),), {"start": int(rng.integers(-len(before), len(before)))}


def _flatten_oracle(x, start):
    start %= x.ndim
    return x.reshape([*x.shape[:start], int(np.prod(x.shape[start:]))])


def _transpose(rng):
    x = normal(rng, shape(rng))
    order = tuple(int(a) - x.ndim * one_in(rng, 2) for a in rng.permutation(x.ndim))
    return (x,), {"axes": pick(rng, (None, order, order))}


def _broadcast_to(rng):
    whole = shape(rng)
    return (normal(rng, narrowed(rng, whole)),), {"shape": whole}


def _sum_to(rng):
    whole = shape(rng)
    return (normal(rng, whole),), {"shape": narrowed(rng, whole)}


def _sum_to_oracle(x, shape):
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    for axis, n in enumerate(shape):
        if n == 1:
            x = x.sum(axis=axis, keepdims=True)
    return x


def _getitem(rng):
    x = normal(rng, shape(rng, least=1))
    return (x,), {"index": index(rng, x.shape)}


def _scatter(rng):
    whole = shape(rng, least=1)
    where = index(rng, whole)
    return (normal(rng, np.zeros(whole)[where].shape),), {"index": where, "shape": whole}


def _scatter_oracle(x, index, shape):
    y = np.zeros(int(np.prod(shape)), x.dtype)
    places = np.arange(y.size).reshape(shape)[index]
    for place, entry in zip(np.ravel(places), x.ravel()):
        y[place] += entry
    return y.reshape(shape)


def _widths(rng, ndim: int) -> tuple:
    return tuple((int(rng.integers(3)), int(rng.integers(3))) for _ in range(ndim))


def _pad(rng):
    x = normal(rng, shape(rng))
    return (x,), {"widths": _widths(rng, x.ndim)}


def _crop(rng):
    x, widths = normal(rng, shape(rng)), []
    for n in x.shape:
        before = int(rng.integers(max(n, 1)))
        widths.append((before, int(rng.integers(max(n - before, 1)))))
    return (x,), {"widths": tuple(widths)}


def _crop_oracle(x, widths):
    for axis, (before, after) in enumerate(widths):
        x = np.take(x, range(before, x.shape[axis] - after), axis=axis)
    return x


def _concat(rng):
    whole = shape(rng, least=1)
    axis = int(rng.integers(len(whole)))
    sizes = [0 if one_in(rng, 8) else int(rng.integers(1, 4)) for _ in range(int(rng.integers(1, 4)))]
    arrays = tuple(normal(rng, (*whole[:axis], n, *whole[axis + 1 :])) for n in sizes)
    return arrays, {"axis": axis - len(whole) * one_in(rng, 2)}


def _concat_oracle(*xs, axis):
    """Every input written into its place of an array of zeros."""
    sizes = [x.shape[axis] for x in xs]
    y = np.moveaxis(np.zeros_like(xs[0]), axis, 0)
    y = np.zeros((sum(sizes), *y.shape[1:]), np.result_type(*xs))
    for x, end in zip(xs, np.cumsum(sizes)):
        y[end - x.shape[axis] : end] = np.moveaxis(x, axis, 0)
    return np.moveaxis(y, 0, axis)


def _stack(rng):
    each = shape(rng)
    arrays = tuple(normal(rng, each) for _ in range(int(rng.integers(1, 4))))
    return arrays, {"axis": int(rng.integers(-len(each) - 1, len(each) + 1))}


def _picked(arrays, static) -> int:
    """How often the index picks the entry that it picks most often."""
    shape = static.get("shape", arrays[0].shape)
    places = np.arange(int(np.prod(shape))).reshape(shape)[static["index"]]
    return int(np.bincount(np.ravel(places)).max(initial=0))


LINEAR = {"linear": ("x",), "exact": True, "flat": True}

SHAPE = (
    Case(op=ops.reshape, sample=_reshape, oracle=np.reshape, view=True, **LINEAR),
    Case(op=ops.flatten, sample=_flatten, oracle=_flatten_oracle, view=True, **LINEAR),
    Case(op=ops.transpose, sample=_transpose, oracle=np.transpose, view=True, **LINEAR),
    Case(op=ops.broadcast_to, sample=_broadcast_to, oracle=np.broadcast_to, view=True, **LINEAR),
    Case(op=ops.sum_to, sample=_sum_to, oracle=_sum_to_oracle, **LINEAR),
    Case(op=ops.getitem, sample=_getitem, oracle=lambda x, index: x[index], view=True, terms=_picked, **LINEAR),
    Case(op=ops.scatter, sample=_scatter, oracle=_scatter_oracle, terms=_picked, **LINEAR),
    Case(op=ops.pad, sample=_pad, oracle=lambda x, widths: np.pad(x, widths) if x.ndim else x, **LINEAR),
    Case(op=ops.crop, sample=_crop, oracle=_crop_oracle, view=True, **LINEAR),
    Case(op=ops.concat, sample=_concat, oracle=_concat_oracle, linear=("xs",), exact=True, flat=True),
    Case(
        op=ops.stack, sample=_stack, oracle=lambda *xs, axis: np.stack(xs, axis), linear=("xs",), exact=True, flat=True
    ),
    Case(
        op=ops.astype,  # to float32 too: that it rounds and brings gradients back is tested by itself
        sample=lambda rng: ((normal(rng, shape(rng)),), {"dtype": np.dtype(np.float64)}),
        oracle=lambda x, dtype: x + 0,
        **LINEAR,
    ),
)
