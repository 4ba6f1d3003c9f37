"""Blame names the op whose rule is wrong, its argument, and what the mistake looks like."""

from functools import partial
from itertools import islice

import numpy as np
import pytest

import tinygen as tg
from tinygen import OPS
from tinygen.gradcheck import check
from tinygen.tensor import constant
from tinygen.testing import CASES
from tinygen.testing.corruptions import applies, corrupt

X, W = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=(4, 4))


def lone(rule):
    """The op of a rule, removed from `OPS`."""
    made = tg.op(rule)
    del OPS[rule.__name__]
    return made


def blame(f, *arrays, **how):
    """The text without the line that says where the rule is."""
    report = check(f, *arrays, raises=False, **how)
    assert not report.ok
    return report.blame.partition("\n  its rule: ")[0]


# -- the op ------------------------------------------------------------------------------------------------------------


def examples(op):
    """Four inputs with more than one entry each, and their settings, the smallest first."""
    samples = (CASES[op].sample(np.random.default_rng([seed, 3])) for seed in range(100))
    fitting = (sample for sample in samples if all(2 <= x.size <= 64 for x in sample[0]))
    return sorted(islice(fitting, 4), key=lambda sample: sum(x.size for x in sample[0]))


@pytest.mark.parametrize("op", sorted(OPS))
def test_a_sign_in_the_middle_of_a_composite_is_blamed_on_its_op(op, profile):
    names = list(enumerate(CASES[op].arguments))
    for i, name in names[-1:] if profile == "quick" else names:
        rng = np.random.default_rng(0)
        arrays, static = next(each for each in examples(op) if applies("sign", OPS[op], i, *each, rng))
        wrong = partial(corrupt(OPS[op], i, "sign"), **static)
        text = blame(lambda *xs, wrong=wrong: tg.tanh(wrong(*[x * 1 for x in xs])), *arrays, order=1)
        assert text.startswith(f"blame: `{op}, sign` (op call "), text
        assert f"its derivative in {name}" in text
        assert text.endswith(") has the wrong sign"), text


@lone
def square_half(x):
    return x.data**2, lambda g: g * x


@lone
def wrong_sin(x):
    return np.sin(x.data), lambda g: -g * tg.cos(x)


@lone
def slip(a, b):
    """a · b, with the rule for b negated."""
    return a.data * b.data, lambda g: g * b, lambda g: -(g * a)


def test_the_first_of_two_wrong_ops_is_named():
    assert "`square_half` (op call 2 of 3)" in blame(lambda x: wrong_sin(square_half(x + 1)), X)
    assert "`wrong_sin` (op call 1 of 3)" in blame(lambda x: square_half(wrong_sin(x) + 1), X)


def test_a_wrong_rule_that_no_gradient_reaches_is_not_blamed():
    assert check(lambda x: slip(x, X) + wrong_sin(X), X).ok
    assert "`wrong_sin`" in blame(lambda x: slip(wrong_sin(x), X), X)


def test_the_argument_is_named_with_its_shape():
    assert blame(lambda x, w: slip(tg.exp(x), w), X, X) == (
        "blame: `slip` (op call 2 of 2): its derivative in b (3, 4) has the wrong sign"
    )


def test_a_large_call_is_sampled():
    x = np.random.default_rng(2).normal(size=(40, 50))
    assert blame(lambda x: wrong_sin(x).sum(), x, order=1).endswith("in x (40, 50) has the wrong sign")


def test_the_second_order_blames_the_op_that_a_rule_calls():
    @lone
    def my_tanh(x):
        return np.tanh(x.data), lambda g, y: slip(g, 1 - y * y)

    assert blame(lambda x: my_tanh(x) * 2, X) == (
        "blame: `slip` (called by a rule): its derivative in b (3, 4) has the wrong sign"
    )


def test_the_second_order_blames_a_rule_made_of_plain_numbers():
    @lone
    def square(x):
        return x.data**2, lambda g: g * constant(2 * x.data)

    text = blame(lambda x: square(x + 1).sum(), X)
    assert text.startswith("blame: `square` (op call 2 of 3): its first derivative in x (3, 4) is right, but")
    assert "the derivative of that by x (3, 4) is zero" in text
    assert "plain numbers (.data, .numpy(), detach)" in text


def test_a_rule_that_returns_numpy_arrays_is_found_at_order_2():
    @lone
    def cube(x):
        return x.data**3, lambda g: g.data * 3 * x.data**2

    assert "`cube`: its first derivative in x (3, 4) is right, but" in blame(cube, X)


def test_no_op_is_blamed_for_a_value_that_leaves_the_graph():
    text = blame(lambda x: x * x.detach(), X)
    assert text.startswith("blame: no op: every op call (1) is right on its own")
    assert "detach" in text


def test_a_kink_is_blamed_on_the_op_that_has_it():
    x = X.copy()
    x[1, 2] = 1
    assert blame(lambda x: tg.exp(tg.relu(tg.log(x * x))), x) == (
        "blame: `relu` (op call 3 of 4): its argument x (3, 4) is on a kink at entry (1, 2), where it is 0"
    )


# -- the description of the mistake ------------------------------------------------------------------------------------


def phrase(rule, *arrays):
    """The message about the last argument of the op of `rule`."""
    text = blame(lone(rule), *arrays, order=1)
    assert text.startswith("blame: `rule`")
    return text.split(": its derivative in ")[1].split(") ", 1)[1]


def test_zero():
    def rule(x):
        return np.exp(x.data), lambda g: g * 0

    assert phrase(rule, np.zeros((2, 3))) == "is zero; it should reach up to 1"


def test_not_zero():
    def rule(x):
        return np.ones_like(x.data), lambda g: g * 3

    assert phrase(rule, X) == "reaches up to 3; it should be zero"


def test_a_factor():
    def rule(x):
        return x.data**2, lambda g: g * x

    assert phrase(rule, X) == "is off by a constant factor: it is 1/2 times what it should be"


def test_a_factor_that_is_a_length():
    def rule(x):
        return x.data.mean(axis=1), lambda g: tg.broadcast_to(g.reshape(3, 1), shape=(3, 4))

    assert phrase(rule, X) == (
        "is off by a constant factor: it is 4 times what it should be (4 is also the length of its axis 1)"
    )


def test_a_factor_of_almost_one():
    def rule(x):
        return np.sin(x.data), lambda g: g * tg.cos(x) * (1 - 3e-6)

    assert phrase(rule, X) == "is off by a constant factor: it is 0.999997 times what it should be"


def test_a_factor_of_one_entry_may_be_chance():
    def rule(x):
        return x.data**2, lambda g: g * 1.3

    one = np.array([0.5])
    assert phrase(rule, one) == "differs, most at entry (0,): the rule gives 1.3, the differences 1"
    assert phrase(rule, np.array([1.3])) == "is off by a constant factor: it is 1/2 times what it should be"


def test_a_rule_of_one_entry_that_belongs_to_another_argument():
    def rule(a, b):
        return a.data * b.data, lambda g: g * b, lambda g: g * b

    assert phrase(rule, np.array([0.5]), np.array([-0.8])) == "is the one that belongs to a (1,)"


def test_the_axes_of_the_gradient_in_another_order():
    def rule(a, b):
        return a.data @ b.data, lambda g: g @ b.T, lambda g: (a.T @ g).T

    assert phrase(rule, X, W) == "is transposed: its axes come in the order (1, 0)"


def test_a_flipped_kernel():
    def rule(x, w):
        y = tg.conv2d(x.detach(), w.detach()).data
        backward = lambda g: tg.conv2d_weight(x, g, kernel_size=w.shape[:2])
        return y, lambda g: tg.conv_transpose2d(g, w, size=x.shape[1:3]), lambda g: backward(g)[::-1, ::-1]

    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(1, 4, 5, 1)), rng.normal(size=(2, 3, 1, 2))
    assert phrase(rule, x, w) == "is flipped along axes (0, 1)"


def test_the_jacobian_itself_instead_of_its_transpose():
    def rule(x):
        return W @ x.data, lambda g: (W @ g.reshape(4, 1)).reshape(4)

    assert phrase(rule, X[0]) == "is transposed: it multiplies by the Jacobian, where its transpose belongs"


def test_the_rule_of_another_argument():
    def rule(a, b):
        return a.data / b.data, lambda g: g / b, lambda g: g / b

    assert phrase(rule, X, X + 3) == "is the one that belongs to a (3, 4)"


def test_the_incoming_gradient_is_ignored():
    def rule(x):
        return x.data**2, lambda g: 2 * x

    assert phrase(rule, X) == "ignores the incoming gradient: it stays the same whatever that is"


def test_not_linear_in_the_incoming_gradient():
    def rule(x):
        return np.sin(x.data), lambda g: g * g * tg.cos(x)

    assert phrase(rule, X).startswith("is not linear in the incoming gradient")


def test_a_missing_sum_over_a_broadcast_axis_shows_in_the_shape():
    def rule(x):
        return np.broadcast_to(x.data, (3, 4)), lambda g: g

    assert phrase(rule, X[0]) == (
        "has the wrong shape, (3, 4) for an argument of (4,): the sum over the broadcast axes is missing"
    )


def test_a_missing_sum_over_a_broadcast_axis_shows_in_the_numbers():
    def rule(x):
        return np.broadcast_to(x.data, (3, 4)), lambda g: g[:1]

    assert phrase(rule, X[:1]) == (
        "lacks contributions: 8 of 12 entries of the Jacobian are 0 that are not; "
        "the sum over a broadcast axis is missing"
    )


def test_a_wrong_shape():
    def rule(x):
        return x.data.T, lambda g: g

    assert phrase(rule, X) == "has the wrong shape, (4, 3) for an argument of (3, 4)"


def test_a_forgotten_mean():
    def rule(x):
        return x.data - x.data.mean(axis=0), lambda g: g

    assert phrase(rule, X).startswith("lacks a path: 24 of 36 entries of the Jacobian are 0 that are not")


def test_a_forgotten_term_that_all_entries_share():
    def rule(x):
        p = np.exp(x.data) / np.exp(x.data).sum()
        return p, lambda g: constant(p) * (g - g.mean())  # the mean should be weighted with p

    assert phrase(rule, X[0]) == (
        "lacks a term that all entries share, as when the way through a mean or a sum is forgotten"
    )


def test_one_entry_of_few_is_not_called_a_term():
    """The rule is wrong for negative numbers, and only the first entry is negative."""

    def rule(x):  # softsign
        return x.data / (1 + np.abs(x.data)), lambda g, y: g * (1 - y) ** 2

    assert phrase(rule, np.array([-1.5, 0.2, 3.0])) == (
        "differs, most at entry (0,): the rule gives 2.56, the differences 0.16"
    )


def test_single_entries():
    def rule(x):
        right = np.ones((3, 4))
        right[1, 2] = 2
        return np.sin(x.data), lambda g: g * tg.cos(x) * right

    assert phrase(rule, X) == "differs in 1 of 12 entries: (1, 2)"


def test_anything_else_shows_the_two_numbers():
    def rule(x):
        return np.sin(x.data), lambda g: g * x

    assert phrase(rule, np.full((2, 2), 0.5) + np.eye(2)) == (
        "differs, most at entry (0, 0): the rule gives 1.5, the differences 0.0707372017"
    )


# -- not finite --------------------------------------------------------------------------------------------------------


def test_a_nan_of_the_branch_that_is_not_taken_is_blamed_on_the_rule_with_the_pole():
    @lone
    def my_sqrt(x):
        return np.sqrt(np.maximum(x.data, 0)), lambda g, y: g * (0.5 / y)

    x = np.array([4.0, -2.0])
    with np.errstate(all="ignore"):
        text = blame(lambda x: tg.where(x.numpy() > 0, my_sqrt(x), 1.0), x)
    assert text.startswith(
        "blame: `my_sqrt` (op call 1 of 2): its derivative in x (2,) is nan at entry (1,), where the input is -2"
    )
    assert "the incoming gradient is 0 there, so the result must be 0, or `where` can't protect the branch" in text


def test_a_non_finite_value_is_blamed_on_the_first_op_that_returns_one():
    with np.errstate(all="ignore"):
        text = blame(lambda x: tg.exp(tg.log(x) * 2), np.array([1.0, -1.0]))
    assert text == "blame: `log` (op call 1 of 3): its value is not finite, though its inputs are"


def test_the_edge_of_a_domain_is_named():
    assert blame(tg.sqrt, np.array([0.0, 1.0])) == (
        "blame: no op: all values and gradients are finite at the point, but not next to it: move it off the edge"
    )
