"""Right rules are never called wrong and wrong ones never pass, whatever the size of the numbers."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional
from tinygen.gradcheck import check, checker
from tinygen.tensor import OPS, constant

FUNCTIONS = {  # of u, about 1 in size, and their derivatives
    "line": (lambda u: 1.7 * u, lambda u: 1.7 + 0 * u),
    "square": (lambda u: u * u, lambda u: 2 * u),
    "cube": (lambda u: u**3, lambda u: 3 * u * u),
    "sine": (np.sin, np.cos),
    "exponential": (np.exp, np.exp),
    "reciprocal": (lambda u: 1 / u, lambda u: -1 / u**2),
    "root": (np.sqrt, lambda u: 0.5 / np.sqrt(u)),
    "logarithm": (np.log, lambda u: 1 / u),
    "hyperbolic tangent": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "wiggle": (lambda u: u + np.sin(u), lambda u: 1 + np.cos(u)),
}
POWERS = st.one_of(st.integers(-250, 250), st.integers(-8, 8))


def lone(value, slope):
    """An op of a function and its derivative, both in NumPy, removed from `OPS`."""

    def rule(x):
        return value(x.data), lambda g: constant(g.data * slope(x.data))

    made = tg.op(rule)
    del OPS["rule"]
    return made


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kx=POWERS,
    ky=POWERS,
    offset=st.sampled_from([0.0, 0.0, 1.0, 1e3, 1e6]),
    n=st.sampled_from([1, 2, 5, 100]),
    error=st.sampled_from([1e-3, -1e-3, 0.01, -0.5, 2.0, 1e200]),
    seed=st.integers(0, 2**32 - 1),
)
def test_functions_of_any_size(monkeypatch, name, kx, ky, offset, n, error, seed):
    value, derivative = FUNCTIONS[name]
    a, b = 10.0**kx, 10.0**ky
    x = a * np.random.default_rng(seed).uniform(0.05, 2.5, size=n)
    f, slope = (lambda x: b * (value(x / a) + offset)), (lambda x: b * derivative(x / a) / a)
    with np.errstate(over="ignore", under="ignore"):
        sizes, slopes = np.abs(f(x)), np.abs(slope(x))
    assume((sizes < 1e290).all() and (slopes < 1e290).all() and (slopes > 1e-290).all())
    how = dict(order=1, seed=seed, float32=False, raises=False)
    monkeypatch.setattr(checker, "blame", lambda *_: "")  # finding the op to blame takes longer than the check
    right = check(lone(f, slope), x, **how)
    assert {row.verdict for row in right.rows} <= {"ok", "undecided"}, right
    assert right.ok or offset > 100, right
    with np.errstate(over="ignore"):
        wrong = check(lone(f, lambda x: slope(x) * (1 + error)), x, **how)
    assert not wrong.ok, wrong
    assert {row.verdict for row in wrong.rows} <= {"wrong", "undecided", "not finite"}


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


SATURATING = {  # functions that become flat somewhere, and their derivatives
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "sine": (np.sin, np.cos),
    "power": (lambda u: np.abs(u) ** 2.5, lambda u: 2.5 * np.sign(u) * np.abs(u) ** 1.5),
    "exponential": (np.exp, np.exp),
    "sigmoid": (sigmoid, lambda u: sigmoid(u) * sigmoid(-u)),
    "bell": (lambda u: np.exp(-u * u), lambda u: -2 * u * np.exp(-u * u)),
    "algebraic sigmoid": (lambda u: u / np.sqrt(1 + u * u), lambda u: (1 + u * u) ** -1.5),
}


def hidden(name, k, offset, a=1.0, b=1.0):
    """A function that adds a number and subtracts it again, so its values have gaps; and its derivative."""
    value, derivative = SATURATING[name]
    return (
        lambda x: b * ((value(k * (x / a)) + offset) - offset),
        lambda x: b * (k * derivative(k * (x / a))) / a,
    )


@pytest.mark.parametrize("name", SATURATING)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    k=st.floats(0.1, 15),
    offset=st.floats(0.1, 1e6),
    scales=st.one_of(st.just((0, 0)), st.tuples(st.integers(-125, 125), st.integers(-125, 125))),
    n=st.sampled_from([1, 2, 3, 70]),
    error=st.sampled_from([1e-3, -1e-3, 0.5, -1.5, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_offsets_inside_the_function(monkeypatch, name, k, offset, scales, n, error, seed):
    a, b = 10.0 ** scales[0], 10.0 ** scales[1]
    f, slope = hidden(name, k, offset, a, b)
    x = a * np.random.default_rng(seed).uniform(-3, 3, size=n)
    assume(np.all(np.abs(slope(x)) > 1e-30 * b / a))
    how = dict(order=1, seed=seed, float32=False, raises=False)
    monkeypatch.setattr(checker, "blame", lambda *_: "")
    (right,) = check(lone(f, slope), x, **how).rows
    assert right.verdict in ("ok", "undecided"), right
    (wrong,) = check(lone(f, lambda x: slope(x) * (1 + error)), x, **how).rows
    assert wrong.verdict != "ok", wrong


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(name="tanh", k=4.0, offset=100.0, powers=(1, 0), n=70, error=1e-3, seed=0)  # gaps in flat parts: no kinks
@example(name="tanh", k=4.0, offset=100.0, powers=(1, 0), n=70, error=-1.0, seed=15)
@given(
    name=st.sampled_from(list(SATURATING)),
    k=st.floats(0.1, 15),
    offset=st.sampled_from([0.0, 0.3, 100.0]),
    powers=st.one_of(
        st.tuples(st.integers(0, 300), st.integers(-300, 0)), st.tuples(st.integers(0, 3), st.integers(-3, 0))
    ),
    n=st.sampled_from([1, 2, 3, 70]),
    error=st.sampled_from([1e-3, -1.0, -2.0, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_right_rule_whose_slope_is_too_small_for_a_float_is_not_called_wrong(
    monkeypatch, name, k, offset, powers, n, error, seed
):
    a, b = 10.0 ** powers[0], 10.0 ** powers[1]
    f, slope = hidden(name, k, offset, a, b)
    calls = []

    def counted(x):
        calls.append(x)
        return f(x)

    x = a * np.random.default_rng(seed).uniform(-3, 3, size=n)
    how = dict(order=1, seed=seed, float32=False, raises=False)
    monkeypatch.setattr(checker, "blame", lambda *_: "")
    with np.errstate(all="ignore"):
        (right,) = check(lone(counted, slope), x, **how).rows
        (wrong,) = check(lone(counted, lambda x: slope(x) * (1 + error)), x, **how).rows
        visible = np.abs(slope(x)).min() > 1e-290 and np.abs(slope(x)).min() > 1e-6 * b / a
    assert right.verdict in ("ok", "undecided"), right
    assert wrong.verdict != "ok" or not visible, wrong
    assert len(calls) < 20_000  # a check ends, whatever the function


def test_the_report_says_that_a_slope_is_too_small():
    f, slope = hidden("bell", 13.9, 0.0, 1e200, 1e-110)
    (row,) = check(lone(f, slope), np.array([0.1e200]), order=1, raises=False).rows
    assert row.verdict == "undecided" and "smallest float" in row.note, row


@pytest.mark.parametrize("f", [np.sign, lambda x: np.maximum(x - 3, 0), lambda x: np.clip(x, 2, 3), lambda x: x > 2])
@given(x=st.floats(0.1, 1.9))
@settings(max_examples=10)
def test_a_rule_of_zero_is_right_on_flat_parts_and_steps(f, x):
    report = check(lone(lambda x: f(x) * 1.0, lambda x: 0 * x), np.array([x, x / 2]), order=1, raises=False)
    assert report.ok and report.vacuous, report
    assert "passed, but only zeros were compared" in str(report)


def test_a_saturated_function_whose_values_have_gaps_is_undecided_and_the_report_says_why():
    f, slope = hidden("tanh", 6.070689229520895, 176349.52302877413)
    x = np.array([2.341646112028754, -1.6370544387997217])
    with pytest.raises(tg.GradientError, match="UNDECIDED") as caught:
        check(lone(f, slope), x, order=1)
    assert "the values of f have gaps of 3e-11, which hide the slope" in str(caught.value)


@given(distance=st.floats(1e-9, 1e3), slope=st.sampled_from([0.01, -1.0, 1e6]))
def test_a_slope_where_the_function_is_flat_is_wrong(distance, slope):
    """A flat part is not a gap between values: elsewhere the function changes by as little as floats allow."""
    (row,) = check(lone(lambda x: np.maximum(x, 0), lambda x: slope), np.array([-distance]), order=1, raises=False).rows
    assert row.verdict == "wrong"


@pytest.mark.parametrize("f", [tg.sin, tg.cos, tg.tanh, lambda x: x * x, tg.sqrt], ids=lambda f: f.__name__)
@given(size=st.floats(1e3, 1e8), n=st.integers(1, 4))
def test_rules_are_right_far_from_zero(f, size, n):
    report = check(f, size + np.arange(n) * 0.7, order=1, float32=False, raises=False)
    assert {row.verdict for row in report.rows} <= {"ok", "undecided"}, report


def test_entries_of_all_sizes_are_checked_in_their_own_units():
    x = np.array([1e-120, 1e-3, 1.0, 1e120])
    assert check(lone(np.square, lambda x: 2 * x), x, order=1).ok
    for entry in range(4):
        factor = np.ones(4)
        factor[entry] = 1.001
        (row,) = check(lone(np.square, lambda x, factor=factor: 2 * x * factor), x, order=1, raises=False).rows
        assert (row.verdict, row.entry) == ("wrong", (entry,))


@given(
    ratio=st.floats(-14, 0),
    off=st.sampled_from([1.0, -1e3, 1e6]),
    x=st.floats(0.5, 2.0),
    power=st.sampled_from([0, 0, -200, 200]),
)
def test_a_rule_of_zero_is_wrong_where_larger_steps_show_the_slope(ratio, off, x, power):
    """Small steps lose the slope in the rounding of f, which then looks constant."""
    size = 10.0**power
    c, x = 10**ratio * off / size, np.array([x, -x]) * size
    assert not check(lone(lambda x: c * x + off, lambda x: 0 * x), x, order=1, raises=False).ok
    report = check(lone(lambda x: 0 * x + off, lambda x: 0 * x), x, order=1, raises=False)
    assert report.ok and report.vacuous


@pytest.mark.parametrize("slope", [3e200, 1.001e200, 1e-200, 0.0])
def test_a_slope_that_overflows_when_squared_can_be_wrong(slope):
    x = np.linspace(1, 2, 100)
    assert check(lone(lambda x: x * 1e200, lambda x: 1e200), x, order=1).ok
    assert "wrong" in {
        row.verdict for row in check(lone(lambda x: x * 1e200, lambda x: slope), x, order=1, raises=False).rows
    }


@pytest.mark.parametrize("rule", [lambda x: np.exp(x), lambda x: 1.001 * np.exp(x), lambda x: 0 * x])
def test_a_function_that_varies_on_a_much_larger_scale_than_its_argument(rule):
    report = check(lone(np.exp, rule), np.array([1e-250]), order=1, raises=False)
    assert report.ok == (rule(0.0) == 1)


def test_a_slope_that_rounding_hides_is_undecided_and_not_wrong():
    for factor in (1, 1.5):
        tiny = lone(lambda x: 1e6 + 1e-12 * np.sin(x), lambda x, factor=factor: factor * 1e-12 * np.cos(x))
        with pytest.raises(tg.GradientError, match="UNDECIDED") as caught:
            check(tiny, np.array([0.3]), order=1)
        assert "rounding hides" in str(caught.value) and "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: 1 / x, [1e-6]),
        (lambda x: 1 / x, [1e-6, 1.0]),
        (lambda x: tg.sin(1e6 * x), [0.7, 1.3]),
        (lambda x: tg.log(x), [1e-9, 2.0]),
        (lambda p: functional.bce(p, np.array([1.0])), [0.9995]),
        (lambda p: functional.bce(p, np.array([0.0])), [1e-7]),
    ],
)
def test_steep_functions_and_edges_of_domains(f, x):
    assert check(f, np.array(x)).ok


def test_the_edge_of_the_domain_is_not_an_error_of_the_function():
    report = check(lambda p: functional.bce(p, np.array([1.0])), np.array([1.0]), raises=False)
    assert {row.verdict for row in report.rows} == {"not finite"}


def test_the_check_records_inside_no_grad():
    with tg.no_grad():
        assert check(tg.tanh, np.array([0.3, 1.0])).ok
        assert not check(lone(np.sin, lambda x: -np.cos(x)), np.array([0.3]), raises=False).ok
        assert not tg.tanh(tg.Parameter(np.ones(2))).requires_grad


@settings(max_examples=10)
@given(at=st.integers(0, 4), n=st.sampled_from([5, 100]))
def test_a_kink_is_named_by_its_entry(at, n):
    x = np.linspace(1, 2, n)
    x[at] = 0
    report = check(tg.abs, x, raises=False, order=1)
    assert [(row.verdict, row.entry) for row in report.rows] == [("kink", (at,))]
    assert f"at entry ({at},), where it is 0" in report.blame


def test_memory_grows_like_the_arrays():
    x = np.random.default_rng(0).normal(size=10_000)
    half = lone(np.square, lambda x: x)
    tracemalloc.start()
    report = check(half, x, order=1, raises=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "it is 1/2 times what it should be" in report.blame
    assert peak < 400 * x.nbytes
