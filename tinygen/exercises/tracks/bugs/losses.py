"""Find the bug: a loss with the wrong sign, and a penalty whose square is in the wrong place."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.show import number, shown
from tinygen.exercises.stages import Derivatives, Example, Extremes, Property, Shapes, Values
from tinygen.exercises.tracks.autoencoders.contraction import SQUARED_RATES
from tinygen.exercises.tracks.bugs.adversarial import other_than
from tinygen.exercises.tracks.inputs import Linear
from tinygen.tensor import Tensor

TRACK = "find the bug"

# -- the sign of a likelihood ------------------------------------------------------------------------------------------


def _classes(rng: np.random.Generator, size: int) -> Arguments:
    n, k = [(1, 1), (1, 2), (2, 3), (3, 3), (5, 4)][size]
    reduction = ["batchmean", "mean", "sum", "none"][int(rng.integers(4))]
    return call(2 * rng.normal(size=(n, k)), rng.integers(0, k, n), reduction=reduction)


def _logits(rng: np.random.Generator, size: int) -> Arguments:
    return call(rng.normal(size=(size, 3)), labels=np.arange(size) % 3)


def _rewards(cross_entropy: Callable) -> Finding | None:
    """A prediction with a larger probability of the label must cost less, and never less than 0."""
    costs = [float(outcome(cross_entropy, call(np.array([[a, 0.0]]), np.array([0])))) for a in (-2.0, 0.0, 2.0)]
    if not costs[0] > costs[1] > costs[2]:
        says = "The label is the first class. As its logit grows, it becomes more probable, so the loss must fall."
        return Finding(says, "cross_entropy([[a, 0]], [0]) for a = -2, 0, 2", "a fall", ", ".join(map(number, costs)))
    if min(costs) < 0:
        says = "A probability is at most 1, so its cost in nats is at least 0."
        return Finding(says, "cross_entropy([[2, 0]], [0])", "at least 0", number(min(costs)))
    return None


_LOSS = "-_REDUCTIONS[reduction](fused.log_softmax_at(logits, labels=labels))"


def _instead(entries: str, ops: str = "log_softmax") -> tuple[tuple[str, str], ...]:
    """The edit that takes the loss of each example from these entries (N, K), computed with these ops."""
    picked = f"({entries})[np.arange(len(labels)), labels]"
    return ((f"return {_LOSS}", f"from tinygen import {ops}\n    return _REDUCTIONS[reduction]({picked})"),)


_REFUSES = Refuses(
    {
        "There are three rows of logits and two labels.": lambda: call(np.zeros((3, 2)), np.array([0, 1])),
        "Label 2 is out of range for two classes.": lambda: call(np.zeros((2, 2)), np.array([0, 2])),
        "Label -1 is out of range.": lambda: call(np.zeros((2, 2)), np.array([0, -1])),
        "There is no such reduction.": lambda: call(np.zeros((2, 2)), np.array([0, 1]), reduction="average"),
    }
)
_WHOLE = Refuses(
    {"Labels are whole numbers.": lambda: call(np.zeros((2, 2)), np.array([0.0, 1.0]))}, TypeError, "types"
)

BUG_NLL_SIGN = Exercise(
    name="bug_nll_sign",
    track=TRACK,
    title="a negative log-likelihood that rewards errors",
    source="tinygen.functional:cross_entropy",
    question="The negative log-likelihood of labels (N,) under softmax(logits), in nats. The model with the lowest\n"
    "loss on the test set is the one that is wrong most often. Find out why, and fix it.",
    story="Found in pythae: get_nll of its VAEs is named and documented as the negative log-likelihood, in nats, and "
    "tables compare models by it.",
    page="autoencoder.md#which-loss-for-which-output",
    hints=(
        "Take one example with two classes. What is the loss of a certain and right prediction, and of a wrong one?",
        "The logarithm of a probability is at most 0. What is the sign of a negative log-likelihood?",
        "The name says it: it is minus the log-likelihood.",
    ),
    stages=(
        Property("what the loss rewards", _rewards),
        Example(
            lambda: call(np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), np.array([0, 2])),
            np.array(0.45814537),
            "The labels have the probabilities 0.5 and 0.8: the mean of log 2 and log 1.25.",
        ),
        Shapes(_classes),
        Values(_classes, digits=()),
        Derivatives(_logits, seeds=1),
        Extremes(
            (
                lambda: call(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0])),
                lambda: call(np.zeros((0, 3)), np.zeros(0, int), reduction="none"),
            ),
            "Large logits must not overflow, and without a reduction there may be no example.",
        ),
        _REFUSES,
        _WHOLE,
    ),
    wrong=(
        Wrong(_instead("-log_softmax(-logits)"), "The logits have the wrong sign now."),
        Wrong(
            _instead("-log_softmax(logits, axis=0)"),
            "The probabilities sum to 1 over the examples. They must do so over the classes.",
        ),
        Wrong(
            _instead("-exp(log_softmax(logits))", "exp, log_softmax"),
            "This is minus the probability. The loss is minus its logarithm.",
        ),
        Wrong(
            _instead("-logits"),
            "The logits are not normalised: the logarithm of the sum of exponentials is missing.",
        ),
        Wrong(
            _instead("logits - log_softmax(logits)"),
            "This is the logarithm of the sum of exponentials alone.",
        ),
        Wrong(_instead("-log_softmax(logits.detach())"), "It has no gradient: the graph is cut."),
        Wrong(
            _instead("-log(exp(logits) / exp(logits).sum(axis=1, keepdims=True))", "exp, log"),
            "The exponentials overflow for large logits. `log_softmax` subtracts the largest one first.",
        ),
    ),
    correct=(
        """
        @explained
        def cross_entropy(logits, labels, *, reduction="batchmean"):
            from tinygen import logsumexp

            (logits,) = as_tensors((logits,))
            n = len(logits)
            if np.shape(array_of(labels)) != (n,):
                raise ValueError("expected one label for each row")
            labels = arguments.indices("cross_entropy", "labels", array_of(labels), logits.shape[1])
            _check_reduction("cross_entropy", reduction, labels.shape)
            each = logsumexp(logits, axis=1) - logits[np.arange(n), labels]
            return _REDUCTIONS[reduction](each)
        """,
        """
        @explained
        def cross_entropy(logits, labels, *, reduction="batchmean"):
            from tinygen import log_softmax

            (logits,) = as_tensors((logits,))
            labels, classes = np.asarray(array_of(labels)), logits.shape[1]
            if labels.dtype.kind not in "iu":
                raise TypeError(f"labels are whole numbers, not {labels.dtype}")
            if labels.shape != logits.shape[:1] or not np.all((0 <= labels) & (labels < classes)):
                raise ValueError("labels don't fit the logits")
            if reduction not in _REDUCTIONS:
                raise ValueError(f"no reduction {reduction}")
            wanted = np.eye(classes, dtype=logits.dtype)[labels]
            return _REDUCTIONS[reduction](-(wanted * log_softmax(logits, axis=1)).sum(axis=1))
        """,
    ),
    bug=((_LOSS, _LOSS.removeprefix("-")),),
)

# -- the contractive penalty -------------------------------------------------------------------------------------------


def _of_either_sign(squared_rates: Callable) -> Finding | None:
    """A code that falls where it rose is as sensitive as before."""
    x = np.array([[1.0, 2.0]])
    for second in (4.0, -4.0, -3.0):
        encoder = Linear(np.array([[3.0], [second]]))
        found = float(np.asarray(outcome(squared_rates, call(encoder, Tensor(x, requires_grad=True)))).sum())
        if found == 0:
            says = "The code changes with each of the two pixels, but the penalty says that it changes with none."
            return Finding(says, f"squared_rates({shown(encoder)}, x)", number(9 + second**2), number(found))
        if abs(found - 9 - second**2) > 1e-9:
            return Finding(
                "The penalty measures how fast the code changes with each pixel, whether it rises or falls.",
                f"squared_rates({shown(encoder)}, x)",
                number(9 + second**2),
                number(found),
            )
    return None


_SUMMED = (
    (
        "(rates * rates).reshape(*rates.shape[:2], -1).sum(axis=2)",
        "rates.reshape(*rates.shape[:2], -1).sum(axis=2) ** 2",
    ),
)

BUG_CONTRACTIVE = replace(
    SQUARED_RATES,
    name="bug_contractive",
    track=TRACK,
    title="a contractive penalty that an encoder can cheat",
    question="For each example, and each number z_k of its code, the sum of (∂z_k/∂x)² over the pixels: (N, K).\n"
    "With this penalty the code still changes fast, in some directions faster than without it. Find out\n"
    "why, and fix it.",
    story="Found in pylearn2, twice: #90 replaced a mean of derivatives, and #142 a misplaced parenthesis in what had "
    "taken its place.",
    hints=(
        "Let z = 3 x₁ + 4 x₂, and then z = 3 x₁ - 3 x₂. What should the penalty be, and what is it?",
        "The Frobenius norm of a matrix squares each of its entries. When are they added up?",
        "Compare Σ a² with (Σ a)².",
    ),
    stages=(Property("rising and falling codes", _of_either_sign), *SQUARED_RATES.stages),
    wrong=other_than(SQUARED_RATES.wrong, _SUMMED),
    bug=_SUMMED,
)

EXERCISES: tuple[Exercise, ...] = (BUG_NLL_SIGN, BUG_CONTRACTIVE)
