"""Adam and AdamW: steps of about the learning rate in every entry, whatever the size of its gradient."""

from collections.abc import Iterable

import numpy as np

from tinygen import kernels
from tinygen.optim.optimizer import Arrays, Optimizer, fraction, non_negative
from tinygen.tensor import Parameter


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1), with its letters: m and v are running means of g and g².

        m ← β₁ m + (1 - β₁) g       m̂ = m / (1 - β₁ᵗ)      the hats correct for m = v = 0 at the start
        v ← β₂ v + (1 - β₂) g²      v̂ = v / (1 - β₂ᵗ)
        θ ← θ - α m̂ / (√v̂ + ε)                             α is `lr`, t counts the steps from 1

    Entries of g are clipped to ±2⁶³ (in float64 ±2⁵¹¹): the square of a larger one would overflow, and v would stay
    infinite.

    Args:
        params: list of Parameters to move, as `model.parameters()` returns it.
        lr: learning rate; `opt.lr` may be changed before any step.
        betas: (β₁, β₂), each at least 0 and below 1.
        eps: ε, at least 0.
        weight_decay: λ, which adds λ θ to g, as in PyTorch; weight decay usually means that of AdamW.

    >>> w = tg.Parameter([1.0])
    >>> opt = tg.optim.Adam([w], 0.1)
    >>> opt.step(tg.grad((w * w).sum(), [w]))
    >>> round(w.item(), 4)
    0.9
    """

    __slots__ = ("betas", "eps")
    decoupled = False  # whether weight decay is separate from g, as in AdamW

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        if np.size(betas) != 2:
            who = type(self).__name__
            raise TypeError(f"{who}: expected betas to be a pair of numbers, got {betas!r}: write betas=(0.9, 0.999)")
        β1, β2 = betas
        self.betas = fraction(self, "betas[0]", β1), fraction(self, "betas[1]", β2)
        self.eps = non_negative(self, "eps", eps)
        super().__init__(params, lr, weight_decay=weight_decay, remembers=("m", "v"))

    def rule(self, θs: Arrays, gs: Arrays, m: Arrays, v: Arrays) -> tuple[Arrays, bool]:
        α, (β1, β2), ε, λ, t = self._lr, self.betas, self.eps, self.weight_decay, self.steps
        return kernels.adam(θs, gs, m, v, α, β1, β2, ε, λ, self.decoupled, t)


class AdamW(Adam):
    """Adam whose weight decay shrinks θ by the factor 1 - lr · λ instead of entering g (Loshchilov & Hutter 2019).

    Args:
        params: list of Parameters to move, as `model.parameters()` returns it.
        lr: learning rate; `opt.lr` may be changed before any step.
        betas: (β₁, β₂) of `Adam`.
        eps: ε of `Adam`.
        weight_decay: λ, at least 0.

    >>> w = tg.Parameter([1.0])
    >>> opt = tg.optim.AdamW([w], 0.1, weight_decay=0.5)
    >>> opt.step(tg.grad((w * w).sum(), [w]))
    >>> round(w.item(), 4)
    0.85
    """

    __slots__ = ()
    decoupled = True

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)
