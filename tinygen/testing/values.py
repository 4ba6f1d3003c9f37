"""Properties of values: right, of the right shape and type, precise, repeatable, and independent of memory.

Each takes a case, one example of it and a generator; returns the error of each argument that the example can
test ("*" for the whole op); and raises `Failure` beyond its limit.
"""

import math

import numpy as np

from tinygen.grad import grad
from tinygen.gradcheck.examining import examining
from tinygen.tensor import Tensor
from tinygen.testing.case import Arrays, Case, Static
from tinygen.testing.draws import integral, normal
from tinygen.testing.layouts import LAYOUTS, c_order
from tinygen.testing.measure import EPS32, Failure, evaluate, pull_back, scaled, with_arrays


def value(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """The op computes what the oracle computes, to 1e-14 of the largest number."""
    got, expected = evaluate(case, arrays, static), np.asarray(case.oracle(*arrays, **static))
    if not np.isfinite(expected).all():
        raise Failure(case, "*", f"the oracle's value is not finite:\n{expected}", arrays, static)
    if got.shape != expected.shape:
        raise Failure(case, "*", f"makes shape {got.shape}, the oracle {expected.shape}", arrays, static)
    error = scaled(got, expected, *arrays)
    if error > 1e-14:
        text = f"differs from the oracle by {error:.1e} (limit 1e-14):\n{got}\ninstead of\n{expected}"
        raise Failure(case, "*", text, arrays, static, error=error)
    return {"*": error} if expected.size else {}


def types(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """float32 gives float32, float64 and mixtures give float64; each gradient has the shape and type of its input."""
    f32, f64 = np.dtype(np.float32), np.dtype(np.float64)
    mixtures = [[dtype] * len(arrays) for dtype in (f32, f64)]
    mixtures += [[f32] + [f64] * (len(arrays) - 1)] if len(arrays) > 1 else []
    for dtypes in mixtures:
        inputs = tuple(a.astype(dtype) for a, dtype in zip(arrays, dtypes))
        expected = static.get("dtype", max(dtypes))  # float32 < float64; an op with a `dtype` returns that
        xs = [Tensor(a, requires_grad=True) for a in inputs]
        y = case.op(*xs, **static)
        if y.dtype != expected:
            raise Failure(case, "*", f"makes {y.dtype}, expected {expected}", inputs, static)
        with examining():
            gradients = grad(y, xs, normal(rng, y.shape))
        for i, (x, g) in enumerate(zip(xs, gradients)):
            if (g.shape, g.dtype) != (x.shape, x.dtype):
                text = f"gradient of shape {g.shape}, {g.dtype} for an input of shape {x.shape}, {x.dtype}"
                raise Failure(case, case.argument(i), text, inputs, static)
    return dict.fromkeys(case.arguments, 0.0) if arrays else {}


def empty(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """Empty inputs: value, shapes and types are right, and no result contains uninitialised memory."""
    if all(a.size for a in arrays):
        return {}
    value(case, arrays, static, rng)
    types(case, arrays, static, rng)
    for dtype in (np.float64, np.float32):  # each has its own kernels
        inputs = tuple(a.astype(dtype) for a in arrays)
        _, gradients = pull_back(case, inputs, static, normal(rng, evaluate(case, inputs, static).shape).astype(dtype))
        if not all(np.isfinite(g).all() for g in gradients):
            raise Failure(case, "*", "a gradient holds memory that was never written", inputs, static)
    return {"*": 0.0}


def broadcast(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """Inputs of different shapes: value, shapes and types are right."""
    if not case.broadcasts or not case.broadcasts(arrays):
        return {}
    value(case, arrays, static, rng)
    types(case, arrays, static, rng)
    return {"*": 0.0}


def precision(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """float32 is within 4 √K eps of float64 on the same numbers, where K is the length of the longest sum."""
    single = tuple(a.astype(np.float32) for a in arrays)
    double = tuple(a.astype(np.float64) for a in single)
    gy = normal(rng, evaluate(case, double, static).shape).astype(np.float32)
    y, gradients = pull_back(case, single, static, gy)
    y64, gradients64 = pull_back(case, double, static, gy.astype(np.float64))
    limit = 4 * math.sqrt(case.longest_sum(arrays, static, y.size)) * EPS32
    names = ["value", *(f"gradient of {case.argument(i)}" for i in range(len(arrays)))]
    errors = [scaled(got, expected, gy, *double) for got, expected in zip((y, *gradients), (y64, *gradients64))]
    for name, error in zip(names, errors):
        if error > limit:
            text = f"{name} in float32 is {error:.1e} off float64 (limit {limit:.1e})"
            raise Failure(case, "*", text, single, static, error=error)
    return {"*": max(errors)} if y.size else {}


def repeat(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """Two calls give the same bits, values and gradients."""
    gy = normal(rng, evaluate(case, arrays, static).shape)
    first, second = ([a.tobytes() for a in (y, *gs)] for y, gs in (pull_back(case, arrays, static, gy) for _ in "12"))
    if first != second:
        raise Failure(case, "*", "a second call gives other bits", arrays, static)
    return {"*": 0.0} if gy.size else {}


def layout(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """The layout of inputs, array settings and cotangents changes results by at most 1e-14, by nothing if `exact`."""
    gy = normal(rng, evaluate(case, arrays, static).shape)
    _compare_layouts(case, arrays, static, gy, limit=1e-14)
    if case.is_exact(arrays, static):
        whole = tuple(integral(rng, a.shape) for a in arrays)
        _compare_layouts(case, whole, static, integral(rng, gy.shape), limit=0)
    return {"*": 0.0} if gy.size else {}


def _compare_layouts(case: Case, arrays: Arrays, static: Static, gy: np.ndarray, *, limit: float) -> None:
    unmoved = pull_back(case, tuple(map(c_order, arrays)), static, c_order(gy))
    for name, lay_out in LAYOUTS.items():
        views, gy_view = tuple(map(lay_out, arrays)), lay_out(gy)
        (y, gradients), moved = unmoved, with_arrays(static, lay_out)
        if name == "repeated":  # it changes the numbers
            (y, gradients), moved = pull_back(case, tuple(map(c_order, views)), static, c_order(gy_view)), static
        y_view, gradients_view = pull_back(case, views, moved, gy_view)
        names = ["value", *(f"gradient of {case.argument(i)}" for i in range(len(arrays)))]
        for what, expected, got in zip(names, (y, *gradients), (y_view, *gradients_view)):
            error = scaled(got, expected, gy, *arrays)
            if error > limit:
                text = f"{what} depends on memory: with {name} inputs it is {error:.1e} off (limit {limit:g})"
                raise Failure(case, "*", text, views, moved, error=error)


def memory(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """No array of the caller is written to, kept or returned, and all results are read-only."""
    static, inputs, settings = with_arrays(static, np.copy), [a.copy() for a in arrays], []
    with_arrays(static, lambda a: settings.append(a) or a)
    gy = normal(rng, np.shape(case.oracle(*arrays, **static)))
    mine = [*inputs, *settings, gy]
    before = [a.tobytes() for a in mine]
    xs = [Tensor(a, requires_grad=True) for a in inputs]
    y = case.op(*xs, **static)
    gradients = [g.numpy() for g in grad(y, xs, gy, retain_graph=True)]
    if before != [a.tobytes() for a in mine]:
        raise Failure(case, "*", "writes to an array of the caller", arrays, static)
    for result in (y.numpy(), *gradients):
        if any(np.shares_memory(result, a) for a in mine):
            raise Failure(case, "*", "a result is a view of an array of the caller", arrays, static)
        if result.flags.writeable:
            raise Failure(case, "*", "a result can be written to", arrays, static)
    if not case.view and any(np.shares_memory(y.numpy(), x.numpy()) for x in xs):
        raise Failure(case, "*", "the output shares memory with an input, and the case doesn't say so", arrays, static)
    _write_to_all(inputs + settings)
    for i, (again, first) in enumerate(zip(grad(y, xs, gy), gradients)):
        if again.numpy().tobytes() != first.tobytes():
            text = "the gradient changes when the caller writes to an array after the call: save a copy"
            raise Failure(case, case.argument(i), text, arrays, static)
    return {"*": 0.0} if y.size else {}


def _write_to_all(arrays: list[np.ndarray]) -> None:
    for a in arrays:
        if a.flags.writeable:  # an op may make its input read-only; then no test can write to it
            a[...] = np.zeros((), a.dtype)
