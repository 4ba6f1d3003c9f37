"""The contractive penalty: the squared derivatives of a code, all of them, or along random directions."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.draws import not_signs
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Example, FromRng, Gradients, Made, Property, Shapes, Values
from tinygen.exercises.tracks.inputs import SHAPES, Curved, Linear, Quadratic, Squares, seeded
from tinygen.tensor import Tensor


def _of_arrays(answer: Callable) -> Callable:
    """`squared_rates` for an array."""

    def squared_rates(encoder, x):
        return answer(encoder, Tensor(x, requires_grad=True))

    return squared_rates


def _encoder(rng: np.random.Generator, size: int) -> Arguments:
    shape = SHAPES[size]
    inputs, codes = int(np.prod(shape[1:])), 1 + size
    kinds = [
        lambda: Linear(rng.standard_normal((inputs, codes))),
        lambda: Squares(rng.standard_normal(inputs)),
        lambda: Curved(rng, inputs, codes),
    ]
    return call(kinds[(size + rng.integers(3)) % 3](), rng.standard_normal(shape))


SQUARED_RATES = Exercise(
    name="squared_rates",
    track="autoencoders",
    title="the contractive penalty, exactly",
    source="tinygen.models.regularised:squared_rates",
    question="encoder maps a variable x (N, ...) to codes z (N, K), each example for itself. Return (N, K):\n"
    "for each example and each number z_k of its code, the sum of (∂z_k/∂x)² over the pixels. Their sum\n"
    "over k is ‖∂z/∂x‖²_F, the contractive penalty. It is part of a loss: it has gradients with respect\n"
    "to the weights of the encoder.",
    page="autoencoder.md#four-regularisers",
    hints=(
        "For one k, what does grad(z[:, k].sum(), x) contain, if each code depends on its own example only?",
        "`batch_jacobian(encoder, x)` does this for every k, and returns (N, K, ...). Without create_graph=True the "
        "derivatives are numbers without a graph, so a loss of them has no gradient.",
        "rates = batch_jacobian(encoder, x, create_graph=...); square, and sum over all axes but the first two",
    ),
    stages=(
        Made(
            _of_arrays,
            Example(
                lambda: call(Linear(np.array([[3.0, 1.0], [4.0, 0.0]])), np.array([[1.0, 2.0], [0.0, 0.0]])),
                np.array([[25.0, 1.0], [25.0, 1.0]]),
                "z₁ = 3 x₁ + 4 x₂ and z₂ = x₁ have the gradients (3, 4) and (1, 0) everywhere.",
            ),
        ),
        Made(_of_arrays, Shapes(_encoder)),
        Made(_of_arrays, Values(_encoder)),
        Made(
            _of_arrays,
            Gradients(
                _encoder,
                lambda given: given.args[0].variables,
                lost="The penalty is right, but it has no gradient with respect to the weights: the derivatives need "
                "a graph of their own.",
                name="gradients of the weights",
            ),
        ),
    ),
    wrong=(
        Wrong(
            (("create_graph=True", "create_graph=False"),),
            "The derivatives are numbers without a graph, so the penalty can't train the encoder. Pass "
            "create_graph=True.",
        ),
        Wrong((("(rates * rates)", "rates"),), "The squares are missing: positive and negative derivatives cancel."),
        Wrong(
            (
                (
                    "(rates * rates).reshape(*rates.shape[:2], -1).sum(axis=2)",
                    "rates.reshape(*rates.shape[:2], -1).sum(axis=2) ** 2",
                ),
            ),
            "This is the square of a sum. The penalty is a sum of squares.",
        ),
        Wrong((("sum(axis=2)", "mean(axis=2)"),), "This is a mean over pixels. The penalty is a sum."),
        Wrong(
            (("sum(axis=2)", "sum(axis=2) ** 0.5"),), "This is the length of each gradient. Its square is asked for."
        ),
        Wrong((("sum(axis=2)", "sum(axis=1)"),), "It adds up the numbers of the code. Add up the pixels."),
        Wrong((("(rates * rates)", "(rates * rates).mean(axis=0, keepdims=True)"),), "It averages over the examples."),
        Wrong(
            (("(rates * rates).reshape(*rates.shape[:2], -1).sum(axis=2)", "(rates * rates).sum(axis=2)"),),
            "It is right for points (N, D) only. Of images, it sums over one axis instead of all pixels.",
        ),
    ),
    correct=(
        """
        def squared_rates(encoder, x):
            from tinygen import grad, stack

            z = encoder(x)
            columns = []
            for k in range(z.shape[1]):
                g = grad(z[:, k].sum(), x, create_graph=True)
                columns.append((g * g).reshape(len(x), -1).sum(axis=1))
            return stack(*columns, axis=1)
        """,
        """
        def squared_rates(encoder, x):
            from tinygen import vjp

            z, pull = vjp(encoder, x)
            total = 0.0
            for unit in np.eye(z.shape[1], dtype=z.dtype):
                (g,) = pull(np.tile(unit, (len(x), 1)), create_graph=True)
                squares = g**2
                while squares.ndim > 1:
                    squares = squares.sum(axis=-1)
                total = total + squares.reshape(-1, 1) * unit
            return total
        """,
    ),
)


def _of_encoder(answer: Callable) -> Callable:
    """`hutchinson` for an encoder and an array."""

    def hutchinson(encoder, x, directions, rng):
        x = Tensor(x, requires_grad=True)
        return answer(encoder(x), x, directions, rng)

    return hutchinson


def _exact(rng: np.random.Generator, size: int) -> Arguments:
    """Codes whose numbers have orthogonal gradients: then ‖Jᵀv‖² = ‖J‖² for all signs v."""
    shape = SHAPES[size]
    inputs = int(np.prod(shape[1:]))
    kinds = [
        Quadratic,
        lambda: Squares(rng.standard_normal(inputs)),
        lambda: Curved(rng, inputs, 1),
        lambda: Linear(np.linalg.qr(rng.standard_normal((inputs, max(1, inputs - 1))))[0] * 2.0),
    ]
    encoder = kinds[(size + rng.integers(4)) % 4]()
    return call(encoder, rng.standard_normal(shape), int(rng.integers(1, 4)), seeded(size))


def _exact_with_gradients(rng: np.random.Generator, size: int) -> Arguments:
    """Codes of one number, or of numbers that depend on one pixel each: the gradient is exact, too."""
    shape, directions = SHAPES[size], int(rng.integers(1, 4))
    inputs = int(np.prod(shape[1:]))
    encoder = Squares(rng.standard_normal(inputs)) if (size + rng.integers(2)) % 2 else Curved(rng, inputs, 1)
    return call(encoder, rng.standard_normal(shape), directions, seeded(size))


def _correlated(rng: np.random.Generator) -> Arguments:
    """Five numbers whose gradients are not orthogonal, so the estimate depends on the signs."""
    weight = np.random.default_rng(5).standard_normal((4, 5))
    return call(Linear(weight), np.zeros((5, 4)), 2, rng)


EQUAL = 200


def _equal_numbers(rng: np.random.Generator, n: int, directions: int) -> Arguments:
    """Equal numbers z_k = x: ‖Jᵀv‖² is (Σ v_k)², K in the mean; signs that prefer 1, even a little, give much more."""
    return call(Linear(np.ones((1, EQUAL))), np.zeros((n, 1)), directions, rng)


def _independent(answer: Callable) -> Finding | None:
    """The mean over many examples, and over many directions of one example; the sd of one term is √2 K."""
    bound = 6 * (2 / 2000) ** 0.5 * EQUAL
    for n, directions in [(2000, 1), (1, 2000)]:
        found = float(outcome(answer, _equal_numbers(seeded(3), n, directions)))
        if abs(found - EQUAL) > bound:
            what = "examples" if n > 1 else "directions"
            says = (
                f"The estimate is biased, or its error does not fall with the number of {what}: every number of every "
                "code has a random sign of its own, and new ones in each direction."
            )
            how = f"hutchinson(z, x, {directions}, rng), z = {EQUAL} times x, {n} examples"
            return Finding(says, how, f"{EQUAL} up to {bound:.0f}", shown(found))
    return None


def _agree(answer: Callable, rng: np.random.Generator, examples: int, directions: int, pair: list[int]) -> list[int]:
    """Of each example, in how many directions a pair of signs agrees; one call returns them all in one number.

    In the code of example n only the numbers of this pair depend on x, as 2ⁿ x. So ‖Jᵀv‖² is 4 · 4ⁿ if their signs
    agree, else 0: a digit of base 4.
    """
    rates = np.zeros((examples, 4))
    rates[:, pair] = np.ldexp(1.0, np.arange(examples))[:, None]
    found = outcome(answer, call(lambda x: x * rates, np.zeros((examples, 1)), directions, rng))
    total = round(float(found) * examples * directions / 4)
    return [total // 4**n % 4 for n in range(examples)]


def _signs(answer: Callable) -> Finding | None:
    """Whether two signs agree is a fair coin: for each example and each call, and in one of two directions."""
    for examples, directions, pair in [(1, 1, [0, 1]), (16, 1, [0, 3]), (16, 2, [1, 2])]:
        rng = seeded(4)
        times = 800 if examples == 1 else 200
        agree = np.array([_agree(answer, rng, examples, directions, pair) for _ in range(times)])
        if finding := not_signs(2 * (agree == 1) - 1):
            i, k = pair[0] + 1, pair[1] + 1
            what = f"sign {i} equals sign {k}" if directions == 1 else f"it does so in one of {directions} directions"
            says = f"Take 1 where {what}, else -1: a fair coin for each example and each call, but {finding}."
            return Finding(says, f"hutchinson(z, x, {directions}, rng), {examples} examples, {times} calls")
    return None


ONE_SIGN = (
    "In each v all signs are equal, so this is the squared gradient of the sum of the code. "
    "Each number of the code has a sign of its own."
)

HUTCHINSON = Exercise(
    name="hutchinson",
    track="autoencoders",
    title="Hutchinson's estimate of the contractive penalty",
    source="tinygen.models.regularised:hutchinson",
    question="Codes z (N, K) were computed from the variable x (N, ...), each from its own example; J is ∂z/∂x of\n"
    "one example. Draw vectors v of K random signs, -1 or 1, from rng: one for each example, and again\n"
    "for each of the `directions`. Return the mean over examples and directions of ‖Jᵀv‖², which has\n"
    "the mean ‖J‖²_F. It is part of a loss: it has gradients with respect to the weights in z.",
    page="autoencoder.md#four-regularisers",
    hints=(
        "One backward pass computes Jᵀv for all examples: `grad` takes the v of all examples as its third argument.",
        "2 * rng.integers(2, size=z.shape) - 1 are random signs. The result of grad has the shape of x; it needs "
        "create_graph=True, to have gradients itself.",
        "for each direction: pulled = grad(z, x, signs, create_graph=True); add (pulled * pulled).sum() to a total, "
        "and divide at the end by ...",
    ),
    stages=(
        Made(
            _of_encoder,
            Example(
                lambda: call(Linear(np.array([[3.0], [4.0]])), np.array([[1.0, 2.0], [0.0, 0.0]]), 3, seeded()),
                np.array(25.0),
                "z = 3 x₁ + 4 x₂ is one number, so J is (3, 4) and v is 1 or -1: ‖Jᵀv‖² = 25 in each direction.",
            ),
        ),
        Made(_of_encoder, Shapes(_exact)),
        Made(
            _of_encoder,
            Values(
                _exact,
                "Here the numbers of the code have orthogonal gradients, so the estimate is exact for all signs v.",
            ),
        ),
        Made(
            _of_encoder,
            Gradients(
                _exact_with_gradients,
                lambda given: given.args[0].variables,
                lost="The estimate is right, but it has no gradient with respect to the weights: Jᵀv needs a graph.",
                name="gradients of the weights",
            ),
        ),
        Made(_of_encoder, Property("no bias", _independent)),
        Made(_of_encoder, Property("independent signs", _signs)),
        Made(_of_encoder, FromRng(_correlated)),
    ),
    wrong=(
        Wrong(
            (("(2 * rng.integers(2, size=z.shape) - 1)", "rng.standard_normal(z.shape)"),),
            "v is normal. That estimate has no bias either, but more noise: with signs, it is exact for one number.",
        ),
        Wrong(
            (("(2 * rng.integers(2, size=z.shape) - 1)", "rng.integers(2, size=z.shape)"),),
            "The signs are 0 and 1. They must be -1 and 1.",
        ),
        Wrong(
            (("(2 * rng.integers(2, size=z.shape) - 1)", "np.ones(z.shape)"),),
            ONE_SIGN,
        ),
        Wrong(
            (("size=z.shape) - 1)", "size=z.shape[1:]) - 1 + np.zeros(z.shape))"),),
            "All examples share one v. Each has its own.",
        ),
        Wrong(
            (("size=z.shape) - 1)", "size=(len(z), 1)) - 1 + np.zeros(z.shape))"),),
            ONE_SIGN,
        ),
        Wrong(
            (("(2 * rng.integers(2, size=z.shape) - 1)", "rng.choice([-1, 1], z.shape, p=[0.45, 0.55])"),),
            "1 is more frequent than -1. Both have the probability ½: otherwise the estimate has a bias.",
        ),
        Wrong(
            (
                (
                    "(2 * rng.integers(2, size=z.shape) - 1)",
                    "rng.permutation(np.resize([-1, 1], z.size)).reshape(z.shape)",
                ),
            ),
            "There are as many 1 as -1 in each draw, so the signs depend on each other. Draw each for itself.",
        ),
        Wrong(
            (("(2 * rng.integers(2, size=z.shape) - 1)", "np.sort(2 * rng.integers(2, size=z.shape) - 1, axis=1)"),),
            "The signs of each code are sorted, so its first and its last are rarely equal. Draw each for itself.",
        ),
        Wrong(
            (("create_graph=True", "create_graph=False"),),
            "Jᵀv has no graph, so the estimate has no gradient with respect to the weights. Pass create_graph=True.",
        ),
        Wrong((("1 / (len(z) * directions)", "1 / directions"),), "This is a sum over the examples. Take their mean."),
        Wrong((("1 / (len(z) * directions)", "1 / len(z)"),), "This is a sum over the directions. Take their mean."),
        Wrong(
            (("1 / (len(z) * directions)", "1 / (z.size * directions)"),),
            "It divides by K too, but ‖J‖² is a sum over k.",
        ),
        Wrong(
            (("(pulled * pulled).sum()", "pulled.sum() * pulled.sum()"),), "This is the square of a sum over pixels."
        ),
    ),
    correct=(
        """
        def hutchinson(z, x, directions, rng):
            estimates = []
            for _ in range(directions):
                v = rng.choice(np.array([-1.0, 1.0], z.dtype), z.shape)
                g = grad((z * v).sum(), x, create_graph=True)
                estimates.append((g**2).sum() / len(x))
            return sum(estimates[1:], estimates[0]) / directions
        """,
        """
        def hutchinson(z, x, directions, rng):
            from tinygen import stack

            signs = np.sign(rng.random((directions, *z.shape)) - 0.5).astype(z.dtype)
            pulled = stack(*(grad(z, [x], v, create_graph=True)[0] for v in signs))
            return (pulled * pulled).reshape(directions, len(x), -1).sum(axis=2).mean()
        """,
    ),
)

EXERCISES = (SQUARED_RATES, HUTCHINSON)
