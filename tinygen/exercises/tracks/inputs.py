"""Inputs that several tracks share: calls with Tensors, and small networks whose derivatives are known."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments
from tinygen.exercises.outcome import Draw
from tinygen.exercises.show import code, shown
from tinygen.models.schedules import PREDICTION_TYPES, NoiseSchedule
from tinygen.ops import astype, matmul, tanh
from tinygen.tensor import Tensor

SHAPES = [(1, 1), (2, 3), (3, 3), (2, 2, 2, 1), (3, 2, 3, 3)]  # some with axes of the same size as the batch


def seeded(seed: int = 0) -> np.random.Generator:
    """A new generator."""
    return np.random.default_rng(seed)


def with_tensors(draw: Draw) -> Draw:
    """The same calls, with Tensors for the arrays by position."""

    def drawn(rng: np.random.Generator, size: int) -> Arguments:
        given = draw(rng, size)
        return given._replace(args=tuple(Tensor(a) if isinstance(a, np.ndarray) else a for a in given.args))

    return drawn


def written_draws(seed: int) -> Callable[[Arguments], str]:
    """Python text for draws of a normal distribution, whose mu and log_var are the arguments by position."""

    def written(call: Arguments) -> str:
        mu, log_var = map(code, map(np.asarray, call.args))
        used, shape = call.settings.get("seed", seed), call.settings.get("shape", ())
        return f"rsample(Normal({mu}, log_var={log_var}), np.random.default_rng({used}), {shape})"

    return written


class Linear:
    """x W, of examples x (N, ...) as rows; its derivative by x is W everywhere."""

    def __init__(self, weight: np.ndarray):
        self.weight = Tensor(weight, requires_grad=True)  # (D, K)
        self.variables = [self.weight]

    def __call__(self, x: Tensor | np.ndarray) -> Tensor:
        return matmul(x.reshape(len(x), -1), astype(self.weight, dtype=x.dtype))

    def __repr__(self) -> str:
        return f"x -> x @ {shown(self.weight)}"


class Quadratic:
    """½ a ‖x‖² of each example, (N, 1); its derivative by x is a x."""

    def __init__(self, factor: float = 1.0):
        self.factor = Tensor(np.array(factor), requires_grad=True)
        self.variables = [self.factor]

    def __call__(self, x: Tensor | np.ndarray) -> Tensor:
        rows = x.reshape(len(x), -1)
        return astype(self.factor, dtype=x.dtype) * (0.5 * (rows * rows).sum(axis=1)).reshape(len(x), 1)

    def __repr__(self) -> str:
        return f"x -> {shown(self.factor)} / 2 * ‖x‖²"


class Curved:
    """tanh(x W) V: a network of one hidden layer, for examples x (N, ...) as rows."""

    def __init__(self, rng: np.random.Generator, inputs: int, outputs: int, hidden: int = 5):
        self.first = Tensor(rng.standard_normal((inputs, hidden)) / inputs**0.5, requires_grad=True)
        self.last = Tensor(rng.standard_normal((hidden, outputs)), requires_grad=True)
        self.variables = [self.first, self.last]

    def __call__(self, x: Tensor | np.ndarray) -> Tensor:
        first, last = (astype(weight, dtype=x.dtype) for weight in self.variables)
        return tanh(matmul(x.reshape(len(x), -1), first)) @ last

    def __repr__(self) -> str:
        return "x -> tanh(x @ W) @ V"


class Squares:
    """a x² of each pixel: a code as large as the example, whose k-th number depends on the k-th pixel only."""

    def __init__(self, factors: np.ndarray):
        self.factors = Tensor(factors, requires_grad=True)  # (D,)
        self.variables = [self.factors]

    def __call__(self, x: Tensor | np.ndarray) -> Tensor:
        rows = x.reshape(len(x), -1)
        return astype(self.factors, dtype=x.dtype) * (rows * rows)

    def __repr__(self) -> str:
        return f"x -> {shown(self.factors)} * x²"


class Recorder:
    """A function that remembers the examples at which it was called, as rows."""

    def __init__(self, function: Callable):
        self.function = function
        self.calls: list[np.ndarray] = []

    def __call__(self, x: Tensor | np.ndarray) -> Tensor:
        self.calls.append(np.array(x.numpy() if isinstance(x, Tensor) else x).reshape(len(x), -1))
        return self.function(x)

    def __repr__(self) -> str:
        return repr(self.function)

    @property
    def rows(self) -> np.ndarray:
        """All examples of all calls, one after the other."""
        return np.concatenate(self.calls) if self.calls else np.zeros((0, 0))


# -- schedules of noise ------------------------------------------------------------------------------------------------


def easy_schedule(kind: str = "v_prediction") -> NoiseSchedule:
    """√ᾱ is 1, 0.8, 0.6 at the times 0, 1, 2, so that √(1 - ᾱ) is 0, 0.6, 0.8."""
    return NoiseSchedule([0.36, 0.4375], prediction_type=kind)


def random_schedule(rng: np.random.Generator, size: int, kind: str | None = None) -> NoiseSchedule:
    betas = rng.uniform(0.05, 0.6, rng.integers(2, 6))
    return NoiseSchedule(betas, prediction_type=kind or PREDICTION_TYPES[(size + rng.integers(3)) % 3])
