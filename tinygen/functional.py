"""What can be said with the ops: softmax, norms and every loss. No derivative rule stands here.

A loss has one number per entry, and `reduction` names how they become one:

    "batchmean"  summed over each example, averaged over the batch (axis 0): squared error per image, nats per image
    "mean"       averaged over all entries: batchmean divided by the number of entries of an example
    "sum"        summed over everything
    "none"       left as they are

The default is "batchmean" throughout: it is the loss of one example, so that its parts add up (reconstruction + KL).
Every loss raises ValueError for shapes that differ, since (N, 1) against (N,) would quietly become (N, N).
"""

import sys
from collections.abc import Callable
from numbers import Real

import numpy as np

from tinygen.errors import arguments, hints
from tinygen.errors.calls import explained
from tinygen.op import as_tensors
from tinygen.ops import abs as absolute
from tinygen.ops import clip, exp, exp_remainder, log, log1p, logistic_loss, logsumexp, max, sqrt, squared_error, where
from tinygen.tensor import Tensor, array_of, constant

_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "batchmean": lambda entries: entries.sum() * (1 / len(entries)),
    "mean": lambda entries: entries.mean(),
    "sum": lambda entries: entries.sum(),
    "none": lambda entries: entries,
}

# -- softmax and norms -------------------------------------------------------------------------------------------------


@explained
def log_softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """xᵢ - log Σⱼ exp(xⱼ) along `axis`."""
    (x,) = as_tensors((x,))
    largest = x.data.max(axis=axis, keepdims=True, initial=-np.inf)
    x = x - constant(largest)  # changes nothing but the rounding of large entries
    return x - logsumexp(x, axis=axis, keepdims=True)


@explained
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """exp(xᵢ) / Σⱼ exp(xⱼ): positive numbers that sum to 1 along `axis`."""
    return exp(log_softmax(x, axis=axis))


@explained
def norm(x: Tensor, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The Euclidean length √Σx² along `axis`; its gradient x/‖x‖ is taken to be 0 where x is 0."""
    (x,) = as_tensors((x,))
    unit = constant(_unit(x.data, axis))
    x = x / unit  # exact, because it is a power of two: squares neither overflow nor vanish
    length = sqrt((x * x).sum(axis=axis, keepdims=True)) * unit
    return length if keepdims else length.sum(axis=axis)  # a sum of one entry, to drop the axes


def _unit(x: np.ndarray, axis) -> np.ndarray:
    """The largest power of two within the entries along `axis`, or 1 if they are zeros or not finite."""
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    exponent = np.where(np.isfinite(largest) & (largest > 0), np.frexp(largest)[1] - 1, 0)
    return np.ldexp(x.dtype.type(1), exponent)


@explained
def min(x: Tensor, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The smallest entry along `axis`; at a tie the gradient goes to the first."""
    (x,) = as_tensors((x,))
    return -max(-x, axis=axis, keepdims=keepdims)


@explained
def one_hot(labels: np.ndarray, classes: int, *, dtype: type = np.float32) -> Tensor:
    """Class numbers of any shape to rows of `classes` entries, (..., classes): 1 at the label, else 0; a constant.

    Raises TypeError for labels that aren't integers, ValueError for those outside 0..classes - 1.
    """
    classes = arguments.whole("one_hot", "classes", classes, least=1)
    labels = arguments.indices("one_hot", "labels", array_of(labels), classes)
    return Tensor((labels[..., None] == np.arange(classes)).astype(dtype))


# -- losses of real numbers --------------------------------------------------------------------------------------------


@explained
def mse(x: Tensor, target: Tensor | np.ndarray | float, *, reduction: str = "batchmean") -> Tensor:
    """Squared error (x - t)²; by default per example, as in -log of a Gaussian, not per entry."""
    x, target = _matched("mse", x, target, reduction)
    return _REDUCTIONS[reduction](squared_error(x, target))


@explained
def l1(x: Tensor, target: Tensor | np.ndarray | float, *, reduction: str = "batchmean") -> Tensor:
    """Absolute error |x - t|, with gradient 0 where they are equal."""
    x, target = _matched("l1", x, target, reduction)
    return _REDUCTIONS[reduction](absolute(x - target))


@explained
def huber(
    x: Tensor, target: Tensor | np.ndarray | float, *, delta: float = 1.0, reduction: str = "batchmean"
) -> Tensor:
    """½ e² for an error |e| = |x - t| up to `delta`, and delta · (|e| - ½ delta) beyond (Huber 1964)."""
    x, target = _matched("huber", x, target, reduction)
    delta = arguments.real("huber", "delta", delta, above=0)
    error = x - target
    near = clip(error, low=-delta, high=delta)
    return _REDUCTIONS[reduction](near * (error - 0.5 * near))


# -- losses of probabilities, in nats ----------------------------------------------------------------------------------


@explained
def bce(p: Tensor, target: Tensor | np.ndarray | float, *, reduction: str = "batchmean") -> Tensor:
    """Binary cross-entropy -t log p - (1 - t) log(1 - p) of probabilities p, for targets t in [0, 1].

    It is 0 where p is exactly 0 or 1 and right, infinite where p is 0 or 1 and wrong. Logits keep the digits that
    1 - p loses: prefer `bce_with_logits`. Raises ValueError for p or t outside [0, 1].
    """
    p, target = _matched("bce", p, target, reduction)
    _check_unit_interval("bce", "the prediction", p, "apply sigmoid first, or call bce_with_logits")
    _check_unit_interval("bce", "the target", target, "scale it first, as in pixels / 255")
    t, s = target, 1 - target
    yes = t * log(where(t.data > 0, p, 1.0))  # where a term has weight 0, its logarithm isn't asked for
    no = s * log1p(where(s.data > 0, -p, 0.0))
    return _REDUCTIONS[reduction](-(yes + no))


@explained
def bce_with_logits(x: Tensor, target: Tensor | np.ndarray | float, *, reduction: str = "batchmean") -> Tensor:
    """Binary cross-entropy of p = σ(x), exact for every finite logit x; its gradient is σ(x) - t.

    Raises ValueError for targets outside [0, 1].
    """
    x, target = _matched("bce_with_logits", x, target, reduction)
    _check_unit_interval("bce_with_logits", "the target", target, "scale it first, as in pixels / 255")
    return _REDUCTIONS[reduction](logistic_loss(x, target))


@explained
def cross_entropy(logits: Tensor, labels: np.ndarray, *, reduction: str = "batchmean") -> Tensor:
    """-log softmax(logits)[label] for logits (N, K) and one class number 0..K-1 per example, labels (N,).

    One number per example, so "batchmean" and "mean" agree. Raises TypeError for labels that aren't integers.
    """
    (logits,) = as_tensors((logits,))
    labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"cross_entropy: expected logits (N, K) and labels (N,), got {logits.shape} and {labels.shape}; "
            "labels are class numbers: of one-hot rows take .argmax(axis=1)"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels are class numbers, so integers, not {labels.dtype}")
    _check_reduction("cross_entropy", reduction, labels.shape)
    n, k = logits.shape
    if n and not (0 <= labels.min() and labels.max() < k):
        raise ValueError(f"cross_entropy: labels lie in {labels.min()}..{labels.max()}, but {k} logits name 0..{k - 1}")
    return _REDUCTIONS[reduction](-log_softmax(logits)[np.arange(n), labels])


@explained
def gaussian_kl(mu: Tensor, log_var: Tensor, *, reduction: str = "batchmean") -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² - 1 - log σ²), where log_var = log σ² is the log of the variance.

    (Kingma & Welling 2014, appendix B.)
    """
    mu, log_var = _matched("gaussian_kl", mu, log_var, reduction, names=("mu", "log_var"))
    return _REDUCTIONS[reduction](0.5 * (mu * mu + exp_remainder(log_var)))


# -- what the losses ask of their arguments ----------------------------------------------------------------------------


def _matched(who: str, x, target, reduction: str, *, names=("the prediction", "the target")) -> tuple[Tensor, Tensor]:
    """Both as Tensors of one shape; a target that is a plain number stands for all entries."""
    shape, other = np.shape(array_of(x)), np.shape(array_of(target))
    if shape != other and not isinstance(target, Real):
        raise ValueError(f"{who}: {names[0]} has shape {shape} but {names[1]} has {other}; reshape one of them")
    _check_reduction(who, reduction, shape)
    return as_tensors((x, target))


def _check_reduction(who: str, reduction: str, shape: tuple[int, ...]) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{who}: reduction must be one of {', '.join(map(repr, _REDUCTIONS))}, got {reduction!r}")
    if reduction in ("batchmean", "mean") and (not shape or 0 in shape):
        raise ValueError(f"{who}: reduction {reduction!r} has nothing to average over in shape {shape}")


def _check_unit_interval(who: str, what: str, x: Tensor, advice: str) -> None:
    if x.size and (x.data.min() < 0 or x.data.max() > 1):
        raise ValueError(f"{who}: {what} must lie in [0, 1], got {x.data.min()}..{x.data.max()}: {advice}")


def __getattr__(name: str):
    """Only called for a name that is not here."""
    raise hints.missing(sys.modules[__name__], name)
