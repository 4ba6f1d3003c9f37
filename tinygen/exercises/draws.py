"""Random numbers: those of the calls of an exercise, and tests of those that an answer draws.

Each test refuses a right answer with a probability of less than one in a million, whatever way of drawing it takes.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygen.exercises.outcome import SEEDS

T = TypeVar("T")


def in_turn(rng: np.random.Generator, size: int, options: Sequence[T]) -> T:
    """The option whose turn it is: the calls of a stage take one after the other, and begin again after the last.

    So `options` are sorted by size. A stage of values takes 20, a stage of derivatives 12, from the fifth on.
    """
    seed: Any = rng.bit_generator.seed_seq
    return options[(size * SEEDS + seed.entropy) % len(options)]


def uniform(rng: np.random.Generator, shape: tuple[int, ...], low: float = -2, high: float = 2) -> np.ndarray:
    """Numbers in (low, high), in half of the arrays with the axes in the opposite order in memory."""
    if rng.integers(2):
        return rng.uniform(low, high, shape)
    return rng.uniform(low, high, shape[::-1]).T


# -- tests of distribution and of independence -------------------------------------------------------------------------

FAR, CLOSE = 2.7, 0.27  # Kolmogorov-Smirnov: √n D is larger or smaller than that with probabilities 9e-7 and 4e-7
TAIL = 14  # with probability e^-14 none of n numbers is in a tail of probability 14/n
SIGMAS = 8  # standard errors of the largest of n correlations; the one at distance n/2 has √2 of them


def not_normal(z: np.ndarray) -> str:
    """What shows that z, some ten thousand numbers, was not drawn from N(0, 1) independently; "" if nothing does.

    Numbers of several calls are tested together, one call after the other.
    """
    from scipy.special import ndtr

    z = np.asarray(z, np.float64).ravel()
    n = len(z)
    if not np.isfinite(z).all():
        return "it has NaN or infinite numbers"
    if abs(z.mean()) > 6 / n**0.5:
        return f"its mean is {z.mean():.3g} instead of 0"
    if abs(z.var() - 1) > 6 * (2 / n) ** 0.5:
        return f"its variance is {z.var():.3g} instead of 1"
    if min(abs(z.mean()), abs(z.var() - 1)) < 1e-6 / n**0.5:
        return "its mean or its variance is exact, which those of independent numbers are not"
    return _not_from(ndtr, z, "N(0, 1)")


def not_uniform(t: np.ndarray) -> str:
    """What shows that t, some thousand numbers, was not drawn from [0, 1] uniformly and independently; or ""."""
    t = np.asarray(t, np.float64).ravel()
    if not np.all((t >= 0) & (t <= 1)):
        return f"one of the numbers is {t[np.abs(t - 0.5).argmax()]:.3g}, outside [0, 1]"
    return _not_from(lambda x: x, t, "the uniform distribution")


def not_signs(s: np.ndarray) -> str:
    """What shows that s, some thousand numbers, are not independent signs, -1 or 1 with equal probability; or ""."""
    s = np.asarray(s, np.float64).ravel()
    if not np.all(np.abs(s) == 1):
        return "there are numbers other than -1 and 1"
    if abs(s.mean()) > 6 / len(s) ** 0.5:
        return f"a share of {(s == 1).mean():.3f} of them is 1, instead of 0.5"
    return _correlated(s)


def _not_from(cdf: Callable[[np.ndarray], np.ndarray], x: np.ndarray, law: str) -> str:
    u, n = cdf(x), len(x)  # uniform in [0, 1], if x has this law
    ordered, steps = np.sort(u), np.arange(n + 1) / n
    if len(np.unique(x)) < 0.99 * n:  # a few numbers in float32 are equal by chance
        return "numbers occur more than once"
    distances = np.maximum(ordered - steps[:-1], steps[1:] - ordered)
    worst = int(distances.argmax())
    if distances[worst] * n**0.5 > FAR:
        share = (worst + 0.5) / n
        at = np.sort(x)[worst]
        return f"a share of {share:.3f} of the numbers is below {at:.3g}, for {law} it is {ordered[worst]:.3f}"
    if distances[worst] * n**0.5 < CLOSE:
        return "the numbers are spread more evenly than independent ones are"
    if max(ordered[0], 1 - ordered[-1]) * n > TAIL:
        return f"all {n} numbers are between {x.min():.3g} and {x.max():.3g}, for {law} some are outside"
    return _correlated((u - 0.5) * 12**0.5) or _correlated((np.abs(u - 0.5) - 0.25) * 48**0.5)


def _correlated(x: np.ndarray) -> str:
    """Which numbers of mean 0 and variance 1 depend on each other: the correlations at all distances, around a circle.

    So neighbours are tested along every axis, and entries at the same place of two calls.
    """
    n = len(x)
    products = np.fft.irfft(np.abs(np.fft.rfft(x)) ** 2, n)[1 : n // 2 + 1] / n
    worst = int(np.abs(products).argmax())
    if abs(products[worst]) < SIGMAS / n**0.5:
        return ""
    return f"numbers {worst + 1} places apart depend on each other, with the correlation {products[worst]:.2f}"
