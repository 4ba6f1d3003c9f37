"""Checking what training uses: float32 is compared with float64, compiled kernels with the plain ones.

The error that float32 may have is measured: f runs in float64 several times, with noise of the size of float32's
rounding on its inputs and on the output of every op. The result in float32 may differ as much as those runs do.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.grad import grad
from tinygen.gradcheck.examining import examining
from tinygen.gradcheck.limits import BLUNT, NOISE, RANGE, RUNS, SPREAD
from tinygen.gradcheck.point import Arrays, normal, outputs_of
from tinygen.gradcheck.report import Comparison
from tinygen.op import trace
from tinygen.tensor import Tensor, array_of

TINY = 4 * float(np.finfo(np.float32).tiny)


class Reference(NamedTuple):
    """The results in float64, and the error that float32 may have, entry by entry."""

    results: list[np.ndarray]
    allowed: list[np.ndarray]

    def largest_excess(self, results: list[np.ndarray]) -> tuple[float, float]:
        """(error, allowed) of the entry with the largest error / allowed, relative to the size of its array."""
        worst, found = -1.0, (0.0, 0.0)
        for got, true, allowed in zip(results, self.results, self.allowed):
            if not got.size:
                continue
            error = np.nan_to_num(np.abs(got - true).reshape(-1), nan=np.inf)
            allowed = allowed.reshape(-1)
            scale = float(np.abs(true).max()) or 1.0
            i = int((error / allowed).argmax())
            if error[i] / allowed[i] > worst and (error[i] > allowed[i] or allowed[i] <= BLUNT * scale):
                worst = error[i] / allowed[i]
                found = float(error[i]) / scale, float(allowed[i]) / scale
        return found


def compare_training(f: Callable, arrays: Arrays, rng: np.random.Generator) -> list[Comparison]:
    """f and its gradient in float32 against float64, and with compiled kernels against the plain ones."""
    with np.errstate(over="ignore", under="ignore"):
        single = [a.astype(np.float32) for a in arrays]
    try:
        with np.errstate(all="ignore"), trace() as calls:
            cotangents = [normal(rng, y.shape).astype(np.float32) for y in outputs_of(f(*map(Tensor, single)))]
            results = evaluate(f, single, cotangents)
    except Exception as error:
        return [_not_compared(f"f raises {type(error).__name__} there: {error}")]
    doubles = [op.__name__ for op, _, _, output in calls if output.dtype == np.float64]
    doubles.sort(key="astype".__eq__)  # it only prepares inputs for an op in float64
    if doubles:
        return [_not_compared(f"f contains float64: `{doubles[0]}` turns float32 arguments into float64")]
    try:
        with np.errstate(all="ignore"):
            reason, reference = _reference(f, single, cotangents, rng)
    except Exception as error:
        return [_not_compared(f"f raises {type(error).__name__} next to the point: {error}")]
    if reason:
        return [_not_compared(reason)]
    found = [_comparison("float32", "float64", reference, results)]
    if kernels.setting() == "fast":
        with np.errstate(all="ignore"), kernels.using_reference():
            plain = evaluate(f, single, cotangents)
        nearby = reference._replace(results=plain)
        found.append(_comparison("compiled kernels", "plain kernels", nearby, results))
    return [row._replace(note=_culprit(f, single, cotangents, rng)) if row.verdict == "wrong" else row for row in found]


def evaluate(f: Callable, arrays: Arrays, cotangents: Arrays) -> list[np.ndarray]:
    """All outputs of f, then the gradient of each of them in each argument."""
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    with examining():
        outputs = outputs_of(f(*xs))
        results = [y.numpy() for y in outputs]
        for y, g in zip(outputs, cotangents):
            if y.requires_grad:
                results += [array_of(d) for d in grad(y, xs, g.astype(y.dtype), retain_graph=True)]
    return results


def _reference(f: Callable, single: Arrays, cotangents: Arrays, rng: np.random.Generator) -> tuple[str, Reference]:
    """Why float32 can't be compared with float64, or "", and the reference."""
    double, g = [a.astype(np.float64) for a in single], [a.astype(np.float64) for a in cotangents]
    with trace() as calls:
        results = evaluate(f, double, g)
    reference = Reference(results, [])
    for array in double:
        if not _in_range(array):
            return "an argument is beyond what float32 can hold", reference
    for op, _, _, output in calls:
        if not _in_range(output.data):
            return f"`{op.__name__}` reaches numbers beyond what float32 can hold", reference
    spread = [np.zeros(a.shape) for a in results]
    for _ in range(RUNS):
        with trace(_Noise(rng)):
            noisy = evaluate(f, [_with_noise(a, rng) for a in double], [_with_noise(a, rng) for a in g])
        spread = [np.fmax(s, np.abs(a - b)) for s, a, b in zip(spread, noisy, results)]
    allowed = [SPREAD * np.asarray(s) + NOISE * np.abs(a) + TINY for s, a in zip(spread, results)]
    if not any((some <= BLUNT * np.abs(a)).any() for some, a in zip(allowed, results) if a.any()):
        if any(a.any() for a in results):
            return "rounding in float32 changes the result by more than a thousandth", reference
    return "", reference._replace(allowed=allowed)


def _in_range(a: np.ndarray) -> bool:
    """Whether an array is finite, and its largest number well within float32."""
    largest = np.abs(a).max(initial=0)
    return bool(np.isfinite(largest)) and (largest == 0 or RANGE[0] < largest < RANGE[1])


def _with_noise(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.uniform(-1, 1, size=(2, *a.shape))
    return a * (1 + NOISE * noise[0]) + np.where(a == 0, 0, TINY * noise[1])


class _Noise(list):
    """A trace that puts noise on the output of every op call, as float32 would."""

    def __init__(self, rng: np.random.Generator):
        super().__init__()
        self.rng = rng

    def append(self, call: tuple) -> None:
        output = call[3]
        output.data = _with_noise(output.data, self.rng)
        if output.node is not None and output.node.output is not None:
            output.node.output = output.data


def _comparison(what: str, against: str, reference: Reference, results: list[np.ndarray]) -> Comparison:
    error, allowed = reference.largest_excess(results)
    return Comparison(what, against, error, allowed, "ok" if error <= allowed else "wrong", "")


def _not_compared(reason: str) -> Comparison:
    return Comparison("float32", "float64", 0.0, 0.0, "not compared", reason)


def _culprit(f: Callable, single: Arrays, cotangents: Arrays, rng: np.random.Generator) -> str:
    """The first op call, of f or of its rules, that is wrong in float32 on the inputs that it had, in words."""
    with np.errstate(all="ignore"), trace() as calls:
        evaluate(f, single, cotangents)
    for op, inputs, static, output in calls:
        alone = partial(op, **static)
        for why in (_wrong_value(alone, inputs, output, rng), _wrong_gradient(alone, inputs, output, rng)):
            if why:
                return f"blame: `{op.__name__}`: {why}"
    return (
        "blame: no single op: each is right in float32 on the inputs that it had; if f draws random numbers, those in "
        "float32 may be others: pass float32=False"
    )


def _wrong_value(op: Callable, inputs: tuple[Tensor, ...], output: Tensor, rng: np.random.Generator) -> str:
    """What is wrong with the value of one call, or ""."""
    arrays = [x.data for x in inputs]
    return _wrong(lambda *xs: op(*xs).detach(), arrays, [np.zeros(output.shape)], [output.data], rng)


def _wrong_gradient(op: Callable, inputs: tuple[Tensor, ...], output: Tensor, rng: np.random.Generator) -> str:
    """What is wrong with the gradient of one call, which its rules may take from a kernel without calling an op."""
    arrays, cotangents = [x.data for x in inputs], [normal(rng, output.shape).astype(np.float32)]
    if output.dtype != np.float32 or any(a.dtype != np.float32 for a in arrays):
        return ""
    with np.errstate(all="ignore"):
        results = evaluate(op, arrays, cotangents)
    why = _wrong(op, arrays, cotangents, results, rng)
    return f"in its gradient, {why}" if why else ""


def _wrong(f: Callable, arrays: Arrays, cotangents: Arrays, results: list[np.ndarray], rng: np.random.Generator) -> str:
    """How far `results` in float32 are from those in float64, if rounding does not explain it, and who is to blame."""
    with np.errstate(all="ignore"):
        reason, reference = _reference(f, arrays, cotangents, rng)
        error, allowed = (0.0, 0.0) if reason else reference.largest_excess(results)
        if error <= allowed:
            return ""
        with kernels.using_reference():
            plain, _ = reference.largest_excess(evaluate(f, arrays, cotangents))
    who = "its compiled kernel" if plain <= allowed else "its rule"
    return f"{who} is off by {error:.1e} in float32, where rounding allows {allowed:.1e}"
