"""Layers, fourth part: batch normalisation, whose training and evaluation differ."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Stage, Wrong, call
from tinygen.exercises.show import code, shown
from tinygen.exercises.stages import Derivatives, Example, Extremes, Made, Shapes, Values
from tinygen.grad import grad
from tinygen.nn import BatchNorm
from tinygen.tensor import Parameter, Tensor

MEAN, VAR = "layer.running_mean", "layer.running_var"


def _batches(forward: Callable) -> Callable:
    """The output for the last batch, and the running statistics after it."""

    def batch_norm(*batches, evaluate=None, weight=(1.0,), bias=(0.0,), **settings) -> dict[str, Any] | None:
        layer = BatchNorm(batches[0].shape[-1], dtype=batches[0].dtype, **settings)
        layer.weight, layer.bias = (Parameter(np.array(a, batches[0].dtype)) for a in (weight, bias))
        y = [forward(layer, Tensor(x)) for x in batches][-1]
        if evaluate is not None:
            y = forward(layer.eval(), Tensor(evaluate))
        if y is None or y is ...:
            return None
        return {"y": y, MEAN: layer.running_mean, VAR: layer.running_var}

    return batch_norm


def _graded(stage: Stage) -> Made:
    return Made(_batches, stage, _written)


def _written(call: Arguments) -> str:
    """The calls of `_batches` as Python text."""
    settings = dict(call.settings)
    evaluate, weight, bias = (settings.pop(name, None) for name in ("evaluate", "weight", "bias"))
    lines, parameters = [_made(call.args[0], **settings)], [("weight", weight), ("bias", bias)]
    given = [f"layer.{name} = Parameter({code(np.array(a))})" for name, a in parameters if a is not None]
    lines += [f"y = forward(layer, Tensor({code(x)}))" for x in call.args]
    lines += [] if evaluate is None else [f"y = forward(layer.eval(), Tensor({code(evaluate)}))"]
    return "\n".join(lines[:1] + given + lines[1:])


def _made(x: np.ndarray, **settings: Any) -> str:
    said = "".join(
        f", {name}={value!r}" if isinstance(value, str) else f", {name}={shown(value)}"
        for name, value in settings.items()
    )
    return f"layer = BatchNorm({x.shape[-1]}{said}, dtype=np.{x.dtype})"


def _layer(rng: np.random.Generator, size: int) -> Arguments:
    """One or two batches in training, and for some sizes one in evaluation."""
    channels, batches = (1, 1) if size < 2 else (size, 2)
    shapes = (2,), (3,), (2, 2), (2, 2, 3), (3, 2)
    scale = rng.uniform(0.5, 3, channels)

    def batch() -> np.ndarray:
        return scale * rng.normal(size=(*shapes[size], channels)) + rng.normal(size=channels)

    settings: dict[str, Any] = dict(eps=float(rng.choice([0.1, 0.5])), momentum=float(rng.choice([0.1, 0.7])))
    settings |= dict(weight=rng.uniform(0.5, 2, channels), bias=rng.normal(size=channels))
    if size not in (0, 2):
        settings |= dict(activation="relu")
    args = [batch() for _ in range(batches)]
    return call(*args, **settings, evaluate=batch()) if rng.random() < 0.5 else call(*args, **settings)


def _output(forward: Callable) -> Callable:
    """The output in training, as a function of x, weight and bias."""

    def batch_norm(x, weight, bias):
        layer = BatchNorm(x.shape[-1], eps=0.1, dtype=x.dtype)
        vars(layer).update(weight=weight, bias=bias)  # tensors of any kind, in place of the Parameters
        return forward(layer, x)

    return batch_norm


def _three(rng: np.random.Generator, size: int) -> Arguments:
    channels, shape = (1, (3,)) if size < 3 else (2, (2, 2))
    return call(rng.normal(size=(*shape, channels)), rng.uniform(0.5, 2, channels), rng.normal(size=channels))


def _written_output(call: Arguments) -> str:
    x, weight, bias = call.args
    parameters = [f"layer.{name} = Parameter({code(a)})" for name, a in [("weight", weight), ("bias", bias)]]
    return "\n".join([_made(x, eps=0.1), *parameters, f"forward(layer, Tensor({code(x)}))"])


def _later(forward: Callable) -> Callable:
    """The gradient of a result in evaluation by a batch of the training before."""

    def batch_norm_later(before, x):
        layer, first = BatchNorm(x.shape[-1], dtype=x.dtype), Tensor(before, requires_grad=True)
        forward(layer, first)
        y = forward(layer.eval(), Tensor(x)).sum()
        return grad(y, first)

    return batch_norm_later


def _written_later(call: Arguments) -> str:
    before, x = call.args
    lines = _made(x), f"first = Tensor({code(before)}, requires_grad=True)", "forward(layer, first)"
    return "\n".join([*lines, f"y = forward(layer.eval(), Tensor({code(x)}))", "grad(y.sum(), first)"])


def _two(rng: np.random.Generator, size: int) -> Arguments:
    channels = max(1, size)
    return call(rng.normal(size=(3, channels)), rng.normal(size=(2, channels)))


def _column(*numbers: float) -> np.ndarray:
    return np.array(numbers, float)[:, None]


_ACT = "return activate({}, self.activation, self.negative_slope)"
LIVE = (
    "The running statistics are tensors with a graph: the layer keeps every batch that it has seen, and a later result "
    "has gradients in them. Update with arrays: mean.data, var.data."
)
_PLAIN = "return self._applied(batch_norm, x, moments=moments)"
_PLAIN_OUTPUT = "return batch_norm(x, self.weight, self.bias, eps=self.eps, moments=moments)"
_EVALUATED = "(x - self.running_mean) * scale + self.bias"
_AXES = "axes = tuple(range(x.ndim - 1))\n    "

BATCH_NORM = Exercise(
    name="batch_norm",
    track="layers",
    title="batch normalisation, in training and in evaluation",
    source="tinygen.nn.norm:BatchNorm.forward",
    question="`self` has weight, bias, running_mean and running_var (C,), eps, momentum and training.\n"
    "x is (N, ..., C). In training, normalise each channel by the mean and the variance of this batch,\n"
    "over all axes but the last, and add eps to the variance, inside the root; scale by weight, shift by\n"
    "bias. Update running = (1 - momentum) · running + momentum · batch: the running variance with the\n"
    "unbiased variance Σ(x - mean)²/(n - 1), although the output uses Σ(x - mean)²/n. In evaluation,\n"
    "normalise by the running statistics. Last comes activate(z, self.activation, self.negative_slope).\n"
    "Gradients must reach x through its mean and variance too: compute the output with tensors, but the\n"
    "running statistics with arrays (`.data`), because the layer must not keep the graphs of old batches.",
    page="rules.md#normalisation-opsnormpy",
    hints=(
        "The statistics have two uses: tensors in the output, so that gradients pass, and arrays in the layer.",
        "mean = x.mean(axis=axes), var = ((x - mean) ** 2).mean(axis=axes) with axes = tuple(range(x.ndim - 1)); the "
        "output is (x - mean) / (var + self.eps) ** 0.5 · weight + bias.",
        "self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var.numpy() * (n / (n - 1)), with "
        "n = math.prod(x.shape[:-1])",
    ),
    stages=(
        _graded(
            Example(
                lambda: call(_column(1, 3), eps=3.0, momentum=0.25),
                {"y": _column(-0.5, 0.5), MEAN: np.array([0.5]), VAR: np.array([1.25])},
                "Mean 2, variance 1: y = (x - 2) / √(1 + 3). The unbiased variance is 2, so the running one becomes "
                "0.75 · 1 + 0.25 · 2.",
            ),
        ),
        _graded(Shapes(_layer)),
        _graded(Values(_layer, "Compute the mean and the variances of this batch by hand.")),
        Made(_later, Values(_two, LIVE, "running statistics without gradients"), _written_later),
        Made(_output, Derivatives(_three, seeds=1), _written_output),
        _graded(
            Extremes(
                (
                    lambda: call(np.full((3, 1), 7.0), eps=1e-5, bias=[0.5]),
                    lambda: call(1e5 + _column(0.1, 0.2, 0.7), eps=1e-5),
                ),
                "Where all entries are equal, the output is the bias; where the mean is large, the variance must keep "
                "its digits.",
            ),
        ),
    ),
    wrong=(
        Wrong(
            (("var * (n / (n - 1))", "var"),),
            "The running variance takes the variance divided by n. As in PyTorch, it takes the unbiased one.",
        ),
        Wrong(
            (
                (
                    "self._updated(self.running_mean, mean)",
                    "self.momentum * self.running_mean + (1 - self.momentum) * mean",
                ),
                (
                    "self._updated(self.running_var, var * (n / (n - 1)))",
                    "self.momentum * self.running_var + (1 - self.momentum) * var * (n / (n - 1))",
                ),
            ),
            "Momentum is exchanged with 1 - momentum. Here, as in PyTorch, it is the weight of the new batch.",
        ),
        Wrong(
            (
                (
                    _PLAIN,
                    f"{_AXES}centred = x - x.mean(axis=axes)\n    sd = (centred**2).mean(axis=axes) ** 0.5\n    "
                    + _ACT.format("centred / (sd + self.eps) * self.weight + self.bias"),
                ),
            ),
            "eps is added to the standard deviation. It belongs inside the root: √(variance + eps).",
        ),
        Wrong(
            ((_PLAIN, _ACT.format("(x - mean) * (1 / np.sqrt(var + self.eps)) * self.weight + self.bias")),),
            "Mean and variance are arrays, so no gradient passes through them. They depend on x: use tensors.",
        ),
        Wrong(
            (
                (
                    _PLAIN,
                    f"{_AXES}s = (x**2).mean(axis=axes) - x.mean(axis=axes) ** 2\n    "
                    + _ACT.format("(x - x.mean(axis=axes)) / (s + self.eps) ** 0.5 * self.weight + self.bias"),
                ),
            ),
            "E x² - (E x)² is the difference of two large numbers where the mean is large: it loses the digits of the "
            "variance. Take the mean of (x - mean)².",
        ),
        Wrong(
            (("if not self.training:", "if True:"),),
            "Training uses the running statistics, and never updates them.",
        ),
        Wrong(
            (("if not self.training:", "if False:"),),
            "Evaluation uses the statistics of its batch. An image's result must not depend on its neighbours.",
        ),
        Wrong((("self.running_var + self.eps", "self.running_var"),), "Evaluation leaves out eps, which training has."),
        Wrong(
            (
                (
                    "self._updated(self.running_mean, mean)",
                    "self.running_mean * (1 - self.momentum) + x.mean(axis=tuple(range(x.ndim - 1))) * self.momentum",
                ),
            ),
            LIVE,
        ),
        Wrong(
            (("math.prod(x.shape[:-1])", "len(x)"),),
            "n is the number of values of a channel, over all axes but the last: math.prod(x.shape[:-1]). It is the "
            "number of examples for x (N, C) only.",
        ),
        Wrong(
            (
                (_ACT.format(_EVALUATED), f"return {_EVALUATED}"),
                (_PLAIN, _PLAIN_OUTPUT),
            ),
            "The activation is missing: activate(z, self.activation, self.negative_slope) comes last.",
        ),
        Wrong(
            ((_PLAIN, _PLAIN_OUTPUT),),
            "Training leaves out the activation, which evaluation has.",
        ),
        Wrong(
            ((_ACT.format(_EVALUATED), f"return {_EVALUATED}"),),
            "Evaluation leaves out the activation, which training has.",
        ),
    ),
    correct=(
        """
        def forward(self, x):
            axes = tuple(range(x.ndim - 1))
            if self.training:
                n = math.prod(x.shape[:-1])
                mean = x.mean(axis=axes)
                var = ((x - mean) ** 2).mean(axis=axes)
                m = self.momentum
                self.running_mean = (1 - m) * self.running_mean + m * mean.numpy()
                self.running_var = (1 - m) * self.running_var + m * var.numpy() * (n / (n - 1))
            else:
                mean, var = self.running_mean, self.running_var
            z = (x - mean) / (var + self.eps) ** 0.5 * self.weight + self.bias
            return activate(z, self.activation, self.negative_slope)
        """,
        """
        def forward(self, x):
            rows = x.reshape(-1, x.shape[-1])
            mean, var = self.running_mean, self.running_var
            if self.training:
                n = len(rows)
                mean = rows.sum(axis=0) * (1 / n)
                squares = ((rows - mean) * (rows - mean)).sum(axis=0)
                var = squares * (1 / n)
                self.running_mean = self.running_mean + self.momentum * (mean.data - self.running_mean)
                unbiased = squares.data / (n - 1)
                self.running_var = self.running_var + self.momentum * (unbiased - self.running_var)
            scale = self.weight * (var + self.eps) ** -0.5
            z = (rows * scale + (self.bias - mean * scale)).reshape(x.shape)
            return activate(z, self.activation, self.negative_slope)
        """,
    ),
)
