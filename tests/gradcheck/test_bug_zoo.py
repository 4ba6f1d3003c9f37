"""A zoo of wrong derivatives that well-known projects shipped, each caught by `check` or `check_op`, and named.

Every exhibit is the original mistake, written as an op or a function of tinygen. Users found most of them, some years
later: the tests of their day summed the output (a cotangent of ones), compared NaN with NaN, or left out an argument.
"""

import re

import numpy as np
import pytest

import tinygen as tg
from tinygen import OPS, functional
from tinygen.gradcheck import check
from tinygen.tensor import constant
from tinygen.testing import check_op


def lone(rule):
    """The op of a rule, removed from `OPS`."""
    made = tg.op(rule)
    del OPS[rule.__name__]
    return made


def caught(f, *arrays, **how):
    """The whole message."""
    report = check(f, *arrays, raises=False, **how)
    assert not report.ok
    return str(report)


def normal(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


# -- convolution -------------------------------------------------------------------------------------------------------


@lone
def conv_transpose_swapped(g, w, *, size, stride, dilation):
    """candle: the backward pass of the transposed convolution swapped stride and dilation."""
    return (
        tg.conv_transpose2d(g.detach(), w.detach(), size=size, stride=stride, dilation=dilation).data,
        lambda h: tg.conv2d(h, w, stride=dilation, dilation=stride),
        lambda h: tg.conv2d_weight(h, g, kernel_size=w.shape[:2], stride=stride, dilation=dilation),
    )


def test_stride_and_dilation_swapped():
    g, w = (
        normal(1, 2, 2, 1),
        normal(2, 2, 1, 1),
    )  # an image and a kernel of 2 x 2: the shapes agree although they are swapped
    text = caught(lambda g, w: conv_transpose_swapped(g, w, size=(4, 4), stride=2, dilation=1), g, w)
    assert "`conv_transpose_swapped` (op call 2 of 2): its derivative in g (1, 2, 2, 1) lacks a path" in text
    equal = check(lambda g, w: conv_transpose_swapped(g, w, size=(5, 5), stride=2, dilation=2), g, w)
    assert equal.ok  # if both are equal, swapping them is no error


@lone
def conv_first_order_only(x, w):
    """DeZero, and every convolution whose backward pass is NumPy: right, but not differentiable."""
    y = tg.conv2d(x.detach(), w.detach()).data
    return (
        y,
        lambda g: tg.conv_transpose2d(g, w.detach(), size=x.shape[1:3]),
        lambda g: tg.conv2d_weight(x.detach(), g, kernel_size=w.shape[:2]),
    )


def test_a_convolution_without_a_second_derivative():
    x, w = normal(1, 3, 3, 1), normal(2, 2, 1, 1)
    assert check(conv_first_order_only, x, w, order=1).ok
    text = caught(conv_first_order_only, x, w)
    assert (
        "its first derivative in x (1, 3, 3, 1) is right, but the derivative of that by w (2, 2, 1, 1) is zero" in text
    )


# -- shapes and memory -------------------------------------------------------------------------------------------------


@lone
def take(x, *, rows):
    """HIPS autograd, PyTorch, pytensor: `gradient[rows] += g` counts a row only once if it is taken twice."""

    def vjp(g):
        d = np.zeros(x.shape)
        d[rows] += g.data
        return constant(d)

    return x.data[rows], vjp


def test_repeated_indices_lose_their_gradient():
    assert check(lambda x: take(x, rows=np.array([2, 0])), normal(3, 2), order=1).ok
    text = caught(lambda x: take(x, rows=np.array([0, 2, 0])), normal(3, 2), order=1)
    assert "`take`: its derivative in x (3, 2) lacks contributions: 2 of 6 entries of the Jacobian are 0" in text
    assert "an entry that is used several times must get the sum of all shares" in text


@lone
def add_bias(x, b):
    """PyTorch, and many others: the bias was broadcast, and its gradient was not summed back."""
    return x.data + b.data, lambda g: g, lambda g: g


@lone
def scale_rows(x, s):
    """The same with an axis of length 1, where a careless sum runs over the wrong axis or over none."""
    return x.data * s.data, lambda g: g * s, lambda g: (g * x)[:, :1]


def test_broadcast_gradients_that_are_not_summed_back():
    text = caught(add_bias, normal(3, 4), normal(4))
    assert "has the wrong shape, (3, 4) for an argument of (4,): the sum over the broadcast axes is missing" in text
    text = caught(scale_rows, normal(3, 4), normal(3, 1))
    assert "its derivative in s (3, 1) lacks contributions: 9 of 12 entries" in text
    assert "the sum over a broadcast axis is missing" in text


@lone
def square_in_memory_order(x):
    """flash-attention, torch: the kernel read the incoming gradient as one block of memory, whatever its strides."""
    return x.data**2, lambda g: constant(g.data.ravel(order="K").reshape(g.shape)) * x * 2


def test_an_incoming_gradient_that_is_transposed():
    weights = normal(4, 3)
    assert check(square_in_memory_order, normal(3, 4), order=1).ok  # with a contiguous array it is right
    text = caught(lambda x: square_in_memory_order(x).T * weights, normal(3, 4), order=1)
    assert "`square_in_memory_order` (op call 1 of 3): its derivative in x (3, 4) depends on how the incoming" in text
    assert "gradient is stored in memory" in text


@lone
def dense_on_nothing(x, w):
    """NNlib: for an empty batch the gradient of the weights was uninitialised memory."""

    def pull(g):
        return x.T @ g if len(x) else constant(np.full(w.shape, 1.7e-3))

    return x.data @ w.data, lambda g: g @ w.T, pull


def test_an_empty_batch_has_a_gradient_of_zero():
    assert check(dense_on_nothing, normal(2, 3), normal(3, 2)).ok
    report = check(dense_on_nothing, np.zeros((0, 3)), normal(3, 2), raises=False)
    assert [(row.name, row.verdict) for row in report.rows] == [("x", "ok"), ("w", "wrong")]
    assert "its derivative in w (3, 2) is not zero, though the output has no entries" in report.blame


# -- poles and kinks ---------------------------------------------------------------------------------------------------


@lone
def naive_sqrt(x):
    """A mistake of most projects: ½/√x at 0 is infinite, and 0 · ∞ is NaN."""
    return np.sqrt(x.data), lambda g, y: g * (0.5 / y)


def test_where_passes_nan_on_from_the_branch_that_is_not_taken():
    """HIPS autograd, PyTorch, tinygrad, mlx."""
    x = np.array([0.25, 0.0, 4.0])
    f = lambda x: tg.where(np.array([True, False, True]), naive_sqrt(tg.abs(x)), x * 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        text = caught(f, x, order=1)
    assert "`naive_sqrt` (op call 2 of 4): its derivative in x (3,) is nan at entry (1,), where the input is 0" in text
    assert "the incoming gradient is 0 there, so the result must be 0" in text


def test_the_norm_of_zero():
    """HIPS autograd (six threads), PyTorch: NaN in every weight, one step after a vector became 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        text = caught(lambda x: naive_sqrt((x * x).sum()), np.zeros(3))
    assert re.search(r"`naive_sqrt` \(op call 3 of 3\): its derivative in x \(\) is -?inf at entry \(\)", text)
    kink = check(functional.norm, np.zeros(3), raises=False)  # tinygen returns 0: not a derivative, but not NaN either
    assert {row.verdict for row in kink.rows} == {"kink"}
    assert all(np.isfinite(row.analytic) for row in kink.rows)


@lone
def max_of_all(x):
    """Theano: at a tie every largest entry got the whole gradient, which is not a subgradient."""
    mask = constant((x.data == x.data.max()).astype(x.dtype))
    return x.data.max(), lambda g: g * mask


def test_a_maximum_that_counts_a_tie_twice():
    assert check(max_of_all, normal(5)).ok  # without a tie it is right
    with pytest.raises(AssertionError, match="no subgradient: from x to z the value rises by"):
        sample = lambda rng: ([rng.normal(size=2)], {})
        check_op(max_of_all, sample, np.max, analytic=False, flat=True, convex=True, empty=False, examples=100)


def test_softplus_that_overflows():
    """burn, snnTorch: log(1 + eˣ) is infinite for x >= 710, and its gradient is NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        text = caught(lambda x: tg.log(1 + tg.exp(x)), np.array([1.0, 800.0]))
    assert "blame: `exp` (op call 1 of 3): its value is not finite, though its inputs are" in text
    assert check(tg.softplus, np.array([1.0, 800.0])).ok


# -- sums that were forgotten ------------------------------------------------------------------------------------------


@lone
def batch_norm(x):
    """CrypTen: mean and variance were treated as constants."""
    std = x.data.std(axis=0)
    return (x.data - x.data.mean(axis=0)) / std, lambda g: g / constant(std)


@lone
def batch_norm_without_the_mean(x):
    """A similar mistake: the path through the variance is there, the one through the mean is not."""
    std = x.data.std(axis=0)
    y = (x.data - x.data.mean(axis=0)) / std
    return y, lambda g: (g - constant(y) * (g * constant(y)).mean(axis=0)) / constant(std)


@pytest.mark.parametrize("norm", [batch_norm, batch_norm_without_the_mean])
def test_a_batch_norm_that_forgets_its_statistics(norm):
    text = caught(norm, normal(5, 1), order=1)
    assert f"`{norm.__name__}`: its derivative in x (5, 1) lacks" in text
    assert "the way through a mean or a sum is forgotten" in text


@lone
def softmax_of_zero_gradient(x):
    """Tests of tinygrad sum the output. The sum of a softmax is always 1, so that any such rule passes."""
    e = np.exp(x.data - x.data.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True), lambda g: g * 0


def test_a_softmax_that_a_cotangent_of_ones_can_not_catch():
    x = normal(2, 3)
    v = tg.Tensor(x, requires_grad=True)
    true = tg.grad(functional.softmax(v).sum(), v).numpy()
    assert np.abs(true).max() < 1e-15  # what such a test compares with 0
    assert "`softmax_of_zero_gradient`: its derivative in x (2, 3) is zero; it should reach up to" in caught(
        softmax_of_zero_gradient, x, order=1
    )


@lone
def bce_with_clamped_gradient(x, *, t):
    """candle, PyTorch: the loss was right, but its gradient went through a probability that had been clamped."""
    p = np.clip(1 / (1 + np.exp(-x.data)), 1e-2, 1 - 1e-2)
    inside = (p > 1e-2) & (p < 1 - 1e-2)
    return np.logaddexp(0, x.data) - t * x.data, lambda g: g * constant((p - t) * inside)


def test_binary_cross_entropy_behind_a_clamp():
    f = lambda x: bce_with_clamped_gradient(x, t=np.array([1.0, 0.0, 1.0, 1.0, 0.0]))
    assert check(f, np.array([0.3, 1.0, -2.0, 3.0, -1.0]), order=1).ok
    text = caught(f, np.array([0.3, 1.0, -8.0, 3.0, -1.0]), order=1)  # confident and wrong: the gradient must be large
    assert "lacks contributions: 1 of 5 entries of the Jacobian are 0 that are not" in text


# -- the graph ---------------------------------------------------------------------------------------------------------


def test_a_gradient_penalty_without_its_gradient():
    """mlpack: the penalty was added to the loss of the critic, but not to its gradient."""
    x = normal(4, 3)

    def loss(w, *, create_graph):
        at = tg.Tensor(x, requires_grad=True)
        score = tg.tanh(at @ w).sum()
        slope = tg.grad(score, at, create_graph=create_graph, retain_graph=True)
        return score + (((slope * slope).sum(axis=1) - 1) ** 2).sum()

    assert check(lambda w: loss(w, create_graph=True), normal(3, 1)).ok
    text = caught(lambda w: loss(w, create_graph=False), normal(3, 1))
    assert "blame: no op: every op call" in text
    assert "is right on its own, so between them something leaves the graph" in text


def test_a_dropout_mask_that_is_new_in_every_call():
    """PyTorch: the check of a dropout layer passes or fails by chance."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="if f draws random numbers, create the generator inside f"):
        check(lambda x: x * (rng.random(x.shape) < 0.5).astype(float), normal(3, 4))


# -- what no gradient check can see ------------------------------------------------------------------------------------


def test_a_variance_used_as_a_standard_deviation_has_right_derivatives():
    """DeZero, numpy-ml, Keras: z = μ + exp(log σ²) ε. Only the moments of z reveal it."""
    eps = np.random.default_rng(0).normal(size=100_000)
    wrong, right = (lambda mu, log_var, s=s: mu + tg.exp(s * log_var) * eps[:5] for s in (1.0, 0.5))
    assert check(wrong, normal(5), normal(5)).ok and check(right, normal(5), normal(5)).ok
    log_var = np.log(4.0)
    variances = [float((np.exp(s * log_var) * eps).var()) for s in (1.0, 0.5)]
    error = 4 * np.sqrt(2 / len(eps))  # four standard errors of a variance, relative to it
    assert abs(variances[0] / 4 - 1) > 100 * error
    assert abs(variances[1] / 4 - 1) < error
