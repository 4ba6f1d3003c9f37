"""The property for very large and very small inputs: no overflow in between, and no lost digits near 0."""

import warnings

import numpy as np

from tinygen.testing.case import Arrays, Case, Static
from tinygen.testing.measure import Failure, evaluate, pull_back
from tinygen.testing.wide import derivative, narrow, precisely, wide

SIZES = (1e-30, 1e-9, 1.0, 20.0, 88.0, 300.0, 1e4, 1e30)
SUBNORMAL = 1e-39  # no normal number in float32
COUNT = 4  # extreme numbers per input and example


def extremes(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """At ±10⁴, ±10³⁰, 0 and near 0: no warning and no lost digits where value and slopes are finite."""
    worst, shown = 0.0, False
    for dtype in (np.float32, np.float64):
        tiny = float(np.finfo(dtype).tiny)
        points = np.array([0.0, SUBNORMAL, -SUBNORMAL, *SIZES, *(-size for size in SIZES)], dtype)
        inputs = tuple(rng.choice(points, COUNT) for _ in arrays)
        try:
            expected = _expected(case, inputs, static)
        except TypeError:  # a function without a wide version, such as those of SciPy
            return _finite(case, inputs, static)
        with np.errstate(over="ignore"):
            kept = np.isfinite(np.asarray(expected).astype(dtype)).all(axis=0)
        inputs, expected = tuple(x[kept] for x in inputs), [e[kept] for e in expected]
        if case.domain is not None:
            inside = case.domain(*inputs)
            inputs, expected = tuple(x[inside] for x in inputs), [e[inside] for e in expected]
        found = _computed(case, inputs, static)
        floor = 4 * tiny * max([1.0, *(float(np.abs(x).max(initial=0)) for x in inputs)])
        for name, got, right in zip(_names(case, inputs), found, expected):
            error = np.abs(got - right) / (np.abs(right) + floor / np.finfo(dtype).eps)
            limit = 64 * float(np.finfo(dtype).eps)
            if not (error <= limit).all():
                at = int(np.argmax(~(error <= limit)))
                text = f"{name} at {_where(inputs, at)} in {np.dtype(dtype)} is {got[at]}, should be {right[at]}"
                raise Failure(case, "*", text, inputs, static, error=float(error[at]))
            worst, shown = max(worst, float(error.max(initial=0)) / limit), shown or got.size > 0
    return {"*": worst} if shown else {}


def _expected(case: Case, inputs: Arrays, static: Static) -> list[np.ndarray]:
    """Value and slopes of the oracle, computed with 220 digits."""

    def f(*numbers):
        return np.asarray(case.oracle(*numbers, **static), object) + 0 * numbers[0]

    with precisely():
        numbers = [wide(x) for x in inputs]
        return [narrow(f(*numbers)), *(derivative(f, numbers, i) for i in range(len(numbers)))]


def _computed(case: Case, inputs: Arrays, static: Static) -> list[np.ndarray]:
    """Value and slopes of the op; a warning is a failure."""
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn", under="ignore"):
        warnings.simplefilter("error", RuntimeWarning)
        try:
            y = evaluate(case, inputs, static)
            _, slopes = pull_back(case, inputs, static, np.ones_like(y))
        except RuntimeWarning as warning:
            raise Failure(
                case, "*", f"warns of an {warning} although the true result is finite", inputs, static
            ) from None
    return [y, *slopes]


def _finite(case: Case, inputs: Arrays, static: Static) -> dict[str, float]:
    """The test without wide numbers: value and slopes are finite, without a warning, where the oracle is."""
    with np.errstate(all="ignore"):
        kept = np.isfinite(case.oracle(*(x.astype(np.float64) for x in inputs), **static))
    inputs = tuple(x[kept] for x in inputs)
    if case.domain is not None:
        inside = case.domain(*inputs)
        inputs = tuple(x[inside] for x in inputs)
    for name, found in zip(_names(case, inputs), _computed(case, inputs, static)):
        if not np.isfinite(found).all():
            at = int(np.argmax(~np.isfinite(found)))
            text = f"{name} at {_where(inputs, at)} is {found[at]}, where the oracle's value is finite: {_DOMAIN}"
            raise Failure(case, "*", text, inputs, static)
    return {"*": 0.0}


def _names(case: Case, inputs: Arrays) -> list[str]:
    return ["value", *(f"gradient of {case.argument(i)}" for i in range(len(inputs)))]


def _where(inputs: Arrays, at: int) -> str:
    return ", ".join(repr(float(x[at])) for x in inputs)


_DOMAIN = "if the op has no derivative there, leave it out, as in domain=lambda x: x != 0"
