"""The plain NumPy version of the optimizers' steps: lists of arrays, one per parameter; memory is written to.

The new parameters are returned. `reference.py` has these functions too.
"""

import numpy as np


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    """Step t of Kingma & Ba 2015, Algorithm 1. Weight decay λ enters g or, decoupled (AdamW), shrinks θ."""
    new = []
    for θ, g, m, v in zip(θs, gs, ms, vs):
        if decoupled:
            θ = (1 - α * λ) * θ
        elif λ:
            g = g + λ * θ
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * (g * g)
        m_hat = m / (1 - β1**t)
        v_hat = v / (1 - β2**t)
        new.append(θ - α * m_hat / (np.sqrt(v_hat) + ε))
    return new


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    """Without momentum μ no v is kept."""
    new = []
    for θ, g, v in zip(θs, gs, vs if μ else θs):
        if λ:
            g = g + λ * θ
        if μ:
            v *= μ
            v += g
            g = g + μ * v if nesterov else v
        new.append(θ - α * g)
    return new


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    new = []
    for θ, g, v in zip(θs, gs, vs):
        if λ:
            g = g + λ * θ
        v *= α
        v += (1 - α) * (g * g)
        new.append(θ - lr * g / (np.sqrt(v) + ε))
    return new


def moving_average(averages, θs, decay):
    for average, θ in zip(averages, θs):
        average *= decay
        average += (1 - decay) * θ


def sum_of_squares(xs) -> float:
    """Of all entries, in float64, where no float32 overflows."""
    return float(sum(np.square(x, dtype=np.float64).sum() for x in xs))
