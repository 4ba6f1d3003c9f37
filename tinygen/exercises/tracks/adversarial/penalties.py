"""The slope of a discriminator in its input, and the penalty that keeps it near 1: derivatives of derivatives."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.draws import not_uniform
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Example, Extremes, FromRng, Gradients, Property, Shapes, Values
from tinygen.exercises.tracks.inputs import Curved, Linear, Quadratic, Recorder, seeded
from tinygen.tensor import Tensor


def _examples(rng: np.random.Generator, size: int) -> Arguments:
    """A discriminator and a batch of points or images, as an array or as a Tensor of a graph."""
    shape = [(1, 1), (2, 2), (3, 2, 2, 1), (4, 3), (5, 2, 3, 2)][size]
    x, inputs = rng.standard_normal(shape), int(np.prod(shape[1:]))
    kinds = [lambda: Linear(rng.standard_normal((inputs, 1))), Quadratic, lambda: Curved(rng, inputs, 1)]
    discriminator = kinds[(size + rng.integers(3)) % 3]()
    return call(discriminator, Tensor(x, requires_grad=True) if rng.random() < 0.3 else x)


SLOPES = Exercise(
    name="slopes",
    track="GANs and diffusion",
    title="the slope of a discriminator in its input, differentiable",
    source="tinygen.models.gan:slopes",
    question="x is a batch of examples (N, ...), and discriminator(x) are their logits (N, 1); each logit\n"
    "depends on its own example only. Return, for each example, the Euclidean length of the gradient of\n"
    "its logit with respect to its pixels: (N,). It is part of a loss, so it must have gradients with\n"
    "respect to the weights of the discriminator.",
    page="gan.md#penalties-are-derivatives-of-derivatives",
    hints=(
        "To have the gradient in x, x must be a variable: Tensor(array_of(x), requires_grad=True).",
        "Each logit depends on its own example only, so one call of grad for the sum of all logits gives all gradients."
        " By default, grad returns numbers without a graph: which argument changes that?",
        "g = grad(discriminator(x).sum(), x, create_graph=...); the length is taken over all axes but the first.",
    ),
    stages=(
        Example(
            lambda: call(Linear(np.array([[3.0], [4.0]])), np.array([[1.0, 2.0], [0.0, 0.0]])),
            np.array([5.0, 5.0]),
            "The logit 3 x₁ + 4 x₂ has the gradient (3, 4) everywhere; its length is √(3² + 4²).",
        ),
        Shapes(_examples),
        Values(_examples),
        Gradients(
            _examples,
            lambda given: given.args[0].variables,
            lost="The slopes are right, but they have no graph, so a penalty would not change the weights: "
            "ask grad for a graph.",
            name="gradients of the weights",
        ),
        Extremes([lambda: call(Quadratic(), np.zeros((2, 2))), lambda: call(Quadratic(), np.full((2, 2), 1e15))]),
    ),
    wrong=(
        Wrong(
            (("create_graph=True", "create_graph=False"),),
            "The slopes are right, but they are numbers without a graph, so a penalty on them has no gradient. Pass "
            "create_graph=True to grad.",
        ),
        Wrong(
            (("discriminator(x).sum()", "discriminator(x).mean()"),),
            "This is the gradient of the mean logit, which divides every slope by N. Take the sum.",
        ),
        Wrong((("g.reshape(len(g), -1), axis=1", "g"),), "This is one length for the batch. Each example has its own."),
        Wrong((("g.reshape(len(g), -1), axis=1", "g.reshape(len(g), -1), axis=0"),), "This sums over the examples."),
        Wrong(
            (("g.reshape(len(g), -1)", "g"),),
            "It is right for points (N, D) only: of images, it takes the length over one axis instead of all pixels.",
        ),
        Wrong(
            (("return norm(g.reshape(len(g), -1), axis=1)", "return (g * g).reshape(len(g), -1).sum(axis=1)"),),
            "These are squared lengths: the root is missing.",
        ),
        Wrong(
            (("return norm(g.reshape(len(g), -1), axis=1)", "return (g * g).reshape(len(g), -1).mean(axis=1) ** 0.5"),),
            "This is the root of the mean of the squares. The length is the root of their sum.",
        ),
        Wrong(
            (("return norm(g.reshape(len(g), -1), axis=1)", "return g.reshape(len(g), -1).sum(axis=1)"),),
            "This adds the entries of the gradient. Its length is the root of the sum of their squares.",
        ),
    ),
    correct=(
        """
        def slopes(discriminator, x):
            from tinygen import batch_jacobian

            rates = batch_jacobian(discriminator, np.array(array_of(x)), create_graph=True)  # (N, 1, ...)
            rates = rates.reshape(len(x), -1)
            return (rates * rates).sum(axis=1) ** 0.5
        """,
        """
        def slopes(discriminator, x):
            from tinygen import sqrt

            x = Tensor(array_of(x), requires_grad=True)
            s = discriminator(x)
            (g,) = grad(s, [x], np.ones(s.shape, s.dtype), create_graph=True)
            squares = g * g
            while squares.ndim > 1:
                squares = squares.sum(axis=-1)
            return sqrt(squares)
        """,
    ),
)


def _where_known(rng: np.random.Generator, size: int) -> Arguments:
    """Discriminators of the same slope everywhere, or real and fake examples that are equal: t then has no effect."""
    shape = [(1, 1), (2, 2), (3, 2, 2, 1), (4, 3), (5, 2, 3, 2)][size]
    inputs, slope = int(np.prod(shape[1:])), float(rng.choice([0.0, 1.0, 2.5]))
    real = rng.standard_normal(shape)
    if rng.random() < 0.5:
        discriminator, fake = Linear(rng.standard_normal((inputs, 1))), rng.standard_normal(shape)
    else:
        discriminator, fake = Curved(rng, inputs, 1), real.copy()
    fake = Tensor(fake, requires_grad=True) if rng.random() < 0.5 else fake
    return call(discriminator, real, fake, seeded(size), slope=slope)


PAIRS = 1000  # of a call, so that an answer in a loop over pairs takes less than a second


def _points(answer: Callable, rng: np.random.Generator, n: int, how: str) -> tuple[np.ndarray, Finding | None]:
    """The weights t of n pairs of a call, and what is wrong with the points or with the penalty at them."""
    real, fake = seeded(n).standard_normal((2, n, 1, 2, 1))
    recorder, none = Recorder(Quadratic()), np.zeros(0)
    penalty = outcome(answer, call(recorder, real, fake, rng))
    points, real, fake = recorder.rows, real.reshape(n, 2), fake.reshape(n, 2)
    if len(points) < n or len(points) % n:
        says = "The discriminator must be evaluated at one point for each pair of a real and a fake example."
        return none, Finding(says, how, f"{n} points for {n} pairs", f"{len(points)} points")
    real, fake = (np.tile(each, (len(points) // n, 1)) for each in (real, fake))
    ratios = (points - fake) / (real - fake)  # t of each pixel
    if not np.allclose(points, fake + ratios.mean(axis=1, keepdims=True) * (real - fake), atol=1e-6):
        says = "The points are not on the lines between a real and a fake example: all pixels of a pair share one t."
        return none, Finding(says, how, "x = t real + (1 - t) fake", f"t of the pixels of one pair: {shown(ratios[0])}")
    far = np.abs(real - fake).argmax(axis=1)  # the pixel where rounding matters least
    t = ratios[np.arange(len(ratios)), far]
    if t.min() < -1e-6 or t.max() > 1 + 1e-6:
        says = "Some points are not between the two examples."
        return none, Finding(says, how, "t in [0, 1]", f"t = {shown(t[np.abs(t - 0.5).argmax()])}")
    expected = ((np.sqrt((points[-n:] ** 2).sum(axis=1)) - 1) ** 2).mean()
    if not np.isclose(penalty, expected, rtol=1e-6):
        says = "The points are right, the penalty at them is not: here the slope at x is ‖x‖."
        return none, Finding(says, how, shown(expected), shown(penalty))
    return np.clip(t[-n:], 0, 1), None


def _between(answer: Callable) -> Finding | None:
    """The discriminator is asked at points between pairs: each has a t of its own, uniform in [0, 1], in every call."""
    how, rng, drawn = "gradient_penalty(discriminator, real, fake, rng)", seeded(0), []
    for n in (20, PAIRS, PAIRS):  # the first call finds the mistakes that one needs no statistics for
        t, finding = _points(answer, rng, n, how)
        if finding is not None:
            return finding
        drawn.append(t)
        if t.std() < 1e-6:
            says = "All pairs share one t: draw one for each pair."
            return Finding(says, how, f"{n} different t", f"t = {shown(t[0])}")
    if finding := not_uniform(np.concatenate(drawn[1:])):
        says = f"The t of all pairs are not drawn from [0, 1] uniformly, each for itself: {finding}."
        return Finding(says, f"{how}, twice, with {PAIRS} pairs")
    return None


def _pairs(rng: np.random.Generator) -> Arguments:
    """Pairs of examples for which the penalty depends on t."""
    real, fake = seeded(5).standard_normal((2, 3, 3))
    return call(Quadratic(), real, fake, rng)


FEWER = "There are four real examples, and one fake example."
REFUSES = Refuses(
    {
        FEWER: lambda: call(Quadratic(), np.ones((4, 3)), np.zeros((1, 3)), seeded()),
        "There is one real example, and there are four fake examples.": lambda: call(
            Quadratic(), np.ones((1, 3)), Tensor(np.zeros((4, 3))), seeded()
        ),
        "The real examples have one pixel, the fake ones three.": lambda: call(
            Quadratic(), np.ones((4, 1)), np.zeros((4, 3)), seeded()
        ),
    }
)

_T = "rng.random((len(real), *[1] * (real.ndim - 1)))"

GRADIENT_PENALTY = Exercise(
    name="gradient_penalty",
    track="GANs and diffusion",
    title="the gradient penalty of WGAN-GP",
    source="tinygen.models.gan:gradient_penalty",
    question="real and fake are examples (N, ...). For each pair draw a t of its own from rng, uniform in\n"
    "[0, 1]; the point between them is x = t real + (1 - t) fake. Return the mean over pairs of\n"
    "(‖∇ₓ s(x)‖ - slope)², where s is the discriminator, in the dtype of the examples. It is part of a\n"
    "loss, so it has gradients with respect to the weights of s. `slopes(discriminator, x)` returns the\n"
    "lengths ‖∇ₓ s(x)‖, (N,). Raise ValueError if the shapes of real and fake differ.",
    page="gan.md#penalties-are-derivatives-of-derivatives",
    hints=(
        "How many numbers t do you need for N pairs of images (N, H, W, C), and which shape lets them multiply images?",
        "t has the shape (N, 1, ..., 1), with as many axes as the examples, and their dtype.",
        "t = rng.random((len(real), *[1] * (real.ndim - 1))).astype(real.dtype); then the mean of a square of slopes",
    ),
    stages=(
        Example(
            lambda: call(
                Linear(np.array([[3.0], [4.0]])),
                np.array([[1.0, 2.0], [0.0, 0.0]]),
                np.array([[5.0, 5.0], [1.0, 0.0]]),
                seeded(0),
            ),
            np.array(16.0),
            "The logit 3 x₁ + 4 x₂ has the slope √(3² + 4²) = 5 everywhere, so the penalty is (5 - 1)².",
        ),
        Shapes(_where_known),
        Values(_where_known),
        Property("points between the pairs", _between),
        Gradients(
            _where_known,
            lambda given: given.args[0].variables,
            lost="The penalty is right, but it has no gradient in the weights: keep the graph of the slopes.",
            name="gradients of the weights",
        ),
        FromRng(_pairs),
        REFUSES,
    ),
    wrong=(
        Wrong(
            (("(len(real), *[1] * (real.ndim - 1))", "[1] * real.ndim"),),
            "All pairs share one t. Draw one for each pair.",
        ),
        Wrong(
            (("(len(real), *[1] * (real.ndim - 1))", "real.shape"),),
            "Every pixel has its own t, so x is not on the line between the two examples. Draw one t for each pair.",
        ),
        Wrong(
            (("rng.random(", "rng.standard_normal("),),
            "t is drawn from a normal distribution, so x may be outside the segment. It is uniform in [0, 1].",
        ),
        Wrong(
            ((_T, "rng.beta(0.5, 0.5, (len(real), *[1] * (real.ndim - 1)))"),),
            "t has a beta distribution: it is near 0 and 1 too often. It is uniform in [0, 1].",
        ),
        Wrong(
            ((_T, "rng.triangular(0, 0.5, 1, (len(real), *[1] * (real.ndim - 1)))"),),
            "The density of t is a triangle: it is near ½ too often. It is uniform in [0, 1].",
        ),
        Wrong(
            ((_T, f"np.sort({_T}, axis=0)"),),
            "The t are sorted. Each pair draws its own t, whatever the others have.",
        ),
        Wrong(
            ((_T, "rng.permutation(np.linspace(0, 1, len(real))).reshape(len(real), *[1] * (real.ndim - 1))"),),
            "The t are a grid in random order. Each pair draws its own t, whatever the others have.",
        ),
        Wrong(
            (("t * real + (1 - t) * fake", "real"),),
            "This is the penalty at the real examples, not at points between real and fake ones.",
        ),
        Wrong(
            (("t * real + (1 - t) * fake", "t * real + t * fake"),),
            "The weights t and t don't add up to 1. The fake example has the weight 1 - t.",
        ),
        Wrong((("- slope) ** 2)", "- slope))"),), "The square is missing."),
        Wrong(
            (
                (
                    "slopes(discriminator, t * real + (1 - t) * fake) - slope",
                    "slopes(discriminator, t * real + (1 - t) * fake) ** 2 - slope",
                ),
            ),
            "The square of the length takes the place of the length: (‖∇s‖² - slope)².",
        ),
        Wrong((("- slope) ** 2)", "- 1) ** 2)"),), "It ignores the argument `slope`."),
        Wrong(
            (("fake) - slope)", "fake).detach() - slope)"),),
            "The slopes have left the graph, so the penalty has no gradient in the weights.",
        ),
        Wrong((("real.shape != fake.shape", "False"),), REFUSES.says(FEWER)),
    ),
    correct=(
        """
        def gradient_penalty(discriminator, real, fake, rng, *, slope=1.0):
            real, fake = array_of(real), array_of(fake)
            if real.shape != fake.shape:
                raise ValueError("expected as many fake examples as real ones")
            t = rng.uniform(size=len(real)).astype(real.dtype)
            x = fake + t.reshape(-1, *[1] * (real.ndim - 1)) * (real - fake)
            x = Tensor(x, requires_grad=True)
            s = discriminator(x)
            from tinygen import grad

            g = grad(s.sum(), x, create_graph=True)
            lengths = (g * g).reshape(len(real), -1).sum(axis=1) ** 0.5
            return (lengths * lengths - 2 * slope * lengths + slope**2).sum() * (1 / len(real))
        """,
        """
        def gradient_penalty(discriminator, real, fake, rng, *, slope=1.0):
            if np.shape(array_of(real)) != np.shape(array_of(fake)):
                raise ValueError(f"{real.shape} is not {fake.shape}")
            total = 0.0
            for a, b in zip(array_of(real), array_of(fake)):
                t = rng.random()
                total = total + ((slopes(discriminator, (t * a + (1 - t) * b)[None]) - slope) ** 2).sum()
            return total / len(real)
        """,
    ),
)

EXERCISES = (SLOPES, GRADIENT_PENALTY)
