"""Properties of the derivative rules: first and second order, exact adjoints, linearity in the cotangent, kinks.

Each takes a case, one example of it and a generator; returns the error of each argument that the example can
test; and raises `Failure` beyond its limit.
"""

import functools

import numpy as np

from tinygen.grad import grad
from tinygen.gradcheck import Report, check
from tinygen.gradcheck.limits import FULL
from tinygen.tensor import Tensor
from tinygen.testing.case import Arrays, Case, Static
from tinygen.testing.draws import integral, normal, one_in
from tinygen.testing.measure import Failure, dot, evaluate, largest, norm, pull_back, scaled, variables, worse


def order_1(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """The first derivative equals the complex step of the oracle (to 1e-13) or differences (to 1e-10)."""
    oracle = (lambda *xs: np.asarray(case.oracle(*xs, **static))) if case.analytic else None
    report = check(
        _function(case, static), *arrays, order=1, seed=_seed(rng), oracle=oracle, float32=False, raises=False
    )
    rows = _right(case, arrays, static, report)
    found: dict[str, float] = {}
    for row in rows:
        if not row.vacuous:
            worse(found, case.argument(row.argument), row.error)
    return found


def order_2(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """The second derivative equals differences of the first (to 1e-9); it is exactly zero if the case is `flat`."""
    if case.flat:
        return _no_curvature(case, arrays, static, rng)
    # Random directions reveal every wrong entry. Single entries, in one example of four, show which one it is.
    full = FULL if one_in(rng, 4) else 0
    report = check(_function(case, static), *arrays, order=2, seed=_seed(rng), full=full, float32=False, raises=False)
    rows = [row for row in _right(case, arrays, static, report) if row.order == 2]
    curved = {row.argument for row in rows if not row.vacuous and row.by != "cotangent"}
    found: dict[str, float] = {}
    for row in rows:
        if row.argument in curved:
            name = case.argument(row.argument)
            if name in case.added:
                raise Failure(case, name, "its gradient depends on an input: it is not only added", arrays, static)
            worse(found, name, row.error)
    return found


def _function(case: Case, static: Static):
    """The op with its settings; `check` takes the names of the arguments from its signature."""
    return functools.partial(case.op, **static)


def _seed(rng: np.random.Generator) -> int:
    return int(np.random.Generator.integers(rng, 2**32))


def _right(case: Case, arrays: Arrays, static: Static, report: Report) -> list:
    for row in report.rows:
        if not row.ok:
            verdict = row.verdict
            raise Failure(
                case, case.argument(row.argument), str(report), arrays, static, error=row.error, verdict=verdict
            )
    return report.rows


def _no_curvature(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """d/dx ⟨J*gy, t⟩ is zero to the bit, for each input and all of them; gy is a variable, so that there is a graph."""
    xs = variables(arrays)
    y = case.op(*xs, **static)
    gy = Tensor(normal(rng, y.shape), requires_grad=True)
    gradients = grad(y, xs, gy, create_graph=True)
    found: dict[str, float] = {}
    for i, g in enumerate(gradients):
        if not g.numpy().any():
            continue  # a gradient of zeros: this example can't fail
        for second in grad(g, xs, normal(rng, g.shape), retain_graph=True):
            error = largest(second.numpy())
            if error != 0:  # NaN too
                text = f"the second derivative should be exactly zero, but is as large as {error:.1e}"
                raise Failure(case, case.argument(i), text, arrays, static, error=error)
        worse(found, case.argument(i), 0.0)
    return found


def adjoint(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """⟨gy, A x⟩ = ⟨A*gy, x⟩ to 1e-14 for each argument in which the op is linear while the others are fixed."""
    gy = normal(rng, evaluate(case, arrays, static).shape)
    return _adjoint(case, arrays, static, gy, limit=1e-14)


def exact(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """The same with whole numbers, where nothing is rounded: both sides are equal."""
    if not case.is_exact(arrays, static):
        return {}
    whole = tuple(integral(rng, a.shape) for a in arrays)
    return _adjoint(case, whole, static, integral(rng, evaluate(case, arrays, static).shape), limit=0)


def _adjoint(case: Case, arrays: Arrays, static: Static, gy: np.ndarray, *, limit: float) -> dict[str, float]:
    y, gradients = pull_back(case, arrays, static, gy)
    found: dict[str, float] = {}
    for i, (x, gx) in enumerate(zip(arrays, gradients)):
        if case.argument(i) not in case.linear:
            continue
        at_zero = evaluate(
            case, (*arrays[:i], np.zeros_like(x), *arrays[i + 1 :]), static
        )  # not 0 if the other arguments are added
        forwards, backwards = dot(gy, y - at_zero), dot(gx, x)
        scale = norm(gy) * (norm(y) + norm(at_zero)) + norm(gx) * norm(x)
        if scale == 0:
            continue
        error = abs(forwards - backwards) / scale
        if not error <= limit:
            text = f"⟨gy, A x⟩ = {forwards!r} but ⟨A*gy, x⟩ = {backwards!r} (scaled error {error:.1e}, limit {limit:g})"
            raise Failure(case, case.argument(i), text, arrays, static, error=error)
        worse(found, case.argument(i), error)
    return found


def cotangent(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """Each rule is linear in the cotangent, to 1e-14, and returns exact zeros for a cotangent of zeros."""
    y = evaluate(case, arrays, static)
    g, h = normal(rng, y.shape), normal(rng, y.shape)
    (_, from_g), (_, from_h), (_, from_both), (_, from_zero) = (
        pull_back(case, arrays, static, gy) for gy in (g, h, 2 * g - h / 2, np.zeros(y.shape))
    )
    found: dict[str, float] = {}
    for i, (a, b, both, zero) in enumerate(zip(from_g, from_h, from_both, from_zero)):
        if zero.any() or not np.isfinite(zero).all():
            raise Failure(case, case.argument(i), f"a cotangent of zero gives the gradient\n{zero}", arrays, static)
        error = scaled(both, 2 * a - b / 2, g, h, *arrays)
        if error > 1e-14:
            text = f"J*(2g - h/2) is {error:.1e} off 2 J*g - (J*h)/2 (limit 1e-14): the rule is not linear in g"
            raise Failure(case, case.argument(i), text, arrays, static, error=error)
        if a.any():
            worse(found, case.argument(i), error)
    return found


def subgradient(case: Case, arrays: Arrays, static: Static, rng: np.random.Generator) -> dict[str, float]:
    """f(z) >= f(x) + ⟨∂f(x), z - x⟩ for a convex op, also at ties and kinks."""
    if not case.convex:
        return {}
    at = tuple(np.sign(integral(rng, a.shape)) for a in arrays)  # only -1, 0 and 1: many ties and kinks
    other = tuple(integral(rng, a.shape) for a in arrays)
    weights = rng.uniform(0.5, 1, size=evaluate(case, arrays, static).shape)
    y, gradients = pull_back(case, at, static, weights)
    rise = dot(weights, evaluate(case, other, static) - y)
    tangent = sum(dot(g, z - x) for g, x, z in zip(gradients, at, other))
    scale = norm(weights) * norm(y) + sum(norm(g) * norm(z - x) for g, x, z in zip(gradients, at, other))
    if not rise >= tangent - 1e-14 * scale:
        text = f"no subgradient: from x to z the value rises by {rise!r}, less than the {tangent!r} of its tangent"
        raise Failure(case, "*", f"{text}; x =\n{at}\nz =\n{other}", at, static)
    return {"*": 0.0} if scale else {}
