"""`check` compares what training uses: float32 with float64, compiled kernels with plain ones. So does the command."""

import inspect
import re

import numpy as np
import pytest
from helpers.processes import python, run_tests

import tinygen as tg
from tinygen import functional, kernels
from tinygen.gradcheck import check
from tinygen.tensor import OPS
from tinygen.testing import CASES, check_op, table

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.fixture(params=["sigmoid_vjp", "tanh_vjp", "silu_vjp", "relu_vjp", "elu_vjp", "logsumexp_vjp"])
def planted(request, monkeypatch):
    """A kernel that is wrong only in float32, as a mistake in a compiled loop may be; its name."""
    true = getattr(kernels, request.param)

    def wrong(g, *others):
        return true(g, *others) * np.float32(1.001 if g.dtype == np.float32 else 1)

    monkeypatch.setattr(kernels, request.param, wrong)
    return request.param


OF_KERNEL = {"sigmoid_vjp": tg.sigmoid, "tanh_vjp": tg.tanh, "silu_vjp": OPS["silu"], "relu_vjp": tg.relu}
OF_KERNEL |= {"elu_vjp": OPS["elu"], "logsumexp_vjp": tg.logsumexp}  # of gradients that no op call makes


def test_a_fault_in_a_compiled_loop_fails_the_check(planted):
    report = check(lambda x: OF_KERNEL[planted](2 * x).sum(), X, raises=False)
    assert not report.ok and all(row.ok for row in report.rows)
    assert [each.verdict for each in report.training] == ["wrong", "wrong"]
    assert re.search(r"blame: `\w+`: (in its gradient, )?its compiled kernel is off by .* in float32", report.blame)
    with pytest.raises(tg.GradientError, match=r"compiled kernels against plain kernels: .*: wrong"):
        check(OF_KERNEL[planted], X)


@pytest.mark.parametrize("planted", ["sigmoid_vjp"], indirect=True)
def test_the_table_names_the_culprit_and_those_that_call_it(planted):
    rows = table.run([CASES["sigmoid"], CASES["sigmoid_vjp"], CASES["exp"]], examples=3, quiet=True)
    assert {row.op: row.ok for row in rows} == {"sigmoid": False, "sigmoid_vjp": False, "exp": True}
    last = " ".join(table.format(rows).split("\n\n")[-1].split())  # lines are broken where the terminal ends
    assert "1 WRONG: sigmoid_vjp (g, x); wrong only because they call it: sigmoid" in last
    alone = table.run([CASES["sigmoid"]], examples=3, quiet=True)
    assert "1 WRONG: sigmoid_vjp; wrong only because they call it: sigmoid" in table.verdict(alone)


@pytest.mark.parametrize("planted", ["sigmoid_vjp"], indirect=True)
def test_check_op_finds_it(planted):
    case = CASES["sigmoid"]
    with pytest.raises(AssertionError, match="gradient of x in float32"):
        check_op(case.op, case.sample, case.oracle, examples=3)


def test_a_fast_path_that_only_large_arrays_take_is_checked(monkeypatch):
    true = kernels.add
    spoiled = lambda a, b: true(a, b) * np.float32(1.001 if a.size > 100_000 and a.dtype == np.float32 else 1)
    monkeypatch.setattr(kernels, "add", spoiled)
    (row, _) = table.run([CASES["add"]], examples=10, quiet=True)
    assert not row.ok and "in float32" in row.why


@pytest.mark.parametrize("op", sorted(OPS))
def test_right_ops_pass_in_float32(op):
    for seed in range(3):
        arrays, static = CASES[op].sample(np.random.default_rng([seed, 5]))
        report = check(lambda *xs, static=static: OPS[op](*xs, **static), *arrays, order=1, raises=False)
        assert "wrong" not in {each.verdict for each in report.training}, report


def test_ill_conditioned_functions_are_not_called_wrong():
    for f in (
        lambda x: (x + 1e4) - 1e4,
        lambda x: (x + 1e6) * (x - 1e6),
        lambda x: tg.exp(20 * x).sum(),
        lambda x: tg.log(1 + 1e-5 * x),
        lambda x: tg.relu(x @ X.T.astype(np.float32)).sum(),
        lambda x: functional.softmax(30 * x),
    ):
        report = check(f, X, order=1, raises=False)
        assert "wrong" not in {each.verdict for each in report.training}, report


def test_a_comparison_that_is_impossible_has_a_reason():
    assert "not compared in float32: f contains float64: `mul`" in str(check(lambda x: x * np.ones(4), X))
    assert "not compared in float32: an argument is beyond" in str(check(lambda x: x * 2, 1e250 * X))
    assert "reaches numbers beyond what float32 can hold" in str(check(lambda x: (1e25 * x) * 1e10, X, order=1))
    assert check(tg.exp, X, float32=False).training == []


def test_the_plain_kernels_can_be_used_inside_a_context():
    fast = kernels.sigmoid
    with kernels.using_reference():
        assert kernels.sigmoid is kernels.reference.sigmoid
    assert kernels.sigmoid is fast


def test_blame_says_where_the_rule_is_written():
    def rule(x):
        return np.sin(x.data), lambda g: -g * tg.cos(x)

    wrong = tg.op(rule)
    del OPS["rule"]
    line = inspect.getsourcelines(rule)[1] + 1
    for f in (wrong, lambda x: tg.exp(wrong(x)).sum()):
        assert f"its rule: {__file__}:{line}" in check(f, X, raises=False).blame


# -- rules that return something other than a gradient -----------------------------------------------------------------


def no_tensor(x):
    return x.data * 2, lambda g: g.data * 2


def wrong_shape(x):
    return x.data.sum(), lambda g: g


def no_number(x):
    return x.data * 2, lambda g: None


@pytest.mark.parametrize(
    ("rule", "error", "given"),
    [(no_tensor, TypeError, "ndarray"), (wrong_shape, ValueError, r"\(\)"), (no_number, TypeError, "NoneType")],
)
@pytest.mark.parametrize("through", [lambda y: y.sum(), lambda y: (y * 2).sum()])
def test_a_rule_that_returns_no_gradient_is_named(rule, error, given, through):
    made = tg.op(rule)
    del OPS[rule.__name__]
    x = tg.Parameter(X)
    words = rf"{rule.__name__}: expected the derivative rule at .*test_training.py:\d+ to return a Tensor of shape "
    with pytest.raises(error, match=words + rf"\(3, 4\), got {given}: "):
        tg.grad(through(made(x)), x)
    if rule is not no_number:  # the checker reports anything that is an array
        assert not check(made, X, raises=False).ok


# -- the command and the suite -----------------------------------------------------------------------------------------


def test_a_bad_seed_is_not_reported_as_a_wrong_rule():
    found = python("-m", "tinygen", "check", "relu", "--seed", "-1")
    assert found.returncode == 2 and "WRONG" not in found.stdout + found.stderr
    assert "seed" in found.stderr and "-1" in found.stderr and "Traceback" not in found.stderr
    with pytest.raises(ValueError, match="check: expected seed to be a whole number of at least 0, got -1"):
        check(tg.relu, X, seed=-1)
    with pytest.raises(ValueError, match="check: expected seed to be a whole number of at least 0, got -1"):
        table.run([CASES["relu"]], seed=-1)


def test_one_op_in_one_file_is_not_measured_by_the_coverage_table():
    found = run_tests("--op", "relu", "tests/ops/test_kinks.py")
    assert found.returncode == 0 and "too few examples" not in found.stdout, found.stdout
