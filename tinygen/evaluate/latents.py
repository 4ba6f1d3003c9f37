"""What each latent of a VAE is used for: its share of the KL divergence, and whether it is active at all.

Both take the arrays that `model.encode(x)` returns, the means and log-variances of q(z|x), (N, K) each.
"""

import numpy as np

from tinygen.errors import arguments
from tinygen.evaluate.rows import as_rows, on_arrays, refuse_nan


@on_arrays
def unit_kl(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """KL(q(z|x) ‖ N(0, I)) of each latent, a mean over images, (K,) nats: their sum is the KL term of the ELBO.

    Args:
        mu: means (N, K) of q(z|x).
        log_var: logs of the variances, (N, K).

    Raises ValueError for different shapes, NaN or infinity.

    >>> from tinygen.evaluate.latents import unit_kl
    >>> unit_kl(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros((2, 2))).tolist()
    [0.5, 0.0]
    """
    arguments.same_shape("unit_kl", mu=mu, log_var=log_var)
    mu, log_var = as_rows(mu).astype(np.float64), as_rows(log_var).astype(np.float64)
    refuse_nan("unit_kl", mu, log_var)
    return (0.5 * (mu * mu + np.expm1(log_var) - log_var)).mean(axis=0)


@on_arrays
def active_units(mu: np.ndarray, *, least: float = 0.01) -> np.ndarray:
    """Which latents depend on the image: True where the variance of E[z|x] over images is above `least`, (K,).

    Trained models have two clear groups, and the threshold lies between them (Burda et al. 2016, section 5.2).

    Args:
        mu: means (N, K) of q(z|x).
        least: the variance above which a latent counts as active.

    >>> from tinygen.evaluate.latents import active_units
    >>> active_units(np.array([[1.0, 0.0], [-1.0, 0.05]])).tolist()
    [True, False]
    """
    least = arguments.real("active_units", "least", least, least=0)
    mu = as_rows(mu).astype(np.float64)
    refuse_nan("active_units", mu)
    return mu.var(axis=0) > least
