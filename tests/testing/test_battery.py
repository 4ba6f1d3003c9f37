"""Tests of the battery: for each property, an op that breaks it and the message of the failure."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.ops.elementwise import elementwise
from tinygen.tensor import constant
from tinygen.testing import Case, Failure, check_op, table
from tinygen.testing.draws import distinct, normal, shape
from tinygen.testing.properties import PROPERTIES


def one(rng):
    return (normal(rng, shape(rng)),), {}


def two(rng):
    return (normal(rng, (2, 3)), normal(rng, (3,))), {}


# -- ops that are wrong, each in one way -------------------------------------------------------------------------------


def inexact_value():
    return elementwise(lambda x: (x.data * (1 + 1e-12), lambda g: g)), {}


def value_of_another_shape():
    return tg.op(lambda x: (x.data.reshape(1, *x.shape), lambda g: tg.reshape(g, shape=x.shape))), {}


def wrong_slope():
    return elementwise(lambda x: (x.data, lambda g: g * (1 + 1e-6))), {}


def curvature_lost():
    """Its first derivative is right, but a constant, so that the second one is zero."""
    return elementwise(lambda x: (np.exp(x.data), lambda g: g * constant(np.exp(x.data)))), {"oracle": np.exp}


def curved_but_called_flat():
    return elementwise(lambda x: (x.data**2, lambda g: g * 2 * x)), {"oracle": np.square, "flat": True}


def curved_but_called_added():
    return elementwise(lambda x: (x.data**2, lambda g: g * 2 * x)), {"oracle": np.square, "added": ("x",)}


def curved_but_called_linear():
    return elementwise(lambda x: (x.data**2, lambda g: g * 2 * x)), {"oracle": np.square, "linear": ("x",)}


def adjoint_that_rounds():
    return elementwise(lambda x: (x.data, lambda g: g * (1 + 2**-52))), {"linear": ("x",), "exact": True}


def something_from_nothing():
    return elementwise(lambda x: (x.data, lambda g: g + (g.data == 0).astype(float))), {}


def rule_that_is_not_linear():
    return elementwise(lambda x: (x.data, lambda g: tg.sin(g))), {}


def both_sides_of_a_tie():
    """At a tie of max, (1, 1) is not a subgradient."""

    def rule(x):
        first = constant((x.data == x.data.max(keepdims=True)).astype(x.dtype))
        return x.data.max(), lambda g: g * first

    return tg.op(rule), {
        "oracle": lambda x: x.max(),
        "sample": lambda rng: ((distinct(rng, (3,))[0],), {}),
        "convex": True,
    }


def always_float64():
    return elementwise(lambda x: (x.data.astype(np.float64), lambda g: g.astype(x.dtype))), {}


def gradient_in_float64():
    return elementwise(lambda x: (x.data, lambda g: g.astype(np.float64))), {}


def forgets_empty_arrays():
    rule = lambda x: (x.data if x.size else np.zeros(1, x.dtype), lambda g: g)
    return tg.op(rule), {"sample": lambda rng: ((np.zeros((0, 3)),), {})}


def memory_never_written():
    """For an empty batch its rule returns uninitialised memory."""

    def rule(a, b):
        rubbish = constant(np.full(b.shape, np.nan, b.dtype))
        return (
            a.data.sum() + b.data,
            lambda g: tg.broadcast_to(g.sum(), shape=a.shape),
            lambda g: g if a.size else rubbish,
        )

    return tg.op(rule), {"sample": lambda rng: ((np.zeros(0), np.ones(3)), {}), "oracle": lambda a, b: a.sum() + b}


def not_summed_back():
    rule = lambda a, b: (a.data + b.data, lambda g: g, lambda g: g)
    return tg.op(rule), {"sample": two, "oracle": np.add, "broadcasts": lambda arrays: True}


def input_read_in_memory_order():
    rule = lambda x: (np.ravel(x.data, order="K").reshape(x.shape), lambda g: g)
    return tg.op(rule), {"sample": lambda rng: ((normal(rng, (2, 3)),), {})}


def cotangent_read_in_memory_order():
    inner = tg.op(lambda g: (np.ravel(g.data, order="K").reshape(g.shape), lambda h: h))
    return tg.op(lambda x: (x.data.copy(), lambda g: inner(g))), {"sample": lambda rng: ((normal(rng, (2, 3)),), {})}


def static_read_in_memory_order():
    rule = lambda x, *, w: (x.data * np.ravel(w, order="K").reshape(w.shape), lambda g: g * w)
    return elementwise(rule), {
        "sample": lambda rng: ((normal(rng, (2, 3)),), {"w": normal(rng, (2, 3))}),
        "oracle": lambda x, w: x * w,
    }


def digits_cancelled():
    """Its error hardly shows in float64."""
    return elementwise(lambda x: ((x.data + 1000) - 1000, lambda g: g)), {}


def writes_to_a_static():
    def rule(x, *, w):
        value = x.data * w
        w += 1
        return value, lambda g: g

    return elementwise(rule), {"sample": lambda rng: ((np.zeros(3),), {"w": np.ones(3)}), "oracle": lambda x, w: x * w}


def keeps_a_static():
    rule = lambda x, *, w: (x.data * w, lambda g: g * constant(w.view()))
    return elementwise(rule), {
        "sample": lambda rng: ((normal(rng, (3,)),), {"w": np.ones(3)}),
        "oracle": lambda x, w: x * w,
    }


def hands_out_a_static():
    rule = lambda x, *, w: (w.view(), lambda g: g * 0)
    return elementwise(rule), {"sample": lambda rng: ((np.zeros(3),), {"w": np.ones(3)}), "oracle": lambda x, w: w}


def hides_a_view():
    return tg.op(lambda x: (x.data[:], lambda g: g)), {}


def rolls_dice():
    rng = np.random.default_rng(0)
    return elementwise(lambda x: (x.data + 1e-15 * rng.normal(size=x.shape), lambda g: g)), {}


def naive_elu(x, *, alpha=1.0):
    """It overflows for large inputs, and loses digits near 0."""
    rule = lambda g: tg.where(x > 0, g, g * alpha * tg.exp(tg.minimum(x, 0.0)))
    return np.where(x.data > 0, x.data, alpha * (np.exp(x.data) - 1)), rule


def far_overflow():
    rule = lambda x: (
        np.where(x.data > 0, x.data, np.expm1(x.data)),
        lambda g: tg.where(x > 0, g, g * tg.exp(tg.minimum(x, 0.0))),
    )
    return elementwise(rule), {"oracle": elu}


def digits_lost_near_0():
    def rule(x):
        below = tg.minimum(x, 0.0)
        return np.where(x.data > 0, x.data, np.exp(below.data) - 1), lambda g: tg.where(x > 0, g, g * tg.exp(below))

    return tg.op(rule), {"oracle": elu}


def elu(x, alpha=1.0):
    return np.where(x.real > 0, x, alpha * (np.exp(x) - 1))


WRONG = [  # (the op, the property that it breaks, the message about it)
    (inexact_value, "value", "differs from the oracle by"),
    (value_of_another_shape, "value", r"makes shape \(1, .*the oracle \("),
    (wrong_slope, "order 1", "argument x: gradient check of"),
    (far_overflow, "extremes", "warns of an overflow"),
    (digits_lost_near_0, "extremes", r"value at -.* in float32 is .*, should be -"),
    (curvature_lost, "order 2", "argument x: gradient check of"),
    (curved_but_called_flat, "order 2", "second derivative should be exactly zero"),
    (curved_but_called_added, "order 2", "it is not only added"),
    (curved_but_called_linear, "adjoint", r"⟨gy, A x⟩ = .* but ⟨A\*gy, x⟩ ="),
    (adjoint_that_rounds, "exact", "limit 0"),
    (something_from_nothing, "cotangent", "a cotangent of zero gives the gradient"),
    (rule_that_is_not_linear, "cotangent", "the rule is not linear in g"),
    (both_sides_of_a_tie, "subgradient", "no subgradient"),
    (always_float64, "types", "makes float64, expected float32"),
    (gradient_in_float64, "types", "float64 for an input of shape .*float32"),
    (forgets_empty_arrays, "empty", "makes shape"),
    (memory_never_written, "empty", "memory that was never written"),
    (not_summed_back, "broadcast", r"gradient of shape \(2, 3\), .* for an input of shape \(3,\)"),
    (input_read_in_memory_order, "layout", "value depends on memory: with f_order inputs"),
    (cotangent_read_in_memory_order, "layout", "gradient of x depends on memory"),
    (static_read_in_memory_order, "layout", "value depends on memory"),
    (digits_cancelled, "precision", "value in float32 is .* off float64"),
    (writes_to_a_static, "memory", "writes to an array of the caller"),
    (keeps_a_static, "memory", "changes when the caller writes to an array after the call"),
    (hands_out_a_static, "memory", "is a view of an array of the caller"),
    (hides_a_view, "memory", "shares memory with an input"),
    (rolls_dice, "repeat", "a second call gives other bits"),
]


def case_of(make) -> Case:
    op, about = make()
    op.__name__ = make.__name__
    return Case(**{"op": op, "sample": one, "oracle": lambda x: x, **about})


@pytest.mark.parametrize(("make", "prop", "words"), WRONG, ids=[make.__name__ for make, *_ in WRONG])
def test_each_property_rejects_an_op_that_breaks_it(make, prop, words):
    case = case_of(make)
    with pytest.raises(Failure, match=words) as caught:
        for seed in range(50):
            rng = np.random.default_rng(seed)
            PROPERTIES[prop].measure(case, *case.sample(rng), rng)
    assert str(caught.value).startswith(case.name)
    assert f"on {case.name}: {case.arguments[0]} (" in str(caught.value)


def test_every_property_has_an_op_that_breaks_it():
    assert {prop for _, prop, _ in WRONG} == set(PROPERTIES)


# -- check_op ----------------------------------------------------------------------------------------------------------


def bump(x):
    """1 / (1 + x²)"""
    return 1 / (1 + x.data**2), lambda g, y: -2 * g * x * y * y


def test_check_op_accepts_a_right_op_and_returns_the_counts():
    shown = check_op(elementwise(bump), one, lambda x: 1 / (1 + x * x), examples=10, domain=lambda x: abs(x) < 1e15)
    counts = {key: seen.examples for key, seen in shown.items()}
    empty = counts.pop(("empty", "*"))
    assert 0 < empty <= 10
    assert set(counts.values()) >= {10} and min(counts.values()) >= 10
    assert {name for name, _ in counts} == {
        *("value", "order 1", "order 2", "cotangent", "types", "layout", "precision", "extremes", "memory", "repeat")
    }


def test_check_op_names_the_property_and_the_example():
    wrong = elementwise(lambda x: (1 / (1 + x.data**2), lambda g, y: 2 * g * x * y * y))
    with pytest.raises(AssertionError, match="wrong sign") as caught:
        check_op(wrong, one, lambda x: 1 / (1 + x * x), seed=3)
    assert any('property "order 1"' in note and "of seed 3" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("make", [tg.op, elementwise])
@pytest.mark.filterwarnings("ignore:overflow")
def test_check_op_rejects_a_naive_elu(make):
    sample = lambda rng: ((np.where(abs(x := rng.normal(size=(2, 3))) < 0.05, 0.5, x),), {"alpha": 0.75})
    with pytest.raises(AssertionError) as caught:
        check_op(make(naive_elu), sample, elu)
    assert 'property "extremes"' in caught.value.__notes__[0]
    check_op(tg.elu, sample, elu)


@pytest.mark.parametrize("arrays", [np.zeros((0, 2)), np.zeros(3)], ids=["empty", "a cotangent of nothing"])
def test_check_op_rejects_samples_that_test_nothing(arrays):
    square = elementwise(lambda x: (x.data**2, lambda g: 2 * g * x))
    with pytest.raises(AssertionError, match=r"was tested for .* by 0 of 750 samples, expected 25"):
        check_op(square, lambda rng: ((arrays,), {}), np.square)


def test_check_op_accepts_a_function_made_of_ops():
    def free_energy(a, b):
        return tg.logsumexp(a - b, axis=-1)

    oracle = lambda a, b: np.log(np.exp(a - b).sum(axis=-1))
    shown = check_op(free_energy, two, oracle, terms=lambda arrays, static: 6, examples=5)
    assert shown["order 2", "b"].examples == 5


# -- the table of `python -m tinygen check` ----------------------------------------------------------------------------


def test_the_table_marks_a_wrong_op_and_continues():
    right = Case(op=elementwise(bump), sample=one, oracle=lambda x: 1 / (1 + x * x))

    def crash(x):
        raise ZeroDivisionError("in a rule")

    cases = [case_of(wrong_slope), Case(op=tg.op(crash), sample=one, oracle=lambda x: x), right]
    rows = table.run(cases, examples=3, quiet=True)
    assert [(row.op, row.ok) for row in rows] == [("wrong_slope", False), ("crash", False), ("bump", True)]
    assert rows[0].order_1 == pytest.approx(5e-7, rel=1)  # the size of the error, not only its existence
    assert "ZeroDivisionError: in a rule" in rows[1].why
    text = table.format(rows)
    assert text.splitlines()[-1] == "3 ops, 3 arguments: 2 WRONG: wrong_slope (x), crash (x)"
    assert text.splitlines()[1].endswith("WRONG") and text.splitlines()[3].endswith("ok")


def test_the_table_does_not_call_an_undecided_op_wrong():
    def absolute(x):
        return np.abs(x.data), lambda g: g * np.sign(x.data)

    at_0 = np.array([[0.0, 1.0], [2.0, -1.0]])
    kinked = Case(op=elementwise(absolute), sample=lambda rng: ((at_0,), {}), oracle=np.abs, analytic=False)
    rows = table.run([kinked, case_of(wrong_slope)], examples=2, quiet=True)
    assert [(row.ok, row.verdict) for row in rows] == [(False, "kink"), (False, "wrong")]
    assert table.verdict(rows).endswith("1 WRONG: wrong_slope (x); kink: absolute (x)")
    assert table.verdict(rows[:1]).endswith("none wrong, but not all shown to be right; kink: absolute (x)")


def test_the_table_has_a_row_for_each_argument():
    from tinygen.testing import CASES

    rows = table.run([CASES["conv2d"], CASES["concat"], CASES["sin"]], examples=2, quiet=True)
    assert [(row.op, row.argument) for row in rows] == [
        ("conv2d", "x"),
        ("conv2d", "w"),
        ("concat", "xs"),
        ("sin", "x"),
    ]
    assert all(row.ok for row in rows)
    assert [row.adjoint is None for row in rows] == [False, False, False, True]
    assert "all right; worst errors" in table.verdict(rows)
