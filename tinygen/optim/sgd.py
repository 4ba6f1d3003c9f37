"""Stochastic gradient descent, with momentum."""

from collections.abc import Iterable

from tinygen import kernels
from tinygen.optim.optimizer import Arrays, Optimizer, fraction
from tinygen.tensor import Parameter


class SGD(Optimizer):
    """θ ← θ - lr · v with v ← μ v + g, where μ is the momentum (Polyak 1964); without it, v = g.

    Args:
        params: list of Parameters to move, as `model.parameters()` returns it.
        lr: learning rate; `opt.lr` may be changed before any step.
        momentum: μ, at least 0 and below 1.
        nesterov: look ahead and move along g + μ v instead of v (Sutskever et al. 2013, in PyTorch's form).
        weight_decay: λ, which adds λ θ to g: the gradient of ½ λ ‖θ‖².

    >>> w = tg.Parameter([1.0])
    >>> opt = tg.optim.SGD([w], 0.1)
    >>> opt.step(tg.grad((w * w).sum(), [w]))
    >>> round(w.item(), 4)
    0.8
    """

    __slots__ = ("momentum", "nesterov")

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        self.momentum, self.nesterov = fraction(self, "momentum", momentum), bool(nesterov)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        super().__init__(params, lr, weight_decay=weight_decay, remembers=("v",) if momentum else ())

    def rule(self, θs: Arrays, gs: Arrays, v: Arrays | None = None) -> tuple[Arrays, bool]:
        return kernels.sgd(θs, gs, v, self._lr, self.momentum, self.nesterov, self.weight_decay)
