"""The Bernoulli distribution, given by logits."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, uniform
from tinygen.distributions.kl import kl_rule
from tinygen.errors import arguments
from tinygen.io import html
from tinygen.op import as_tensors
from tinygen.ops import exp_remainder, expm1, log1p, sigmoid, where
from tinygen.ops.fused import logistic_loss
from tinygen.tensor import Tensor, constant


class Bernoulli(Distribution):
    """1 with probability σ(logits), else 0. Draws are a step function of the logits, without a gradient."""

    support = (0.0, 1.0)

    def __init__(self, logits: Values):
        (self.logits,) = as_tensors((logits,))
        self.shape, self.dtype = self.logits.shape, self.logits.dtype

    @property
    def mean(self) -> Tensor:
        return sigmoid(self.logits)

    @property
    def variance(self) -> Tensor:
        return sigmoid(self.logits) * sigmoid(-self.logits)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Zeros and ones of shape (*shape, *self.shape), as a constant."""
        arguments.generator("Bernoulli.sample", rng)
        below = rng.random((*shape, *self.shape), dtype=self.dtype) < self.mean.data
        return constant(np.asarray(below, self.dtype))

    def relaxed_sample(self, rng: np.random.Generator, shape: tuple[int, ...] = (), *, temperature: float) -> Tensor:
        """Numbers σ((logits + noise) / temperature) with logistic noise, which have gradients in the logits.

        They tend to the draws as the temperature tends to 0, but their gradient is biased (Gumbel-softmax for two
        classes: Maddison et al. 2017).
        """
        τ = arguments.real("Bernoulli.relaxed_sample", "temperature", temperature, above=0)
        u = uniform("Bernoulli.relaxed_sample", rng, (*shape, *self.shape))
        noise = (np.log(u) - np.log1p(-u)).astype(self.dtype)
        return sigmoid((self.logits + noise) * (1 / τ))

    def _log_prob(self, x: Tensor) -> Tensor:
        """x log σ(logits) + (1 - x) log σ(-logits) of each entry, exact for every finite logit.

        For grey values x in (0, 1) it is the mean of that over the binary draws whose expectation is x.
        """
        return -logistic_loss(self.logits, x)

    def entropy(self) -> Tensor:
        """-Σ p log p over the two outcomes of each entry."""
        return logistic_loss(self.logits, self.mean)

    def _repr_html_(self) -> str:
        """For notebooks: the range of the probabilities of a 1, and the first of them."""
        p = 1 / (1 + np.exp(-self.logits.data.astype(np.float64).clip(-700, 700)))
        entries = html.values(p) if p.size else ""
        return html.block(f"Bernoulli {self.shape}", html.facts({"P(x = 1)": html.described(p)}), entries)


@kl_rule(Bernoulli, Bernoulli)
def _of_bernoullis(q: Bernoulli, p: Bernoulli) -> Tensor:
    return _kl(q.logits, p.logits)


def _kl(q: Tensor, p: Tensor) -> Tensor:
    """Σ over both outcomes: the probability under q times the difference of the log-probabilities, of logits q and p.

    If q and p are close, these differences cancel. Then, with d = p - q and v = log(1 + σ(q) (eᵈ - 1)), the log of the
    ratio of 1 + eᵖ and 1 + e^q, the sum is v - σ(q) d = σ(q) R(d) - R(v), where R is `exp_remainder`. The outcomes are
    exchanged where σ(q) would exceed ½, so that these two terms don't cancel either.
    """
    sign = constant(np.where(q.data > 0, -1, 1).astype(q.dtype))
    q, p = q * sign, p * sign
    yes = sigmoid(q)
    far = logistic_loss(p, yes) - logistic_loss(q, yes)
    with np.errstate(invalid="ignore"):  # ∞ - ∞ is not near
        near = np.abs(p.data - q.data) < 1
    d = where(near, p, 0.0) - where(near, q, 0.0)
    return where(near, yes * exp_remainder(d) - exp_remainder(log1p(yes * expm1(d))), far)
