"""`check`: compare the derivatives that rules give with numerical ones."""

from collections.abc import Callable

import numpy as np

from tinygen.errors.arguments import whole
from tinygen.gradcheck.blame import blame
from tinygen.gradcheck.compare import compare
from tinygen.gradcheck.differences import Slope, complex_step
from tinygen.gradcheck.examining import examining
from tinygen.gradcheck.jacobians import jacobian
from tinygen.gradcheck.limits import DIRECTIONS, FULL, LIMITS
from tinygen.gradcheck.point import (
    Arrays,
    Exact,
    Point,
    WithParameters,
    first,
    names_of,
    normal,
    second,
    with_parameters,
)
from tinygen.gradcheck.report import GradientError, Report, Row
from tinygen.gradcheck.training import compare_training
from tinygen.op import trace
from tinygen.tensor import Tensor, array_of


def check(
    f: Callable[..., Tensor | tuple[Tensor, ...]],
    *arrays: np.ndarray,
    order: int = 2,
    seed: int = 0,
    oracle: Callable[..., np.ndarray] | None = None,
    full: int = FULL,
    directions: int = DIRECTIONS,
    float32: bool = True,
    raises: bool = True,
) -> Report:
    """Compare the derivatives of `f(*tensors)` at `arrays`, up to `order` 1 or 2, with numerical ones in float64.

    Every argument is changed along random directions, and one of few entries one entry at a time too; `LIMITS` says
    what passes.

    Args:
        f: a function of Tensors that returns a Tensor or a tuple of them; the same at every call. A module, or a method
            of one, is checked with its Parameters, as if they were further arguments.
        arrays: the point, one array of real numbers for each argument of f; it is converted to float64.
        order: 1 for the gradients, 2 for their derivatives too.
        seed: seed of the directions and weights.
        oracle: the same function in NumPy for complex arrays; complex steps then replace the differences at order 1.
        full: largest number of entries of an argument that is changed one entry at a time.
        directions: number of random directions per argument.
        float32: whether to compare f and its gradient in float32 with float64, and compiled kernels with plain ones.
        raises: whether a failure raises GradientError.

    Returns the `Report`, which can be printed; `report.plot()` draws the Jacobian. Raises GradientError, which carries
    the report; TypeError or ValueError where nothing can be checked: integer arrays, float32 inside f, an f whose value
    changes from call to call.

    >>> print(tg.check(tg.sin, np.array([1.0]), order=1, float32=False))
    gradient check of sin(x (1,)): passed (seed 0)
    order  derivative  entry  analytic     numerical    error    limit  verdict
    1      ∂x          ...
    """
    if order not in (1, 2):
        hint = "for a third order, check a function that calls grad itself"
        raise ValueError(f"check: expected order to be 1 or 2, got {order!r}: {hint}")
    whole("check", "directions", directions, least=1)
    whole("check", "seed", seed, least=0)
    if not arrays:
        raise TypeError(f"check: expected arrays after f, got none: write check({_name(f)}, x) with an array x")
    f = with_parameters(f)
    if isinstance(f, WithParameters):
        arrays += tuple(p.data for p in f.parameters)
    names = names_of(f, len(arrays))
    inputs = [_float64(a, name) for a, name in zip(arrays, names)]
    with examining():
        point = _settled(f, inputs)
        rows, words = _derivatives(f, point, names, order, seed, oracle, full, directions)
    training = []
    if float32 and all(row.verdict != "wrong" for row in rows):
        training = compare_training(f, inputs, np.random.default_rng(seed))
        words = words or next((each.note for each in training if each.verdict == "wrong"), "")
    title, look = _describe(f, names, inputs), lambda row: jacobian(f, inputs, row, seed)
    report = Report(title, seed, rows, words, training, look, _unchecked(point))
    if raises and not report.ok:
        raise GradientError(report)
    return report


def _derivatives(
    f: Callable,
    point: Point,
    names: list[str],
    order: int,
    seed: int,
    oracle: Callable | None,
    full: int,
    directions: int,
) -> tuple[list[Row], str]:
    """One row for each derivative, compared with differences in float64; and the blame in words if one fails."""
    rng, arrays = np.random.default_rng(seed), point.arrays
    exact = None if oracle is None else _exact(oracle, point)
    limit = LIMITS["order 1" if oracle is None else "complex step"]
    found = compare(point, rng, limit=limit, exact=exact, full=full, directions=directions)
    rows = [Row(1, j, names[j], "", k, **outcome._asdict()) for k, j, outcome in found]
    if order == 2 and all(row.ok for row in rows):  # the derivative of a wrong derivative is meaningless
        by = [*names, "cotangent"]
        for output, y in enumerate(point.outputs):
            gradient = second(f, arrays, output, normal(rng, y.shape))
            found = compare(gradient, rng, limit=LIMITS["order 2"], full=full, directions=directions)
            rows += [Row(2, k, names[k], by[j], output, **outcome._asdict()) for k, j, outcome in found]
    failed = min((row for row in rows if not row.ok), key=lambda row: row.verdict != "wrong", default=None)
    if failed is None:
        return rows, ""
    if oracle and failed.order == 1 and check(f, *arrays, order=1, raises=False, float32=False).ok:
        return rows, (
            "blame: no op: f agrees with differences, so the oracle is wrong, or the error is too small for "
            "differences; an oracle with np.abs, np.maximum or comparisons is wrong for complex numbers: pass none, "
            "or analytic=False to check_op"
        )
    return rows, blame(f, arrays, failed, rng)


def _settled(f: Callable, arrays: Arrays) -> Point:
    """The point; raises unless f computes in float64 throughout and returns the same value in each call."""
    with trace() as calls:
        point = first(f, arrays)
    for op, inputs, _, output in calls:
        point.used |= {x.node for x in inputs if x.node is not None and x.node.op is None}
        if output.requires_grad and output.dtype != np.float64:
            raise TypeError(
                f"check: expected f to compute in float64, got {output.dtype} from {op.__name__}, whose rounding hides "
                "differences: make the arrays inside f float64"
            )
    gap, size = _gap(np.concatenate([array_of(y).reshape(-1) for y in point.outputs]), point.center)
    if gap > 1e-12 * size:
        raise ValueError(
            f"check: expected equal values from two calls of f at the same point, got a difference of {gap:.2g}: "
            "if f draws random numbers, create the generator inside f, as in rng = np.random.default_rng(0)"
        )
    return point


def _unchecked(point: Point) -> str:
    """A line on the Parameters that f uses without being told: variables that are older than the arguments."""
    first = min(x.node.birth for x in point.variables if x.node)
    n = sum(node.birth < first for node in point.used)
    hint = "pass the module itself, as in check(layer, x)"
    return f"not checked: the gradients of {n} Parameter{'s' * (n != 1)} inside f: {hint}" if n else ""


def _float64(a, name: str) -> np.ndarray:
    """A private float64 copy of an argument."""
    a = np.asarray(array_of(a))
    if a.dtype.kind != "f":
        raise TypeError(
            f"check: expected argument {name} to be real numbers, got {a.dtype}: convert it with .astype(float); "
            "labels and indices are no arguments, as in check(lambda x: f(x, labels), x)"
        )
    if not np.isfinite(a).all():
        bad = float(a[~np.isfinite(a)][0])
        raise ValueError(f"check: expected argument {name} to be finite, got {bad}: choose another point")
    return a.astype(np.float64)


def _exact(oracle: Callable[..., np.ndarray], point: Point) -> Exact:
    """Complex steps of the oracle, for all outputs of the point."""

    def flat(*arrays: np.ndarray) -> np.ndarray:
        try:
            y = oracle(*arrays)
        except TypeError as error:
            if not any(np.iscomplexobj(a) for a in arrays):
                raise
            hint = "pass none, or analytic=False to check_op"
            raise TypeError(f"check: expected an oracle for complex numbers, got {error}: {hint}") from None
        return np.concatenate([np.asarray(part).reshape(-1) for part in (y if isinstance(y, tuple) else (y,))])

    values = flat(*point.arrays)
    if values.shape != point.center.shape:
        n, m = values.size, point.center.size
        raise ValueError(f"check: expected {m} numbers from the oracle, as from f, got {n}: write the same function")
    gap, size = _gap(values, point.center)
    if gap > 1e-9 * size:
        hint = "write the same function"
        raise ValueError(f"check: expected the oracle to equal f, got a difference of {gap:.2g}: {hint}")

    def slope(j: int, t: np.ndarray, nudge: float) -> Slope:
        arrays = [a * (1 + nudge * np.resize([1, -1], a.shape)) for a in point.arrays]
        return complex_step(lambda x: flat(*arrays[:j], x, *arrays[j + 1 :]), arrays[j], t)

    return slope


def _gap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The largest difference, and the largest entry; entries that are not finite in both don't count."""
    finite = np.isfinite(a) | np.isfinite(b)
    a, b = a[finite], b[finite]
    return np.abs(a - b).max(initial=0), np.abs(b).max(initial=0)


def _describe(f: Callable, names: list[str], arrays: Arrays) -> str:
    return f"{_name(f)}({', '.join(f'{n} {a.shape}' for n, a in zip(names, arrays))})"


def _name(f: Callable) -> str:
    if isinstance(f, WithParameters):
        return _name(f.f)
    if hasattr(f, "__self__") and hasattr(f.__self__, "named_parameters"):
        return f"{type(f.__self__).__name__}.{f.__name__}"
    return getattr(f, "__name__", None) or getattr(getattr(f, "func", f), "__name__", type(f).__name__)
