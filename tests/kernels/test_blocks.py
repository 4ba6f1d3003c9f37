"""Each entry of a result is the work of one block: done alone, or in any order, the blocks leave the same bits.

Whatever a kernel hands to threads.share is run here block by block, each from the memory as it was before the first.
"""

from importlib import import_module
from inspect import signature
from itertools import chain, pairwise, product

import numpy as np
import pytest

from tinygen import kernels
from tinygen.kernels import reference
from tinygen.kernels.machine import lists, team, threads
from tinygen.kernels.reference_cells import CELLS
from tinygen.ops.support.taps import interpolation

DRAWS = {"quick": 3, "full": 50, "long": 500}
PARTS = 12  # in which many blocks are cut
HOMES = {row.home for row in kernels.COMPILED.values() if row.home != "conv"}
HOMES |= {f"conv.{file}" for file in ("choice", "direct", "scatter", "winograd")}
MODULES = [lists, *(import_module(f"tinygen.kernels.{home}") for home in [*HOMES, "entrywise"])]


# -- what is called ----------------------------------------------------------------------------------------------------


def convolution(name, rng):
    """Of every kind: some for Winograd, some for the strided one, others direct."""
    kind = int(rng.integers(4))
    c, o = (16 * int(rng.integers(1 + kind % 2, 4)) if kind < 3 else int(rng.integers(1, 20)) for _ in range(2))
    kernel_size, stride, dilation = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(3))
    if kind < 2:
        kernel_size, stride, dilation = (3, 3 + kind), (1 + kind, 1 + kind), (1, 1)
    dilation = (dilation[0], 1) if kind == 2 else dilation
    padding = tuple(int(n) for n in rng.integers(0, 3, 2))
    size = tuple(int(n) for n in rng.integers(20, 80, 2))
    outputs = [
        (h + 2 * p - d * (k - 1) - 1) // s + 1 for h, k, s, p, d in zip(size, kernel_size, stride, padding, dilation)
    ]
    n = int(rng.integers(1, 5))
    x, w, g = normal(rng, (n, *size, c)), normal(rng, (*kernel_size, c, o)), normal(rng, (n, *outputs, o))
    form = stride, padding, dilation
    return {
        "conv2d": (x, w, *form),
        "conv_transpose2d": (g, w, size, *form),
        "conv2d_weight": (x, g, kernel_size, *form),
    }[name]


def arguments(name, rng):
    home = kernels.COMPILED[name].home
    if home == "conv":
        return convolution(name, rng)
    if home == "linalg":
        b, n, k, m = (int(rng.integers(*ends)) for ends in ((5, 8), (400, 600), (60, 90), (40, 120)))
        of_layer = normal(rng, (n, k)), normal(rng, (n, m))
        return of_layer if name == "linear_weight" else (normal(rng, (b, n, k)), normal(rng, (b, k, m)))
    if name == "is_finite":
        return (normal(rng, int(rng.integers(300_000, 500_000))),)
    if home == "optim":
        return optimizer_step(name, rng)
    x = normal(rng, (int(rng.integers(8, 12)), 24, 30, 8 * int(rng.integers(3, 5))))
    channel = normal(rng, x.shape[-1:])
    if home == "norm":
        of_batch = rng.integers(2) == 1  # one large example, cut into pieces
        x, groups = (x[None], x.shape[-1]) if of_batch else (x, 8)
        settings = groups, 1e-5, [None, "leaky_relu", "silu"][int(rng.integers(3))], 0.1
        known = kernels.moments(x, groups)
        return {
            "moments": (x, groups),
            "group_norm": (x, channel, channel, None, *settings),
            "group_norm_vjp": (normal(rng, x.shape), x, channel, channel, known, *settings),
        }[name]
    if name == "concat":
        return [x, x], int(rng.integers(4))
    if name == "contiguous":
        return (x[..., : x.shape[-1] - 2],)
    if name == "in_order":
        return (x.transpose(2, 0, 3, 1),)
    if name == "placed":
        return x, (slice(None), slice(1, 1 + 2 * x.shape[1], 2)), (len(x), 2 * x.shape[1] + 3, *x.shape[2:])
    if home == "pool":
        window = ((x.shape[1] + 1) // 2, x.shape[2] - 2), (3, 3), (2, 1), (1, 0)
        y, found = reference.max_pool2d(x, *window)
        return (x, *window) if name == "max_pool2d" else (y, found, x.shape[1:3], *window[1:])
    if home == "resize":
        return x, tuple(interpolation(n, m, "cubic", False, n / m).rows for n, m in zip(x.shape[1:3], (7, 11)))
    if home == "cells":
        n, size = int(rng.integers(60, 90)), int(rng.integers(60, 90))
        cell = sorted(CELLS)[int(rng.integers(len(CELLS)))]
        gates, parts = CELLS[cell]
        x, w, first = (
            normal(rng, (3, n, gates * size)),
            normal(rng, (size, gates * size)),
            normal(rng, (n, parts * size)),
        )
        if name == "recurrence":
            return x, first, w, normal(rng, (gates * size,)), cell
        return normal(rng, (3, *first.shape)), x, normal(rng, (4, *first.shape)), normal(rng, x.shape), w, cell
    if home == "rows":
        rows = x.reshape(-1, x.shape[-1])
        labels = rng.integers(rows.shape[1], size=len(rows))
        return {
            "logsumexp": (rows, (1,)),
            "logsumexp_vjp": (normal(rng, len(rows)), rows, (1,)),
            "softmax": (rows,),
            "softmax_vjp": (rows, rows),
            "log_softmax": (rows,),
            "log_softmax_vjp": (rows, rows),
            "log_softmax_at": (rows, labels),
            "log_softmax_at_vjp": (normal(rng, len(rows)), rows, -abs(normal(rng, len(rows))), labels),
            "add_rows": (rows, rng.integers(0, 999, len(rows)), 999),
        }[name]
    if home == "reduce":
        among = [(0,), (1, 2), (0, 1, 2), (1, 3)] + [(2, 3), (0, 1, 2, 3)] * name.startswith("sum")
        axes = among[int(rng.integers(len(among)))]
        if name == "max_along_vjp":
            values, places = reference.max_along(x, axes)
            return values, places, x.shape, axes
        second = [normal(rng, x.shape)] if name in ("relu_vjp_sum", "sum_of_products") else []
        return (x, *second, *([] if name == "relu_vjp_sum" else [axes]))
    if name == "add":
        return x, [normal(rng, x.shape), channel, normal(rng, (len(x), 1, 1, x.shape[-1]))][int(rng.integers(3))]
    if name == "select":
        return rng.random(x.shape) < 0.5, x, normal(rng, x.shape)
    if name.startswith("power"):
        return (x, 3.0) if name == "power" else (normal(rng, x.shape), x, -2.0)
    assert home == "elementwise", f"say here how {name} is called"
    return tuple(
        0.1 if p.annotation is float else normal(rng, x.shape)
        for p in signature(getattr(kernels, name)).parameters.values()
    )


def optimizer_step(name, rng):
    shapes = (300, 400), (int(rng.integers(20_000, 70_000)),), (3, 1025)
    lists = [[abs(rng.normal(size=s)).astype(np.float32) for s in shapes] for _ in range(4)]
    return {
        "adam": (*lists, 0.01, 0.9, 0.99, 1e-8, 0.1, bool(rng.integers(2)), 3),
        "sgd": (*lists[:3], 0.1, 0.9 * int(rng.integers(2)), True, 0.1),
        "rmsprop": (*lists[:3], 0.1, 0.9, 1e-8, 0.1),
        "moving_average": (*lists[:2], 0.9),
        "sum_of_squares": (lists[0],),
        "squares_fit": (lists[0],),
    }[name]


def normal(rng, shape):
    """Read-only, as an input may be: what can be written to is then a result."""
    array = rng.normal(size=shape).astype(np.float32)
    array.setflags(write=False)
    return array


# -- how it is shared out ----------------------------------------------------------------------------------------------


class Alone:
    """Instead of threads.share: each block by itself, or a few neighbours where there are many; then in any order."""

    def __init__(self, rng):
        self.rng, self.most_blocks, self.listed = rng, 0, []

    def table(self, of):
        """`lists.table`, which gives a kernel addresses, and the arrays that these belong to."""

        def table(lists):
            self.listed = [array for array in chain.from_iterable(lists) if array.flags.writeable]
            return of(lists)

        return table

    def share(self, kernel, blocks, *args):
        self.most_blocks = max(self.most_blocks, blocks)
        cuts = range(1, blocks) if blocks <= PARTS else self.rng.choice(np.arange(1, blocks), PARTS - 1, replace=False)
        parts = self.rng.permutation(list(pairwise([0, *sorted(map(int, cuts)), blocks]))).tolist()
        results = [*written(args), *self.listed]
        self.listed = []
        before, merged = [[a.copy() for a in results] for _ in range(2)]
        touched = [np.zeros(a.shape, bool) for a in results]
        for part in parts:
            run(kernel, args, *part)
            for result, old, taken, whole in zip(results, before, touched, merged):
                now = bits(result) != bits(old)
                assert not (now & taken).any(), f"blocks {part} write where others do"
                taken |= now
                whole[now] = result[now]
                result[...] = old
        run(kernel, args, 0, blocks)
        self.same(results, merged, "all in one go")
        for result, old in zip(results, before):
            result[...] = old
        for part in parts:
            run(kernel, args, *part)
        self.same(results, merged, f"in the order {parts}")

    def same(self, results, merged, how):
        for result, whole in zip(results, merged):
            assert (bits(result) == bits(whole)).all(), f"{how}, the blocks leave other bits than each alone"


def run(kernel, args, start, stop):
    """Blocks start..stop by the machine code that threads.share runs: the kernel called by itself is compiled apart."""
    together = team.for_team(kernel)
    if together is None:
        kernel(*args, start, stop)
    else:
        assert not together(threads.ALONE, start, stop, 1, *args)


def written(args):
    """The arrays that a kernel may write to, however deep in its arguments."""
    for a in args:
        if isinstance(a, np.ndarray) and a.flags.writeable:
            yield a
        elif isinstance(a, list | tuple):
            yield from written(a)


def bits(array):
    return array.view(f"u{array.itemsize}")


def unknown(shape, dtype):
    """In place of memory that holds the result of the last call."""
    return np.full(shape, -1 if np.issubdtype(dtype, np.integer) else np.nan, dtype)


@pytest.mark.parametrize("name", sorted(kernels.COMPILED))
def test_each_entry_is_the_work_of_one_block(name, profile, monkeypatch):
    fast = kernels.compiled(name)
    most_blocks = 0
    for seed in range(DRAWS[profile] * (4 if kernels.COMPILED[name].home == "conv" else 1)):
        results, alone = [], Alone(np.random.default_rng(seed))
        for blocks_alone in (False, True):
            args = arguments(name, np.random.default_rng(seed))
            with monkeypatch.context() as patch:
                if blocks_alone:
                    patch.setattr(lists, "table", alone.table(lists.table))
                    for module, (attribute, other) in product(MODULES, (("share", alone.share), ("empty", unknown))):
                        if hasattr(module, attribute):
                            patch.setattr(module, attribute, other)
                results.append([fast(*args), list(written(args))])
        for threaded, alone_ in zip(leaves(results[0]), leaves(results[1]), strict=True):
            assert threaded.tobytes() == alone_.tobytes()
        most_blocks = max(most_blocks, alone.most_blocks)
    assert most_blocks > 1


def leaves(value):
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [np.asarray(value)]


def test_two_blocks_that_write_to_the_same_entry_are_found():
    def racing(y, start, stop):
        y[start : stop + 1] += 1

    with pytest.raises(AssertionError, match="where others do"):
        Alone(np.random.default_rng(0)).share(racing, 3, np.zeros(4))


def test_a_block_that_reads_what_another_wrote_is_found():
    def following(y, start, stop):
        for block in range(start, stop):
            y[block] = y[block - 1] + 1

    with pytest.raises(AssertionError, match="other bits than each alone"):
        Alone(np.random.default_rng(0)).share(following, 3, np.zeros(3))


# -- no warnings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("name", sorted(kernels.COMPILED))
def test_a_compiled_kernel_gives_no_warning(name, number):
    """Neither do the calls of NumPy around its loops, whose warnings would depend on the processor."""
    for seed in range(4):
        args = arguments(name, np.random.default_rng(seed))
        for array in leaves(list(args)):
            if array.dtype == np.float32 and array.size and array.flags.writeable:
                array.flat[np.random.default_rng(seed).integers(array.size, size=max(1, array.size // 9))] = number
        with np.errstate(all="raise"):
            kernels.compiled(name)(*args)
