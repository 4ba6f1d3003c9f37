"""The steps of random programs: each op of tinygen with its oracle from `duals`."""

import numpy as np

import tinygen as tg
from helpers.duals import elementwise, linear, product

ROWS = np.array([0, 0, -1])  # an index that repeats

UNARY = {  # name: (op, oracle)
    "sin": (tg.sin, elementwise(np.sin, np.cos)),
    "tanh": (tg.tanh, elementwise(np.tanh, lambda x: 1 / np.cosh(x) ** 2)),
    "exp": (lambda x: tg.exp(-x), elementwise(lambda x: np.exp(-x), lambda x: -np.exp(-x))),
    "sigmoid": (
        tg.sigmoid,
        elementwise(lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (2 + np.exp(x) + np.exp(-x))),
    ),
    "relu": (tg.relu, elementwise(lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0))),
    "abs": (abs, elementwise(np.abs, np.sign)),
    "neg": (lambda x: -x, elementwise(np.negative, lambda x: -np.ones_like(x))),
    "cube": (lambda x: x**3, elementwise(lambda x: x**3, lambda x: 3 * x**2)),
    "transpose": (lambda x: x.T, linear(lambda x: x.swapaxes(-1, -2))),
    "sum": (lambda x: x.sum(axis=0, keepdims=True), linear(lambda x: x.sum(axis=-2, keepdims=True))),
    "mean": (lambda x: x.mean(keepdims=True), linear(lambda x: x.mean(axis=(-2, -1), keepdims=True))),
    "rows": (lambda x: x[ROWS], linear(lambda x: x[..., ROWS, :])),
    "flip": (lambda x: x[:, ::-1], linear(lambda x: x[..., ::-1])),
    "reshape": (lambda x: x.reshape(1, -1), linear(lambda x: x.reshape(*x.shape[:-2], 1, -1))),
}
KINKED = {"relu", "abs", "maximum"}

BINARY = {
    "add": (
        lambda a, b: a + b,
        elementwise(np.add, lambda a, b: np.ones_like(a + b), lambda a, b: np.ones_like(a + b)),
    ),
    "sub": (
        lambda a, b: a - b,
        elementwise(np.subtract, lambda a, b: np.ones_like(a + b), lambda a, b: -np.ones_like(a + b)),
    ),
    "mul": (lambda a, b: a * b, elementwise(np.multiply, lambda a, b: b + 0 * a, lambda a, b: a + 0 * b)),
    "div": (
        lambda a, b: a / (1 + b * b),
        elementwise(
            lambda a, b: a / (1 + b * b),
            lambda a, b: 1 / (1 + b * b) + 0 * a,
            lambda a, b: -2 * a * b / (1 + b * b) ** 2,
        ),
    ),
    "maximum": (
        tg.maximum,
        elementwise(np.maximum, lambda a, b: 1.0 * (a >= b), lambda a, b: 1.0 * (a < b)),
    ),
    "matmul": (lambda a, b: a @ b, product),
    "concat": (
        lambda a, b: tg.concat(a, b, axis=1),
        linear(lambda a, b: np.concatenate([a, b], axis=-1)),
    ),
}


def fits(name, a, b) -> bool:
    """Whether a step accepts two shapes, and its result stays small."""
    if name == "matmul":
        return a[1] == b[0]
    if name == "concat":
        return a[0] == b[0] and a[1] + b[1] <= 8
    return all(m == n or 1 in (m, n) for m, n in zip(a, b))


def near_kink(*operands) -> bool:
    """Whether rounding could put tinygen and the oracle on different sides of a kink."""
    at = operands[0].dual.value - (operands[1].dual.value if len(operands) == 2 else 0)
    return bool((np.abs(at) < 1e-9).any())
