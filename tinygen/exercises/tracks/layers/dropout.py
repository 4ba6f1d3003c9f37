"""Layers, fifth part: dropout, whose result is random, so that its properties are tested."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Stage, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import code, shown
from tinygen.exercises.stages import Example, FromRng, Made, Property, Shapes, Values
from tinygen.grad import grad
from tinygen.nn import Dropout
from tinygen.tensor import Tensor


def _of_p(forward: Callable) -> Callable:
    """A call of the layer."""

    def dropout(x, *, p, training=True, rng=None):
        layer = Dropout(p, rng=rng or np.random.default_rng(0))
        return forward(layer if training else layer.eval(), Tensor(x))

    return dropout


def _graded(stage: Stage) -> Made:
    return Made(_of_p, stage, _written)


def _written(call: Arguments) -> str:
    rng = "rng" if "rng" in call.settings else "np.random.default_rng(0)"
    mode = "layer" if call.settings.get("training", True) else "layer.eval()"
    return f"layer = Dropout({shown(call.settings['p'])}, rng={rng})\nforward({mode}, Tensor({code(call.args[0])}))"


SHAPES = (1,), (2,), (3, 2), (2, 2, 2), (1, 2, 2, 3)


def _fixed(rng: np.random.Generator, size: int) -> Arguments:
    """Evaluation, or p = 0: there is no chance in the result."""
    x = rng.normal(size=SHAPES[size])
    return call(x, p=0.5, training=False) if rng.random() < 0.5 else call(x, p=0.0)


def _trained(rng: np.random.Generator, size: int) -> Arguments:
    return call(rng.normal(size=SHAPES[size]), p=0.5)


def _masked(p: float) -> Arguments:
    return call(np.ones((4, 5)), p=p, rng=np.random.default_rng(2))


UNSCALED = "The entries that are kept must be divided by 1 - p, so that the expectation stays the same."
SHARE = "Each entry must become 0 with probability p."
TOGETHER = "Entries next to each other are dropped together: every entry needs a draw of its own."
COUNTED = (
    "The number of zeros varies too {much}: each entry becomes 0 or not for itself, whatever happens to the others. "
    "Don't choose how many beforehand."
)
KEPT = "In training every entry is either 0 or x / (1 - p)."
LOST = "The gradient must pass where the entry was kept, times 1 / (1 - p), and be 0 where it was dropped."


def _chance(dropout: Callable) -> Finding | None:
    """The share of zeros, the others, and their independence, each within six standard errors and more."""
    rng = np.random.default_rng(0)
    for p in (0.3, 0.8):
        x = rng.uniform(1, 2, (150, 200))
        text = f"layer = Dropout({p}, rng=rng)\nforward(layer, x), with x of shape {x.shape}"
        ratio = outcome(dropout, call(x.copy(), p=p, rng=np.random.default_rng(1))) / x
        share, kept = (ratio == 0).mean(), ratio[ratio != 0]
        if abs(share - p) > 0.02:
            return Finding(SHARE, text, f"zeros: {p}", f"zeros: {share:.3f}")
        if np.ptp(kept) > 1e-6 * abs(kept[0]):
            return Finding(KEPT, text)
        if abs(kept[0] * (1 - p) - 1) > 1e-6:
            return Finding(UNSCALED, text, f"y / x = {1 / (1 - p):.6g}", f"y / x = {kept[0]:.6g}")
        zero = ratio == 0
        agree = max((zero[1:] == zero[:-1]).mean(), (zero[:, 1:] == zero[:, :-1]).mean())
        if agree > p * p + (1 - p) ** 2 + 0.03:
            return Finding(TOGETHER, text, f"equal neighbours: {p * p + (1 - p) ** 2:.3f}", f"{agree:.3f}")
        if (finding := _varied(dropout, p)) is not None:
            return finding
    return None


def _varied(dropout: Callable, p: float, calls: int = 1000) -> Finding | None:
    """The variance of the number of zeros, n p (1 - p), within six standard errors: σ² √(2 / calls) each."""
    rng, x = np.random.default_rng(3), np.ones((5, 6))
    counts = [(outcome(dropout, call(x, p=p, rng=rng)) == 0).sum() for _ in range(calls)]
    found, expected = float(np.var(counts)), x.size * p * (1 - p)
    if abs(found / expected - 1) < 6 * (2 / calls) ** 0.5:
        return None
    text = f"layer = Dropout({p}, rng=rng)\nforward(layer, x), {calls} times, with x of shape {x.shape}"
    says = COUNTED.format(much="little" if found < expected else "much")
    return Finding(says, text, f"variance of the number of zeros: {expected:.3g}", f"{found:.3g}")


def _slope(forward: Callable) -> Finding | None:
    x = Tensor(np.random.default_rng(0).uniform(1, 2, (20, 30)), requires_grad=True)
    y = forward(Dropout(0.5, rng=np.random.default_rng(1)), x)
    found = grad(y.sum(), x).numpy() if isinstance(y, Tensor) and y.requires_grad else np.zeros(x.shape)
    wanted = y.numpy() / x.numpy()
    if np.allclose(found, wanted, rtol=1e-6):
        return None
    i = tuple(map(int, np.argwhere(~np.isclose(found, wanted, rtol=1e-6))[0]))
    return Finding(LOST, f"forward(self, x), slope at {i}", f"{wanted[i]:.6g}", f"{found[i]:.6g}")


DROPOUT = Exercise(
    name="dropout",
    track="layers",
    title="dropout",
    source="tinygen.nn.dropout:Dropout.forward",
    question="`self` is the layer, with p, rng and training. In training, each entry of x becomes 0 with\n"
    "probability p, each for itself, and is else divided by 1 - p. In evaluation, or for p = 0, return x.\n"
    "All random numbers come from self.rng. The result is a tensor of the dtype of x, with gradients.",
    page="layers.md",
    hints=(
        "Draw a mask of the shape of x, and multiply. A product of a tensor and an array of the same dtype keeps both.",
        "`self.rng.random(x.shape) >= p` is True with probability 1 - p. What is the expectation of mask · x?",
        "kept = self.rng.random(x.shape, dtype=np.float32) >= self.p; return x * constant(kept / ...)",
    ),
    stages=(
        _graded(
            Example(
                lambda: call(np.array([1.0, 2.0]), p=0.5, training=False),
                np.array([1.0, 2.0]),
                "In evaluation dropout returns x itself.",
            ),
        ),
        _graded(Shapes(_trained)),
        _graded(Values(_fixed, "In evaluation, and for p = 0, dropout returns x itself.")),
        _graded(
            Property(
                "what happens in training",
                _chance,
                (lambda: _masked(0.3), lambda: _masked(0.8)),
            ),
        ),
        _graded(FromRng(lambda rng: call(np.ones((8, 8)), p=0.5, rng=rng))),
        Property("gradients", _slope),
    ),
    wrong=(
        Wrong(
            (
                (
                    "self.rng.random(x.shape, dtype=np.float32) >= self.p",
                    "self.rng.permutation(x.size).reshape(x.shape) >= round(self.p * x.size)",
                ),
            ),
            COUNTED.format(much="little"),
        ),
        Wrong((("kept / x.dtype.type(1 - self.p)", "kept.astype(x.dtype)"),), UNSCALED),
        Wrong(
            (("kept / x.dtype.type(1 - self.p)", "kept / x.dtype.type(self.p)"),),
            "The entries that are kept are divided by p, the probability of 0. It must be 1 - p.",
        ),
        Wrong(((">= self.p", "< self.p"),), "p is the probability of 0 here, as in PyTorch, not that of being kept."),
        Wrong(
            (("not self.training or self.p == 0", "self.p == 0"),),
            "Evaluation must not drop anything: it returns x itself.",
        ),
        Wrong(
            (("self.rng.random(x.shape,", "self.rng.random(x.shape[:1] + (1,) * (x.ndim - 1),"),),
            "A whole row is kept or dropped together: every entry needs a draw of its own.",
        ),
        Wrong(
            (("self.rng.random(", "np.random.default_rng(0).random("),),
            "Every call drops the same entries: draw from self.rng, which goes on.",
        ),
        Wrong(
            (
                (
                    "x * constant(kept / x.dtype.type(1 - self.p))",
                    "constant(x.data * (kept / x.dtype.type(1 - self.p)))",
                ),
            ),
            LOST,
        ),
    ),
    correct=(
        """
        def forward(self, x):
            if self.training and self.p > 0:
                mask = self.rng.binomial(1, 1 - self.p, size=x.shape)
                return x * np.asarray(mask / (1 - self.p), dtype=x.dtype)
            return x
        """,
        """
        def forward(self, x):
            if not self.training:
                return x
            from tinygen.ops import where

            dropped = self.rng.uniform(size=x.shape) < self.p
            return where(dropped, 0.0, x / (1 - self.p))
        """,
    ),
)
