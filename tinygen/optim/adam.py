"""Adam and AdamW: steps of about the learning rate in every direction, however large the gradients are there."""

from collections.abc import Iterable

import numpy as np

from tinygen.optim.optimizer import Optimizer, fraction, non_negative
from tinygen.tensor import Parameter


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1), its letters kept: m and v are running means of g and g².

    `weight_decay` λ adds λ θ to g, as in PyTorch; AdamW is usually what is meant by weight decay.
    """

    __slots__ = ("betas", "eps")

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        β1, β2 = betas
        self.betas = fraction(self, "betas[0]", β1), fraction(self, "betas[1]", β2)
        self.eps = non_negative(self, "eps", eps)
        super().__init__(params, lr, weight_decay=weight_decay, remembers=("m", "v"))

    def update(self, θ: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
        λ = self.weight_decay
        return self.moved(θ, g + λ * θ if λ else g, m, v)

    def moved(self, θ: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
        """θ ← θ - α m̂ / (√v̂ + ε), where the hats divide by 1 - βᵗ because m and v began at zero."""
        α, (β1, β2), ε, t = self.lr, self.betas, self.eps, self.steps
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * (g * g)
        m_hat = m / (1 - β1**t)
        v_hat = v / (1 - β2**t)
        return θ - α * m_hat / (np.sqrt(v_hat) + ε)


class AdamW(Adam):
    """Adam whose weight decay shrinks θ by the factor 1 - lr · λ instead of entering g (Loshchilov & Hutter 2019)."""

    __slots__ = ()

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

    def update(self, θ: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.moved((1 - self.lr * self.weight_decay) * θ, g, m, v)
