"""Compositions of ops: softmax, norms and losses. They contain no derivative rules, because their ops have them.

A loss has a value for each entry, and `reduction` turns these values into one number:

    "batchmean"  the sum over each example, averaged over the batch (axis 0): squared error per image, nats per image
    "mean"       the average over all entries: batchmean divided by the number of entries of an example
    "sum"        the sum over all entries
    "none"       no reduction: the values of all entries

The default is "batchmean" everywhere: it is the loss of one example, so its parts add up (reconstruction + KL).
A loss of arrays with different shapes raises ValueError, because (N, 1) and (N,) would silently broadcast to (N, N).

In the examples, `np` is NumPy, `tg` is tinygen and `F` is this module.
"""

import sys
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from tinygen.errors import arguments, hints
from tinygen.errors.calls import explained
from tinygen.op import as_tensors
from tinygen.ops import exp_remainder, fused, log, log1p, max, sqrt, transpose, where
from tinygen.ops.fused import absolute_error, huber_error, logistic_loss, squared_error
from tinygen.ops.support.indices import check_axis
from tinygen.tensor import Tensor, array_of, constant

Target = Tensor | np.ndarray | float

_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "batchmean": lambda entries: fused.scaled_sum(entries, scale=1 / len(entries)),
    "mean": lambda entries: entries.mean(),
    "sum": lambda entries: entries.sum(),
    "none": lambda entries: entries,
}

# -- softmax and norms -------------------------------------------------------------------------------------------------


@explained
def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, xᵢ - log Σⱼ exp(xⱼ) along `axis`, for x of any shape; the result has the shape of x.

    >>> F.log_softmax(np.array([0.0, np.log(3.0)])).numpy().round(4).tolist()
    [-1.3863, -0.2877]
    """
    return _along("log_softmax", fused.log_softmax_of_rows, x, axis)


@explained
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """Probabilities exp(xᵢ) / Σⱼ exp(xⱼ), which sum to 1 along `axis`, for logits x of any shape, in that shape.

    >>> F.softmax(np.array([0.0, np.log(3.0)])).numpy().round(4).tolist()
    [0.25, 0.75]
    """
    return _along("softmax", fused.softmax_of_rows, x, axis)


def _along(name: str, of_rows: Callable[[Tensor], Tensor], x: Tensor, axis: int) -> Tensor:
    """A function of rows along any axis, which becomes the last one meanwhile."""
    (x,) = as_tensors((x,))
    order = list(range(x.ndim))
    order.append(order.pop(check_axis(axis, x.ndim, name)))
    if order == sorted(order):
        return of_rows(x)
    return transpose(of_rows(transpose(x, axes=order)), axes=np.argsort(order).tolist())


@explained
def norm(x: Tensor, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The Euclidean norm √Σx² along `axis`, by default of all entries; its gradient x/‖x‖ is defined as 0 at x = 0.

    `keepdims` keeps each reduced axis with size 1.

    >>> F.norm(np.array([[3.0, 4.0], [0.0, 2.0]]), axis=1)
    Tensor([5., 2.], shape=(2,), float64)
    """
    (x,) = as_tensors((x,))
    scale = constant(_power_of_two(x.data, axis))
    x = x / scale  # exact, and the squares neither overflow nor underflow
    length = sqrt((x * x).sum(axis=axis, keepdims=True)) * scale
    return length if keepdims else length.sum(axis=axis)  # the axes have size 1: the sum only drops them


def _power_of_two(x: np.ndarray, axis) -> np.ndarray:
    """The largest power of two ≤ max |x| along `axis`; 1 where that is 0 or not finite."""
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    exponent = np.where(np.isfinite(largest) & (largest > 0), np.frexp(largest)[1] - 1, 0)
    return np.ldexp(x.dtype.type(1), exponent)


@explained
def min(x: Tensor, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The smallest entry along `axis`, by default of all entries; among equal ones, the first gets the gradient.

    >>> F.min(np.array([[3.0, 1.0], [2.0, 4.0]]), axis=1)
    Tensor([1., 2.], shape=(2,), float64)
    """
    (x,) = as_tensors((x,))
    return -max(-x, axis=axis, keepdims=keepdims)


@explained
def one_hot(labels: np.ndarray | Sequence[int], classes: int, *, dtype: type = np.float32) -> Tensor:
    """A constant (..., classes) of `dtype`, 1 at each label and 0 elsewhere, for class numbers `labels` of shape (...).

    Raises TypeError for labels that aren't integers, ValueError for labels outside 0..classes - 1.

    >>> F.one_hot([2, 0], 3)
    Tensor([[0., 0., 1.],
            [1., 0., 0.]], shape=(2, 3), float32)
    """
    classes = arguments.whole("one_hot", "classes", classes, least=1)
    labels = arguments.indices("one_hot", "labels", array_of(labels), classes)
    return Tensor((labels[..., None] == np.arange(classes)).astype(arguments.float_dtype("one_hot", dtype)))


# -- losses of real numbers --------------------------------------------------------------------------------------------


@explained
def mse(x: Tensor, target: Target, *, reduction: str = "batchmean") -> Tensor:
    """Squared error (x - t)² of a prediction x (N, ...) and a target t of the same shape, or a number for all entries.

    By default it is summed over each example, as in -log of a Gaussian density; PyTorch's default is "mean".
    Raises ValueError for different shapes and for an unknown reduction.

    >>> x, target = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 4.0]])
    >>> F.mse(x, target).item()  # (2² + 3²) / 2 examples
    6.5
    >>> F.mse(x, target, reduction="mean").item()  # (2² + 3²) / 4 entries
    3.25
    """
    x, target = _matched("mse", reduction, x=x, target=target)
    return _REDUCTIONS[reduction](squared_error(x, target))


@explained
def l1(x: Tensor, target: Target, *, reduction: str = "batchmean") -> Tensor:
    """Absolute error |x - t| of arrays of the same shape (N, ...); its gradient is 0 where they are equal.

    Raises ValueError for different shapes and for an unknown reduction.

    >>> F.l1(np.array([[1.0, 2.0], [3.0, 4.0]]), 2.0).item()  # (1 + 0 + 1 + 2) / 2 examples
    2.0
    """
    x, target = _matched("l1", reduction, x=x, target=target)
    return _REDUCTIONS[reduction](absolute_error(x, target))


@explained
def huber(x: Tensor, target: Target, *, delta: float = 1.0, reduction: str = "batchmean") -> Tensor:
    """Huber loss of e = x - t, arrays of the same shape (N, ...): e²/2 if |e| ≤ delta, else delta · (|e| - delta/2).

    Raises ValueError for different shapes, delta ≤ 0 and an unknown reduction. Source: Huber 1964.

    >>> F.huber(np.array([0.5, 3.0]), 0.0, reduction="none").numpy().tolist()
    [0.125, 2.5]
    """
    x, target = _matched("huber", reduction, x=x, target=target)
    delta = arguments.real("huber", "delta", delta, above=0)
    return _REDUCTIONS[reduction](huber_error(x, target, delta=delta))


# -- losses of probabilities, in nats ----------------------------------------------------------------------------------


@explained
def bce(p: Tensor, target: Target, *, reduction: str = "batchmean") -> Tensor:
    """Binary cross-entropy -t log p - (1 - t) log(1 - p), in nats, of probabilities p and targets t in [0, 1].

    p and t have the same shape (N, ...). A certain prediction, p = 0 or p = 1, costs 0 if it is right and infinity if
    it is wrong. Prefer `bce_with_logits`: 1 - p loses digits that a logit keeps. Raises ValueError for different
    shapes, for p or t outside [0, 1], and for an unknown reduction.

    >>> round(F.bce(np.array([[0.5, 1.0]]), np.array([[1.0, 1.0]])).item(), 4)  # log 2 + 0
    0.6931
    """
    p, target = _matched("bce", reduction, p=p, target=target)
    arguments.between("bce", "p", p.data, 0, 1, hint="apply sigmoid first, or call bce_with_logits")
    arguments.between("bce", "target", target.data, 0, 1, hint=_SCALE)
    t, s = target, 1 - target
    yes = t * log(where(t.data > 0, p, 1.0))  # where a term has weight 0, its logarithm is not computed
    no = s * log1p(where(s.data > 0, -p, 0.0))
    return _REDUCTIONS[reduction](-(yes + no))


@explained
def bce_with_logits(x: Tensor, target: Target, *, reduction: str = "batchmean") -> Tensor:
    """Binary cross-entropy, in nats, of p = σ(x) for logits x, exact for every finite x; its gradient is σ(x) - t.

    x and `target`, t in [0, 1], have the same shape (N, ...). `reduction` is explained above. Raises ValueError for
    different shapes, for targets outside [0, 1], and for an unknown reduction.

    >>> round(F.bce_with_logits(np.array([[0.0, 100.0]]), np.array([[1.0, 0.0]])).item(), 4)  # log 2 + 100
    100.6931
    """
    x, target = _matched("bce_with_logits", reduction, x=x, target=target)
    arguments.between("bce_with_logits", "target", target.data, 0, 1, hint=_SCALE)
    return _REDUCTIONS[reduction](logistic_loss(x, target))


@explained
def cross_entropy(logits: Tensor, labels: np.ndarray | Sequence[int], *, reduction: str = "batchmean") -> Tensor:
    """Cross-entropy -log softmax(logits)[label], in nats, of logits (N, K) and labels (N,), class numbers 0..K-1.

    There is one value per example, so "batchmean" and "mean" are equal. Raises ValueError for other shapes, for labels
    out of range, and for an unknown reduction; TypeError for labels that aren't integers.

    >>> logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    >>> round(F.cross_entropy(logits, [0, 2]).item(), 4)  # -(log 0.5 + log 0.8) / 2
    0.4581
    """
    (logits,) = as_tensors((logits,))
    shape = np.shape(array_of(labels))
    if logits.ndim != 2 or shape != logits.shape[:1]:
        rows = ": of one-hot rows take .argmax(axis=1)" if shape[1:] and shape == logits.shape else ""
        raise ValueError(
            f"cross_entropy: expected logits (N, K) and class numbers (N,), got {logits.shape} and {shape}{rows}"
        )
    labels = arguments.indices("cross_entropy", "labels", array_of(labels), logits.shape[1])
    _check_reduction("cross_entropy", reduction, shape)
    return -_REDUCTIONS[reduction](fused.log_softmax_at(logits, labels=labels))


@explained
def gaussian_kl(mu: Tensor, log_var: Tensor, *, reduction: str = "batchmean") -> Tensor:
    """KL divergence of N(μ, diag σ²) from N(0, I), in nats: ½ Σ (μ² + σ² - 1 - log σ²).

    μ and log_var = log σ², the logarithm of the variance, have the same shape (N, ...). Raises ValueError for different
    shapes and for an unknown reduction. Source: Kingma & Welling 2014, appendix B.

    >>> F.gaussian_kl(np.array([[1.0, 2.0]]), np.zeros((1, 2))).item()  # (1² + 2²) / 2
    2.5
    """
    mu, log_var = _matched("gaussian_kl", reduction, mu=mu, log_var=log_var)
    return 0.5 * _REDUCTIONS[reduction](mu * mu + exp_remainder(log_var))


# -- checks of the arguments of a loss ---------------------------------------------------------------------------------

_SCALE = "scale it first, as in pixels / 255"


def _matched(who: str, reduction: str, **pair: Any) -> tuple[Tensor, Tensor]:
    """Both arguments as Tensors of one shape; a target that is a plain number applies to all entries."""
    x, target = pair.values()
    if not isinstance(target, Real):
        arguments.same_shape(who, hint="reshape one of them", **pair)
    _check_reduction(who, reduction, np.shape(array_of(x)))
    x, target = as_tensors((x, target))
    return x, target


def _check_reduction(who: str, reduction: str, shape: tuple[int, ...]) -> None:
    arguments.choice(who, "reduction", reduction, _REDUCTIONS)
    if reduction in ("batchmean", "mean") and (not shape or 0 in shape):
        raise ValueError(f'{who}: expected entries to average over, got shape {shape}: write reduction="sum" or "none"')


def __getattr__(name: str):
    """Called only for a name that does not exist."""
    raise hints.missing(sys.modules[__name__], name)
