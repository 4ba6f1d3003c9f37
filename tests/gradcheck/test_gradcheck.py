"""Tests of `check`: it finds wrong rules, accepts right ones, and reports what it can't decide."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen import OPS
from tinygen.gradcheck import LIMITS, GradientError, check

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.fixture
def wrong():
    """An op that computes a · b, but its rule for b adds one millionth; it is removed from `OPS` after the test."""

    @tg.op
    def nearly_mul(a, b):
        return a.data * b.data, lambda g: g * b, lambda g: g * a * (1 + 1e-6)

    yield nearly_mul
    del OPS["nearly_mul"]


# -- what passes, and what it costs ------------------------------------------------------------------------------------


def test_a_right_function_passes_and_the_report_can_be_read():
    report = check(lambda x, w: tg.tanh(x @ w).sum(), X, X.T)
    assert report.ok
    assert not report.vacuous
    assert [(row.order, row.name, row.by) for row in report.rows[:2]] == [(1, "x", ""), (1, "w", "")]
    assert [(row.name, row.by) for row in report.rows[2:]] == [(a, b) for a in "xw" for b in ("x", "w", "cotangent")]
    assert all(row.error <= row.limit == LIMITS[f"order {row.order}"] for row in report.rows)
    lines = str(report).splitlines()
    assert lines[0] == "gradient check of <lambda>(x (3, 4), w (4, 3)): passed (seed 0)"
    assert lines[1].split() == "order derivative entry analytic numerical error limit verdict".split()
    assert len(lines) == 2 + 8 + 2
    assert lines[-2].startswith("float32 against float64: error") and lines[-2].endswith(": ok")
    assert lines[-1].startswith("compiled kernels against plain kernels: error") and lines[-1].endswith(": ok")


def test_an_oracle_replaces_differences_by_complex_steps():
    report = check(tg.exp, X, oracle=np.exp)
    assert report.rows[0].limit == LIMITS["complex step"] == 1e-13
    assert report.rows[1].limit == LIMITS["order 2"] == 1e-9


def test_complex_steps_reject_errors_that_differences_miss():
    def rule(x):
        return np.exp(x.data), lambda g, y: g * y * (1 + 1e-12)

    almost_exp = tg.op(rule)
    del OPS["rule"]
    assert check(almost_exp, X).ok
    with pytest.raises(
        GradientError, match="f agrees with differences, so the oracle is wrong, or the error is too small"
    ):
        check(almost_exp, X, oracle=np.exp)
    with pytest.raises(GradientError, match=r"np\.abs, np\.maximum .*: pass none, or analytic=False"):
        check(lambda x: x * tg.abs(x), X, oracle=lambda x: x * np.abs(x))


def test_a_prompt_shows_the_table():
    assert repr(report := check(tg.exp, X)) == str(report)


def test_several_outputs_are_checked_one_by_one():
    report = check(lambda x: (tg.exp(x), tg.sin(x)), X)
    assert [(row.order, row.output) for row in report.rows] == [(1, 0), (1, 1), (2, 0), (2, 0), (2, 1), (2, 1)]


def test_names_come_from_the_signature():
    def f(a, *rest):
        return a * rest[0] * rest[1]

    rows = check(f, X, X, X, order=1).rows
    assert [row.name for row in rows] == ["a", "rest[0]", "rest[1]"]
    x, w = np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 2))
    assert "conv2d(x (1, 5, 5, 1), w (3, 3, 1, 2))" in str(check(functools.partial(tg.conv2d, stride=2), x, w))


def test_the_inputs_are_left_alone():
    x = X.copy()
    x.flags.writeable = False
    check(tg.exp, x)
    y = X.astype(np.float32)
    check(tg.exp, y)
    assert y.tobytes() == X.astype(np.float32).tobytes()


def test_float32_arrays_lists_and_tensors_are_checked_in_float64():
    for x in (X.astype(np.float32), X.astype(np.float32).tolist(), tg.Tensor(X), tg.Parameter(X.astype(np.float32))):
        report = check(tg.sin, x)
        assert report.worst.error < 1e-9


def test_the_same_seed_gives_the_same_report():
    first, again, other = (str(check(tg.tanh, X, seed=seed)) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
def test_arrays_without_entries_are_vacuous(shape):
    report = check(tg.exp, np.zeros(shape))
    assert report.ok and report.vacuous


def test_scalar_inputs_and_outputs_are_accepted():
    assert check(tg.exp, 0.5).ok


# -- zeros -------------------------------------------------------------------------------------------------------------


def test_the_second_derivative_of_a_linear_function_is_zero_and_flagged():
    rows = {row.by: row for row in check(lambda x: 3 * x, X).rows}
    assert rows["x"].ok and rows["x"].vacuous
    assert rows["cotangent"].ok and not rows["cotangent"].vacuous


@pytest.mark.parametrize("f", [lambda x: (x * 0).sum(), lambda x: tg.Tensor(np.ones(2)), lambda x: (x - x).sum()])
def test_a_constant_is_ok_but_vacuous(f):
    report = check(f, X)
    assert report.ok and report.vacuous
    assert "vacuous" in str(report)


def test_an_argument_that_is_ignored_is_vacuous():
    rows = check(lambda x, unused: tg.exp(x), X, X, order=1).rows
    assert [row.vacuous for row in rows] == [False, True]


def test_a_wrong_zero_is_found():
    report = check(lambda x: x.detach() * 2, X, raises=False)
    assert not report.ok
    assert report.blame.startswith("blame: no op: the result doesn't come from ops on the arguments of f")


# -- what fails --------------------------------------------------------------------------------------------------------


def test_one_millionth_is_too_much(wrong):
    with pytest.raises(GradientError, match=r"1\.000001 times what it should be") as caught:
        check(wrong, X, X + 1)
    report = caught.value.report
    assert [row.verdict for row in report.rows] == ["ok", "wrong"]
    assert report.worst.name == "b"
    assert report.worst.argument == 1
    assert str(report) == str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_the_second_order_waits_for_the_first(wrong):
    assert {row.order for row in check(wrong, X, X, raises=False).rows} == {1}


@settings(max_examples=min(20, settings().max_examples))
@given(st.integers(0, 2**32 - 1))
def test_the_wrong_entry_of_a_large_array_is_found(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 13))
    entry = tuple(int(i) for i in rng.integers(0, x.shape))

    def rule(x):
        spoiled = np.ones(x.shape)
        spoiled[entry] = 1.5
        return np.sin(x.data), lambda g: g * tg.cos(x) * spoiled

    rule.__name__ = "spoiled_sin"
    spoiled_sin = tg.op(rule)
    del OPS["spoiled_sin"]
    (row,) = check(spoiled_sin, x, order=1, raises=False).rows
    assert row.verdict == "wrong"
    assert row.entry == entry
    assert row.analytic == pytest.approx(1.5 * row.numerical, rel=1e-6)


def test_a_gradient_of_the_wrong_shape_is_wrong():
    def rule(x):
        return np.broadcast_to(x.data, (3, 4)), lambda g: g

    unsummed = tg.op(rule)
    del OPS["rule"]
    (row,) = check(unsummed, X[0], order=1, raises=False).rows
    assert row.verdict == "wrong"
    assert row.note == "the gradient has shape (3, 4), the argument (4,)"


def test_what_is_not_finite_never_passes():
    with np.errstate(all="ignore"):
        for x in (np.array([-1.0, 2.0]), np.array([0.0, 1.0])):
            report = check(tg.log, x, raises=False)
            assert {row.verdict for row in report.rows} == {"not finite"}


# -- kinks -------------------------------------------------------------------------------------------------------------

KINKED = {
    "relu": (tg.relu, [0.0, 1.0, -2.0]),
    "abs": (tg.abs, [1.0, 0.0]),
    "max": (tg.max, [1.0, 3.0, 3.0]),
    "clip": (functools.partial(tg.clip, low=-1, high=1), [0.5, 1.0]),
    "max_pool2d": (functools.partial(tg.max_pool2d, kernel_size=2), [[[[1.0], [1.0]], [[0.0], [0.5]]]]),
}


@pytest.mark.parametrize("name", KINKED)
def test_a_point_on_a_kink_is_not_called_wrong(name):
    f, x = KINKED[name]
    report = check(f, np.array(x), raises=False)
    assert {row.verdict for row in report.rows} == {"kink"}
    assert "move the point off it" in str(report)
    assert f"blame: `{name}`: its argument x {np.shape(x)} is on a kink at entry" in report.blame


@pytest.mark.parametrize("name", KINKED)
@settings(max_examples=min(25, settings().max_examples))
@given(distance=st.floats(1e-4, 1e-2), seed=st.integers(0, 2**32 - 1))
def test_a_point_near_a_kink_passes_with_smaller_steps(name, distance, seed):
    f, x = KINKED[name]
    x = np.array(x)
    assert check(f, x + distance * np.arange(1, x.size + 1).reshape(x.shape), seed=seed).ok


def test_smaller_steps_are_mentioned():
    report = check(tg.relu, np.array([2e-4, 1.0]))
    assert "∂x: a kink or a pole is near: it took steps of" in str(report)


def test_a_wrong_rule_near_a_kink_is_still_wrong(wrong):
    report = check(lambda x: wrong(tg.relu(x), tg.relu(x)), np.array([1e-4, 1.0]), raises=False)
    assert [row.verdict for row in report.rows] == ["wrong"]


def test_a_whole_layer_of_relus_passes():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(32, 20)), rng.normal(size=(20, 100))  # 3,200 kinks, some of them very close
    report = check(lambda x, w: tg.relu(x @ w).sum(), x, w)
    assert report.ok


# -- rounding ----------------------------------------------------------------------------------------------------------


@settings(max_examples=min(40, settings().max_examples))
@given(st.floats(0, 8), st.integers(0, 2**32 - 1))
def test_a_large_constant_with_a_small_slope_is_no_false_alarm(exponent, seed):
    report = check(lambda x: tg.sin(x).sum() + 10.0**exponent, X, seed=seed, raises=False)
    assert {row.verdict for row in report.rows} <= {"ok", "undecided"}
    assert report.ok or exponent > 5


def test_a_slope_that_rounding_hides_is_reported():
    report = check(lambda x: (tg.sin(x) + 1e10) * 1e-3, X, raises=False)
    assert {row.verdict for row in report.rows} == {"undecided"}
    assert "rounding hides the slope" in str(report)


# -- what can't be checked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (
            TypeError,
            "expected argument x to be real numbers, got int64",
            lambda: check(tg.exp, np.arange(3)),
        ),
        (TypeError, "argument x to be real numbers, got bool", lambda: check(tg.exp, np.ones(3, bool))),
        (TypeError, "argument x to be real numbers, got complex128", lambda: check(tg.exp, np.ones(3, complex))),
        (TypeError, "Tensors, got ndarray", lambda: check(lambda x: x.numpy(), X)),
        (TypeError, "Tensors, got float", lambda: check(lambda x: 3.0, X)),
        (
            TypeError,
            "float64, got float32 from astype",
            lambda: check(lambda x: tg.exp(x.astype(np.float32)), X),
        ),
        (
            TypeError,
            "for complex input, got float64",
            lambda: check(tg.abs, X, oracle=np.abs),
        ),
        (ValueError, "expected 12 numbers from the oracle, as from f, got 1", lambda: check(tg.abs, X, oracle=np.sum)),
        (
            ValueError,
            "expected the oracle to equal f, got a difference of",
            lambda: check(tg.exp, X, oracle=lambda x: np.exp(x) + 1),
        ),
        (TypeError, r"expected arrays after f, got none: write check\(sin, x\)", lambda: check(tg.sin)),
        (ValueError, "expected argument x to be finite, got nan", lambda: check(tg.sin, np.array([1, np.nan]))),
        (TypeError, "oracle for complex numbers, got .*analytic=False", lambda: check(tg.abs, X, oracle=np.fabs)),
        (ValueError, "expected order to be 1 or 2, got 3", lambda: check(tg.exp, X, order=3)),
        (ValueError, "expected directions to be a whole number", lambda: check(tg.exp, X, directions=0)),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_function_that_draws_random_numbers_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected equal values from two calls of f at the same point"):
        check(lambda x: x * rng.normal(size=x.shape), X)


def test_a_generator_inside_the_function_is_fine():
    assert check(lambda x: x * np.random.default_rng(0).normal(size=x.shape), X).ok


def test_nothing_is_left_behind():
    before, state = dict(OPS), np.geterr()
    with np.errstate(all="ignore"):
        check(tg.sqrt, np.array([0.0, 1.0]), raises=False)
    assert before == OPS
    assert state == np.geterr()
