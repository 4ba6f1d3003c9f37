"""The plain NumPy version of the optimizers' steps: lists with one array for each parameter; memory is written to.

Each step returns the new values, and whether the squares of all that it wrote are finite. `reference.py` has these
functions too.
"""

import math

import numpy as np

BOUND = {np.dtype(np.float32): 2.0**63, np.dtype(np.float64): 2.0**511}  # half the largest number that can be squared


def adam(θs, gs, ms, vs, α, β1, β2, ε, λ, decoupled, t):
    """Weight decay λ enters g or, decoupled (AdamW), shrinks θ."""
    new = []
    for θ, g, m, v in zip(θs, gs, ms, vs):
        if decoupled:
            θ = (1 - α * λ) * θ
        elif λ:
            g = g + λ * θ
        new.append(adam_step(θ, _bounded(g), m, v, α, β1, β2, ε, t))
    return _result(new, vs)


def adam_step(θ, g, m, v, α, β1, β2, ε, t):
    """θ after step t = 1, 2, ... of Kingma & Ba 2015, Algorithm 1; m and v, running means of g and g², are written to.

    Both are 0 at first, so they are divided by the sum of the weights that they contain, 1 - βᵗ.
    """
    m[...] = mixed(m, g, β1)
    v[...] = mixed(v, g * g, β2)
    m_hat = m / (1 - β1**t)
    v_hat = v / (1 - β2**t)
    return θ - α * m_hat / (np.sqrt(v_hat) + ε)


def sgd(θs, gs, vs, α, μ, nesterov, λ):
    """Without momentum μ there is no v."""
    new = []
    for θ, g, v in zip(θs, gs, vs if μ else θs):
        if λ:
            g = g + λ * θ
        new.append(momentum_step(θ, g, v, α, μ, nesterov) if μ else θ - α * g)
    return _result(new, vs if μ else [])


def momentum_step(θ, g, v, α, μ, nesterov):
    """θ after a step of length α along the velocity v = Σ μᵏ g (from k steps ago), which is written to.

    With `nesterov` the step goes along g + μ v, about where the next velocity will point (Sutskever et al. 2013).
    """
    v[...] = μ * v + g
    return θ - α * (g + μ * v if nesterov else v)


def rmsprop(θs, gs, vs, lr, α, ε, λ):
    new = []
    for θ, g, v in zip(θs, gs, vs):
        if λ:
            g = g + λ * θ
        g = _bounded(g)
        v[...] = mixed(v, g * g, α)
        new.append(θ - lr * g / (np.sqrt(v) + ε))
    return _result(new, vs)


def _result(new, vs) -> tuple[list[np.ndarray], bool]:
    new = [np.asarray(x) for x in new]  # NumPy turns 0-d results into scalars
    for x in new:
        x.setflags(write=False)  # a Parameter takes a read-only array as it is, and copies any other
    return new, math.isfinite(sum_of_squares(new) + sum_of_squares(vs))


def _bounded(g):
    """Entries brought within ±BOUND: a square that overflows would stop its parameter for ever."""
    return np.clip(g, -BOUND[g.dtype], BOUND[g.dtype])


def moving_average(averages, θs, decay):
    for average, θ in zip(averages, θs):
        average[...] = mixed(average, θ, decay)


def mixed(old, new, keep):
    """keep · old + (1 - keep) · new; exactly x for two equal x, which that sum of products is not."""
    return old + (1 - keep) * (new - old) if keep > 0.5 else new + keep * (old - new)


def sum_of_squares(xs) -> float:
    """Of all entries, in float64, where no square of a float32 overflows; one of a float64 does so without warning."""
    with np.errstate(over="ignore"):
        return float(sum(np.square(x, dtype=np.float64).sum() for x in xs))
