"""RMSprop: each gradient divided by its recent size."""

from collections.abc import Iterable

from tinygen import kernels
from tinygen.optim.optimizer import Arrays, Optimizer, fraction, non_negative
from tinygen.tensor import Parameter


class RMSprop(Optimizer):
    """θ ← θ - lr · g / (√v + ε) with v ← α v + (1 - α) g² (Hinton, Neural Networks for Machine Learning, lecture 6e).

    `weight_decay` λ adds λ θ to g. Entries of g are clipped to ±2⁶³ (in float64 ±2⁵¹¹), as in `Adam`.
    """

    __slots__ = ("alpha", "eps")

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        self.alpha, self.eps = fraction(self, "alpha", alpha), non_negative(self, "eps", eps)
        super().__init__(params, lr, weight_decay=weight_decay, remembers=("v",))

    def rule(self, θs: Arrays, gs: Arrays, v: Arrays) -> tuple[Arrays, bool]:
        return kernels.rmsprop(θs, gs, v, self._lr, self.alpha, self.eps, self.weight_decay)
