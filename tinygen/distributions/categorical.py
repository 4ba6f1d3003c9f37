"""The categorical distribution over K classes, given by logits, and its relaxation to probability vectors."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, silent, uniform, vectors
from tinygen.distributions.kl import kl_rule
from tinygen.errors import arguments
from tinygen.functional import log_softmax, softmax
from tinygen.op import as_tensors
from tinygen.ops import exp_remainder, gate, sum, where
from tinygen.tensor import Tensor, constant


class Categorical(Distribution):
    """Class k with the probability softmax(logits)ₖ. Draws are one-hot vectors (..., K), because a Tensor holds floats.

    Args:
        logits: real numbers (..., K); -∞ for an impossible class.

    >>> from tinygen.distributions import Categorical
    >>> q = Categorical(np.log([0.5, 0.25, 0.25]))
    >>> q.entropy().item().__round__(4)  # 3/2 log 2
    1.0397
    """

    event = 1
    support = (0.0, 1.0)

    def __init__(self, logits: Values):
        (self.logits,) = as_tensors((logits,))
        vectors("Categorical", logits=self.logits)
        self.shape, self.dtype = self.logits.shape, self.logits.dtype

    @property
    def mean(self) -> Tensor:
        """The probabilities of the classes."""
        return softmax(self.logits)

    @property
    def variance(self) -> Tensor:
        """p (1 - p) of each entry of the one-hot vectors."""
        return self.mean * (1 - self.mean)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """One-hot vectors (*shape, ..., K) as constants: the class whose logit plus Gumbel noise is the largest."""
        noisy = self.logits.data + _gumbel("Categorical.sample", rng, (*shape, *self.shape))
        first = noisy.argmax(axis=-1, keepdims=True)
        return constant((first == np.arange(self.shape[-1])).astype(self.dtype))

    def relaxed_sample(self, rng: np.random.Generator, shape: tuple[int, ...] = (), *, temperature: float) -> Tensor:
        """Vectors softmax((logits + noise) / temperature) with Gumbel noise, which have gradients in the logits.

        They tend to the one-hot draws as the temperature tends to 0, and their gradient is that of an expectation over
        the relaxed vectors: biased for the discrete ones (Gumbel-softmax, Jang et al. 2017; Maddison et al. 2017).
        """
        τ = arguments.real("Categorical.relaxed_sample", "temperature", temperature, above=0)
        noise = _gumbel("Categorical.relaxed_sample", rng, (*shape, *self.shape)).astype(self.dtype)
        return softmax((self.logits + noise) * (1 / τ))

    def _log_prob(self, x: Tensor) -> Tensor:
        """Σ xₖ log pₖ; for vectors x of probabilities it is the mean over the draws whose expectation is x."""
        return sum(gate(x, log_softmax(self.logits)), axis=-1)

    def entropy(self) -> Tensor:
        """-Σ p log p over the classes."""
        with silent():
            return -sum(gate(self.mean, log_softmax(self.logits)), axis=-1)


def _gumbel(who: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return -np.log(-np.log(uniform(who, rng, shape)))


@kl_rule(Categorical, Categorical)
def _kl(q: Categorical, p: Categorical) -> Tensor:
    """Σ q R(d) with d = log p - log q and R(d) = e^d - 1 - d, which is Σ -q d, because Σ q e^d = Σ p = 1 = Σ q.

    No terms cancel if q and p are close. Where they aren't, e^d might overflow, and q e^d is p.
    """
    log_q, log_p = log_softmax(q.logits), log_softmax(p.logits)
    near = np.abs(log_p.data - log_q.data) < 1
    d = where(near, log_p, 0.0) - where(near, log_q, 0.0)
    far = p.mean - q.mean - gate(q.mean, log_p - log_q)
    return sum(where(near, q.mean * exp_remainder(d), far), axis=-1)
