"""Where there is no derivative: each convention that a docstring states, and what it must not break."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import Tensor, grad

FLOATS = (np.float32, np.float64)


def slopes(f, *points, dtype):
    """What `f` passes of a random cotangent, entry by entry, at `points`: its derivative for each input."""
    xs = [Tensor(np.array(p, dtype), requires_grad=True) for p in points]
    y = f(*xs)
    gy = np.random.default_rng(0).normal(size=y.shape).astype(dtype)
    return [g.numpy() / gy for g in grad(y, xs, gy)]


# (the op, where, the derivative that its docstring promises there)
ONE_INPUT = {
    "relu is flat at 0": (tg.relu, [-0.0, 0.0], [0, 0]),
    "leaky_relu has its negative slope at 0": (
        lambda x: tg.leaky_relu(x, negative_slope=0.25),
        [-0.0, 0.0],
        [0.25] * 2,
    ),
    "elu has its alpha at 0": (lambda x: tg.elu(x, alpha=0.25), [-0.0, 0.0], [0.25] * 2),
    "abs is flat at 0": (tg.abs, [-0.0, 0.0], [0, 0]),
    "sqrt is flat at 0": (tg.sqrt, [0.0, 4.0], [0, 0.25]),
    "clip passes at its ends": (lambda x: tg.clip(x, low=-1, high=2), [-1.5, -1, 0, 2, 2.5], [0, 1, 1, 1, 0]),
    "clip to a single number passes there": (lambda x: tg.clip(x, low=1, high=1), [0, 1, 2], [0, 1, 0]),
    "square at 0": (lambda x: x**2, [-3, 0.0, 3], [-6, 0, 6]),
    "first power at 0": (lambda x: x**1, [0.0, 2], [1, 1]),
    "zeroth power at 0": (lambda x: x**0, [0.0, 2], [0, 0]),
}

# (the op, a, b, the derivative in a, in b)
TWO_INPUTS = {
    "maximum gives a tie to the first": (tg.maximum, [1, 2, 3], [2, 2, 2], [0, 1, 1], [1, 0, 0]),
    "minimum gives a tie to the first": (tg.minimum, [1, 2, 3], [2, 2, 2], [1, 1, 0], [0, 0, 1]),
    "pow is flat in its exponent at 0": (
        tg.pow,
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        [-1.0, 0.0, 0.5, 1.0, 2.0, 2.0],
        [-np.inf, 0, np.inf, 1, 0, 2],
        [0, 0, 0, 0, 0, 0],
    ),
    "gate is 0 where one is 0": (tg.gate, [0, 0, np.inf], [0, np.inf, 0], [0, np.inf, 0], [0, 0, np.inf]),
    "ratio is 0 where the first is 0": (tg.ratio, [0, 0], [0, 2], [np.inf, 0.5], [0, 0]),
    "div by 0 is infinite": (tg.div, [1, -1], [0.0, 0.0], [np.inf, np.inf], [-np.inf, np.inf]),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("b", [-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.filterwarnings("ignore:divide by zero")  # 0 to a negative power
def test_second_derivatives_of_a_power_of_zero(b, dtype):
    """In a the limits from the right, b (b - 1) a^(b-2); none reaches b."""
    a, b = (Tensor(np.full(1, number, dtype), requires_grad=True) for number in (0.0, b))
    in_a, in_b = grad((a**b).sum(), [a, b], create_graph=True)
    second = np.multiply(b.numpy() * (b.numpy() - 1), 1, dtype=dtype)
    with np.errstate(all="ignore"):
        expected = np.where(second == 0, 0, second * np.zeros(1, dtype) ** (b.numpy() - 2))
    np.testing.assert_array_equal(grad(in_a.sum(), a, retain_graph=True).numpy(), expected)
    assert [grad(y.sum(), x, retain_graph=True).item() for y, x in ((in_a, b), (in_b, a), (in_b, b))] == [0, 0, 0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_log_at_zero_has_infinite_derivatives_and_none_without_a_cotangent(dtype):
    x = Tensor(np.zeros(2, dtype), requires_grad=True)
    first = grad(tg.log(x), x, np.array([1, 0], dtype), create_graph=True)
    np.testing.assert_array_equal(first.numpy(), [np.inf, 0])
    np.testing.assert_array_equal(grad(first.sum(), x).numpy(), [-np.inf, 0])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ONE_INPUT)
def test_convention_of_one_input(name, dtype):
    f, at, derivative = ONE_INPUT[name]
    np.testing.assert_array_equal(slopes(f, at, dtype=dtype)[0], derivative)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", TWO_INPUTS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_convention_of_two_inputs(name, dtype):
    f, a, b, in_a, in_b = TWO_INPUTS[name]
    np.testing.assert_array_equal(slopes(f, a, b, dtype=dtype), [in_a, in_b])


# -- ties of max and max_pool2d: the first of the largest, along one axis or several -----------------------------------


def first_of_largest(x: np.ndarray) -> np.ndarray:
    """1 at the first largest entry in C order, found by looking at one after the other."""
    flat, best = x.ravel(), 0
    for i, entry in enumerate(flat):
        if entry > flat[best]:
            best = i
    mask = np.zeros(x.size)
    mask[best] = 1
    return mask.reshape(x.shape)


few_numbers = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 3, (2, 3, 4)))


@given(few_numbers, st.sampled_from(FLOATS))
def test_max_gives_ties_to_the_first(x, dtype):
    def expected(axes):
        rest = tuple(a for a in range(x.ndim) if a not in axes)
        blocks = x.transpose(*rest, *axes).reshape(-1, *(x.shape[a] for a in axes))
        masks = np.array([first_of_largest(block) for block in blocks])
        moved = masks.reshape([x.shape[a] for a in (*rest, *axes)])
        return moved.transpose(np.argsort((*rest, *axes)))

    for axis in (None, 0, 1, -1, (0, 2), (1, 2)):
        axes = (0, 1, 2) if axis is None else tuple(a % 3 for a in np.atleast_1d(axis))
        variable = Tensor(x.astype(dtype), requires_grad=True)
        gradient = grad(tg.max(variable, axis=axis).sum(), variable)
        np.testing.assert_array_equal(gradient.numpy(), expected(axes))


@given(few_numbers)
def test_max_pool2d_and_max_agree_on_ties(x):
    images = Tensor(x.astype(np.float64)[..., None], requires_grad=True)  # (N, H, W, C)
    whole = grad(tg.max_pool2d(images, kernel_size=(3, 4)).sum(), images)
    np.testing.assert_array_equal(whole.numpy(), grad(tg.max(images, axis=(1, 2)).sum(), images).numpy())


def test_max_pool2d_adds_up_where_windows_share_their_first_largest():
    x = Tensor(np.zeros((1, 3, 3, 1)), requires_grad=True)
    gradient = grad(tg.max_pool2d(x, kernel_size=2, stride=1).sum(), x)
    np.testing.assert_array_equal(gradient.numpy()[0, :, :, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_max_pool2d_of_minus_infinity_stays_in_its_window():
    x = np.full((1, 2, 2, 1), -np.inf)
    x[0, 1, 1, 0] = 5
    variable = Tensor(x, requires_grad=True)
    y = tg.max_pool2d(variable, kernel_size=2, padding=1)
    np.testing.assert_array_equal(y.numpy()[0, :, :, 0], [[-np.inf, -np.inf], [-np.inf, 5]])
    np.testing.assert_array_equal(grad(y, variable, x[:, ::-1]).numpy(), x[:, ::-1])  # one window for each pixel


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("f", [tg.max, tg.logsumexp])
def test_weights_of_a_tie_of_a_hundred_thousand_sum_to_one(f, dtype):
    x = Tensor(np.ones(100_000, dtype), requires_grad=True)
    weights = grad(f(x), x).numpy()
    assert abs(weights.sum(dtype=np.float64) - 1) <= 4 * np.finfo(dtype).eps * np.sqrt(x.size)
    assert (weights >= 0).all()


# -- second derivatives at kinks are zero, never NaN -------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [tg.relu, tg.leaky_relu, tg.abs, tg.sqrt, lambda x: tg.maximum(x, 0.0), lambda x: tg.clip(x, low=0), tg.max],
    ids=["relu", "leaky_relu", "abs", "sqrt", "maximum", "clip", "max"],
)
def test_second_derivative_at_a_kink_is_zero(f):
    x = Tensor(np.zeros(3), requires_grad=True)
    gy = Tensor(np.ones(f(x).shape), requires_grad=True)
    (first,) = grad(f(x), [x], gy, create_graph=True)
    assert not grad(first.sum(), x).numpy().any()


def test_norm_at_zero():
    x = Tensor(np.zeros(3), requires_grad=True)
    first = grad(tg.sqrt((x * x).sum()), x, create_graph=True)
    assert not first.numpy().any()
    assert not grad(first.sum(), x).numpy().any()


def test_standard_deviation_of_equal_numbers():
    x = Tensor(np.full((2, 4), 0.75), requires_grad=True)
    assert not grad(tg.sqrt(tg.var(x, axis=1)).sum(), x).numpy().any()
