"""Ten ways to get a derivative rule wrong, for any op: a gradient check must reject each.

`corrupt(op, argument, how)` makes a copy of the op with one wrong rule. The copy is not registered in `OPS`. Its value,
its other rules and the ops that its rules call are the original ones.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.grad import grad
from tinygen.gradcheck.examining import examining
from tinygen.op import as_tensors, op, takes_output
from tinygen.tensor import OPS, Tensor, array_of, constant
from tinygen.testing.case import Arrays, Static
from tinygen.testing.draws import normal
from tinygen.testing.measure import variables

Pull = Callable[[Tensor], Tensor]  # the true rule: from the gradient of the output to that of the argument


class Corruption(NamedTuple):
    spoil: Callable[[Pull, Tensor, Tensor], Tensor]  # (true rule, incoming gradient, argument) -> the wrong gradient
    order: int = 1  # of the derivative that it makes wrong


def _off_in_one_entry(pull: Pull, g: Tensor, x: Tensor) -> Tensor:
    d = pull(g)
    return d + _at_first(x, 1e-6 * np.abs(d.data).max(initial=0))


def _transposed(pull: Pull, g: Tensor, x: Tensor) -> Tensor:
    return pull(g).T.reshape(x.shape)


def _at_first(x: Tensor, value: float) -> np.ndarray:
    """An array like x with `value` in its first entry, else 0."""
    array = np.zeros(x.shape, x.dtype)
    array.flat[:1] = value
    return array


CORRUPTIONS = {
    "scaled by 1 + 1e-6": Corruption(lambda pull, g, x: pull(g) * (1 + 1e-6)),
    "one entry off by 1e-6": Corruption(_off_in_one_entry),
    "sign": Corruption(lambda pull, g, x: -pull(g)),
    "zero": Corruption(lambda pull, g, x: constant(np.zeros(x.shape, x.dtype))),
    "transposed": Corruption(_transposed),
    "cotangent of ones": Corruption(lambda pull, g, x: pull(constant(np.ones(g.shape, g.dtype)))),
    "not summed back": Corruption(lambda pull, g, x: g if _is_wider(g, x) else pull(g)),
    "NaN": Corruption(lambda pull, g, x: pull(g) + _at_first(x, np.nan)),
    "plain numbers": Corruption(lambda pull, g, x: pull(g).detach(), order=2),
    "half forgotten": Corruption(lambda pull, g, x: pull(g * _every_second(g))),
}


def _is_wider(g: Tensor, x: Tensor) -> bool:
    """Whether x was repeated to the shape of g."""
    try:
        return g.shape != x.shape and np.broadcast_shapes(x.shape, g.shape) == g.shape
    except ValueError:
        return False


def _every_second(g: Tensor) -> np.ndarray:
    return (np.arange(g.size).reshape(g.shape) % 2).astype(g.dtype)


def corrupt(true: Callable[..., Tensor], argument: int, how: str) -> Callable[..., Tensor]:
    """The op `true` with a wrong rule for one argument, as `CORRUPTIONS[how]` describes."""
    rule, given = true.__wrapped__, inspect.getclosurevars(true).nonlocals
    prepare, restore = given["prepare"], given["restore"]
    spoil = CORRUPTIONS[how].spoil

    def wrong(*tensors: Tensor, **static):
        value, *vjps = rule(*tensors, **static)
        vjp = vjps[argument]
        with_output = takes_output(vjp)
        vjps[argument] = lambda g, y: spoil(lambda g: vjp(g, y) if with_output else vjp(g), g, tensors[argument])
        return value, *vjps

    wrong.__name__ = f"{true.__name__}, {how}"
    wrong.__wrapped__ = rule  # for the names of the arguments

    def unprepared(args):  # NumPy then broadcasts in the rule, and nothing sums its gradient back
        vectors = restore is not None and any(array_of(x).ndim == 1 for x in args)
        return prepare(args) if vectors else as_tensors(args)

    copy = op(wrong, prepare=unprepared if how == "not summed back" else prepare, restore=restore)
    del OPS[wrong.__name__]
    return copy


def applies(how: str, true: Callable, argument: int, arrays: Arrays, static: Static, rng: np.random.Generator) -> bool:
    """Whether the corruption changes the gradient here: the transpose of a scalar, for example, is right."""
    g, gradients = None, []
    for f in (true, corrupt(true, argument, how)):
        xs = variables(arrays)
        y = f(*xs, **static)
        g = normal(rng, y.shape) if g is None else g
        with examining():
            gradients.append(array_of(grad(y, xs, g)[argument]))
    right, wrong = gradients
    if CORRUPTIONS[how].order == 2 or right.shape != wrong.shape:
        return bool(right.any())
    return not np.abs(right - wrong).max(initial=0) <= 1e-9 * np.abs(right).max(initial=0)
