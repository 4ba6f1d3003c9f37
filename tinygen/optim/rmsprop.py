"""RMSprop: each gradient divided by its recent size."""

from collections.abc import Iterable

from tinygen import kernels
from tinygen.optim.optimizer import Arrays, Optimizer, fraction, non_negative
from tinygen.tensor import Parameter


class RMSprop(Optimizer):
    """θ ← θ - lr · g / (√v + ε) with v ← α v + (1 - α) g² (Hinton, Neural Networks for Machine Learning, lecture 6e).

    Entries of g are clipped to ±2⁶³ (in float64 ±2⁵¹¹), as in `Adam`.

    Args:
        params: list of Parameters to move, as `model.parameters()` returns it.
        lr: learning rate; `opt.lr` may be changed before any step.
        alpha: α, at least 0 and below 1.
        eps: ε, at least 0.
        weight_decay: λ, which adds λ θ to g: the gradient of ½ λ ‖θ‖².

    >>> w = tg.Parameter([1.0])
    >>> opt = tg.optim.RMSprop([w], 0.01)
    >>> opt.step(tg.grad((w * w).sum(), [w]))
    >>> round(w.item(), 4)
    0.9
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
